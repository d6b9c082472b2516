"""A key that is being deleted leaves no heir: what it makes, it made before it was gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from pysqlite3 import dbapi2

from keywright import Actor, ActorKind, Keywright, SystemClock, Unavailable
from keywright.audit import Action
from keywright.errors import CallerRefused
from keywright.manage.manager import Created
from keywright.stores.sqlite import RECORDS_FILE
from support.crew import Rounds, dice, spend, together
from support.history import Act, Answer, Kind, broken
from support.installation import ME
from support.races import given, opened

MAKERS = 2
#: How much later than the others somebody begins, at most. A change takes about as long.
SPREAD_SECONDS = 0.004
BORN = Act(Kind.CREATE, Answer.DONE, 0.0, 0.0)


class Tried(NamedTuple):
    """What one process did in one round, and the id of the key that it made, if it did."""

    number: int
    act: Act
    made: str | None


def race(data_dir: Path, times: int) -> tuple[list[Created], list[Tried]]:
    """Each of so many keys is deleted by one process while others make keys in its name."""
    with opened(data_dir) as keywright:
        account = keywright.manager.operator_account().id
        callers = list(keywright.manager.create_many(ME, account, [given()] * times))
    rounds = Rounds(1 + MAKERS)

    def delete() -> list[Tried]:
        with opened(data_dir) as keywright:
            return list(_deleting(keywright, rounds, callers))

    def make(place: int) -> Callable[[], list[Tried]]:
        def work() -> list[Tried]:
            with opened(data_dir) as keywright:
                return list(_making(keywright, rounds, callers, place))

        return work

    results: list[list[Tried]] = together([delete, *(make(place) for place in range(1, 1 + MAKERS))])
    return callers, [each for result in results for each in result]


def _deleting(keywright: Keywright, rounds: Rounds, callers: list[Created]) -> Iterator[Tried]:
    chance = dice(0)
    for number, caller in enumerate(callers):
        rounds.begin(0)
        spend(chance.uniform(0, SPREAD_SECONDS))
        invoked_at = SystemClock.elapsed()
        keywright.manager.delete(ME, caller.row.account_id, caller.row.id)
        yield Tried(number, Act(Kind.DELETE, Answer.DONE, invoked_at, SystemClock.elapsed()), None)


def _making(keywright: Keywright, rounds: Rounds, callers: list[Created], place: int) -> Iterator[Tried]:
    chance = dice(place)
    for number, caller in enumerate(callers):
        actor = Actor(ActorKind.KEY, caller.row.id, caller.row.account_id)
        # Known to this process from before: whoever decides by what it remembers is caught.
        keywright.manager.summary(actor, caller.row.account_id)
        rounds.begin(place)
        spend(chance.uniform(0, SPREAD_SECONDS))
        invoked_at = SystemClock.elapsed()
        made: str | None = None
        try:
            made = keywright.manager.create(actor, caller.row.account_id, {"name": "Heir"}).row.id
        except CallerRefused:
            pass
        except Unavailable:
            continue
        answer = Answer.ACCEPTED if made else Answer.REFUSED
        yield Tried(number, Act(Kind.VERIFY, answer, invoked_at, SystemClock.elapsed()), made)


def audited(data_dir: Path) -> dict[tuple[str, str], int]:
    """Where in the audit log each act on each key stands."""
    with closing(dbapi2.connect(f"file:{data_dir / RECORDS_FILE}?mode=ro", uri=True)) as connection:
        return {
            (action, target): number
            for number, action, target in connection.execute("SELECT number, action, target FROM audit_log")
        }


def assert_no_heir(data_dir: Path, times: int) -> None:
    """Race, and see that nobody acted in the name of a key that was gone, by the clock and by the audit log."""
    callers, tried = race(data_dir, times)
    histories: list[list[Act]] = [[BORN] for _ in callers]
    for each in tried:
        histories[each.number].append(each.act)
    assert [act for history in histories for act in broken(history)] == []
    places = audited(data_dir)
    heirs = [(callers[each.number].row.id, each.made) for each in tried if each.made]
    assert [made for caller, made in heirs if places[Action.KEY_CREATE, made] > places[Action.KEY_DELETE, caller]] == []
    assert times * 0.1 < len(heirs) < times * MAKERS * 0.98, "one side always came first"


def test_s55_a_deleted_key_leaves_no_heir(data_dir: Path) -> None:
    """S55: a key whose deletion has been answered makes no key, and what it made stands before its end in the log."""
    assert_no_heir(data_dir, 200)


@pytest.mark.full
def test_s55_five_thousand_deleted_callers(data_dir: Path) -> None:
    """S55: the same in five thousand races."""
    assert_no_heir(data_dir, 5_000)
