"""Counters that all processes of one machine share: a memory-mapped table beside the database.

Each key owns one entry of 64 bytes, found by its slot number, so there is no hash table to share and nothing that a
stranger could fill. A decision locks that entry's byte range in the kernel (2 to 3 µs), which releases it when the
process dies, whatever it was doing. Counters survive ``kill -9`` and a restart; after a power cut the last seconds'
counts may be lost, which can admit again what they had admitted.

Why a kill cannot admit too much: what is spent is written before the request is admitted, and each cell is written
whole. A process that dies between two of a key's windows leaves one charged for a request that was never answered.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import secrets
import struct
import threading
from pathlib import Path
from typing import Any

from keywright.clock import Clock
from keywright.errors import Misconfigured, Unavailable
from keywright.limits.base import MAX_LIMITS_PER_KEY, Decision, Limit
from keywright.limits.window import CLOSED, Cell, decide, decide_one, standing

MAGIC = b"keywright limits 1\n"
HEADER_BYTES = 4096
_CELL = struct.Struct("=dII")  # opened_at, spent, window_seconds (0: the cell is free)
_ENTRY = struct.Struct("=" + "dII" * MAX_LIMITS_PER_KEY)
ENTRY_BYTES = _ENTRY.size
#: Entries whose room on disk is reserved together. Writing to a hole of a mapped file on a full disk kills the process
#: with SIGBUS; reserving first turns that into an error that can be answered.
CHUNK_BYTES = ENTRY_BYTES * 4096
#: How long a decision waits for another process that holds the same key's entry (it may be stopped in a debugger).
LOCK_WAIT_SECONDS = 0.25
_LOCK_POLL_SECONDS = 0.000_05
_FLOCK = struct.Struct("hhqqi4x")  # struct flock on 64-bit Linux: type, whence, start, length, pid
_STRIPES = 64
_HELD = "Another process holds this key's counters and does not move."
_CLOSED_DESCRIPTOR = -1


class SharedLimiter:
    """A `Limiter` over one file, shared by all processes that open the same path.

    Raises:
        Misconfigured: the file is not a table of counters.
        Unavailable: it cannot be made or opened.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._growing = threading.Lock()
        # Open-file-description locks do not see the threads of their own process.
        self._threads = tuple(threading.Lock() for _ in range(_STRIPES))
        self._open()

    def _open(self) -> None:
        try:
            if not self._path.exists():
                _create_table(self._path)
            # Never closed while the process serves, and opened by nobody else in it.
            descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
            try:
                # Before it is mapped: an empty file cannot be.
                if os.pread(descriptor, len(MAGIC), 0) != MAGIC:
                    raise Misconfigured(
                        f"{self._path} is not a limits file of this version. Move it away and start again."
                    )
                self._map = mmap.mmap(descriptor, os.fstat(descriptor).st_size)
            except BaseException:
                os.close(descriptor)
                raise
        except OSError as error:
            raise Unavailable(f"The limits file {self._path} cannot be opened: {error.strerror}.") from error
        # Only now: the number of a descriptor that was closed again belongs to whatever is opened next.
        self._descriptor = descriptor
        self._reserved: set[int] = set()

    def after_fork(self) -> None:
        """In a forked child: open the table anew. Parent and child would otherwise share one file description, and
        with it every lock, and both would spend the same permit. The child closes its copy of the parent's: as long
        as anybody has it open, the kernel would not release what the parent had locked when it was killed."""
        self.close()
        self._threads = tuple(threading.Lock() for _ in range(_STRIPES))
        self._growing = threading.Lock()
        # Opened at the next use, where a failure can be answered; until then there is nothing that could be used.
        self._reserved.clear()

    def take(self, slot: int, limits: tuple[Limit, ...], cost: int, now: float) -> Decision:
        """See `Limiter.take`."""
        decision = self._take(slot, limits, cost, now, LOCK_WAIT_SECONDS)
        if decision is None:
            raise Unavailable(_HELD)
        return decision

    def try_take(self, slot: int, limits: tuple[Limit, ...], cost: int, now: float) -> Decision | None:
        """See `Limiter.try_take`."""
        return self._take(slot, limits, cost, now, 0.0)

    def _take(
        self, slot: int, limits: tuple[Limit, ...], cost: int, now: float, wait_seconds: float
    ) -> Decision | None:
        offset = self._entry(slot)
        thread = self._threads[slot % _STRIPES]
        if not thread.acquire(timeout=wait_seconds):
            return None
        try:
            if not self._lock(offset, wait_seconds):
                return None
            try:
                if len(limits) == 1:
                    return self._take_one(offset, limits[0], cost, now)
                return self._take_all(offset, limits, cost, now)
            finally:
                self._unlock(offset)
        finally:
            thread.release()

    def peek(self, slot: int, limits: tuple[Limit, ...], now: float) -> Decision:
        """See `Limiter.peek`."""
        offset = self._entry(slot)
        # Without the lock: cells are written whole, and a state that is a moment old is as good as any.
        _, cells = self._read(offset, limits)
        return standing(cells, limits, now)

    def close(self) -> None:
        """Unmap the table and close the file; the counters stay in it."""
        self._map.close()
        if self._descriptor != _CLOSED_DESCRIPTOR:
            os.close(self._descriptor)
            self._descriptor = _CLOSED_DESCRIPTOR

    def _take_one(self, offset: int, limit: Limit, cost: int, now: float) -> Decision:
        places, cells = self._read(offset, (limit,))
        decision, (opened_at, used) = decide_one(cells[0], limit, cost, now)
        if decision.admitted:
            self._write(places[0], opened_at, used, limit.window_seconds)
        return decision

    def _take_all(self, offset: int, limits: tuple[Limit, ...], cost: int, now: float) -> Decision:
        places, cells = self._read(offset, limits)
        decision, spent = decide(cells, limits, cost, now)
        if decision.admitted:
            for place, (opened_at, used), limit in zip(places, spent, limits, strict=True):
                self._write(place, opened_at, used, limit.window_seconds)
        return decision

    def _write(self, place: int, opened_at: float, used: int, window_seconds: int) -> None:
        # One copy of 16 aligned bytes, which is one instruction. `pack_into` would clear them first: a process killed
        # between the two leaves a free cell, and with it a whole new allowance.
        self._map[place : place + _CELL.size] = _CELL.pack(opened_at, used, window_seconds)

    def _read(self, offset: int, limits: tuple[Limit, ...]) -> tuple[list[int], list[Cell]]:
        """Where each limit's cell is, and what it holds. A limit without a cell gets one that no limit here uses."""
        entry = _ENTRY.unpack_from(self._map, offset)
        windows = entry[2::3]
        wanted = [limit.window_seconds for limit in limits]
        free: list[int] = []
        places, cells = [], []
        for window_seconds in wanted:
            if window_seconds in windows:
                number = windows.index(window_seconds)
                cells.append((entry[number * 3], entry[number * 3 + 1]))
            else:
                free = free or _unused(entry, wanted)
                number = free.pop()
                cells.append(CLOSED)
            places.append(offset + number * _CELL.size)
        return places, cells

    def _entry(self, slot: int) -> int:
        offset = HEADER_BYTES + slot * ENTRY_BYTES
        if offset // CHUNK_BYTES not in self._reserved:
            with self._growing:
                self._reserve(offset // CHUNK_BYTES)
        return offset

    def _reserve(self, chunk: int) -> None:
        # Header and chunks are whole numbers of entries, so that no entry lies across two chunks.
        end = (chunk + 1) * CHUNK_BYTES
        if self._descriptor == _CLOSED_DESCRIPTOR:
            self._open()
        try:
            os.posix_fallocate(self._descriptor, chunk * CHUNK_BYTES, CHUNK_BYTES)
            if len(self._map) < end:
                # Another thread may be reading through the old map: it stays valid until the last reader lets go.
                self._map = mmap.mmap(self._descriptor, max(end, os.fstat(self._descriptor).st_size))
        except OSError as error:
            raise Unavailable(f"No room for the counters in {self._path}: {error.strerror}.", 5) from error
        self._reserved.add(chunk)

    def _unlock(self, offset: int) -> None:
        fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_UNLCK, 0, offset, ENTRY_BYTES, 0))

    def _lock(self, offset: int, wait_seconds: float) -> bool:
        wanted = _FLOCK.pack(fcntl.F_WRLCK, 0, offset, ENTRY_BYTES, 0)
        deadline: float | None = None
        while True:
            try:
                fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, wanted)
            except BlockingIOError:
                deadline = self._clock.elapsed() + wait_seconds if deadline is None else deadline
                if self._clock.elapsed() >= deadline:
                    return False
                self._clock.pause(_LOCK_POLL_SECONDS)
            except OSError as error:
                raise Unavailable(f"The counters cannot be locked: {error.strerror}.") from error
            else:
                return True


def _unused(entry: tuple[Any, ...], wanted: list[int]) -> list[int]:
    """The cells whose window nobody asks for, the one that ended first at the end: it goes first, so that a limit that
    comes back within its window finds what was spent in it."""
    unused = [number for number in range(MAX_LIMITS_PER_KEY) if entry[number * 3 + 2] not in wanted]
    return sorted(unused, key=lambda number: entry[number * 3] + entry[number * 3 + 2], reverse=True)


def _create_table(path: Path) -> None:
    """Make the file full-size under another name and link it into place: nobody ever sees half a header."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, CHUNK_BYTES)
        os.pwrite(descriptor, MAGIC, 0)
        # A power cut must not leave an empty file under the name: no process could start on it.
        os.fsync(descriptor)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        os.close(descriptor)
        draft.unlink()
