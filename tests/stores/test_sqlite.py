"""The SQLite store among real processes and on a real disk: locked, full, killed, restored."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pysqlite3 import dbapi2

from keywright import Misconfigured, Unavailable
from keywright.audit import SYSTEM, Action, AuditEvent
from keywright.stores import sql
from keywright.stores.base import Found
from keywright.stores.conformance import MINE, NOW, digest, insert, publish, remove, row
from keywright.stores.sqlite import NONCE_FILE, RECORDS_FILE, USAGE_FILE, SqliteStore, SqliteUsageStore

OPEN = """
import os, signal, sys
from pathlib import Path
from keywright import Unavailable
from keywright.stores.base import Found
from keywright.stores.conformance import NOW, digest, insert, publish, remove, row
from keywright.stores.sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]))
"""
HOLD = """
with store.transaction() as tx:
    tx.delete_key(tx.caller(row(1).id), NOW)
    print("held", flush=True)
    sys.stdin.read()
"""
COUNT = """
for _ in range(25):
    with store.transaction() as tx:
        tx.update_key(row(1).id, {"metadata": str(int(tx.caller(row(1).id).metadata) + 1)})
"""
NO_ROOM = """
import resource
size = (Path(sys.argv[1]) / "keywright.db-wal").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 4096, size + 4096))
try:
    insert(store, *(row(number) for number in range(10, 2000)))
except Unavailable:
    found = store.find([digest(10)]), store.find([digest(1)]).row.id
    print(found == (Found(), row(1).id))
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """A store with one key."""
    with closing(SqliteStore(tmp_path)) as opened:
        insert(opened, row(1, metadata="0"))
        yield opened


@contextmanager
def program(data_dir: Path, lines: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs these lines on the store; it ends when its input does."""
    command = [sys.executable, "-c", OPEN + lines, str(data_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def query(data_dir: Path, statement: str, *values: int) -> list[Any]:
    """What stands in the database, read by a connection of the test's own."""
    with closing(dbapi2.connect(data_dir / RECORDS_FILE, isolation_level=None)) as connection:
        found: list[Any] = connection.execute(statement, values).fetchall()
        return found


def event(target: str) -> AuditEvent:
    """A line of the audit log."""
    return AuditEvent(NOW, SYSTEM, MINE.id, Action.KEY_UPDATE, target, {"name": "ü"})


def test_the_audit_line_stands_or_falls_with_the_change(store: SqliteStore, tmp_path: Path) -> None:
    """There is no change without its audit line and no audit line without its change."""
    with store.transaction() as tx:
        tx.audit(event("kept"))
    with pytest.raises(LookupError), store.transaction() as tx:  # noqa: PT012 - both lines belong to the transaction
        tx.audit(event("undone"))
        raise LookupError
    assert query(tmp_path, "SELECT target, details FROM audit_log") == [("kept", '{"name": "ü"}')]


def test_a_feed_that_was_trimmed_makes_readers_forget_everything(store: SqliteStore, tmp_path: Path) -> None:
    """A process that slept while the feed was cut before it does not take the rest of the feed for all of it."""
    start = store.version()
    publish(store, *(f"key_{number}" for number in range(5)))
    query(tmp_path, "DELETE FROM changes WHERE version <= ?", start + 2)
    assert store.changes_since(start).key_ids is None
    assert store.changes_since(start + 1).key_ids is None
    assert store.changes_since(start + 2).key_ids == ("key_2", "key_3", "key_4")


def test_the_feed_is_trimmed_as_it_grows(store: SqliteStore, tmp_path: Path) -> None:
    """The feed holds the last changes only, so that it does not grow for ever."""
    query(tmp_path, "UPDATE feed SET version = ?", sql.FEED_LENGTH + 998)
    query(tmp_path, "INSERT INTO changes (version, key_id) VALUES (1000, 'old'), (1001, 'young')")
    publish(store, "key_a", "key_b")
    names = [name for (name,) in query(tmp_path, "SELECT key_id FROM changes ORDER BY version")]
    assert names == ["young", "key_a", "key_b"]


def test_a_reader_too_far_behind_forgets_everything(store: SqliteStore, tmp_path: Path) -> None:
    """Who is more changes behind than are worth going through is told to forget everything, and where to go on."""
    many = sql.MOST_CHANGES_AT_ONCE
    query(
        tmp_path,
        "WITH RECURSIVE n(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n WHERE v < ?) "
        "INSERT INTO changes (version, key_id) SELECT v, 'key_' || v FROM n",
        many,
    )
    query(tmp_path, "UPDATE feed SET version = ?", many)
    behind = store.changes_since(0)
    assert (behind.version, behind.key_ids) == (many, None)
    near = store.changes_since(1).key_ids
    assert near is not None
    assert len(near) == many - 1


def test_a_restored_older_database_makes_readers_forget_everything(tmp_path: Path) -> None:
    """A process that remembers more than the database has, because that was put back, starts from nothing."""
    data_dir, backup = tmp_path / "data", tmp_path / "backup"
    data_dir.mkdir()
    with closing(SqliteStore(data_dir)) as store:
        (stored,) = insert(store, row(1))
        publish(store, stored.id)
    shutil.copytree(data_dir, backup)
    with closing(SqliteStore(data_dir)) as store:
        remove(store, stored)
        remembered = store.version()
    shutil.copy(backup / RECORDS_FILE, data_dir / RECORDS_FILE)
    with closing(SqliteStore(data_dir)) as store:
        assert store.changes_since(remembered).key_ids is None
        assert store.changes_since(remembered).version == remembered - 1


def test_a_killed_transaction_changes_nothing_and_blocks_nobody(store: SqliteStore, tmp_path: Path) -> None:
    """A process killed in the middle of a change leaves no part of it, and nobody waits for it."""
    with program(tmp_path, HOLD) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(Unavailable):
            publish(store, "key_a")
        assert store.find([digest(1)]).row, "readers do not wait for a writer"
        process.kill()
        process.wait()
    publish(store, "key_a")
    assert store.find([digest(1)]).row


def test_processes_change_one_after_the_other(store: SqliteStore, tmp_path: Path) -> None:
    """Increments made by several processes at once are all there."""
    with program(tmp_path, COUNT) as one, program(tmp_path, COUNT) as other:
        assert [process.wait(timeout=30) for process in (one, other)] == [0, 0]
    found = store.find([digest(1)]).row
    assert found is not None
    assert found.metadata == "50"


def test_another_process_sees_the_new_freshness(store: SqliteStore, tmp_path: Path) -> None:
    """A change acknowledged in one process moves the freshness that another one asks for."""
    before = store.freshness()
    with program(tmp_path, "remove(store, store.find([digest(1)]).row)\n") as process:
        assert process.wait(timeout=30) == 0
    assert store.freshness() != before
    assert store.find([digest(1)]) == Found(deleted=True)


def test_a_full_disk_is_an_answer(store: SqliteStore, tmp_path: Path) -> None:
    """Where the disk has no room, a change is unavailable and leaves nothing, and reading goes on."""
    with program(tmp_path, NO_ROOM) as process:
        out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, b"True\n")
    assert store.find([digest(10)]) == Found()
    publish(store, "key_a")


def test_only_the_owner_reads_the_files(store: SqliteStore, tmp_path: Path) -> None:
    """Nobody else on the machine can read what is stored, in whichever file it is."""
    publish(store, "key_a")
    with closing(SqliteUsageStore(tmp_path)):
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert {RECORDS_FILE, f"{RECORDS_FILE}-wal", USAGE_FILE, NONCE_FILE} <= modes.keys()
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("open_", [SqliteStore, SqliteUsageStore])
def test_a_database_of_a_newer_version_is_refused(
    open_: Callable[[Path], SqliteStore | SqliteUsageStore], tmp_path: Path
) -> None:
    """An older program does not touch what a newer one has written."""
    open_(tmp_path).close()
    file = next(tmp_path.glob("*.db"))
    with closing(dbapi2.connect(file, isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Misconfigured, match="9999"):
        open_(tmp_path)


@pytest.mark.parametrize("open_", [SqliteStore, SqliteUsageStore])
def test_a_file_that_is_no_database_is_unavailable(
    open_: Callable[[Path], SqliteStore | SqliteUsageStore], tmp_path: Path
) -> None:
    """A damaged file is a fault of the machine, said so, and not overwritten."""
    for name in (RECORDS_FILE, USAGE_FILE):
        (tmp_path / name).write_bytes(b"not a database at all, but long enough to be read" * 100)
    with pytest.raises(Unavailable):
        open_(tmp_path)
    assert (tmp_path / RECORDS_FILE).read_bytes().startswith(b"not a database")


def test_what_was_acknowledged_is_on_the_disk(store: SqliteStore, tmp_path: Path) -> None:
    """Changes survive a power cut: the journal is a WAL that is synced at every commit."""
    with store._file.writing() as connection:
        settings = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    assert settings == ["wal", 2]
    assert store.integrity() == "ok"


def test_a_closed_store_never_calls_itself_fresh(tmp_path: Path) -> None:
    """Whoever still asks a closed store whether memory is current gets an error, never an old answer."""
    store = SqliteStore(tmp_path)
    store.close()
    with pytest.raises(Unavailable, match="closed"):
        store.freshness()
