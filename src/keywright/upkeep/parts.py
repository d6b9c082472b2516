"""The databases of a data directory, each with what has to be known to look after it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from keywright.stores.restore import restore_usage
from keywright.stores.sqlite import RECORDS_FILE, USAGE_FILE, SqliteStore, SqliteUsageStore
from keywright.stores.sqlite_file import SqliteFile

LOG_ENDINGS = ("-wal", "-shm")


class _Opened(Protocol):
    def close(self) -> None: ...


class Part(NamedTuple):
    """One database.

    Attributes:
        file: its name.
        what: what to call it.
        open: opens the one in a directory and brings its tables up to date.
        replace: restores the one in use from a copy. The keys' takes more than that: see `upkeep.restore`.
        migrated: whether its tables have migrations.
    """

    file: str
    what: str
    open: Callable[[Path], _Opened]
    replace: Callable[[SqliteFile, Path], None]
    migrated: bool = True

    def bring_up_to_date(self, directory: Path) -> None:
        """Run the migrations that the one in ``directory`` lacks.

        Raises:
            Misconfigured: it was written by a newer Keywright.
            Unavailable: it cannot be read.
        """
        self.open(directory).close()

    def opened(self, directory: Path) -> SqliteFile:
        """The one in ``directory`` as it is, without a word to whoever else works on it. Unavailable, Misconfigured:
        see `SqliteFile`."""
        return SqliteFile(directory / self.file, self.what)


def _not_so_simple(file: SqliteFile, copy: Path) -> None:
    raise NotImplementedError("see upkeep.restore")


RECORDS = Part(RECORDS_FILE, "key store", SqliteStore, _not_so_simple)
USAGE = Part(USAGE_FILE, "usage store", SqliteUsageStore, restore_usage)
