"""The installation's one master secret, and the keys derived from it.

Pepper, tag key and everything else that must not stand in the database are derived by HKDF-SHA-256 (RFC 5869) from one
secret of 32 bytes. It lives in a file of its own, readable by its owner only, or in the environment. Several
generations may stand in the file, one a line as ``version:hex``: the highest version is used for new digests, the
others keep verifying until their keys have been digested anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path

from keywright.clock import SystemClock
from keywright.errors import Misconfigured
from keywright.owners import new_file
from keywright.values import Value

SECRET_BYTES = 32
#: A draft that is older was left behind by a process that was killed; none takes this long to put its own in place.
STALE_DRAFT_SECONDS = 60.0
_LINE = re.compile(r"([1-9][0-9]{0,2}):([0-9a-fA-F]{64})", re.ASCII)
_DRAFT_END = re.compile(r"\.[0-9a-f]{8}")


def hkdf(secret: bytes, purpose: str, length: int = 32) -> bytes:
    """HKDF-SHA-256 with an empty salt and ``purpose`` as its info; at most 255 * 32 bytes. RFC 5869, section 2."""
    pseudo_random_key = hmac.digest(b"\0" * 32, secret, "sha256")
    block, output = b"", b""
    for counter in range(1, -(-length // 32) + 1):
        block = hmac.digest(pseudo_random_key, block + purpose.encode() + bytes([counter]), "sha256")
        output += block
    return output[:length]


class MasterSecret(Value, frozen=True, gc=False):
    """All generations of the secret, the newest first. Its ``repr`` shows none of them."""

    generations: tuple[tuple[int, bytes], ...]

    def __repr__(self) -> str:
        return f"MasterSecret(versions={[version for version, _ in self.generations]})"

    def derive(self, purpose: str) -> dict[int, bytes]:
        """The 32-byte key for ``purpose``, for each generation by its version, the newest first."""
        return {version: hkdf(secret, f"keywright {purpose}") for version, secret in self.generations}

    def fingerprint(self) -> dict[int, str]:
        """What the database may hold of each generation, to notice a wrong secret at start-up."""
        return {version: hashlib.sha256(key).hexdigest()[:32] for version, key in self.derive("fingerprint").items()}


def parse_master_secret(text: str, origin: str) -> MasterSecret:
    """The secret written in ``text``; ``origin`` is named in errors.

    Raises:
        Misconfigured: no generation, or a line that is not ``version:64 hex digits``, or a version given twice.
    """
    found: dict[int, bytes] = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        match = _LINE.fullmatch(line)
        if not match or int(match[1]) in found or int(match[1]) > 255:
            raise Misconfigured(
                f"The master secret in {origin} must have one line a generation, each 'version:64 hex digits', with a "
                "version from 1 to 255 used once. `openssl rand -hex 32` makes such digits."
            )
        found[int(match[1])] = bytes.fromhex(match[2])
    if not found:
        raise Misconfigured(f"The master secret in {origin} is empty. Restore it from your backup of the secret.")
    return MasterSecret(tuple(sorted(found.items(), reverse=True)))


def read_master_secret(path: Path) -> MasterSecret:
    """The secret in the file ``path``.

    Raises:
        Misconfigured: the file cannot be read, others can read it, or it does not hold a secret.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"The master secret {path} cannot be read ({error.__class__.__name__}).") from error
    if mode & 0o077:
        raise Misconfigured(f"Others can read the master secret {path}. Run `chmod 600 {path}`.")
    return parse_master_secret(text, str(path))


def create_master_secret(path: Path) -> MasterSecret:
    """Make the secret file, or read the one that another process has just made.

    The file appears whole or not at all: it is written under another name, synced, then linked into place, so that a
    process that starts at the same moment never reads half a secret, and a crash leaves none.

    Raises:
        Misconfigured: the file cannot be made, or the one that is there cannot be used.
    """
    remove_stale_drafts(path, SystemClock.now())
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        try:
            _write_draft(draft)
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
            sync_directory(path.parent)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise Misconfigured(f"The master secret {path} cannot be made: {error.strerror}.") from error
    return read_master_secret(path)


def remove_stale_drafts(path: Path, now: float) -> None:
    """Remove what killed processes left beside the secret file: it may be a second copy of the secret, that no backup
    plan and no rotation knows of."""
    for draft in path.parent.glob(f".{path.name}.*"):
        with contextlib.suppress(OSError):
            if _DRAFT_END.fullmatch(draft.suffix) and now - draft.stat().st_mtime > STALE_DRAFT_SECONDS:
                draft.unlink()


def _write_draft(draft: Path) -> None:
    descriptor = new_file(draft)
    try:
        os.write(descriptor, f"1:{secrets.token_hex(SECRET_BYTES)}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_directory(path: Path) -> None:
    """Make the names in a directory survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
