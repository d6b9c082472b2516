"""Disks that fail: what could not be written was not said to be done, and what was said to be done is there."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from keywright import Keywright, KeywrightError
from support import faults
from support.crashes import cut
from support.judge import Broken, Heard, judge
from support.mutants import assert_caught
from support.recording import failing, record
from support.servers import COMMAND, Server, clean_environment, running, start
from support.wire import answer_of, assert_error
from support.workload import NOT_DONE, environment, program

SEED = 20_261_122
ACTS = 20
KEYS = "/v1/account/api-keys"
#: Which call fails, how and when; for good from then on where a plus stands. These fail in the first start.
FAULTS_OF_THE_START = (
    "fsync:error=EIO:when=1",
    "pwrite64:error=ENOSPC:when=15+",
    "fsync:error=EIO:when=9",
    "unlink:error=EIO:when=1",
)
FAULTS_OF_THE_WORK = (
    "fsync:error=EIO:when=30",
    "fsync:error=ENOSPC:when=36+",
    "pwrite64:error=EIO:when=222",
    "pwrite64:error=ENOSPC:when=251",
    "pwrite64:error=EIO:when=300+",
)
#: Of each call, how often the work makes it, about.
CALLS = {"fsync": 50, "pwrite64": 500, "ftruncate": 5, "fallocate": 1, "link": 3, "unlink": 9, "mkdir": 1}


def failed(data_dir: Path, fault: str) -> Heard:
    """Work on a disk that fails so; then start again on one that does not, and see that nothing was lost."""
    done = failing(fault, program(data_dir, SEED, ACTS), environment())
    heard = Heard()
    heard.hear(done.stdout)
    assert done.returncode in {0, NOT_DONE}, done.stderr.decode()
    judge(data_dir, heard)
    return heard


@pytest.mark.parametrize("fault", FAULTS_OF_THE_START)
def test_a_first_start_on_a_failing_disk_can_be_done_again(fault: str, quick_disk: Path) -> None:
    """Whichever write or sync of a first start fails, it ends in words, and the next one is a good one."""
    failed(quick_disk / fault / "data", fault)


@pytest.mark.parametrize("fault", FAULTS_OF_THE_WORK)
def test_what_a_failing_disk_acknowledged_is_there(fault: str, quick_disk: Path) -> None:
    """Whichever write or sync fails, whoever asked is told, nothing is half, and nothing that was done is undone."""
    assert failed(quick_disk / fault / "data", fault).failed


@pytest.mark.full
def test_50_failing_disks(quick_disk: Path) -> None:
    """The same wherever the disk fails, for a moment or for good."""
    chance = random.Random(SEED)  # noqa: S311 - a failure must be the same the next time
    for number in range(50):
        call = ("fsync", "pwrite64", *CALLS)[number % (len(CALLS) + 2)]
        lasting = chance.choice(("", "+"))
        fault = f"{call}:error={chance.choice(('EIO', 'ENOSPC'))}:when={chance.randint(1, CALLS[call])}{lasting}"
        try:
            failed(quick_disk / f"disk {number}" / "data", fault)
        except Broken as error:
            raise AssertionError(fault) from error


@pytest.mark.parametrize(
    "sync",
    [
        *(27, 33),
        *(pytest.param(each, marks=pytest.mark.full) for each in range(10, 50, 3)),
    ],
)
def test_a_power_cut_after_a_sync_that_failed(sync: int, quick_disk: Path) -> None:
    """What a failed sync left on the disk is written anew by the next change, and not taken for written: a power cut
    after that change was acknowledged does not bring the failure back."""
    world = quick_disk / f"sync {sync}"
    world.mkdir()
    fault = f"fsync:error=EIO:when={sync}"
    recording = record(world, program(world / "data", SEED, ACTS), environment(), fault)
    chance = random.Random(SEED)  # noqa: S311 - a cut must be the same the next time
    positions = [chance.randint(0, len(recording.events)) for _ in range(30)]
    assert cut(recording, positions, chance, quick_disk) == ""


@pytest.fixture(scope="module")
def fragile(quick_disk: Path) -> Iterator[Server]:
    """A server of these tests' own."""
    with running(quick_disk / "server" / "data") as started:
        yield started


@pytest.mark.parametrize("fault", ["fsync:error=EIO", "pwrite64:error=EIO", "pwrite64:error=ENOSPC"])
def test_the_server_answers_503_while_its_disk_fails(fragile: Server, fault: str) -> None:
    """No change that could not be written or synced is answered as done; keys go on, and changes do after it."""
    made = fragile.key("Caller", "--limit", "none")
    path = f"{KEYS}/{made['id']}"
    assert fragile.request("GET", path, made["key"]).status_code == 200

    with faults.failing_calls(fragile.process.pid, fault):
        answers = [
            fragile.request("POST", KEYS, made["key"], json={"name": "Never"}),
            fragile.request("PATCH", path, made["key"], json={"name": "Never"}),
            fragile.request("DELETE", path, made["key"]),
        ]
        during = fragile.request("GET", path, made["key"])

    for answer in answers:
        assert_error(answer_of(answer), 503)
    assert (during.status_code, during.json()["name"]) == (200, "Caller")
    assert fragile.request("PATCH", path, made["key"], json={"name": "Later"}).json()["name"] == "Later"
    assert "Never" not in fragile.request("GET", KEYS, made["key"]).text


def test_the_server_lost_nothing_when_it_starts_again(quick_disk: Path) -> None:
    """What was refused while the disk failed has not happened, and what was done before and after it has."""
    started = start(quick_disk / "again" / "data")
    with ExitStack() as ends:
        ends.callback(started.process.kill)
        made, gone = started.key("Caller"), started.key("Gone")
        with faults.failing_calls(started.process.pid, "fsync:error=EIO"):
            refused = started.request("DELETE", f"{KEYS}/{made['id']}", made["key"])
        deleted = started.request("DELETE", f"{KEYS}/{gone['id']}", made["key"])
        # As hard an end as there is: nothing that a failed commit left in the log may come to life.
        started.process.kill()
        started.process.wait()
    with running(started.data_dir) as again:
        assert (refused.status_code, deleted.status_code) == (503, 204)
        assert again.request("GET", "/v1/account", made["key"]).status_code == 200
        assert again.request("GET", "/v1/account", gone["key"]).status_code == 401


def test_a_command_that_could_not_write_does_not_say_it_did(fragile: Server) -> None:
    """Exit 1 and the API's own code, no key on the standard output, and none in the list."""
    command = [*COMMAND, "keys", "create", "Not written", "--json"]
    done = failing("fsync:error=EIO", command, clean_environment(fragile.data_dir))
    assert (done.returncode, done.stdout) == (1, b"")
    assert json.loads(done.stderr)["error"] == "SERVICE_UNAVAILABLE"
    assert "Not written" not in fragile.command("keys", "list").stdout


def test_a_disk_that_filled_up_lost_nothing(tmp_path: Path) -> None:
    """Filled by the changes themselves and then to the last byte, the directory holds all that was acknowledged,
    wherever it is moved; with room it works on; a start without room is a good one or is refused in words."""
    with faults.small_disk(tmp_path / "disk", "3m") as disk:
        data_dir = disk / "data"
        heard = Heard()
        filled = subprocess.run(program(data_dir, 1, 5000), env=environment(), capture_output=True, check=False)
        heard.hear(filled.stdout)
        assert filled.returncode in {0, NOT_DONE}, filled.stderr.decode()
        assert heard.failed
        with faults.full(disk):
            with suppress(KeywrightError):
                Keywright.open(data_dir).close()
            shutil.copytree(data_dir, tmp_path / "moved")
        judge(tmp_path / "moved", heard)
        faults.grow(disk, "16m")
        heard.settle(judge(data_dir, heard))
        more = subprocess.run(program(data_dir, 2, ACTS), env=environment(), capture_output=True, check=True)
        heard.hear(more.stdout)
        judge(data_dir, heard)


MUTANTS = {
    "a failed commit is taken for a good one": (
        "stores/sql.py",
        '        raise Unavailable(f"The {what} cannot answer: {cause}.", 1) from error',
        "        del what, cause",
        "test_what_a_failing_disk_acknowledged_is_there[fsync:error=EIO:when=30]",
    ),
}


@pytest.mark.parametrize("fault", MUTANTS)
def test_the_failing_disks_catch(fault: str, tmp_path: Path) -> None:
    """Each of these faults, planted in a copy of the source, is found."""
    file, old, new, test = MUTANTS[fault]
    assert_caught(tmp_path, file, old, new, f"tests/faults/test_disk_errors.py::{test}")
