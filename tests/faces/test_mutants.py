"""Faults that the tests of the HTTP behaviour must catch."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.mutants import assert_caught, with_long_form

MUTANTS = {
    "one request too many is admitted": (
        "limits/window.py",
        "if cost <= left:",
        "if cost <= left + 1:",
        "tests/faces/test_limits.py::test_s67_s68_after_the_reset_a_full_allowance",
    ),
    "one request too many is admitted where there are several limits": (
        "limits/window.py",
        "self.used + cost <= self.limit.count",
        "self.used + cost <= self.limit.count + 1",
        "tests/faces/test_limits.py::test_s70_several_limits_are_spent_together_or_not_at_all",
    ),
    "another account's key can be deleted": (
        "stores/sql.py",
        "_KEY.where(keys.c.id == key_id, keys.c.account_id == account_id)",
        "_KEY.where(keys.c.id == key_id)",
        "tests/faces/test_deleting.py::test_s59_s73_another_accounts_key_is_not_there[inside]",
    ),
    "the header shows the limit with the most left": (
        "limits/base.py",
        "return min(self.states, key=lambda state: (state.remaining, -state.resets_at))",
        "return max(self.states, key=lambda state: (state.remaining, -state.resets_at))",
        "tests/faces/test_limits.py::test_s64_of_several_limits_the_tightest_shows",
    ),
    "a key hands on more than it has": (
        "manage/rights.py",
        'if "scopes" in values and (beyond := missing_scopes(mine.scopes, values["scopes"])):',
        'if "scopes" in values and (beyond := missing_scopes(("*",), values["scopes"])):',
        "tests/faces/test_creating.py::test_s20_never_more_than_its_maker",
    ),
}

#: Caught in the long form only: each takes several seconds.
LONG = {
    "one request too many is admitted where there are several limits",
    "the header shows the limit with the most left",
}


@pytest.mark.parametrize("fault", with_long_form(MUTANTS, LONG))
def test_the_tests_catch(fault: str, tmp_path: Path) -> None:
    """Each of these faults, planted in a copy of the source, makes the named test fail."""
    file, old, new, test = MUTANTS[fault]
    assert_caught(tmp_path, file, old, new, test)
