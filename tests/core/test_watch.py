"""The backstop: changes that nobody told of are noticed all the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pysqlite3 import dbapi2

from keywright import Accepted, Keywright, ManualClock, Reason, Refused, Unavailable
from keywright.build import LIMITS_FILE, MASTER_SECRET_FILE
from keywright.limits.conformance import in_children
from keywright.manage.manager import Created
from keywright.stores.sqlite import NONCE_FILE, RECORDS_FILE
from support.installation import ME, Installation
from support.mutants import assert_caught
from support.waiting import eventually

#: Deletes the key named on the command line when it is told to, and is killed after its commit, before it can tell.
DIES_UNTOLD = """
import os, signal, sys
from keywright import Actor, ActorKind, Keywright
from keywright.stores.nonce import NonceFile
with Keywright.open(sys.argv[1]) as keywright:
    NonceFile.renew = lambda self: os.kill(os.getpid(), signal.SIGKILL)
    print("open", flush=True)
    sys.stdin.readline()
    keywright.manager.delete(Actor(ActorKind.LIBRARY, "dying"), sys.argv[2], sys.argv[3])
"""


def delete_untold(keywright: Keywright, created: Created) -> None:
    """Delete a key in a process that dies before it tells the others; ``keywright`` remembers the key until then."""
    arguments = (str(keywright.settings.data_dir), created.row.account_id, created.row.id)
    command = [sys.executable, "-c", DIES_UNTOLD, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as dying:
        assert dying.stdout is not None
        assert dying.stdout.readline() == "open\n"
        # Opening has told everybody to look; whatever is remembered now was read after that.
        assert isinstance(keywright.verify(created.key), Accepted)
        dying.communicate("delete\n")
    assert dying.returncode == -signal.SIGKILL


def test_a_change_whose_maker_died_is_noticed(installation: Installation) -> None:
    """A deleter that is killed between its commit and its notice has deleted the key for everybody at the next look."""
    created = installation.create()
    installation.keywright.watcher.look()
    assert isinstance(installation.keywright.verify(created.key), Accepted)

    delete_untold(installation.keywright, created)
    installation.keywright.watcher.look()

    assert installation.keywright.verify(created.key) == Refused(Reason.UNKNOWN)


def test_a_change_across_a_fork_is_noticed(installation: Installation) -> None:
    """A fork closes the connections, and what was counted on the old one proves nothing on the new."""
    created = installation.create()
    installation.keywright.watcher.look()
    assert isinstance(installation.keywright.verify(created.key), Accepted)

    delete_untold(installation.keywright, created)
    assert in_children(lambda: 0, 1) == [0]
    installation.keywright.watcher.look()

    assert installation.keywright.verify(created.key) == Refused(Reason.UNKNOWN)


def admitted(keywright: Keywright, key: str, times: int) -> int:
    """How many of so many requests pass."""
    return sum(isinstance(keywright.verify(key), Accepted) for _ in range(times))


def test_counters_that_were_removed_are_counted_anew_by_all(
    installation: Installation, data_dir: Path, clock: ManualClock
) -> None:
    """S60: whoever removes the counters gives every key one new window, and no process goes on counting by itself."""
    created = installation.create(rate_limit="10/1h")
    with Installation(data_dir, clock) as other:
        both = (installation.keywright, other.keywright)
        assert [admitted(each, created.key, 2) for each in both] == [2, 2]
        (data_dir / LIMITS_FILE).unlink()
        for each in both:
            each.watcher.look_at_counters()
        assert [admitted(each, created.key, 7) for each in (*both, *both)] == [7, 3, 0, 0]


def test_what_is_no_counter_is_not_followed(
    installation: Installation, data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Something else at the place of the counters is told of once; what was counted goes on to count, and comes back
    with its file."""
    created = installation.create(rate_limit="10/1h")
    counters = data_dir / LIMITS_FILE
    assert admitted(installation.keywright, created.key, 4) == 4
    counters.rename(counters.with_name("moved"))
    counters.write_bytes(b"something else " * 1000)
    for _ in range(3):
        installation.keywright.watcher.look_at_counters()
    assert [each.levelname for each in caplog.records] == ["ERROR"]
    assert admitted(installation.keywright, created.key, 4) == 4
    counters.with_name("moved").rename(counters)
    installation.keywright.watcher.look_at_counters()
    assert admitted(installation.keywright, created.key, 4) == 2


def test_counters_that_nobody_follows_are_caught(tmp_path: Path) -> None:
    """The check of removed counters fails where nobody looks after them."""
    test = "tests/core/test_watch.py::test_counters_that_were_removed_are_counted_anew_by_all"
    assert_caught(tmp_path, "watch.py", "if not self._limiter.is_current():", "if False:", test)


def test_opening_tells_of_what_was_not_told(installation: Installation, data_dir: Path, clock: ManualClock) -> None:
    """Whoever opens the directory next tells the others to look, whether or not they have a watcher."""
    created = installation.create()
    assert isinstance(installation.keywright.verify(created.key), Accepted)
    delete_untold(installation.keywright, created)

    with Installation(data_dir, clock):
        assert installation.keywright.verify(created.key) == Refused(Reason.UNKNOWN)


def test_a_lost_database_is_not_begun_anew(installation: Installation, data_dir: Path) -> None:
    """Where the file has gone, keys are neither accepted nor refused, and no empty file takes its place."""
    created = installation.create()
    installation.keywright.watcher.look()
    for file in data_dir.glob(RECORDS_FILE + "*"):
        file.unlink()

    installation.keywright.watcher.look()

    with pytest.raises(Unavailable):
        installation.keywright.verify(created.key)
    assert not (data_dir / RECORDS_FILE).exists()


def test_an_opened_directory_is_watched(data_dir: Path) -> None:
    """Whoever opens a data directory need not think of looking."""
    with Keywright.open(data_dir) as keywright:
        account_id = keywright.manager.operator_account().id
        created = keywright.manager.create(ME, account_id, {"name": "watched"})
        assert isinstance(keywright.verify(created.key), Accepted)
        delete_untold(keywright, created)

        assert eventually(lambda: isinstance(keywright.verify(created.key), Refused))


def test_nothing_new_leaves_memory_alone(installation: Installation) -> None:
    """A look at a store where nothing has happened makes nobody read it again."""
    created = installation.create()
    installation.keywright.verify(created.key)
    installation.keywright.watcher.look()
    installation.keywright.verify(created.key)
    seen = installation.keywright.cache.seen

    installation.keywright.watcher.look()

    assert installation.keywright.cache.seen is seen


def test_an_exchanged_database_is_noticed(installation: Installation, data_dir: Path, tmp_path: Path) -> None:
    """A database that is put in the place of the open one counts from the next look on."""
    created = installation.create()
    installation.keywright.watcher.look()
    assert isinstance(installation.keywright.verify(created.key), Accepted)
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    with dbapi2.connect(str(data_dir / RECORDS_FILE)) as connection:
        connection.execute("VACUUM INTO ?", (str(other / RECORDS_FILE),))
    (other / MASTER_SECRET_FILE).touch(0o600)
    (other / MASTER_SECRET_FILE).write_bytes((data_dir / MASTER_SECRET_FILE).read_bytes())
    with Installation(other, ManualClock()) as later:
        later.keywright.manager.delete(ME, installation.account_id, created.row.id)

    os.replace(other / RECORDS_FILE, data_dir / RECORDS_FILE)
    for leftover in ("-wal", "-shm"):
        (data_dir / (RECORDS_FILE + leftover)).unlink(missing_ok=True)
    installation.keywright.watcher.look()

    assert installation.keywright.verify(created.key) == Refused(Reason.UNKNOWN)
    assert isinstance(installation.keywright.verify(installation.create().key), Accepted)


def test_a_lost_coherence_file_is_noticed(installation: Installation, data_dir: Path, clock: ManualClock) -> None:
    """Where somebody removes the file by which processes notice each other, they find each other again."""
    created = installation.create()
    installation.keywright.watcher.look()
    assert isinstance(installation.keywright.verify(created.key), Accepted)
    (data_dir / NONCE_FILE).unlink()

    with Installation(data_dir, clock) as other:
        installation.keywright.watcher.look()
        assert isinstance(installation.keywright.verify(created.key), Accepted)
        other.keywright.manager.delete(ME, installation.account_id, created.row.id)

        assert installation.keywright.verify(created.key) == Refused(Reason.UNKNOWN)


NOTICED = "test_a_change_whose_maker_died_is_noticed"


@pytest.mark.planted
@pytest.mark.parametrize(
    ("file", "old", "new", "test"),
    [
        ("watch.py", "elif found is Disturbance.WRITTEN:", "elif found is None:", NOTICED),
        ("stores/sqlite_file.py", "        self._version = None\n", "", "test_a_change_across_a_fork_is_noticed"),
        ("watch.py", "self._cache.forget()", "pass", "test_an_exchanged_database_is_noticed"),
    ],
    ids=["untold", "forked", "exchanged"],
)
def test_a_watcher_that_does_nothing_is_caught(tmp_path: Path, file: str, old: str, new: str, test: str) -> None:
    """The checks above can fail."""
    assert_caught(tmp_path, file, old, new, f"tests/core/test_watch.py::{test}")
