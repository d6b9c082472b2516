"""The checks of the limiters can fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.mutants import assert_caught

SHARED = "tests/limits/test_shared.py"
CONFORMANCE = "tests/limits/test_conformance.py"

MUTANTS = {
    "no lock in the kernel": (
        "limits/shared.py",
        "fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, wanted)",
        "pass",
        f"{CONFORMANCE}::test_shared[exact_among_processes]",
    ),
    "one limit is enough": (
        "limits/window.py",
        "admitted = all(used + cost",
        "admitted = any(used + cost",
        f"{CONFORMANCE}::test_shared[several_limits_are_decided_together]",
    ),
    "a cell is cleared before it is written": (
        "limits/shared.py",
        "self._map[place : place + _CELL.size] = _CELL.pack(opened_at",
        "_CELL.pack_into(self._map, place, opened_at",
        f"{SHARED}::test_every_cell_is_whole_at_every_instant",
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_fault_in_a_limiter_is_caught(mutant: str, tmp_path: Path) -> None:
    """Each fault planted in the limiters fails the check of the promise that it breaks."""
    assert_caught(tmp_path, *MUTANTS[mutant])
