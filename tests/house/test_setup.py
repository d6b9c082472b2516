"""What the project is set up with: strict checkers, the same Pythons everywhere, every wheel by its hash."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from house.rules import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
REQUIREMENTS = ("serve.txt", "test.txt")
_PINNED = re.compile(r"[a-z0-9][a-z0-9._-]*(\[[a-z,]+\])?==[^\s;]+( ; [^\\]+)?( \\)?")
_HASH = re.compile(r" {4}--hash=sha256:[0-9a-f]{64}( \\)?")


def runner() -> ModuleType:
    """``tests/run.py`` as a module."""
    spec = importlib.util.spec_from_file_location("runner", ROOT / "tests" / "run.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def unhashed(text: str) -> Iterator[str]:
    """The lines of a requirements file that are not a pinned version followed by its hashes."""
    wheel = ""
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        if _PINNED.fullmatch(line):
            if wheel:
                yield wheel
            wheel = line
        elif _HASH.fullmatch(line):
            wheel = ""
        else:
            yield line
    if wheel:
        yield wheel


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_every_wheel_is_pinned_by_hash(name: str) -> None:
    """Nobody can slip another wheel under a version that we tested."""
    assert list(unhashed((ROOT / "requirements" / name).read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "line",
    ["click==8.5.1\n", "click>=8 \\\n    --hash=sha256:" + "0" * 64 + "\n", "--index-url https" + "://example.org/\n"],
)
def test_an_unpinned_wheel_is_found(line: str) -> None:
    """A missing hash, a loose version and an address are each seen."""
    good = "msgspec==0.22.0 \\\n    --hash=sha256:" + "0" * 64 + "\n"

    assert list(unhashed(good)) == []
    assert list(unhashed(good + line + good))


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").iterdir()), ids=lambda path: str(path.name))
def test_requirements_name_no_address(path: Path) -> None:
    """Where wheels come from is the machine's business: no file ties the project to one place."""
    assert "://" not in path.read_text("utf-8")


def test_the_checkers_are_strict() -> None:
    """mypy reads everything, strictly; ruff has the rules that find bugs and holes; warnings are errors."""
    mypy, ruff, pytest_options = PYPROJECT["tool"]["mypy"], PYPROJECT["tool"]["ruff"], PYPROJECT["tool"]["pytest"]
    weaker = {"ignore_errors", "disallow_untyped_defs", "disable_error_code", "follow_imports", "exclude"}

    assert mypy["strict"] is True
    assert {"src", "tests", "docs"} <= set(mypy["files"])
    assert not weaker & mypy.keys()
    assert not any(weaker & override.keys() for override in mypy.get("overrides", ()))
    assert {"E", "F", "B", "S", "DTZ", "ANN", "PL", "ASYNC", "BLE", "RUF"} <= set(ruff["lint"]["select"])
    assert "src/**" not in ruff["lint"]["per-file-ignores"]
    assert pytest_options["ini_options"]["filterwarnings"] == ["error"]


def test_the_checkers_run() -> None:
    """``make test`` runs the formatter, the linter, the type checker and the import contracts before any test."""
    assert [command[:2] for command in runner().LINT] == [
        ("ruff", "format"),
        ("ruff", "check"),
        ("mypy",),
        ("lint-imports",),
    ]


def test_the_supported_pythons_are_the_same_everywhere() -> None:
    """Package, runner, Makefile and the oldest Python that the checkers assume agree."""
    supported = runner().SUPPORTED
    minor = [int(version.removeprefix("3.")) for version in supported]
    makefile = re.search(r"for each in ([0-9. ]+);", (ROOT / "Makefile").read_text("utf-8"))

    assert PYPROJECT["project"]["requires-python"] == f">=3.{minor[0]},<3.{minor[-1] + 1}"
    assert minor == list(range(minor[0], minor[-1] + 1))
    assert makefile
    assert makefile[1].split() == list(reversed(supported))
    assert PYPROJECT["tool"]["mypy"]["python_version"] == supported[0]
    assert PYPROJECT["tool"]["ruff"]["target-version"] == "py" + supported[0].replace(".", "")


def test_continuous_integration_runs_what_developers_run() -> None:
    """There is one way to check everything."""
    assert (ROOT / ".ci" / "run").read_text("utf-8").rstrip().endswith("exec make test")
