"""Looking for what is wrong with a data directory or a backup. Nothing is repaired, and nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from keywright.errors import Unavailable
from keywright.limits.counters import MAGIC, SLICES_MAGIC
from keywright.master import MasterSecret
from keywright.stores import check, settled, sql
from keywright.stores.schema import HEADS, revision
from keywright.upkeep.manifest import Manifest, read_manifest, sha256_of
from keywright.upkeep.parts import RECORDS, Part


class Problem(NamedTuple):
    """One thing that is wrong.

    Attributes:
        file: where.
        what: in one sentence.
    """

    file: str
    what: str


def check_data_directory(
    data_dir: Path, parts: Sequence[Part], limits_file: Path, secret: MasterSecret | None
) -> Iterator[Problem]:
    """What is wrong with the files of a data directory, also while others work on them.

    Args:
        secret: compared with the databases; None if it is not at hand, which is no problem here.
    """
    for part in parts:
        if not (data_dir / part.file).exists():
            # Whoever only embeds the library has no resource APIs.
            yield from [Problem(part.file, "it is missing")] if part.migrated else []
            continue
        try:
            yield from _problems(part, _reading(part, data_dir), secret)
        except Unavailable as error:
            yield Problem(part.file, str(error))
    if not limits_file.exists():
        yield Problem(limits_file.name, "it is missing; the next start makes it, and every key has its full limit then")
    endings = {"": MAGIC, ".slices": SLICES_MAGIC, ".accounts": MAGIC, ".accounts.slices": SLICES_MAGIC}
    for ending, magic in endings.items():
        path = limits_file.with_name(limits_file.name + ending)
        if path.exists():
            yield from _limits_problems(path, magic)


def check_backup(backup: Path, parts: Sequence[Part], secret: MasterSecret | None) -> Iterator[Problem]:
    """What is wrong with a backup.

    Raises:
        NotFound: there is none.
        Misconfigured: its manifest cannot be read.
    """
    manifest = read_manifest(backup)
    if RECORDS.file not in manifest.files:
        yield Problem(RECORDS.file, "it is not in the backup")
    for part in parts:
        if part.file in manifest.files:
            yield from _copy_problems(part, backup / part.file, manifest, secret)


def _copy_problems(part: Part, path: Path, manifest: Manifest, secret: MasterSecret | None) -> Iterator[Problem]:
    try:
        if sha256_of(path) != manifest.files[part.file].sha256:
            yield Problem(part.file, "it is not the file that the manifest tells of")
        yield from _problems(part, check.reading_copy(path, part.what), secret)
        if part is RECORDS:
            with check.reading_copy(path, part.what) as connection:
                if settled.noted_secret(connection) != manifest.secret:
                    yield Problem(part.file, "the manifest tells of another master secret")
                if sql.version(connection) != manifest.feed_version:
                    yield Problem(part.file, "the manifest tells of another version of the feed")
    except (Unavailable, OSError) as error:
        yield Problem(part.file, str(error))


@contextmanager
def _reading(part: Part, data_dir: Path) -> Iterator[Any]:
    with closing(part.opened(data_dir)) as file, file.reading() as connection:
        yield connection


def _problems(part: Part, opened: AbstractContextManager[Any], secret: MasterSecret | None) -> Iterator[Problem]:
    with opened as connection:
        damage = check.damage(connection)
        yield from (Problem(part.file, each) for each in damage or check.lost_references(connection))
        if damage or not part.migrated:
            return
        found = revision(connection)
        if found is None:
            yield Problem(part.file, "it holds no tables")
        elif part is RECORDS and found > HEADS["records"]:
            yield Problem(part.file, f"it is of version {found}; this Keywright knows {HEADS['records']}")
        elif part is RECORDS:
            yield from (Problem(part.file, each) for each in check.contradictions(connection))
            if secret is not None:
                for each in settled.foreign_generations(connection, secret.fingerprint()):
                    yield Problem(part.file, f"generation {each} of the master secret does not belong to it")


def _limits_problems(path: Path, magic: bytes) -> Iterator[Problem]:
    try:
        with path.open("rb") as file:
            if file.read(len(magic)) != magic:
                yield Problem(path.name, "it is not a limits file of this version")
    except OSError as error:
        yield Problem(path.name, f"it cannot be read: {error.strerror}")
