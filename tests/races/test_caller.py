"""A key that is being deleted leaves no heir: what it makes, it made before it was gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import pytest
from pysqlite3 import dbapi2

from keywright import Actor, ActorKind, Keywright, SystemClock, Unavailable
from keywright.audit import Action
from keywright.errors import CallerRefused
from keywright.stores.sqlite import RECORDS_FILE
from support.clients import NOTHING, Administrator, NewKey
from support.crew import Rounds, dice, spend, together
from support.history import Act, Answer, Kind, broken
from support.installation import ME
from support.races import given, opened
from support.servers import Server, running

MAKERS = 2
#: How much later than the others somebody begins, at most. A change takes about as long.
SPREAD_SECONDS = 0.004
BORN = Act(Kind.CREATE, Answer.DONE, 0.0, 0.0)


class Tried(NamedTuple):
    """What one process did in one round, and the id of the key that it made, if it did."""

    number: int
    act: Act
    made: str | None


class Hands(Protocol):
    """One way to do it: with the library, or over the API."""

    def know(self, caller: NewKey) -> None:
        """Let the key do something, so that it is remembered."""

    def make(self, caller: NewKey) -> str | None:
        """Make a key in the name of the key: its id; None if the caller is refused. `Unavailable` if neither."""

    def delete(self, caller: NewKey) -> None:
        """Delete the key."""


class ByLibrary:
    """With the library."""

    def __init__(self, keywright: Keywright) -> None:
        self._manager = keywright.manager
        self._account = keywright.manager.operator_account().id

    def know(self, caller: NewKey) -> None:
        """See `Hands.know`."""
        self._manager.summary(self._actor(caller), self._account)

    def make(self, caller: NewKey) -> str | None:
        """See `Hands.make`."""
        try:
            return self._manager.create(self._actor(caller), self._account, {"name": "Heir"}).row.id
        except CallerRefused:
            return None

    def delete(self, caller: NewKey) -> None:
        """See `Hands.delete`."""
        self._manager.delete(ME, self._account, caller.id)

    def _actor(self, caller: NewKey) -> Actor:
        return Actor(ActorKind.KEY, caller.id, self._account)


class OverHttp:
    """Over the API, each on a connection of its own to whichever worker."""

    def __init__(self, server: Server, admin: str) -> None:
        self._admin = Administrator(server, admin)

    def know(self, caller: NewKey) -> None:
        """See `Hands.know`."""
        assert self._admin.ask("GET", NOTHING, caller.key).status == 404

    def make(self, caller: NewKey) -> str | None:
        """See `Hands.make`."""
        made = self._admin.create(caller.key)
        return made.id if made else None

    def delete(self, caller: NewKey) -> None:
        """See `Hands.delete`."""
        self._admin.delete(caller.id)


def race(take: Callable[[], AbstractContextManager[Hands]], callers: list[NewKey]) -> list[Tried]:
    """Each key is deleted by one process while others make keys in its name."""
    rounds = Rounds(1 + MAKERS)

    def work(place: int) -> Callable[[], list[Tried]]:
        return lambda: list(play(place))

    def play(place: int) -> Iterator[Tried]:
        chance = dice(place)
        with take() as hands:
            for number, caller in enumerate(callers):
                # Known from before: whoever decides by what it remembers is caught.
                hands.know(caller)
                rounds.begin(place)
                spend(chance.uniform(0, SPREAD_SECONDS))
                if tried := _try(hands, number, caller, deletes=place == 0):
                    yield tried

    results: list[list[Tried]] = together([work(place) for place in range(1 + MAKERS)])
    return [each for result in results for each in result]


def _try(hands: Hands, number: int, caller: NewKey, *, deletes: bool) -> Tried | None:
    invoked_at = SystemClock.elapsed()
    if deletes:
        hands.delete(caller)
        return Tried(number, Act(Kind.DELETE, Answer.DONE, invoked_at, SystemClock.elapsed()), None)
    try:
        made = hands.make(caller)
    except Unavailable:
        return None
    answer = Answer.ACCEPTED if made else Answer.REFUSED
    return Tried(number, Act(Kind.VERIFY, answer, invoked_at, SystemClock.elapsed()), made)


def new_keys(data_dir: Path, times: int) -> list[NewKey]:
    """So many keys that may do everything."""
    with opened(data_dir) as keywright:
        account = keywright.manager.operator_account().id
        made = keywright.manager.create_many(ME, account, [given()] * times)
        return [NewKey(each.row.id, each.key) for each in made]


def audited(data_dir: Path) -> dict[tuple[str, str], int]:
    """Where in the audit log each act on each key stands."""
    with closing(dbapi2.connect(f"file:{data_dir / RECORDS_FILE}?mode=ro", uri=True)) as connection:
        return {
            (action, target): number
            for number, action, target in connection.execute("SELECT number, action, target FROM audit_log")
        }


def assert_no_heir(data_dir: Path, callers: list[NewKey], tried: list[Tried]) -> None:
    """See that nobody acted in the name of a key that was gone, by the clock and by the audit log."""
    histories: list[list[Act]] = [[BORN] for _ in callers]
    for each in tried:
        histories[each.number].append(each.act)
    assert [act for history in histories for act in broken(history)] == []
    places = audited(data_dir)
    heirs = [(callers[each.number].id, each.made) for each in tried if each.made]
    late = [made for caller, made in heirs if places[Action.KEY_CREATE, made] > places[Action.KEY_DELETE, caller]]
    assert late == []
    assert len(callers) * 0.1 < len(heirs) < len(callers) * MAKERS * 0.98, "one side always came first"


def race_in_the_library(data_dir: Path, times: int) -> None:
    """Race among processes that embed the library, and judge."""

    @contextmanager
    def take() -> Iterator[Hands]:
        with opened(data_dir) as keywright:
            yield ByLibrary(keywright)

    callers = new_keys(data_dir, times)
    assert_no_heir(data_dir, callers, race(take, callers))


def race_over_http(data_dir: Path, times: int) -> None:
    """Race among clients of a server with several workers, and judge."""
    with running(data_dir, "--workers", "4") as server:
        admin, *callers = new_keys(data_dir, 1 + times)
        server.canaries.extend(each.key for each in (admin, *callers))

        @contextmanager
        def take() -> Iterator[Hands]:
            yield OverHttp(server, admin.key)

        assert_no_heir(data_dir, callers, race(take, callers))


def test_s55_a_deleted_key_leaves_no_heir(data_dir: Path) -> None:
    """S55: a key whose deletion has been answered makes no key, and what it made stands before its end in the log."""
    race_in_the_library(data_dir, 200)


@pytest.mark.full
def test_s55_five_thousand_deleted_callers(data_dir: Path) -> None:
    """S55: the same in five thousand races."""
    race_in_the_library(data_dir, 5_000)


def test_s55_a_deleted_key_leaves_no_heir_over_http(data_dir: Path) -> None:
    """S55: the same over HTTP, whichever workers are asked."""
    race_over_http(data_dir, 60)


@pytest.mark.full
def test_s55_a_thousand_deleted_callers_over_http(data_dir: Path) -> None:
    """S55: the same in a thousand races."""
    race_over_http(data_dir, 1_000)
