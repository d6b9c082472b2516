"""Everything at once: many who change and verify the same keys, over HTTP and with the library, while workers and
applications are killed and stopped at random. What all of them were told is judged at the end."""

from __future__ import annotations

import json
import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from pysqlite3 import dbapi2

from keywright import Keywright, SystemClock, Unavailable
from keywright.audit import Action
from keywright.errors import NotFound
from keywright.stores.sqlite import RECORDS_FILE
from support.clients import KEYS, NOTHING, NewKey, Wire, accepted, serving, stopped, wires_to_each, workers_of
from support.crew import Forked, dice, rest, shared_words
from support.history import Act, Answer, Kind, broken
from support.installation import ME
from support.races import asking, given, opened
from support.servers import Server, running
from support.waiting import eventually

WORKERS = 4
KEYS_RACED = 200
CLIENTS, APPLICATIONS = 3, 2
#: How often a client does what.
WEIGHTS = {Kind.VERIFY: 90, Kind.NARROW: 5, Kind.WIDEN: 5, Kind.DELETE: 0.3}
BORN = Act(Kind.CREATE, Answer.DONE, 0.0, 0.0)
CHANGE = {Kind.NARROW: {"disabled": True}, Kind.WIDEN: {"disabled": False}}
#: What was told of a key. The ways to do something raise `Unavailable` or `ConnectionError` where nothing was.
Do = Callable[[Kind, NewKey], Answer]


class Journal:
    """What one process did, written down before and after, so that it is still there when the process is killed."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)
        self._count = 0

    def note(self, number: int, kind: Kind, do: Callable[[], Answer]) -> None:
        """Do something with the key of that number. What was not answered may have happened or not."""
        self._count += 1
        invoked_at = SystemClock.elapsed()
        if kind is not Kind.VERIFY:
            self._write(number, Act(kind, Answer.NONE, invoked_at))
        with suppress(Unavailable, ConnectionError, TimeoutError):
            self._write(number, Act(kind, do(), invoked_at, SystemClock.elapsed()))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, number: int, act: Act) -> None:
        self._file.write(json.dumps([self._count, number, *act]).encode() + b"\n")


def histories(directory: Path) -> list[list[Act]]:
    """What all processes noted down, key by key."""
    found: list[list[Act]] = [[BORN] for _ in range(KEYS_RACED)]
    for path in directory.iterdir():
        # The second line of a change stands for both. A line that was cut short was never begun, or never answered.
        lines: dict[int, tuple[int, Act]] = {}
        for line in path.read_text().splitlines():
            count, number, kind, answer, invoked_at, returned_at = json.loads(line)
            lines[count] = number, Act(Kind(kind), Answer(answer), invoked_at, returned_at)
        for number, act in lines.values():
            found[number].append(act)
    return found


def with_library(keywright: Keywright) -> Do:
    """Does it with an installation that is open."""
    verify, manager = asking(keywright), keywright.manager
    account = manager.operator_account().id

    def do(kind: Kind, key: NewKey) -> Answer:
        if kind is Kind.VERIFY:
            return _verdict(verify(key.key))
        try:
            if kind is Kind.DELETE:
                manager.delete(ME, account, key.id)
            else:
                manager.update(ME, account, key.id, CHANGE[kind])
        except NotFound:
            return Answer.MISSING
        return Answer.DONE

    return do


def with_server(server: Server, admin: str) -> Do:
    """Does it over HTTP, on a connection that is made anew when it breaks."""
    wires: list[Wire] = []

    def do(kind: Kind, key: NewKey) -> Answer:
        if not wires:
            wires.append(Wire(server.url))
        try:
            return _ask(wires[0], admin, kind, key)
        except OSError:
            wires.pop().close()
            raise

    return do


def _ask(wire: Wire, admin: str, kind: Kind, key: NewKey) -> Answer:
    if kind is Kind.VERIFY:
        return _verdict(accepted(wire.ask("GET", NOTHING, key.key)))
    method = "DELETE" if kind is Kind.DELETE else "PATCH"
    reply = wire.ask(method, f"{KEYS}/{key.id}", admin, CHANGE.get(kind))
    if reply.status == 503:
        raise Unavailable(reply.body.decode())
    return {200: Answer.DONE, 204: Answer.DONE, 404: Answer.MISSING}[reply.status]


def _verdict(good: bool | None) -> Answer:
    if good is None:
        raise Unavailable("nothing was told of the key")
    return Answer.ACCEPTED if good else Answer.REFUSED


class Nemesis:
    """All processes of the run, and what becomes of them."""

    def __init__(self, server: Server, directory: Path) -> None:
        self._server, self._directory = server, directory
        self._chance = dice(3)
        self._over = shared_words(1)
        self._applications: list[Forked] = []
        self._clients: list[Forked] = []
        self._journals = 0
        self.kills = self.stops = 0
        made = new_keys(server, 1 + KEYS_RACED)
        self.admin, self.keys = made[0].key, made[1:]

    def run(self, seconds: float) -> None:
        """Let everybody do what they do for so long, and disturb them."""
        try:
            self._clients += [self._fork(self._client) for _ in range(CLIENTS)]
            self._applications += [self._fork(self._application) for _ in range(APPLICATIONS)]
            until = SystemClock.elapsed() + seconds
            while SystemClock.elapsed() < until:
                rest(self._chance.uniform(0.1, 0.3))
                self._chance.choices((self._stop_a_worker, self._kill_a_worker, self._kill_an_application), (3, 2, 1))[
                    0
                ]()
            self._over[0] = 1
            for each in (*self._clients, *self._applications):
                each.result()
        finally:
            for each in (*self._clients, *self._applications):
                each.kill()

    def _fork(self, work: Callable[[Journal, random.Random], None]) -> Forked:
        self._journals += 1
        number = self._journals
        return Forked(lambda: work(Journal(self._directory / str(number)), dice(number)))

    def _client(self, journal: Journal, chance: random.Random) -> None:
        self._act(with_server(self._server, self.admin), journal, chance)

    def _application(self, journal: Journal, chance: random.Random) -> None:
        with opened(self._server.data_dir) as keywright:
            self._act(with_library(keywright), journal, chance)

    def _act(self, do: Do, journal: Journal, chance: random.Random) -> None:
        kinds, weights = list(WEIGHTS), list(WEIGHTS.values())
        while not self._over[0]:
            # Some keys are everybody's favourites.
            number = int(KEYS_RACED * chance.random() ** 3)
            (kind,) = chance.choices(kinds, weights)
            journal.note(number, kind, lambda: do(kind, self.keys[number]))  # noqa: B023
            os.sched_yield()

    def _stop_a_worker(self) -> None:
        with stopped([self._chance.choice(workers_of(self._server))]):
            self.stops += 1
            rest(self._chance.uniform(0.02, 0.4))

    def _kill_a_worker(self) -> None:
        alive = serving(self._server)
        if len(alive) >= WORKERS - 1:
            self.kills += 1
            os.kill(self._chance.choice(alive), signal.SIGKILL)

    def _kill_an_application(self) -> None:
        self.kills += 1
        self._applications.pop(0).kill()
        self._applications.append(self._fork(self._application))


def new_keys(server: Server, times: int) -> list[NewKey]:
    """So many keys that may do everything."""
    with opened(server.data_dir) as keywright:
        account = keywright.manager.operator_account().id
        made = list(keywright.manager.create_many(ME, account, [given()] * times))
    server.canaries.extend(each.key for each in made)
    return [NewKey(each.row.id, each.key) for each in made]


def look_once_more(server: Server, keys: list[NewKey], directory: Path) -> None:
    """What everybody says of every key when all is over: each worker, and a process that has just been started."""
    assert eventually(lambda: len(serving(server)) == WORKERS, 60), "a killed worker was not replaced"
    with ExitStack() as ends:
        wires = ends.enter_context(wires_to_each(server))
        ways: list[Do] = [lambda kind, key, wire=wire: _ask(wire, "", kind, key) for wire in wires]  # type: ignore[misc]
        ways.append(with_library(ends.enter_context(opened(server.data_dir))))
        for place, do in enumerate(ways):
            journal = ends.enter_context(closing(Journal(directory / f"last-{place}")))
            for number, key in enumerate(keys):
                journal.note(number, Kind.VERIFY, lambda: do(Kind.VERIFY, key))  # noqa: B023


def wrongly_audited(data_dir: Path, keys: list[NewKey], found: list[list[Act]]) -> Iterator[str]:
    """The keys of which the audit log tells of fewer changes than were answered, or of more than were begun."""
    with closing(dbapi2.connect(f"file:{data_dir / RECORDS_FILE}?mode=ro", uri=True)) as connection:
        rows = Counter(connection.execute("SELECT target, action FROM audit_log"))
    for key, acts in zip(keys, found, strict=True):
        for action, kinds in ((Action.KEY_DELETE, {Kind.DELETE}), (Action.KEY_UPDATE, {Kind.NARROW, Kind.WIDEN})):
            answers = Counter(act.answer for act in acts if act.kind in kinds)
            done, doubtful = answers[Answer.DONE], answers[Answer.NONE]
            if not done <= rows[key.id, action] <= done + doubtful:
                yield f"{key.id}: {rows[key.id, action]} × {action} for {done} answered and {doubtful} in doubt"


def assert_everybody_told_the_truth(data_dir: Path, seconds: float) -> None:
    """Run, and judge."""
    journals = data_dir.parent / "journals"
    journals.mkdir(parents=True)
    with running(data_dir, "--workers", str(WORKERS)) as server:
        nemesis = Nemesis(server, journals)
        nemesis.run(seconds)
        look_once_more(server, nemesis.keys, journals)
        found = histories(journals)
        assert [act for acts in found for act in broken(acts)] == []
        assert list(wrongly_audited(data_dir, nemesis.keys, found)) == []
    everything = Counter(act.kind for acts in found for act in acts)
    assert min(everything[kind] for kind in WEIGHTS) > 0, "too little was done to show anything"
    assert nemesis.kills > 0
    assert nemesis.stops > 0


def test_s55_whoever_is_killed_or_stopped(data_dir: Path) -> None:
    """S55: whatever is killed and stopped, nobody is told anything of a key that is not so, and no answered change is
    lost."""
    assert_everybody_told_the_truth(data_dir, 5)


@pytest.mark.full
def test_s55_whoever_is_killed_or_stopped_for_long(data_dir: Path) -> None:
    """S55: the same for two minutes."""
    assert_everybody_told_the_truth(data_dir, 120)
