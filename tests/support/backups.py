"""Backups of an installation inside the test's process."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2

from keywright.build import LIMITS_FILE, master_secret
from keywright.cli.db import databases
from keywright.clock import Clock
from keywright.settings import load
from keywright.upkeep.backup import back_up
from keywright.upkeep.check import check_backup, check_data_directory
from keywright.upkeep.restore import Report, Restoring
from support.installation import ME


def made(data_dir: Path, target: Path, clock: Clock) -> Path:
    """A backup of a data directory."""
    keys, usage, resources = databases()
    back_up(data_dir, target, (usage, resources, keys), "0", clock)
    return target


def restored(data_dir: Path, backup: Path, clock: Clock, *, lose: bool = False, **given: Any) -> Report:
    """What came of restoring a backup."""
    settings = load({"data_dir": str(data_dir), **given}, environment={})
    secret = master_secret(settings, make=False)
    restoring = Restoring(settings, secret, databases(), data_dir / LIMITS_FILE, ME, clock)
    return restoring.run(backup, lose_later_deletions=lose)


def problems(directory: Path) -> list[str]:
    """What is wrong with a data directory, as one would read it."""
    settings = load({"data_dir": str(directory)}, environment={})
    found = check_data_directory(directory, databases(), directory / LIMITS_FILE, master_secret(settings, make=False))
    return [f"{each.file}: {each.what}" for each in found]


def problems_of_backup(backup: Path) -> list[str]:
    """What is wrong with a backup, as one would read it."""
    return [f"{each.file}: {each.what}" for each in check_backup(backup, databases(), None)]


def query(file: Path, statement: str, *values: object) -> list[Any]:
    """What a database answers to a connection of the test's own."""
    with closing(dbapi2.connect(file, isolation_level=None)) as connection:
        found: list[Any] = connection.execute(statement, values).fetchall()
        return found
