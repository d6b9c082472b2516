"""Making a backup: copies of the databases and a manifest, in a directory that appears whole or not at all."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from keywright.clock import Clock, timestamp
from keywright.errors import Conflict, NotFound, Unavailable
from keywright.master import sync_directory
from keywright.stores import check, settled, sql
from keywright.stores.schema import revision
from keywright.upkeep.manifest import MANIFEST_FILE, Copied, Manifest, sha256_of, write_durably
from keywright.upkeep.parts import RECORDS, Part


def back_up(data_dir: Path, target: Path, parts: Sequence[Part], version: str, clock: Clock) -> Manifest:
    """Copy the databases of a data directory, also while others work on it. No one waits for it.

    Args:
        target: the directory to be made; its parent must exist.
        parts: what is copied, in this order. The keys come last, so that nothing in a backup is of a key that it does
            not know.
        version: of the program, for the manifest.

    Returns:
        the manifest. The backup is on the disk then.

    Raises:
        NotFound: there is no database to be copied.
        Conflict: the target is there already. Nothing was changed.
        Unavailable: a database cannot be read, or a file cannot be written. Nothing is left.
    """
    missing = [part.file for part in parts if not (data_dir / part.file).exists()]
    if RECORDS.file in missing:
        raise NotFound(f"There is no {RECORDS.file} in {data_dir}. Nothing was backed up.")
    if target.exists() or target.is_symlink():
        raise Conflict(f"{target} is there already. A backup never replaces anything: name a new directory.")
    with sql.machine_faults(f"place for the backup, {target.parent},"), _draft_of(target) as draft:
        files = {part.file: _copied(part, data_dir, draft) for part in parts if part.file not in missing}
        with check.reading_copy(draft / RECORDS.file, RECORDS.what) as connection:
            feed, secret = sql.version(connection), settled.noted_secret(connection)
        manifest = Manifest(version, timestamp(clock.now()), feed, secret, files)
        write_durably(draft / MANIFEST_FILE, json.dumps(manifest.members(), indent=2))
        sync_directory(draft)
        _put_in_place(draft, target)
        sync_directory(target.parent)
    return manifest


def _copied(part: Part, data_dir: Path, draft: Path) -> Copied:
    copy = draft / part.file
    with closing(part.opened(data_dir)) as live:
        live.copy_to(copy)
    with check.reading_copy(copy, part.what) as connection:
        if damage := check.damage(connection):
            raise Unavailable(f"The {part.what} is damaged and cannot be backed up: {damage[0]}.")
        return Copied(sha256_of(copy), revision(connection))


@contextmanager
def _draft_of(target: Path) -> Iterator[Path]:
    """A directory beside the target that nobody takes for a backup, gone at the end if it was not renamed."""
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.unfinished")
    draft.mkdir(mode=0o700)
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _put_in_place(draft: Path, target: Path) -> None:
    try:
        # Fails where anything but an empty directory has come to stand there meanwhile.
        os.rename(draft, target)
    except OSError as error:
        if target.exists():
            raise Conflict(f"{target} is there already. A backup never replaces anything.") from error
        raise
