"""The checks of the core can fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.mutants import assert_caught, with_long_form

COHERENCE = "tests/core/test_coherence.py"
EVERYWHERE = f"{COHERENCE}::test_s55_a_change_is_in_force_everywhere_at_once"

RENEWED_AFTER = """            yield transaction

"""
RENEWED_BEFORE = """            yield transaction
            tell()
            transaction.published = False

"""

CHECKED_AS_RENEWED = """            require_within(rights, renewed, self._policy, row.format)
            require_rights_over(rights, replace(row, **renewed), self._policy)
"""

MUTANTS = {
    "memory is believed without asking": (
        "verify.py",
        "if self._store.freshness() != cache.seen:",
        "if cache.seen is None:",
        f"{EVERYWHERE}[delete]",
    ),
    "whatever was read is remembered": (
        "cache.py",
        "if token.applied != self._applied:",
        "if token.applied > self._applied:",
        f"{COHERENCE}::test_a_slow_read_does_not_bring_a_deleted_key_back",
    ),
    "others are told before the commit": (
        "stores/sqlite.py",
        RENEWED_AFTER,
        RENEWED_BEFORE,
        f"{COHERENCE}::test_a_verifier_that_never_rests_believes_nothing_too_early",
    ),
    "others are not told": (
        "stores/sqlite.py",
        "if transaction is not None and transaction.published:",
        "if transaction is None:",
        f"{EVERYWHERE}[disable]",
    ),
    "the caller is remembered from an earlier act": (
        "manage/rights.py",
        "row = reads.caller(key_id)",
        "row = authorise.__dict__.setdefault(key_id, reads.caller(key_id))",
        "tests/core/test_manager_rights.py::test_a_caller_that_has_ended_does_nothing[deleted-create]",
    ),
    "a tag is not compared": (
        "key.py",
        "any(_tag(tag_key, body) == tag for tag_key in self._tag_keys)",
        "bool(tag)",
        "tests/core/test_key.py::test_s6_a_key_made_elsewhere_is_refused",
    ),
    "connections are open while the process forks": (
        "forks.py",
        "before=_before, ",
        "",
        "tests/core/test_forks.py",
    ),
    "a successor may outlive the key that asks for it": (
        "manage/manager.py",
        CHECKED_AS_RENEWED,
        "            require_rights_over(rights, row, self._policy)\n",
        "tests/core/test_manager_rights.py::test_s20_each_right_is_bounded",
    ),
    "a child may have more networks": (
        "manage/rights.py",
        "return bool(inner) and all(",
        "return all(",
        "tests/core/test_manager_rights.py::test_s20_each_right_is_bounded",
    ),
}

#: Caught in the long form only: each takes several seconds.
LONG = {
    "connections are open while the process forks",
    "others are not told",
    "a child may have more networks",
    "a successor may outlive the key that asks for it",
}


@pytest.mark.parametrize("mutant", with_long_form(MUTANTS, LONG))
def test_a_fault_in_the_core_is_caught(mutant: str, tmp_path: Path) -> None:
    """Each fault planted in the core fails the check of the promise that it breaks."""
    assert_caught(tmp_path, *MUTANTS[mutant])
