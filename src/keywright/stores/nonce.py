"""Eight random bytes in a small mapped file: how processes on one machine notice each other's changes.

A writer puts new random bytes there after its commit and before it answers. Whoever compares them before using what it
remembers has therefore seen every change that was ever acknowledged. They must be random: of two writers that count up,
one can move the number back over the other's step. They must come after the commit: before it, a reader could look,
find nothing new to read, and believe itself current.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from keywright.errors import Unavailable
from keywright.mounts import identity
from keywright.owners import new_file, why

NONCE_BYTES = 8
NONCE_FILE_BYTES = 4096


class NonceFile:
    """The file, mapped.

    Attributes:
        read: answers the bytes that stand there now; one C call, half as long as any other way to read them.

    Raises:
        Unavailable: the file cannot be made or mapped.
    """

    read: Callable[[], bytes]

    def __init__(self, path: Path) -> None:
        self._path = path
        self._map()

    def _map(self) -> None:
        try:
            if not self._path.exists():
                _create(self._path)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
            try:
                self._memory = mmap.mmap(descriptor, NONCE_FILE_BYTES)
                self._identity = identity(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise Unavailable(f"The coherence file {self._path} cannot be mapped: {why(error, self._path)}.") from error
        except ValueError as error:
            raise Unavailable(f"The coherence file {self._path} cannot be mapped: {error}.") from error
        with memoryview(self._memory) as whole:
            self._view = whole[:NONCE_BYTES]
        self.read = self._view.tobytes

    def replaced(self) -> bool:
        """Whether another file, or none, stands at the path: others would be writing there, and not here."""
        return identity(self._path) != self._identity

    def remap(self) -> None:
        """Map what stands at the path now, made anew if nothing does. Whoever still asks the old `read` gets an old
        answer: take the new one, and forget what was remembered under the old."""
        self._map()

    def renew(self) -> None:
        """Put new random bytes there. Whoever reads half of them while they are being put there has begun before this
        returns, and may take them for new or for old."""
        self._view[:] = secrets.token_bytes(NONCE_BYTES)

    def close(self) -> None:
        """Unmap it. Whoever still asks `read` gets a ValueError, never an old answer."""
        self._view.release()
        self._memory.close()


def _create(path: Path) -> None:
    """Link a full-size file into place: a file that grows or shrinks under a map would kill its readers."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        _write_draft(draft)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _write_draft(draft: Path) -> None:
    descriptor = new_file(draft)
    try:
        os.write(descriptor, secrets.token_bytes(NONCE_BYTES) + bytes(NONCE_FILE_BYTES - NONCE_BYTES))
        # A power cut must not leave an empty file under the name: no process could start on it.
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
