"""Restoring beside a running server, killed in the middle of it, and a database exchanged under a running server."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pysqlite3 import dbapi2

from keywright import ManualClock
from keywright.build import MASTER_SECRET_FILE
from keywright.manage.manager import Created
from keywright.stores.sqlite import RECORDS_FILE
from support.backups import made, problems, query
from support.faces import beside
from support.installation import ME, Installation
from support.mutants import assert_caught
from support.recording import failing
from support.servers import COMMAND, Server, clean_environment, running
from support.waiting import eventually

NOTICED_SECONDS = 1.0
#: At which of its writes a restore is killed: while it prepares, twice while it writes the log, and after its commit.
KILLING_WRITES = (3, 150, 300, 450)
KEYS = "/v1/account/api-keys"
HERE = "tests/faults/test_restore_live.py"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of two workers whose database is put back and exchanged."""
    with running(tmp_path_factory.mktemp("served") / "data", "--workers", "2") as started:
        yield started


def statuses(server: Server, created: Created, times: int = 20) -> set[int]:
    """How the server answers a key, asked often enough to have come to each worker."""
    return {server.request("GET", "/v1/account", created.key).status_code for _ in range(times)}


def test_s55_a_running_server_notices_a_restore_at_once(served: Server, tmp_path: Path) -> None:
    """S55: a key that was deleted after the backup is refused before, during and after the restore; one that was made
    after it is refused from its end on; one that stands in both never fails."""
    backup = tmp_path / "backup"
    with closing(beside(served)) as library:
        account = library.manager.operator_account().id
        made_together = library.manager.create_many(ME, account, [{"name": "a", "rate_limit": None}] * 101)
        kept, *deleted = list(made_together)
        assert statuses(served, kept) == {200}
        assert served.command("db", "backup", str(backup)).returncode == 0
        for each in deleted:
            library.manager.delete(ME, account, each.row.id)
        late = library.manager.create(ME, account, {"name": "late", "rate_limit": None})
        assert statuses(served, late) == {200}
    during: list[set[int]] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            during.append(statuses(served, deleted[0], 2) | {-each for each in statuses(served, kept, 2)})

    thread = threading.Thread(target=ask)
    thread.start()
    restored = served.command("db", "restore", str(backup), "--yes", "--json")
    done.set()
    thread.join()

    assert restored.returncode == 0, restored.stderr
    assert {name: json.loads(restored.stdout)[name] for name in ("keys", "deleted", "gone")} == {
        "keys": 1,
        "deleted": 100,
        "gone": 1,
    }
    assert statuses(served, late) == {401}
    assert statuses(served, kept) == {200}
    assert {status for each in deleted for status in statuses(served, each, 1)} == {401}
    assert set().union(*during) == {401, -200}
    assert problems(served.data_dir) == []


def test_an_exchanged_database_is_noticed_in_time(served: Server, tmp_path: Path) -> None:
    """A database that is put in the place of the open one counts for every worker within a second."""
    with closing(beside(served)) as library:
        account = library.manager.operator_account().id
        keys = [library.manager.create(ME, account, {"name": "a", "rate_limit": None}) for _ in range(5)]
    for each in keys:
        assert statuses(served, each) == {200}
    other = _later(served, tmp_path / "other", keys)

    os.replace(other / RECORDS_FILE, served.data_dir / RECORDS_FILE)
    for ending in ("-wal", "-shm"):
        (served.data_dir / (RECORDS_FILE + ending)).unlink(missing_ok=True)

    assert eventually(lambda: all(statuses(served, each, 8) == {401} for each in keys), NOTICED_SECONDS)
    with closing(beside(served)) as library:
        fresh = library.manager.create(ME, account, {"name": "fresh", "rate_limit": None})
    assert statuses(served, fresh) == {200}


def _later(server: Server, place: Path, keys: list[Created]) -> Path:
    """What the database would be if these keys had been deleted."""
    place.mkdir(mode=0o700)
    with closing(dbapi2.connect(server.data_dir / RECORDS_FILE)) as connection:
        connection.execute("VACUUM INTO ?", (str(place / RECORDS_FILE),))
    shutil.copy(server.data_dir / MASTER_SECRET_FILE, place)
    with Installation(place, ManualClock()) as later:
        for each in keys:
            later.keywright.manager.delete(ME, each.row.account_id, each.row.id)
    return place


def test_a_killed_restore_leaves_all_or_nothing(tmp_path: Path, clock: ManualClock) -> None:
    """Whoever kills a restore has the keys from before it or those of the backup, never a mixture, and can restore
    again."""
    data_dir, backup = tmp_path / "data", tmp_path / "backup"
    with Installation(data_dir, clock) as installation:
        many = [{"name": "old"}] * 1000
        old = [
            each.row.id
            for _ in range(2)
            for each in installation.keywright.manager.create_many(ME, installation.account_id, many)
        ]
        made(data_dir, backup, clock)
        for each in old[:50]:
            installation.keywright.manager.delete(ME, installation.account_id, each)
        list(installation.keywright.manager.create_many(ME, installation.account_id, [{"name": "new"}] * 20))
    states = {(1950, 20): 0, (1950, 0): 0}

    command = [*COMMAND, "db", "restore", str(backup), "--yes"]
    for write in KILLING_WRITES:
        killed = failing(f"pwrite64:signal=SIGKILL:when={write}", command, clean_environment(data_dir))
        assert killed.returncode == -signal.SIGKILL
        found = query(data_dir / RECORDS_FILE, "SELECT count(*), sum(name = 'new') FROM keys")[0]
        states[found[0] - found[1], found[1]] += 1
        assert problems(data_dir) in ([], ["limits.table: it is missing"])

    subprocess.run(command, env=clean_environment(data_dir), check=True)
    assert query(data_dir / RECORDS_FILE, "SELECT count(*) FROM keys") == [(1950,)]
    assert not (data_dir / ".restore").exists()
    assert states[1950, 20] > 0, "no restore was killed in time"


def test_two_restores_do_not_meet(tmp_path: Path, clock: ManualClock) -> None:
    """Of two restores of one data directory at once, one waits for nothing and is told so."""
    data_dir, backup = tmp_path / "data", tmp_path / "backup"
    with Installation(data_dir, clock) as installation:
        installation.create()
        made(data_dir, backup, clock)
    command = [*COMMAND, "db", "restore", str(backup), "--yes"]
    environment = clean_environment(data_dir)
    held = ["flock", str(data_dir), *command]

    done = subprocess.run(held, env=environment, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 6
    assert "Another restore" in done.stderr


MUTANTS = {
    "who has another file open does not look": (
        "stores/sqlite_file.py",
        "return identity(self._path) != self._identity",
        "return False",
        "test_an_exchanged_database_is_noticed_in_time",
    ),
}


@pytest.mark.planted
@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_tests_catch(mutant: str, tmp_path: Path) -> None:
    """Each of these faults, planted in a copy of the source, makes the named test fail."""
    file, old, new, test = MUTANTS[mutant]
    assert_caught(tmp_path, file, old, new, f"{HERE}::{test}")
