"""Mutants: a fault planted in a copy of the source that a check must catch. A check that cannot fail shows nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS_FAILED = 1


def with_long_form(faults: Iterable[str], quick: int) -> list[Any]:
    """For `pytest.mark.parametrize`: the first ``quick`` faults always, the others in the long form of the checks."""
    return [
        each if number < quick else pytest.param(each, marks=pytest.mark.full) for number, each in enumerate(faults)
    ]


def assert_caught(tmp_path: Path, file: str, old: str, new: str, *tests: str) -> None:
    """Plant the fault and see that the tests fail (and that it is they that fail, not their collection).

    Args:
        file: below ``src/keywright``.
        old: a text that stands there exactly once.
        tests: what to run, as pytest names it, from the root of the repository.
    """
    copy = tmp_path / "mutant"
    shutil.copytree(ROOT / "src" / "keywright", copy / "keywright", ignore=shutil.ignore_patterns("__pycache__"))
    target = copy / "keywright" / file
    source = target.read_text("utf-8")
    assert source.count(old) == 1, f"{file} holds the text to be changed {source.count(old)} times"
    target.write_text(source.replace(old, new), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", "--no-header", *tests],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == TESTS_FAILED, f"the fault was not caught ({done.returncode}):\n{done.stdout}{done.stderr}"
