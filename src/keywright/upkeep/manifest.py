"""What a backup says about itself: a file of its own, in which a changed or missing database is noticed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keywright.errors import Misconfigured, NotFound
from keywright.owners import new_file
from keywright.values import Value

MANIFEST_FILE = "manifest.json"
#: The form of a backup. One of a higher number is not touched: what it needs is not known here.
FORMAT = 1
_CHUNK_BYTES = 1 << 20


class Copied(Value, frozen=True, gc=False):
    """One database of a backup.

    Attributes:
        sha256: of the file, in hexadecimal digits.
        revision: the newest migration of its tables; None where it has no migrations.
    """

    sha256: str
    revision: str | None


class Manifest(Value, frozen=True, gc=False):
    """What a backup says about itself.

    Attributes:
        keywright: the version that made it.
        made_at: when, as the documents write times.
        feed_version: the newest change it holds.
        secret: the fingerprint of each generation of the master secret that its keys were made with.
        files: its databases, by name.
    """

    keywright: str
    made_at: str
    feed_version: int
    secret: Mapping[str, str]
    files: Mapping[str, Copied]

    def members(self) -> dict[str, Any]:
        """As it stands in the file, as JSON data."""
        files = {name: {"sha256": each.sha256, "revision": each.revision} for name, each in self.files.items()}
        members = {name: getattr(self, name) for name in ("keywright", "made_at", "feed_version", "secret")}
        return {"format": FORMAT, **members, "files": files}


def read_manifest(backup: Path) -> Manifest:
    """The manifest of the backup in a directory.

    Raises:
        NotFound: there is none.
        Misconfigured: it cannot be read, or is of a newer form.
    """
    path = backup / MANIFEST_FILE
    try:
        found = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"{backup} is not a backup: it has no {MANIFEST_FILE}.") from None
    except (OSError, ValueError) as error:
        raise Misconfigured(f"{path} cannot be read: {error}.") from error
    try:
        return _parsed(found)
    except (KeyError, TypeError, AttributeError) as error:
        raise Misconfigured(f"{path} is not a manifest of a backup.") from error
    except ValueError as error:
        raise Misconfigured(f"{path}: {error}") from error


def _parsed(found: Any) -> Manifest:
    if found["format"] != FORMAT:
        raise ValueError(f"a backup of the form {found['format']} is not known here. Install the newer Keywright.")
    files = {str(name): Copied(str(each["sha256"]), each["revision"]) for name, each in found["files"].items()}
    if any(Path(name).name != name for name in files):
        raise TypeError(MANIFEST_FILE)
    secret = {str(version): str(fingerprint) for version, fingerprint in found["secret"].items()}
    return Manifest(str(found["keywright"]), str(found["made_at"]), int(found["feed_version"]), secret, files)


def sha256_of(path: Path) -> str:
    """The digest of a file, in hexadecimal digits. OSError where it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copied(source: Path, target: Path) -> str:
    """Copy a file that nobody writes to one that only its owner reads; the digest of what was copied. OSError where
    that cannot be done."""
    digest = hashlib.sha256()
    descriptor = new_file(target)
    with source.open("rb") as read, os.fdopen(descriptor, "wb") as written:
        while chunk := read.read(_CHUNK_BYTES):
            digest.update(chunk)
            written.write(chunk)
        written.flush()
        os.fsync(written.fileno())
    return digest.hexdigest()


def write_durably(path: Path, content: str) -> None:
    """Make a file that only its owner reads, and sync it. OSError where that cannot be done."""
    descriptor = new_file(path)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
