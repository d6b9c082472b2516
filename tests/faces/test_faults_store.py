"""A store that cannot be written: changes are 503 and change nothing, verifications go on, nothing is lost."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from support import faults
from support.mutants import assert_caught
from support.servers import Server, running
from support.waiting import eventually
from support.wire import RATE_HEADERS, Answer, answer_of, assert_error

KEYS = "/v1/account/api-keys"
FAULTS = ("locked", "nothing can grow", "read-only")


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of these tests' own: what they do to it would disturb others."""
    with running(tmp_path_factory.mktemp("fragile") / "data") as started:
        yield started


class Setup:
    """A caller and a key to be changed, of an account of their own."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.account_id = server.account("Fault")
        self.caller = server.key("Caller", "--account", self.account_id, "--limit", "none")
        self.target = server.key("Target", "--account", self.account_id)
        self.cold = server.key("Cold", "--account", self.account_id)
        assert server.request("GET", "/v1/account", self.target["key"]).status_code == 200
        self.before = self.state()

    def state(self) -> Any:
        """All that management could change."""
        found = self.server.request("GET", KEYS, self.caller["key"]).json()["keys"]
        return [{**each, "last_used_at": None} for each in found]

    def changes(self) -> list[Answer]:
        """Every act that writes, all at once."""
        path = f"{KEYS}/{self.target['id']}"
        acts: list[tuple[str, str, Any]] = [
            ("POST", KEYS, {"name": "New"}),
            ("PATCH", path, {"name": "Changed", "disabled": True}),
            ("POST", f"{path}/rotate", {"grace_seconds": 0}),
            ("DELETE", path, None),
        ]
        with ThreadPoolExecutor(len(acts)) as pool:
            sent = pool.map(lambda act: self.server.request(act[0], act[1], self.caller["key"], json=act[2]), acts)
            return [answer_of(each) for each in sent]


def _fault(name: str, server: Server) -> AbstractContextManager[None]:
    database = server.data_dir / "keywright.db"
    if name == "locked":
        return faults.locked(database)
    if name == "read-only":
        return faults.immutable(*faults.files_of(database))
    return faults.nothing_can_grow(server.process.pid)


def _assert_unavailable(answer: Answer) -> None:
    body = assert_error(answer, 503)
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["retry-after"] in body["message"]
    assert not [name for name in RATE_HEADERS if name.lower() in answer.headers]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_store_that_cannot_be_written_is_503_and_verifications_go_on(fragile: Server, fault: str) -> None:
    """A change is answered 503 and when to come back, never 401 or 500; whoever uses a key notices nothing."""
    made = Setup(fragile)

    with _fault(fault, fragile):
        for answer in made.changes():
            _assert_unavailable(answer)
        warm = fragile.request("GET", "/v1/account", made.target["key"])
        cold = fragile.request("GET", "/v1/account", made.cold["key"])
        unknown = answer_of(fragile.request("GET", "/v1/account", "lwa.unknown"))
        during = made.state()

    assert (warm.status_code, warm.headers["X-RateLimit-Remaining"]) == (200, "98")
    assert (cold.status_code, cold.headers["X-RateLimit-Remaining"]) == (200, "99")
    assert_error(unknown, 401)
    assert during == made.before
    assert made.state() == made.before
    assert [each.status for each in made.changes()][1:] != [503, 503, 503]
    assert fragile.request("POST", KEYS, made.caller["key"], json={"name": "After"}).status_code == 201
    assert "Traceback" not in fragile.log.read_text()


def test_a_log_that_cannot_be_written_is_said_later(fragile: Server) -> None:
    """Nobody is answered otherwise because the log is full; when it has room again it says so."""
    made = Setup(fragile)
    with faults.nothing_can_grow(fragile.process.pid):
        known = [fragile.request("GET", "/v1/account", made.target["key"]).status_code for _ in range(3)]
        before = fragile.log.read_text()
    assert known == [200] * 3
    assert fragile.request("GET", "/v1/account", made.target["key"]).status_code == 200

    assert eventually(lambda: '"lines_in_doubt": ' in fragile.log.read_text()[len(before) :])
    assert "Traceback" not in fragile.log.read_text()


def _asked(server: Server, road: str, caller: str, key: str) -> bool:
    """Whether nobody could say whether the key is good."""
    if road == "batch":
        verdicts = server.request("POST", "/v1/keys/verify/batch", caller, json={"keys": [{"key": key}]}).json()
        return bool(verdicts["results"][0]["code"] == "UNAVAILABLE")
    answer = (
        server.request("POST", "/v1/keys/verify", caller, json={"key": key})
        if road == "verify"
        else server.request("GET", "/v1/account", key)
    )
    _assert_unavailable(answer_of(answer))
    return "limits.table" not in answer.text


#: Each road meets a cause of its own, or nobody could tell which of them told the log.
_NO_FILES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "request": ("Is a directory", Path.mkdir),
    "verify": ("Too many levels of symbolic links", lambda path: path.symlink_to(path.name)),
    "batch": ("No such device or address", lambda path: os.mknod(path, stat.S_IFSOCK | 0o600)),
}


@pytest.mark.parametrize("road", _NO_FILES)
def test_the_log_says_once_why_it_is_503(fragile: Server, road: str) -> None:
    """However many requests meet a fault, the log has its cause in one line, and no caller has it."""
    reason, make = _NO_FILES[road]
    caller = fragile.key("Asks", "--limit", "none")["key"]
    key = fragile.key("Sliding", "--limit", "5/m sliding")["key"]
    slices = fragile.data_dir / "limits.table.slices"
    make(slices)
    try:
        assert all(_asked(fragile, road, caller, key) for _ in range(3))
    finally:
        slices.rmdir() if slices.is_dir() else slices.unlink()

    cause = f"Requests are answered with 503. The limits file {slices} cannot be opened: {reason}."
    (told,) = (line for line in fragile.log.read_text().splitlines() if cause in line)
    assert '"keywright.unavailable"' in told
    assert '"warning"' in told


@pytest.mark.parametrize("fault", ["locked", "nothing can grow"])
def test_a_resource_store_that_cannot_be_written_is_503(fragile: Server, fault: str) -> None:
    """The resources keep to the same: 503 and nothing stored, while what only reads is answered."""
    made = Setup(fragile)
    database = fragile.data_dir / "resources.db"
    body = {"entity_type": "contact", "linkedin_id": f"jane-{fault.replace(' ', '-')}"}
    held = faults.locked(database) if fault == "locked" else faults.nothing_can_grow(fragile.process.pid)

    with held:
        refused = answer_of(fragile.request("POST", "/v1/subscriptions", made.caller["key"], json=body))
        listed = fragile.request("GET", "/v1/subscriptions", made.caller["key"]).json()

    _assert_unavailable(refused)
    assert listed["pagination"]["total"] == 0
    assert fragile.request("POST", "/v1/subscriptions", made.caller["key"], json=body).status_code == 201


def test_the_command_line_says_that_the_store_is_locked(fragile: Server) -> None:
    """A command that cannot be done now is a sentence and exit 1, and in JSON the API's own code."""
    with faults.locked(fragile.data_dir / "keywright.db"):
        done = fragile.command("keys", "create", "Locked out", "--json")

    assert done.returncode == 1
    assert done.stdout == ""
    assert json.loads(done.stderr)["error"] == "SERVICE_UNAVAILABLE"
    assert "Locked out" not in fragile.command("keys", "list").stdout


def test_usage_that_cannot_be_written_is_written_later(fragile: Server) -> None:
    """A usage store that is locked disturbs nobody; what was noted meanwhile is neither lost nor counted twice."""
    made = Setup(fragile)
    path = f"{KEYS}/{made.cold['id']}"

    with faults.locked(fragile.data_dir / "usage.db"):
        for _ in range(3):
            assert fragile.request("GET", "/v1/subscriptions", made.cold["key"]).status_code == 200
        # Long enough for a flush to have been tried and to have failed: it waits 3 s for the lock.
        eventually(lambda: False, 4.5)
        during = fragile.request("GET", path, made.caller["key"]).json()["last_used_at"]

    after = eventually(lambda: fragile.request("GET", path, made.caller["key"]).json()["last_used_at"], 6)
    report = f"/v1/account/usage?key_id={made.cold['id']}"
    counted = fragile.request("GET", report, made.caller["key"]).json()["data"]
    assert during is None
    assert after is not None
    assert [(each["outcome"], each["count"]) for each in counted] == [("accepted", 3)]


def test_the_store_check_tells_whether_it_can_be_read(fragile: Server) -> None:
    """`/readyz` is about reading: a lock that somebody holds for a while takes no server out of rotation."""
    with faults.locked(fragile.data_dir / "keywright.db"):
        assert fragile.request("GET", "/readyz").json()["store"] == "ok"
        assert fragile.request("GET", "/healthz").status_code == 200


def test_a_full_disk_is_503_until_there_is_room_again(tmp_path: Path) -> None:
    """On a disk without a byte left, logs included, keys go on working, changes are 503, and room is all it takes."""
    with faults.small_disk(tmp_path / "disk", "6m") as disk, running(disk / "data") as server:
        made = Setup(server)
        with faults.full(disk):
            answers = [answer for _ in range(4) for answer in made.changes()]
            statuses = {answer.status for answer in answers}
            known = [server.request("GET", "/v1/account", made.cold["key"]) for _ in range(30)]
            unknown = server.request("GET", "/v1/account", "lwa.unknown").status_code
        # SQLite writes into room that its log already has until that is full: some changes may still be done.
        assert 503 in statuses
        assert not statuses & {401, 500}
        for answer in answers:
            if answer.status == 503:
                _assert_unavailable(answer)
        assert [each.status_code for each in known] == [200] * 30
        assert [int(each.headers["X-RateLimit-Remaining"]) for each in known] == list(range(99, 69, -1))
        assert unknown == 401
        assert server.request("POST", KEYS, made.caller["key"], json={"name": "Room"}).status_code == 201
        assert server.command("doctor", "--json").stdout.count('"ok"') > 3


@pytest.mark.planted
def test_a_fault_is_never_a_verdict(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Mutant: what the machine cannot answer is answered as 401. Callers would throw good keys away."""
    assert_caught(
        tmp_path_factory.mktemp("mutant"),
        "adapters/guard.py",
        "            return answers.unavailable(error.retry_after_seconds)\n",
        "            return answers.invalid_key()\n",
        "tests/faces/test_faults_store.py::test_a_resource_store_that_cannot_be_written_is_503[nothing can grow]",
    )


@pytest.mark.planted
def test_a_cause_that_nobody_is_told_is_caught(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Mutant: what the guard answers with 503 is told to nobody."""
    assert_caught(
        tmp_path_factory.mktemp("mutant"),
        "adapters/guard.py",
        """            causes.tell(error, self.keys.redact)
            return self.answer""",
        """            return self.answer""",
        "tests/faces/test_faults_store.py::test_the_log_says_once_why_it_is_503[request]",
    )
