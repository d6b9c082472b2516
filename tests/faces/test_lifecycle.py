"""How a server begins and ends: ready before it accepts, and at the end nothing that was asked is lost."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from keywright import Keywright
from keywright.server.http import LINGER_SECONDS
from keywright.server.supervisor import HUNG_SECONDS, pause_seconds
from keywright.settings import load as load_settings
from support import faults
from support.load import Load, address_of, load_on, read_answer
from support.mutants import ROOT, assert_caught
from support.servers import COMMAND, Server, clean_environment, free_port, running, start
from support.waiting import eventually

HERE = "tests/faces/test_lifecycle.py"
KEYS = "/v1/account/api-keys"
#: How soon a worker that died must have been replaced by one that serves, on a machine that is busy with tests.
REPLACED_SECONDS = 20


def workers_of(server: Server) -> set[int]:
    """The processes that the server's first process has started."""
    pid = server.process.pid
    return {int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def serving(server: Server) -> set[int]:
    """Those of them that have said that they serve."""
    return {pid for pid in workers_of(server) if f"Worker {pid} serves" in server.log.read_text()}


def counted(data_dir: Path) -> int:
    """How many requests the usage tables know of."""
    with Keywright(load_settings({"data_dir": str(data_dir)}, environment={})) as keywright:
        account_id = keywright.manager.operator_account().id
        return sum(each.count for each in keywright.usage_store.hourly(account_id, 0, time.time() + 3600, None))


class Uploads:
    """Requests whose head has arrived, and whose body comes later."""

    def __init__(self, url: str, key: str, count: int) -> None:
        body = b'{"name": "Uploaded"}'
        head = f"POST {KEYS} HTTP/1.1\r\nHost: here\r\nX-API-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n"
        self._rest = body[1:]
        self._connections = [socket.create_connection(address_of(url), timeout=30) for _ in range(count)]
        for each in self._connections:
            each.sendall(head.encode() + body[:1])

    def finish(self) -> list[bytes]:
        """Send the rest; the status of each answer, or nothing."""
        answers = []
        for each in self._connections:
            with each:
                each.sendall(self._rest)
                answer = read_answer(each)
                answers.append(answer[0].split()[1] if answer else b"")
        return answers


def pipelined(url: str, key: str, count: int) -> socket.socket:
    """A connection on which several requests were sent in one piece."""
    connection = socket.create_connection(address_of(url), timeout=30)
    connection.sendall(f"GET /v1/subscriptions HTTP/1.1\r\nHost: here\r\nX-API-Key: {key}\r\n\r\n".encode() * count)
    return connection


def answers_on(connection: socket.socket) -> list[bytes]:
    """The heads of all answers until the connection ends."""
    heads, rest = [], b""
    with connection:
        while answer := read_answer(connection, rest):
            heads.append(answer[0])
            rest = answer[2]
    return heads


def _unanswered(load: Load, asked_until: float) -> list[float]:
    return [each.sent_at - asked_until for each in load.asked if each.status is None and each.sent_at < asked_until]


@pytest.mark.parametrize("workers", [1, 4])
def test_a_stop_answers_all_that_was_asked_and_writes_all_that_was_done(tmp_path: Path, workers: int) -> None:
    """At SIGTERM, in the middle of fast, slow, half-sent and pipelined requests: each is answered, counted, and then
    the server ends with 0."""
    server = start(tmp_path / "data", "--workers", str(workers))
    key = server.key("Loaded", "--limit", "none")["key"]
    database = server.data_dir / "keywright.db"
    with load_on(server.url, lambda: key) as load, ThreadPoolExecutor(4) as pool:
        uploads = Uploads(server.url, key, 4)
        assert eventually(lambda: load.answered(key) > 100, 20)
        with faults.locked(database):
            slow = [pool.submit(server.request, "POST", KEYS, key, json={"name": "Slow"}) for _ in range(4)]
            piped = pipelined(server.url, key, 3)
            before = load.answered(key)
            assert eventually(lambda: load.answered(key) > before + 50, 20)
            server.process.send_signal(signal.SIGTERM)
            stopped_at = time.monotonic()
            uploading = pool.submit(uploads.finish)
            assert eventually(lambda: "Shutting down" in server.log.read_text(), 5)
        created = [each.result().status_code for each in slow] + [int(each) for each in uploading.result()]
        heads = answers_on(piped)
        code = server.process.wait(timeout=40)

    assert code == 0, server.log.read_text()[-2000:]
    assert created == [201] * 8
    assert [each.split()[1] for each in heads] == [b"200"] * 3
    assert _unanswered(load, stopped_at + LINGER_SECONDS * 0.8) == []
    assert {each.status for each in load.asked} <= {200, None}
    assert load.refused > 0
    assert counted(server.data_dir) == load.answered(key) + len(created) + len(heads)


def test_an_idle_connection_is_told_goodbye_and_a_late_request_gets_its_answer(tmp_path: Path) -> None:
    """What is sent on an open connection just after the stop began is answered: it is not ready any more,
    and this is the last answer; a connection on which nothing is sent is closed."""
    server = start(tmp_path / "data")
    late, idle = (socket.create_connection(address_of(server.url), timeout=10) for _ in range(2))
    asked = b"GET /readyz HTTP/1.1\r\nHost: here\r\n\r\n"
    with late, idle:
        for each in (late, idle):
            each.sendall(asked)
            assert (read_answer(each) or (b"",))[0].startswith(b"HTTP/1.1 200 ")
        server.process.send_signal(signal.SIGTERM)
        assert eventually(lambda: "Shutting down" in server.log.read_text(), 5)
        late.sendall(asked)
        head, body = (read_answer(late) or (b"", b""))[:2]
        assert idle.recv(100) == b""
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b'"draining":"yes"' in body
    assert b"\r\nconnection: close" in head
    assert server.process.wait(timeout=10) == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_who_is_let_in_is_answered_and_the_line_is_true(tmp_path: Path, workers: int) -> None:
    """From the first connection that is accepted on, the server is ready; when it says that it serves, it does. An
    interrupt ends it as SIGTERM does."""
    port, log = free_port(), tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*COMMAND, "serve", "--port", str(port), "--workers", str(workers)],
            stdout=output, stderr=output, cwd=tmp_path, env=clean_environment(tmp_path / "data"),
        )  # fmt: skip
    server = Server(process, f"http://127.0.0.1:{port}", tmp_path / "data", log)
    try:
        seen: list[bool | None] = []
        while not any(seen) and process.poll() is None:
            said = "Keywright serves on" in log.read_text()
            seen.append(_is_ready(server.url))
            assert seen[-1] or not said
        assert False not in seen
        assert eventually(lambda: "Keywright serves on" in log.read_text(), 20)
        assert _is_ready(server.url)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()


def _is_ready(url: str) -> bool | None:
    """Whether the answer is that it is; None if nobody lets us in."""
    try:
        connection = socket.create_connection(address_of(url), timeout=10)
    except ConnectionRefusedError:
        return None
    with connection:
        connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: here\r\n\r\n")
        answer = read_answer(connection)
        return answer is not None and answer[0].startswith(b"HTTP/1.1 200 ")


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of four processes, whole again after each test."""
    with running(tmp_path_factory.mktemp("four") / "data", "--workers", "4") as started:
        assert eventually(lambda: len(serving(started)) == 4, 30)
        yield started


def test_a_killed_worker_is_replaced_and_nothing_is_forgotten(four: Server) -> None:
    """Under load a worker is killed: a new one serves soon, limits are exact over it, and deleted keys stay dead."""
    limited = four.key("Limited", "--limit", "400/15m")["key"]
    other = four.key("Other", "--limit", "none")["key"]
    gone = four.key("Gone", "--limit", "none")
    assert four.request("GET", "/v1/subscriptions", gone["key"]).status_code == 200
    assert four.request("DELETE", f"{KEYS}/{gone['id']}", other).status_code == 204
    before = serving(four)
    with (
        load_on(four.url, lambda: limited, pause_seconds=0.005) as load,
        load_on(four.url, lambda: gone["key"], 2, pause_seconds=0.02) as dead,
    ):
        assert eventually(lambda: load.answered(limited) > 100, 20)
        os.kill(min(before), signal.SIGKILL)
        assert eventually(lambda: len(serving(four)) == 4 and serving(four) != before, REPLACED_SECONDS)
        ended = load.answered(limited)
        assert eventually(lambda: load.answered(limited) > max(ended, 500) + 100, 20)

    cut = sum(each.status is None for each in load.asked)
    assert {each.status for each in dead.asked} <= {401, None}
    assert 400 - cut <= load.answered(limited, 200) <= 400
    assert load.answered(limited, 200) + load.answered(limited, 429) == load.answered(limited)
    assert load.refused == 0


@pytest.mark.full
def test_a_hangup_signal_replaces_every_worker_and_turns_nobody_away(four: Server) -> None:
    """SIGHUP: one after the other each worker is replaced by a new one, under load, and every request is answered."""
    key = four.key("Rolled", "--limit", "none")["key"]
    before = serving(four)
    with load_on(four.url, lambda: key, 4, pause_seconds=0.02) as load:
        four.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: len(workers_of(four)) == 4 and not workers_of(four) & before, 40)

    assert [each for each in load.asked if each.status != 200] == []
    assert load.refused == 0


@pytest.mark.full
def test_a_worker_that_does_not_move_is_replaced(four: Server) -> None:
    """A worker that is stopped takes no request with it for longer than the time after which it counts as hung."""
    before = serving(four)
    os.kill(min(before), signal.SIGSTOP)
    assert eventually(lambda: len(serving(four) - {min(before)}) == 4, HUNG_SECONDS + REPLACED_SECONDS)
    assert min(before) not in workers_of(four)


def test_workers_do_not_outlive_the_one_that_started_them(tmp_path: Path) -> None:
    """Where the first process is killed, the others finish, write, and free the port."""
    server = start(tmp_path / "data", "--workers", "2")
    key = server.key("Orphan", "--limit", "none")["key"]
    assert eventually(lambda: len(serving(server)) == 2, 20)
    workers = workers_of(server)
    for _ in range(20):
        assert server.request("GET", "/v1/subscriptions", key).status_code == 200
    server.process.kill()
    server.process.wait()

    assert eventually(lambda: not any(Path(f"/proc/{pid}/fd").is_dir() and _runs(pid) for pid in workers), 10)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address_of(server.url))
        probe.listen()
    assert counted(server.data_dir) == 20


def _runs(pid: int) -> bool:
    """Whether the process still runs: one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_workers_that_cannot_start_end_the_server_with_a_sentence(tmp_path: Path) -> None:
    """No endless loop of starts: what the workers complain of is said once, and the exit is 1."""
    written = tmp_path / "keywright.toml"
    written.write_text(f"port = {free_port()}\n")
    process = subprocess.Popen(
        [*COMMAND, "serve", "--workers", "2"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        env=clean_environment(tmp_path / "data"),
    )  # fmt: skip
    # The first process has read its settings when it makes the data directory; the workers read theirs after that.
    assert eventually((tmp_path / "data").is_dir, 20)
    written.write_text("default_limit = 'lots'\n")
    _, said = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "Error: default_limit (keywright.toml): " in said
    assert "serves on" not in said
    assert "Traceback" not in said


def test_the_pause_before_a_worker_is_started_again_grows_and_has_an_end() -> None:
    """One death is repaired at once; a worker that keeps dying does not keep the machine busy."""
    pauses = [pause_seconds(failures) for failures in range(1, 12)]
    assert pauses[:4] == [0.0, 0.5, 1.0, 2.0]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 30.0


MUTANTS = {
    "the stores are closed before the requests are answered": (
        "server/serving.py",
        "        edge.drain()\n",
        "        edge.drain()\n        end(edge._keywright)\n",
    ),
}


STOP = f"{HERE}::test_a_stop_answers_all_that_was_asked_and_writes_all_that_was_done[1]"


@pytest.mark.parametrize("fault", MUTANTS)
def test_a_stop_that_loses_something_is_caught(fault: str, tmp_path: Path) -> None:
    """The check of the end fails where the end is in the wrong order, or too quick."""
    assert_caught(tmp_path, *MUTANTS[fault], STOP)


@pytest.mark.planted
def test_a_stop_that_does_not_write_is_caught(tmp_path: Path) -> None:
    """The check of the end fails where usage is left in memory. (Nor in between: that may be all.)"""
    usage = (ROOT / "src" / "keywright" / "usage.py").read_text("utf-8")
    old = usage[usage.index("while not self._stop.wait(FLUSH_SECONDS)") :]
    new = old.replace("wait(FLUSH_SECONDS)", "wait(3600)").replace("join()\n        self.flush()\n", "join()\n")
    assert_caught(tmp_path, "usage.py", old, new, STOP)


def test_the_master_secret_is_not_handed_to_workers_by_their_arguments(four: Server) -> None:
    """What everybody on the machine can read of a worker, its arguments, holds numbers and our module's name."""
    for pid in workers_of(four):
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[1:-1]
        assert arguments[:3] == [b"-P", b"-m", b"keywright.server.worker"]
        assert all(each.isdigit() for each in arguments[3:])
