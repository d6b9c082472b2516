"""Backups: made beside who is working, whole or not there at all, and holding neither keys nor the master secret."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pysqlite3 import dbapi2

from keywright import ManualClock
from keywright.build import MASTER_SECRET_FILE
from keywright.cli.db import databases
from keywright.errors import Conflict, NotFound, Unavailable
from keywright.stores.sqlite import RECORDS_FILE
from keywright.upkeep.backup import back_up
from keywright.upkeep.check import check_backup
from keywright.upkeep.manifest import MANIFEST_FILE
from support import backups
from support.installation import ME, Installation
from support.servers import COMMAND, clean_environment


@pytest.fixture
def backup(installation: Installation, tmp_path: Path) -> Path:
    """A backup of an installation with a key."""
    installation.create()
    return made(installation, tmp_path / "backup")


def made(installation: Installation, target: Path) -> Path:
    """A backup of the installation."""
    return backups.made(installation.keywright.settings.data_dir, target, installation.clock)


def query(file: Path, statement: str) -> list[Any]:
    """What stands in a database of a backup."""
    with closing(dbapi2.connect(f"file:{file}?mode=ro&immutable=1", uri=True)) as connection:
        found: list[Any] = connection.execute(statement).fetchall()
        return found


def test_only_the_owner_reads_a_backup(backup: Path) -> None:
    """Nobody else on the machine learns from a backup what they could not learn from the data directory."""
    assert stat.S_IMODE(backup.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in backup.iterdir()} == {0o600}


def test_s14_a_backup_holds_neither_key_nor_secret(installation: Installation, tmp_path: Path) -> None:
    """S14: whoever finds a backup can make no key of it: neither a key's text nor the master secret is in it."""
    created = installation.create()
    gone = installation.create()
    installation.keywright.manager.delete(ME, installation.account_id, gone.row.id)
    digits = (installation.keywright.settings.data_dir / MASTER_SECRET_FILE).read_text().split(":")[1].strip()

    content = b"".join(each.read_bytes() for each in made(installation, tmp_path / "backup").iterdir())

    for secret in (created.key, gone.key, created.key[-32:], digits):
        assert secret.encode() not in content
    assert bytes.fromhex(digits) not in content
    assert created.row.id.encode() in content


def test_a_backup_replaces_nothing(installation: Installation, backup: Path) -> None:
    """A second backup of the same name fails, and the first stays as it was."""
    before = {each.name: each.read_bytes() for each in backup.iterdir()}

    with pytest.raises(Conflict):
        made(installation, backup)

    assert {each.name: each.read_bytes() for each in backup.iterdir()} == before
    assert sorted(each.name for each in backup.parent.iterdir()) == ["backup", "data"]


def test_there_must_be_something_to_back_up(tmp_path: Path) -> None:
    """A mistyped data directory gives an error, not an empty backup, and is not made."""
    keys, usage, resources = databases()

    with pytest.raises(NotFound):
        back_up(tmp_path / "typo", tmp_path / "backup", (usage, resources, keys), "0", ManualClock())

    assert list(tmp_path.iterdir()) == []


def test_a_backup_is_of_one_moment(installation: Installation, tmp_path: Path) -> None:
    """A backup that is made while keys come and go is one that could have been made at rest, every time."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            created = installation.create()
            installation.create()
            installation.keywright.manager.delete(ME, installation.account_id, created.row.id)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        backups = [made(installation, tmp_path / f"backup{number}") for number in range(12)]
    finally:
        stop.set()
        thread.join()

    for each in backups:
        assert list(check_backup(each, databases(), None)) == []
        manifest = json.loads((each / MANIFEST_FILE).read_text())
        assert query(each / RECORDS_FILE, "SELECT version FROM feed") == [(manifest["feed_version"],)]


def test_a_damaged_database_makes_no_backup(installation: Installation, tmp_path: Path) -> None:
    """Where the database cannot be read, there is an error and nothing that looks like a backup."""
    installation.keywright.close()
    file = installation.keywright.settings.data_dir / RECORDS_FILE
    with file.open("r+b") as damaged:
        damaged.seek(4096)
        damaged.write(os.urandom(4096 * 4))

    with pytest.raises(Unavailable):
        made(installation, tmp_path / "backup")

    assert [each.name for each in tmp_path.iterdir()] == ["data"]


def test_no_room_leaves_nothing(installation: Installation, tmp_path: Path) -> None:
    """Where the disk is full before the backup is done, nothing is left that could be taken for one."""
    for _ in installation.keywright.manager.create_many(ME, installation.account_id, [{"name": "a"}] * 1000):
        pass
    command = ["prlimit", "--fsize=65536", *COMMAND, "db", "backup", str(tmp_path / "backup")]
    data_dir = installation.keywright.settings.data_dir

    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=clean_environment(data_dir), timeout=60
    )

    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.startswith("Error: ")
    assert [each.name for each in tmp_path.iterdir()] == ["data"]


def test_a_killed_backup_is_not_there(installation: Installation, tmp_path: Path) -> None:
    """A backup that is killed while it is being made is a whole one, or has a name that nobody takes for one."""
    for number in range(1, 5):
        place = tmp_path / str(number)
        place.mkdir()
        command = [*COMMAND, "db", "backup", str(place / "backup")]
        with subprocess.Popen(command, env=clean_environment(installation.keywright.settings.data_dir)) as process:
            while process.poll() is None and _written(place) < number:
                pass
            process.send_signal(signal.SIGKILL)
        (found,) = place.iterdir()
        if found.name == "backup":
            assert list(check_backup(found, databases(), None)) == []
        else:
            assert found.name.endswith(".unfinished")


def _written(place: Path) -> int:
    """How many files there are in a backup that is being made."""
    return sum(len(files) for _, _, files in os.walk(place))
