"""The checks of the limiters can fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.mutants import assert_caught, with_long_form

SHARED = "tests/limits/test_shared.py"
CONFORMANCE = "tests/limits/test_conformance.py"

CHARGE_THE_ACCOUNT = """
            if not decision.admitted and len(held) == 2:
                of_account = [each.spend(cost) if each.has_room(cost) else each for each in spent[of_key:]]
                spent = [*spent[:of_key], *of_account]
"""

MUTANTS = {
    "no lock in the kernel": (
        "limits/mapped.py",
        "fcntl(self._descriptor, F_OFD_SETLK, wanted)",
        "pass",
        f"{CONFORMANCE}::test_shared[exact_among_processes]",
    ),
    "one limit is enough": (
        "limits/standing.py",
        "    if lacking:\n",
        "    if len(lacking) == len(standings):\n",
        f"{CONFORMANCE}::test_shared[several_limits_are_decided_together]",
    ),
    "a cell is cleared before it is written": (
        "limits/counters.py",
        "self.table.map[start : start + _CELL_BYTES] = packed",
        "_CELL.pack_into(self.table.map, start, *_CELL.unpack(packed))",
        f"{SHARED}::test_every_cell_is_whole_at_every_instant",
    ),
    "what flows into a bucket is rounded up": (
        "limits/base.py",
        "return -(-self.window_seconds * SECOND_NS // self.count)",
        "return self.window_seconds * SECOND_NS // self.count",
        f"{CONFORMANCE}::test_shared[a_bucket_never_gives_more_than_flowed_in]",
    ),
    "a slice counts one slice too short": (
        "limits/sliding.py",
        "LIVE = SLICES + 1",
        "LIVE = SLICES",
        f"{CONFORMANCE}::test_shared[a_sliding_window_is_kept_wherever_it_begins]",
    ),
    "a slice counts one slice too long": (
        "limits/sliding.py",
        "LIVE = SLICES + 1",
        "LIVE = SLICES + 2",
        f"{CONFORMANCE}::test_shared[a_sliding_window_is_kept_wherever_it_begins]",
    ),
    "a slice is entered before it is emptied": (
        "limits/counters.py",
        "self._put_count(ring, start, each, _NO_COUNT)",
        "pass",
        f"{CONFORMANCE}::test_shared[every_kind_is_what_it_says]",
    ),
    "the kind is not part of a cell's name": (
        "limits/counters.py",
        "return limit.window_seconds | limit.kind << _KIND_SHIFT",
        "return limit.window_seconds",
        f"{CONFORMANCE}::test_shared[kinds_do_not_share]",
    ),
    "the ring of another limit is taken over": (
        "limits/counters.py",
        "if tag != _tag(slices.limit) or not newest",
        "if not newest",
        f"{CONFORMANCE}::test_shared[a_limit_that_makes_room_for_another_starts_anew]",
    ),
    "a raised rate gives permits": (
        "limits/bucket.py",
        "if count != limit.count:",
        "if count < 0:",
        f"{CONFORMANCE}::test_shared[changed_numbers_keep_what_was_spent]",
    ),
    "a stopped process begins the window anew": (
        "limits/window.py",
        "opened_at > now + max(limit.window_seconds, SKEW_SECONDS)",
        "opened_at > now + limit.window_seconds",
        f"{CONFORMANCE}::test_shared[whoever_was_stopped_gets_nothing_twice]",
    ),
    "the account is charged where the key has no room": (
        "limits/shared.py",
        "            if decision.admitted:\n",
        CHARGE_THE_ACCOUNT + "            if spent:\n",
        f"{CONFORMANCE}::test_shared[an_account_shares_its_limits]",
        f"{CONFORMANCE}::test_shared[all_kinds_are_decided_together]",
    ),
    "the account's counters are not locked": (
        "limits/shared.py",
        "if not counters.acquire(number, offset, wait_seconds):",
        "if counters is self._keys and not counters.acquire(number, offset, wait_seconds):",
        f"{CONFORMANCE}::test_shared[an_account_is_exact_among_processes]",
    ),
}

#: Caught in the long form only: each takes several seconds.
LONG = {
    "what flows into a bucket is rounded up",
    "a slice counts one slice too short",
    "a slice counts one slice too long",
    "the ring of another limit is taken over",
}


@pytest.mark.parametrize("mutant", with_long_form(MUTANTS, LONG))
def test_a_fault_in_a_limiter_is_caught(mutant: str, tmp_path: Path) -> None:
    """Each fault planted in the limiters fails the check of the promise that it breaks."""
    assert_caught(tmp_path, *MUTANTS[mutant])
