"""Putting a backup back: what was deleted or narrowed after it stays so, and whoever is running notices at once."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from keywright.audit import Action, Actor, AuditEvent
from keywright.clock import Clock, timestamp
from keywright.errors import Conflict, Misconfigured, Unavailable
from keywright.key import KeyFormats
from keywright.limits.counters import ENTRY_BYTES
from keywright.limits.shared import accounts_file
from keywright.master import MasterSecret, sync_directory
from keywright.owners import new_directory
from keywright.record import LimitPolicy
from keywright.settings import Settings
from keywright.stores import check, restore as statements, sql
from keywright.stores.nonce import NonceFile
from keywright.stores.restore import Restored
from keywright.stores.schema import revision
from keywright.stores.sqlite import NONCE_FILE, SqliteStore
from keywright.upkeep.manifest import Manifest, copied, read_manifest
from keywright.upkeep.parts import LOG_ENDINGS, RECORDS, USAGE, Part
from keywright.values import Value

_WORKSHOP = ".restore"
#: A file that ends so is there only where there were keys before.
_TRACES = ("*.db", "*.db-wal", "*.table", "*.nonce")
_LATER_DELETIONS = (
    "Keys that were deleted after the backup would be alive again, and nothing here says which. If there is no better "
    "copy, say --lose-later-deletions, and delete them again before you let requests in"
)


class Report(Value, frozen=True, gc=False):
    """What a restore has done.

    Attributes:
        made_at: when the backup was made.
        restored: what came of the keys.
        later_deletions_lost: whether there was no database from which to learn what was deleted after the backup.
        moved_aside: the directory that holds what could not be read; None where everything could.
    """

    made_at: str
    restored: Restored
    later_deletions_lost: bool
    moved_aside: Path | None

    def members(self) -> dict[str, Any]:
        """As JSON data."""
        counts = {name: getattr(self.restored, name) for name in self.restored.__struct_fields__}
        aside = None if self.moved_aside is None else str(self.moved_aside)
        lost = {"later_deletions_lost": self.later_deletions_lost, "moved_aside": aside}
        return {"made_at": self.made_at, **counts, **lost}


class Restoring:
    """One restore.

    Args:
        parts: the databases, the keys first.
        limits_file: where the counters of limits are.
        actor: who is named in the audit log.
    """

    def __init__(
        self, settings: Settings, secret: MasterSecret, parts: Sequence[Part], limits_file: Path, actor: Actor,
        clock: Clock,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._data_dir = settings.data_dir
        self._secret = secret
        self._parts = parts
        self._limits_file = limits_file
        self._actor = actor
        self._clock = clock
        self._moved_aside: Path | None = None

    def run(self, backup: Path, *, lose_later_deletions: bool = False) -> Report:
        """Put a backup in the place of the databases, or of nothing.

        Keys, accounts, subscriptions and campaigns are those of the backup then. Tombstones, the audit log and usage
        are united with those of the backup. People and their sessions stay those of now. Each database changes in one
        transaction: whoever is killed in the middle of this may run it again.

        Args:
            backup: the directory.
            lose_later_deletions: go on where the keys' database is damaged or missing. It is moved aside then.

        Raises:
            NotFound: there is no backup.
            Misconfigured: the backup is damaged, of a newer Keywright, or made with another master secret.
            Conflict: what was deleted since cannot be known; or the database has another history; or another restore
                is running.
            Unavailable: a database cannot answer now.

        Whatever is raised before the keys are changed, nothing was changed.
        """
        manifest = read_manifest(backup)
        with sql.machine_faults(f"data directory {self._data_dir}"), _workshop(self._data_dir) as shop:
            present = [part for part in self._parts if self._fetch(part, manifest, backup, shop)]
            self._settle(shop)
            readable = {part.file: _is_readable(part, self._data_dir) for part in present}
            lost = not readable[RECORDS.file]
            if lost and not lose_later_deletions and any(any(self._data_dir.glob(each)) for each in _TRACES):
                raise Conflict(f"{self._data_dir / RECORDS.file} is damaged or missing. {_LATER_DELETIONS}.")
            restored = self._restore_records(shop, manifest, lost=lost)
            for part in present[1:]:
                self._restore_part(part, shop, readable=readable[part.file])
        return Report(manifest.made_at, restored, lost, self._moved_aside)

    def _fetch(self, part: Part, manifest: Manifest, backup: Path, shop: Path) -> bool:
        """Copy one database of the backup and make it one of today; whether the backup has it."""
        if part.file not in manifest.files:
            if part is RECORDS:
                raise Misconfigured(f"{backup} holds no {part.file}. Nothing was changed.")
            return False
        try:
            digest = copied(backup / part.file, shop / part.file)
        except FileNotFoundError:
            digest = ""
        if digest != manifest.files[part.file].sha256:
            raise Misconfigured(
                f"{backup / part.file} is damaged or missing: it is not the file that the manifest tells of. Use "
                "another backup. Nothing was changed."
            )
        part.bring_up_to_date(shop)
        return True

    def _settle(self, shop: Path) -> None:
        """See that master secret and settings are those that the backup's keys can be verified with."""
        with closing(SqliteStore(shop)) as store:
            tag_keys = store.settle_secret(self._secret.fingerprint(), self._secret.derive("key tag"))
            formats = KeyFormats(self._settings.ordered_formats(), tag_keys.values())
            store.settle_formats({name: each.shape() for name, each in formats.by_name.items()})

    def _restore_records(self, shop: Path, manifest: Manifest, *, lost: bool) -> Restored:
        least_slot = self._least_slot(shop, lost=lost)
        operator = self._operator(shop)

        def event(restored: Restored) -> AuditEvent:
            details = {name: getattr(restored, name) for name in restored.__struct_fields__}
            details |= {"made_at": manifest.made_at, "later_deletions_lost": lost}
            action = Action.DATABASE_RESTORE
            return AuditEvent(self._clock.now(), self._actor, operator, action, RECORDS.file, details)

        if lost:
            with closing(RECORDS.opened(shop)) as copy:
                restored = statements.settle_alone(copy, least_slot, self._least_account(), event)
            self._put_in_place(RECORDS, shop)
            with closing(NonceFile(self._data_dir / NONCE_FILE)) as nonce:
                nonce.renew()
            return restored
        policy = LimitPolicy(self._settings.default_limit, self._settings.key_formats)
        with closing(SqliteStore(self._data_dir)) as store:
            store.settle_secret(self._secret.fingerprint(), self._secret.derive("key tag"))
        with (
            closing(RECORDS.opened(self._data_dir)) as live,
            closing(NonceFile(self._data_dir / NONCE_FILE)) as nonce,
        ):
            return statements.restore_records(live, shop / RECORDS.file, policy, least_slot, event, nonce.renew)

    def _restore_part(self, part: Part, shop: Path, *, readable: bool) -> None:
        if not readable:
            self._put_in_place(part, shop)
            return
        part.bring_up_to_date(self._data_dir)
        with closing(part.opened(self._data_dir)) as live:
            part.replace(live, shop / part.file)

    def _least_slot(self, shop: Path, *, lost: bool) -> int:
        """The highest slot that may have been used. Whoever got it again would get another key's counters."""
        found = [0]
        for directory in (self._data_dir, shop):
            if _is_readable(USAGE, directory):
                with closing(USAGE.opened(directory)) as file, file.reading() as connection:
                    found.append(statements.highest_slot(connection))
        if lost and self._limits_file.exists():
            found.append(self._limits_file.stat().st_size // ENTRY_BYTES)
        return max(found)

    def _least_account(self) -> int:
        """The same for the numbers of accounts: whoever got one again would get another account's counters. Only those
        with limits were ever counted, and no other number matters."""
        counters = accounts_file(self._limits_file)
        return counters.stat().st_size // ENTRY_BYTES if counters.exists() else 0

    def _operator(self, shop: Path) -> str:
        with closing(SqliteStore(shop)) as store, store.snapshot() as reads:
            return next((each.id for each in reads.accounts() if each.operator), "")

    def _put_in_place(self, part: Part, shop: Path) -> None:
        """Where there is nothing that could be changed in one transaction, rename the copy, which is as atomic. What
        stood there is kept; at no moment is there no database, which the next start would begin anew."""
        live = self._data_dir / part.file
        if live.exists():
            os.link(live, self._aside() / part.file)
        for ending in LOG_ENDINGS:
            log = live.with_name(live.name + ending)
            if log.exists():
                # A log that does not belong to the file beside it would be read into it.
                os.rename(log, self._aside() / log.name)
        if self._moved_aside:
            sync_directory(self._moved_aside)
        os.replace(shop / part.file, live)
        sync_directory(self._data_dir)

    def _aside(self) -> Path:
        if self._moved_aside is None:
            at = timestamp(self._clock.now()).replace(":", "")
            names = (self._data_dir / f"damaged-{at}{more}" for more in ("", *(f"-{n}" for n in range(2, 100))))
            self._moved_aside = next(each for each in names if not each.exists())
            new_directory(self._moved_aside)
        return self._moved_aside


@contextmanager
def _workshop(data_dir: Path) -> Iterator[Path]:
    """A directory for the copies; only one restore at a time has it, and what a killed one left in it is removed."""
    descriptor = os.open(data_dir, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict("Another restore is running on this data directory. Nothing was changed.") from None
        shop = data_dir / _WORKSHOP
        shutil.rmtree(shop, ignore_errors=True)
        new_directory(shop)
        try:
            yield shop
        finally:
            shutil.rmtree(shop, ignore_errors=True)
    finally:
        os.close(descriptor)


def _is_readable(part: Part, directory: Path) -> bool:
    """Whether the database is there, whole, and not empty."""
    path = directory / part.file
    if not path.exists() or path.stat().st_size == 0:
        return False
    try:
        with closing(part.opened(directory)) as file, file.reading() as connection:
            # What has migrations and has had none is a file that somebody made, and not a database.
            return not check.damage(connection) and (not part.migrated or revision(connection) is not None)
    except Unavailable as error:
        if check.is_damage(error):
            return False
        raise
