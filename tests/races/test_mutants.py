"""The races can be lost: each fault that they are run for, planted, is caught by their short form."""

from __future__ import annotations

from pathlib import Path

import pytest

from races.test_warm import tracer
from support.mutants import assert_caught, with_long_form

LIBRARY = "tests/races/test_library.py"
GUARDS = "tests/races/test_guards.py"
DELETES = f"{LIBRARY}::test_s55_a_deleted_key_is_dead_when_the_delete_returns"
NARROWINGS = f"{LIBRARY}::test_what_is_taken_from_a_key_is_taken_at_once"
ACCOUNTS = f"{LIBRARY}::test_what_is_taken_from_an_account_is_taken_from_its_keys_at_once"
HEIRS = "tests/races/test_caller.py::test_s55_a_deleted_key_leaves_no_heir"
PREFORK = f"{LIBRARY}::test_s55_children_of_a_warm_process_accept_no_deleted_key"

FRESH = "if self._store.freshness() != cache.seen:"
#: Looks again 50 ms after it has last found something new, and believes itself until then.
FRESH_FOR_A_WHILE = """if self._now() > self.__dict__.get("until", 0) and self._store.freshness() != cache.seen:
            self.__dict__["until"] = self._now() + 0.05"""

TOLD_AFTER = """            yield transaction

"""
TOLD_BEFORE = """            yield transaction
            tell()
            transaction.published = False

"""

LOOKED_AGAIN = """        with self._misses[digest[0] % _STRIPES]:
            outcome = self._remembered(presented, request, now, take)
            if outcome is not None:
                return outcome
            self._cache.catch_up()
            known = self._look_up(presented, digest, request.address)
"""
JOINED = """        lock, flights = self._misses[digest[0] % _STRIPES], self.__dict__.setdefault("flights", {})
        waits = lock.locked()
        with lock:
            known = flights[digest] if waits else self._look_up(presented, digest, request.address)
            flights[digest] = known
"""

CORE = {
    "what is remembered is believed for 50 ms": ("verify.py", FRESH, FRESH_FOR_A_WHILE, DELETES),
    "others are told before the commit": ("stores/sqlite.py", TOLD_AFTER, TOLD_BEFORE, DELETES),
    "others hear of changes when they next look": (
        "stores/sqlite.py",
        "if transaction is not None and transaction.published:",
        "if transaction is None:",
        "tests/races/test_nemesis.py::test_s55_whoever_is_killed_or_stopped",
    ),
    "a worker is told before the commit": (
        "stores/sqlite.py",
        TOLD_AFTER,
        TOLD_BEFORE,
        "tests/races/test_http.py::test_s55_deleted_over_http",
    ),
    "a change is not published": (
        "manage/manager.py",
        "                tx.publish(key_id)\n                self._audit(tx, actor, account_id, Action.KEY_UPDATE",
        "                self._audit(tx, actor, account_id, Action.KEY_UPDATE",
        NARROWINGS,
    ),
    "keys of a changed account are remembered": (
        "cache.py",
        "                    self._drop_account(account_id)",
        "                    pass",
        ACCOUNTS,
    ),
    "the caller is remembered from an earlier act": (
        "manage/rights.py",
        "row = reads.caller(key_id)",
        "row = authorise.__dict__.setdefault(key_id, reads.caller(key_id))",
        HEIRS,
    ),
    "nothing is done at a fork": (
        "forks.py",
        "os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)",
        "",
        PREFORK,
    ),
    "whatever was read is remembered": (
        "cache.py",
        "if token.applied != self._applied:",
        "if token.applied > self._applied:",
        f"{GUARDS}::test_s55_a_slow_read_brings_no_deleted_key_back",
    ),
    "who waits takes the other's answer": (
        "verify.py",
        LOOKED_AGAIN,
        JOINED,
        f"{GUARDS}::test_s55_who_waits_for_a_read_does_not_take_its_answer",
    ),
}

LIMITS = "tests/races/test_limits.py"
HUNDRED = f"{LIMITS}::test_s71_a_hundred_of_four_thousand"
KILLED = f"{LIMITS}::test_s71_a_killed_process_neither_spends_twice_nor_blocks"
WINDOWS = f"{LIMITS}::test_s67_s71_windows_under_load"

LIMITERS = {
    "every process counts for itself": (
        "build.py",
        "SharedLimiter(settings.data_dir / LIMITS_FILE,",
        'SharedLimiter(settings.data_dir / f"{LIMITS_FILE}.{os.getpid()}",',
        HUNDRED,
    ),
    "no lock in the kernel": (
        "limits/mapped.py",
        "fcntl(self._descriptor, F_OFD_SETLK, wanted)",
        "pass",
        KILLED,
    ),
    "windows begin on the minute": (
        "limits/window.py",
        "        return (now, 0)\n",
        "        return (now // limit.window_seconds * limit.window_seconds, 0)\n",
        WINDOWS,
    ),
}

WARM = "tests/races/test_warm.py"

COSTS = {
    "a statement is run for each request": (
        "verify.py",
        FRESH,
        "if self._store.freshness() != cache.seen or self._store.version() < 0:",
        f"{WARM}::test_a_warm_verification_runs_no_statement",
    ),
    "a file is looked at for each request": (
        "stores/nonce.py",
        "self.read = self._view.tobytes",
        "self.read = lambda look=self._view.tobytes: look() if self._path.exists() else b''",
        f"{WARM}::test_a_warm_verification_touches_no_file",
    ),
}

#: Caught in the long form only: each takes several seconds.
LONG_COSTS = {
    "a file is looked at for each request",
}


@pytest.mark.parametrize("mutant", with_long_form(COSTS, LONG_COSTS))
def test_a_hidden_cost_is_caught(mutant: str, tmp_path: Path) -> None:
    """Each statement and each call that a warm verification would make is seen."""
    tracer()  # where nothing can be traced, that is said once more
    assert_caught(tmp_path, *COSTS[mutant])


#: Caught in the long form only: each takes several seconds.
LONG_LIMITERS = {
    "windows begin on the minute",
}


@pytest.mark.parametrize("mutant", with_long_form(LIMITERS, LONG_LIMITERS))
def test_a_fault_in_the_limits_is_caught(mutant: str, tmp_path: Path) -> None:
    """Each fault in the counters loses a race."""
    assert_caught(tmp_path, *LIMITERS[mutant])


#: Caught in the long form only: each takes several seconds.
LONG_CORE = {
    "keys of a changed account are remembered",
    "a worker is told before the commit",
    "others hear of changes when they next look",
    "a change is not published",
}


@pytest.mark.parametrize("mutant", with_long_form(CORE, LONG_CORE))
def test_a_fault_in_the_core_is_caught(mutant: str, tmp_path: Path) -> None:
    """Each fault in the coherence protocol loses a race."""
    assert_caught(tmp_path, *CORE[mutant])
