"""S55 among processes that embed the library: a change is in force when it is answered, however fast the next request
comes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from keywright import Accepted, Keywright, Request
from keywright.manage.values import ACCOUNT_MEMBERS, UPDATE_MEMBERS
from support.crew import Verify, watching
from support.history import Kind
from support.installation import ME
from support.races import Ahead, Races, Tally, asking, given, library, opened

#: The clock of those who verify is ahead by this: a life that is cut short ends for them at once, for the others later.
AHEAD_SECONDS = 500.0
FROM_HOME = Request(scopes=("keys:read",), address="203.0.113.9")

#: What takes something away from a key: the values it has before, and again afterwards, and those it has in between.
NARROWINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "disabled": ({"disabled": False}, {"disabled": True}),
    "scopes": ({"scopes": ["keys:read", "keys:write"]}, {"scopes": ["keys:write"]}),
    "expires_in_seconds": ({"expires_in_seconds": 5_000}, {"expires_in_seconds": 50}),
    "networks": ({"networks": []}, {"networks": ["198.51.100.0/24"]}),
    "rate_limit": ({"rate_limit": "1000000/15m"}, {"rate_limit": "1/15m"}),
}
#: The same of what an account lays upon all of its keys.
ACCOUNT_NARROWINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "disabled": ({"disabled": False}, {"disabled": True}),
    "rate_limit": ({"rate_limit": "1000000/15m"}, {"rate_limit": "1/15m"}),
}
#: Members that take nothing away, or are another name of one that does.
OTHERS = {"name", "metadata", "expires_at"}


def account_of(data_dir: Path) -> str:
    """The operator's account of a data directory, which is made."""
    with opened(data_dir) as keywright:
        return keywright.manager.operator_account().id


def race_deletes(data_dir: Path, times: int) -> Tally:
    """Three processes verify without rest while a fourth makes and deletes keys."""
    account = account_of(data_dir)
    with watching([library(data_dir)] * 3) as (board, seen), opened(data_dir) as keywright:
        races = Races(board)
        for _ in range(times):
            _make_and_delete(races, keywright, account)
    return races.judge(seen)


def race_narrowings(data_dir: Path, times: int) -> Tally:
    """Three processes verify while a fourth takes something away from keys, gives it back, and deletes them."""
    account = account_of(data_dir)
    verifying = library(data_dir, FROM_HOME, Ahead(AHEAD_SECONDS))
    with watching([verifying] * 3) as (board, seen), opened(data_dir) as keywright:
        races = Races(board)
        for _ in range(times):
            for wide, narrow in NARROWINGS.values():
                _narrow_and_widen(races, keywright, account, wide, narrow)
            created = races.begin(lambda: keywright.manager.create(ME, account, given()))
            races.change(Kind.NARROW, partial(keywright.manager.rotate, ME, account, created.row.id, 0))
    return races.judge(seen)


def race_account_narrowings(data_dir: Path, times: int) -> Tally:
    """Three processes verify while a fourth takes something away from all keys of an account, and gives it back."""
    account_of(data_dir)
    with watching([library(data_dir)] * 3) as (board, seen), opened(data_dir) as keywright:
        races = Races(board)
        for _ in range(times):
            for wide, narrow in ACCOUNT_NARROWINGS.values():
                _narrow_account(races, keywright, wide, narrow)
    return races.judge(seen)


def race_prefork(data_dir: Path, times: int) -> Tally:
    """A process that remembers keys forks four others, which verify while it makes and deletes keys."""
    with opened(data_dir) as keywright:
        account = keywright.manager.operator_account().id
        for _ in range(10):
            created = keywright.manager.create(ME, account, given())
            assert isinstance(keywright.verify(created.key), Accepted)
        assert len(keywright.cache) == 10

        @contextmanager
        def inherited() -> Iterator[Verify]:
            assert not len(keywright.cache), "a child believes what its parent remembers"
            yield asking(keywright)

        with watching([inherited] * 4) as (board, seen):
            races = Races(board)
            for _ in range(times):
                _make_and_delete(races, keywright, account)
    return races.judge(seen)


def _make_and_delete(races: Races, keywright: Keywright, account: str) -> None:
    created = races.begin(lambda: keywright.manager.create(ME, account, given()))
    races.change(Kind.DELETE, lambda: keywright.manager.delete(ME, account, created.row.id))


def _narrow_and_widen(
    races: Races, keywright: Keywright, account: str, wide: dict[str, Any], narrow: dict[str, Any]
) -> None:
    born = {member: value for member, value in wide.items() if member != "disabled"}
    created = races.begin(lambda: keywright.manager.create(ME, account, given(**born)))
    races.change(Kind.NARROW, lambda: keywright.manager.update(ME, account, created.row.id, narrow))
    races.change(Kind.WIDEN, lambda: keywright.manager.update(ME, account, created.row.id, wide))
    races.change(Kind.DELETE, lambda: keywright.manager.delete(ME, account, created.row.id))


def _narrow_account(races: Races, keywright: Keywright, wide: dict[str, Any], narrow: dict[str, Any]) -> None:
    # One of its own, so that its counters begin with it, and their window does not end in between.
    account = keywright.manager.create_account(ME, "Racing").id
    keywright.manager.change_account(ME, account, wide)
    created = races.begin(lambda: keywright.manager.create(ME, account, given()))
    races.change(Kind.NARROW, lambda: keywright.manager.change_account(ME, account, narrow))
    races.change(Kind.WIDEN, lambda: keywright.manager.change_account(ME, account, wide))
    races.change(Kind.DELETE, lambda: keywright.manager.delete(ME, account, created.row.id))


def test_s55_a_deleted_key_is_dead_when_the_delete_returns(data_dir: Path) -> None:
    """S55: no verification that begins after the delete is accepted, none after the creation is refused."""
    race_deletes(data_dir, 500).assert_kept()


@pytest.mark.full
def test_s55_ten_thousand_deletes(data_dir: Path) -> None:
    """S55: the same in ten thousand races."""
    race_deletes(data_dir, 10_000).assert_kept()


def test_what_is_taken_from_a_key_is_taken_at_once(data_dir: Path) -> None:
    """Whatever takes something away from a key is in force everywhere when it is answered, and so is what gives it
    back."""
    race_narrowings(data_dir, 60).assert_kept()


@pytest.mark.full
def test_a_thousand_narrowings_of_each_kind(data_dir: Path) -> None:
    """The same, a thousand times for each way to narrow a key."""
    race_narrowings(data_dir, 1_000).assert_kept()


def test_what_is_taken_from_an_account_is_taken_from_its_keys_at_once(data_dir: Path) -> None:
    """Whatever takes something away from all keys of an account is in force everywhere when it is answered, and so is
    what gives it back."""
    race_account_narrowings(data_dir, 30).assert_kept(often=0.05)


@pytest.mark.full
def test_a_thousand_narrowings_of_accounts_of_each_kind(data_dir: Path) -> None:
    """The same, a thousand times for each way to narrow an account."""
    race_account_narrowings(data_dir, 1_000).assert_kept()


def test_every_member_that_can_be_changed_is_raced() -> None:
    """Whoever makes another member changeable says here whether it can take something away."""
    assert {*NARROWINGS, *OTHERS} == set(UPDATE_MEMBERS)
    assert set(ACCOUNT_NARROWINGS) == set(ACCOUNT_MEMBERS)


def test_s55_children_of_a_warm_process_accept_no_deleted_key(data_dir: Path) -> None:
    """S55: children that were forked from a process that remembers keys remember none, and miss no change."""
    race_prefork(data_dir, 150).assert_kept()


@pytest.mark.full
def test_s55_two_thousand_deletes_before_forked_children(data_dir: Path) -> None:
    """S55: the same in two thousand races."""
    race_prefork(data_dir, 2_000).assert_kept()
