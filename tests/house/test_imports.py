"""Imports point down: the contracts hold, cover every module, and fail when they are broken."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

from house.rules import ROOT, SOURCE

LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")

#: A file that appears or grows, what is written at its end, and a word that the complaint must hold.
BREACHES = {
    "an unplaced module": ("helpers.py", '"""Whatever."""\n', "helpers"),
    "an import upwards": ("usage.py", "import keywright.verify\n", "keywright.usage -> keywright.verify"),
    "an implementation named": ("verify.py", "import keywright.stores.sqlite\n", "keywright.stores.sqlite"),
    "a driver in the core": ("manage/values.py", "import sqlalchemy\n", "sqlalchemy"),
    "a private name in the resource APIs": ("reference/storage.py", "import keywright.record\n", "keywright.record"),
}


def lint_imports(source: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the package in ``source``."""
    return subprocess.run(
        [LINT_IMPORTS, "--config", ROOT / ".importlinter", "--no-cache"],
        env={**os.environ, "PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_contracts_hold() -> None:
    """Every import points down, and every module has its place in the rings."""
    done = lint_imports(SOURCE.parent)

    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("breach", BREACHES)
def test_the_contracts_catch(breach: str, tmp_path: Path) -> None:
    """A contract that cannot fail protects nothing: each breach is found and named."""
    file, text, named = BREACHES[breach]
    shutil.copytree(SOURCE, tmp_path / "keywright", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "keywright" / file).open("a", encoding="utf-8") as changed:
        changed.write(text)

    done = lint_imports(tmp_path)

    assert done.returncode == 1, done.stdout + done.stderr
    assert named in done.stdout


def cycles(imports: dict[str, set[str]]) -> list[set[str]]:
    """The groups of modules that import each other in a circle, directly or by way of others."""
    reach = {module: _reachable(module, imports) for module in imports}
    found = [
        {other for other in reach[module] if module in reach[other]} for module in imports if module in reach[module]
    ]
    return [group for position, group in enumerate(found) if group not in found[:position]]


def _reachable(start: str, imports: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = list(imports[start])
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting.extend(imports.get(module, ()))
    return seen


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Any module can be understood, and tested, after those it imports; imports for the type checker do not count."""
    graph = grimp.build_graph("keywright", exclude_type_checking_imports=True, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}

    assert cycles(imports) == []


def test_cycles_are_found() -> None:
    """The search for cycles finds one that goes by way of a third module, and no other."""
    imports = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": set[str]()}

    assert cycles(imports) == [{"a", "b", "c"}]
