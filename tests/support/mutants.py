"""Mutants: a fault planted in a copy of the source that a check must catch. A check that cannot fail shows nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS_FAILED = 1


def with_long_form(faults: Iterable[str], long: Collection[str]) -> list[Any]:
    """For `pytest.mark.parametrize`: the faults; those of ``long`` are caught in the long form of the checks only."""
    return [pytest.param(each, marks=pytest.mark.planted) if each in long else each for each in faults]


#: Whether the test that runs now is only to see that its fault can be planted. Set before each test.
planted_only = False


def assert_caught(tmp_path: Path, file: str, old: str, new: str, *tests: str) -> None:
    """Plant the fault and see that the tests fail (and that it is they that fail, not their collection).

    Args:
        file: below ``src/keywright``.
        old: a text that stands there exactly once.
        tests: what to run, as pytest names it, from the root of the repository.
    """
    for test in tests:
        path, _, name = test.partition("::")
        assert name.partition("[")[0] in (ROOT / path).read_text("utf-8"), f"there is no {test}"
    source = (ROOT / "src" / "keywright" / file).read_text("utf-8")
    assert source.count(old) == 1, f"{file} holds the text to be changed {source.count(old)} times"
    if planted_only:
        pytest.skip("planted: make test-full shows that it is caught")
    copy = tmp_path / "mutant"
    shutil.copytree(ROOT / "src" / "keywright", copy / "keywright", ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "keywright" / file).write_text(source.replace(old, new), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", "--no-header", *tests],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(copy),
            "PYTHONDONTWRITEBYTECODE": "1",
            # None of them is needed to fail, and to load them takes longer than most of the tests.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == TESTS_FAILED, f"the fault was not caught ({done.returncode}):\n{done.stdout}{done.stderr}"
