"""A file that many processes map into their memory and change in place, range by range, under locks of the kernel."""

from __future__ import annotations

import contextlib
import mmap
import os
import secrets
import struct
import threading
from fcntl import F_OFD_SETLK, F_UNLCK, F_WRLCK, fcntl
from pathlib import Path

from keywright.clock import Clock
from keywright.errors import Misconfigured, Unavailable
from keywright.mounts import identity
from keywright.owners import new_file, why

_LOCK_POLL_SECONDS = 0.000_05
#: How often a lock is tried before anything is waited for. Whoever holds it is done in 3 µs, unless it was stopped; a
#: process that sleeps instead is away for 100.
_TRIES = 16
_FLOCK = struct.Struct("hhqqi4x")  # struct flock on 64-bit Linux: type, whence, start, length, pid
_CLOSED_DESCRIPTOR = -1


class MappedFile:
    """The file at ``path``, in units of ``unit_bytes``, the first of which begins with ``magic``.

    Room on disk is reserved unit by unit, before it is written: writing to a hole of a mapped file on a full disk
    kills the process with SIGBUS; reserving first turns that into an error that can be answered.

    Attributes:
        map: the file's bytes. Another object after `reserve`; the one before stays valid for whoever holds it.
        reserved: the units that may be read and written.
    """

    def __init__(self, path: Path, magic: bytes, unit_bytes: int) -> None:
        self.path = path
        self._magic = magic
        self._unit_bytes = unit_bytes
        self._growing = threading.Lock()
        self._descriptor = _CLOSED_DESCRIPTOR
        self._closed = False
        self.map = mmap.mmap(-1, 1)
        self.reserved: set[int] = set()

    def open(self) -> None:
        """Open the file, making it if need be.

        Raises:
            Misconfigured: it is another kind of file.
            Unavailable: it cannot be made or opened.
        """
        try:
            if not self.path.exists():
                self._create()
            # Never closed while the process serves, and opened by nobody else in it.
            descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
            try:
                # Before it is mapped: an empty file cannot be.
                if os.pread(descriptor, len(self._magic), 0) != self._magic:
                    raise Misconfigured(
                        f"{self.path} is not a limits file of this version. Move it away and start again."
                    )
                self.map = mmap.mmap(descriptor, os.fstat(descriptor).st_size)
            except BaseException:
                os.close(descriptor)
                raise
        except OSError as error:
            raise Unavailable(f"The limits file {self.path} cannot be opened: {why(error, self.path)}.") from error
        # Only now: the number of a descriptor that was closed again belongs to whatever is opened next.
        self._descriptor = descriptor

    def _create(self) -> None:
        """Make the file with its first unit under another name and link it into place: nobody ever sees half a
        header."""
        draft = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
        descriptor = new_file(draft)
        try:
            os.posix_fallocate(descriptor, 0, self._unit_bytes)
            os.pwrite(descriptor, self._magic, 0)
            # A power cut must not leave an empty file under the name: no process could start on it.
            os.fsync(descriptor)
            with contextlib.suppress(FileExistsError):
                os.link(draft, self.path)
        finally:
            os.close(descriptor)
            draft.unlink()

    def reserve(self, unit: int) -> None:
        """Make sure that there is room for the unit, on disk and in the map. Opens the file if it is not open.

        Raises:
            Misconfigured: see `open`.
            Unavailable: the disk is full, or the file cannot be opened, or was closed for good.
        """
        end = (unit + 1) * self._unit_bytes
        with self._growing:
            self._require_open()
            if self._descriptor == _CLOSED_DESCRIPTOR:
                self.open()
            try:
                os.posix_fallocate(self._descriptor, unit * self._unit_bytes, self._unit_bytes)
                if len(self.map) < end:
                    # Another thread may be reading through the old map: it stays valid until the last lets go.
                    self.map = mmap.mmap(self._descriptor, max(end, os.fstat(self._descriptor).st_size))
            except OSError as error:
                raise Unavailable(f"No room for the counters in {self.path}: {error.strerror}.", 5) from error
            self.reserved.add(unit)

    def is_current(self) -> bool:
        """Whether what stands at the path is what is open here, if anything is: others would be counting there, and not
        here."""
        return self._descriptor == _CLOSED_DESCRIPTOR or identity(self.path) == identity(self._descriptor)

    def follow(self) -> None:
        """Go over to what stands at the path now, made anew if nothing does, with as much room as there was. For who
        holds off all of this process's decisions.

        Raises:
            Misconfigured, Unavailable: see `open` and `reserve`. Nothing is changed then.
        """
        with self._growing:
            self._require_open()
            before, map_before, end = self._descriptor, self.map, len(self.map)
            self.open()
            try:
                for unit in self.reserved:
                    os.posix_fallocate(self._descriptor, unit * self._unit_bytes, self._unit_bytes)
                # As large as before: who only looks reads without a lock, through whichever map is there.
                self.map = mmap.mmap(self._descriptor, max(end, os.fstat(self._descriptor).st_size))
            except (OSError, ValueError) as error:
                os.close(self._descriptor)
                self._descriptor, self.map = before, map_before
                raise Unavailable(f"No room for the counters in {self.path}: {error}.", 5) from error
            os.close(before)

    def lock(self, offset: int, length: int, wait_seconds: float, clock: Clock) -> bool:
        """Lock a range against all other processes; False if somebody holds it for longer than ``wait_seconds``.

        Raises:
            Unavailable: the kernel cannot lock, or the file was closed for good.
        """
        if self._closed:
            self._require_open()
        wanted = _FLOCK.pack(F_WRLCK, 0, offset, length, 0)
        tries, deadline = _TRIES, 0.0
        while True:
            try:
                fcntl(self._descriptor, F_OFD_SETLK, wanted)
            except BlockingIOError:
                tries -= 1
                if tries > 0:
                    continue
                deadline = deadline or clock.elapsed() + wait_seconds
                if clock.elapsed() >= deadline:
                    return False
                clock.pause(_LOCK_POLL_SECONDS)
            except OSError as error:
                raise Unavailable(f"The counters cannot be locked: {error.strerror}.") from error
            else:
                return True

    def _require_open(self) -> None:
        if self._closed:
            raise Unavailable(f"The counters in {self.path} are closed.")

    def unlock(self, offset: int, length: int) -> None:
        """Let go of a range."""
        fcntl(self._descriptor, F_OFD_SETLK, _FLOCK.pack(F_UNLCK, 0, offset, length, 0))

    def after_fork(self) -> None:
        """In a forked child: open the file anew, at the next use. Parent and child would otherwise share one file
        description, and with it every lock, and both would spend the same permit. The child closes its copy of the
        parent's: as long as anybody has it open, the kernel would not release what the parent had locked when it was
        killed."""
        self._let_go()
        self._growing = threading.Lock()
        # Opened at the next use, where a failure can be answered; until then there is nothing that could be used.
        self.reserved.clear()

    def close(self) -> None:
        """Unmap and close, for good; what is in the file stays."""
        self._closed = True
        self.reserved.clear()
        self._let_go()

    def _let_go(self) -> None:
        self.map.close()
        if self._descriptor != _CLOSED_DESCRIPTOR:
            os.close(self._descriptor)
            self._descriptor = _CLOSED_DESCRIPTOR
