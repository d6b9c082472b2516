"""Real processes, really killed, at moments that nobody chose: what they had acknowledged is there."""

from __future__ import annotations

import os
import random
import signal
import statistics
import time
import warnings
from pathlib import Path

import pytest

from support import workload
from support.judge import START_SECONDS, Heard, judge
from support.mutants import assert_caught
from support.servers import running, start

SEED = 20_261_122
#: More than are done before any kill.
ACTS = 400
#: What is said in about the tenth of a second that a process lives.
MOST_LINES = 120
#: An act takes one to three thousandths of a second.
MOST_DELAY_SECONDS = 0.003
#: So often in a row the same directory is killed and gone on with.
ROUNDS = 10


class Worker:
    """A process of its own that works on a data directory until it is killed, or has done all it was to do."""

    def __init__(self, data_dir: Path, seed: int, acts: int = ACTS) -> None:
        self._reading, writing = os.pipe()
        self._heard = b""
        self.lines = 0
        with warnings.catch_warnings():
            # Python warns of threads that may hold a lock in the child. The child does only what it is given here.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._pid = os.fork()
        if not self._pid:
            code = 1
            try:
                os.close(self._reading)
                code = workload.work(data_dir, seed, acts, writing)
            finally:
                os._exit(code)
        os.close(writing)

    def until(self, lines: int, last: bytes = b"") -> None:
        """Wait until it has said so much, and then said a line with that in it; or has ended."""
        while self.lines < lines or last not in self._heard[self._heard.rfind(b"\n", 0, -1) + 1 :]:
            more = os.read(self._reading, 4096)
            if not more:
                return
            self._heard += more
            self.lines = self._heard.count(b"\n")

    def kill(self, delay_seconds: float = 0.0) -> tuple[int, bytes]:
        """Kill it, unless it ends first; what it ended with, and all that it had said."""
        end = time.perf_counter() + delay_seconds
        while time.perf_counter() < end:
            pass  # sleeping is too coarse
        os.kill(self._pid, signal.SIGKILL)
        return self.wait()

    def wait(self) -> tuple[int, bytes]:
        """Wait for its end; what it ended with, and all that it had said."""
        while more := os.read(self._reading, 65_536):
            self._heard += more
        os.close(self._reading)
        _, status = os.waitpid(self._pid, 0)
        return os.waitstatus_to_exitcode(status), self._heard


def kill_one(data_dir: Path, heard: Heard, chance: random.Random, number: int) -> None:
    """A process alone is killed anywhere: also in its start, and while it writes usage."""
    worker = Worker(data_dir, number)
    if number % 3 == 0:
        worker.until(chance.randint(0, MOST_LINES // 2), b'"uses"')
    else:
        worker.until(chance.randint(0, MOST_LINES))
    code, said = worker.kill(chance.uniform(0, MOST_DELAY_SECONDS))
    assert code == -signal.SIGKILL
    heard.hear(said)


def kill_one_of_two(data_dir: Path, heard: Heard, chance: random.Random, number: int) -> None:
    """Of two processes one is killed anywhere; the other notices nothing of it."""
    other, worker = Worker(data_dir, -number, acts=40), Worker(data_dir, number)
    worker.until(chance.randint(0, MOST_LINES // 2))
    _, said = worker.kill(chance.uniform(0, MOST_DELAY_SECONDS))
    heard.hear(said)
    code, said = other.wait()
    heard.hear(said)
    assert code == 0
    assert heard.failed == []


def killed(times: int, directory: Path) -> int:
    """Kill so often, and see that one can go on at once; how many acts had been acknowledged."""
    chance = random.Random(SEED)  # noqa: S311 - the moments differ all the same
    heard, acknowledged, starts = Heard(), 0, []
    for number in range(1, times + 1):
        data_dir = directory / f"{times} kills, {number // ROUNDS}"
        if number % ROUNDS == 0:
            heard = Heard()
        before = heard.acknowledged
        (kill_one_of_two if number % 2 else kill_one)(data_dir, heard, chance, number)
        acknowledged += heard.acknowledged - before
        found = judge(data_dir, heard)
        starts.append(found.start_seconds)
        heard.settle(found)
    assert statistics.median(starts) <= START_SECONDS
    return acknowledged


def test_what_killed_processes_acknowledged_is_there(quick_disk: Path) -> None:
    """A process killed at any moment, alone or among others, has kept all its promises and left nothing half, and the
    next one starts at once."""
    assert killed(16, quick_disk) > 300


@pytest.mark.full
def test_what_200_killed_processes_acknowledged_is_there(quick_disk: Path) -> None:
    """The same, 200 times."""
    assert killed(200, quick_disk) > 4000


def test_a_killed_server_kept_what_it_answered(quick_disk: Path) -> None:
    """Keys, deletions and resources that a server has acknowledged are there after it was killed."""
    server = start(quick_disk / "server" / "data")
    try:
        caller, gone = server.key("Caller"), server.key("Gone")
        body = {"entity_type": "contact", "linkedin_id": "jane"}
        made = server.request("POST", "/v1/subscriptions", caller["key"], json=body)
        deleted = server.request("DELETE", f"/v1/account/api-keys/{gone['id']}", caller["key"])
    finally:
        server.process.kill()
        server.process.wait()
    with running(server.data_dir) as again:
        found = again.request("GET", "/v1/subscriptions", caller["key"]).json()["data"]
        assert deleted.status_code == 204
        assert found == [made.json()]
        assert again.request("GET", "/v1/account", gone["key"]).status_code == 401


@pytest.mark.planted
def test_the_kills_catch_changes_in_pieces(tmp_path: Path) -> None:
    """Mutant: the audit line has a transaction of its own, and comes a little later. The time makes any kill hit."""
    assert_caught(
        tmp_path,
        "stores/sql.py",
        "        self._connection.execute(insert(tables.audit_log), values)",
        """        self._connection.exec_driver_sql("COMMIT")
        __import__("time").sleep(0.03)
        self._connection.exec_driver_sql("BEGIN IMMEDIATE")
        self._connection.execute(insert(tables.audit_log), values)""",
        "tests/faults/test_kills.py::test_what_killed_processes_acknowledged_is_there",
    )
