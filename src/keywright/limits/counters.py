"""The counters of many owners (keys, or accounts) in a mapped file, each found by its owner's number.

An owner has one entry of 64 bytes: a cell of 16 for each of its limits, which says itself for what kind of limit and
what window it counts. So there is no hash table to share, and nothing that a stranger could fill. What a sliding window
counts does not fit into a cell: it is in a second file beside the first, which is made when it is first needed, and has
room on disk for those owners only that need it.

Why a kill cannot admit too much: what is spent is written before the request is admitted, and each cell, and each count
of a sliding window, is written whole. A process that dies between two of an owner's limits leaves one charged for a
request that was never answered.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from keywright.clock import Clock
from keywright.errors import Unavailable
from keywright.limits.base import MAX_LIMITS_PER_KEY, SECOND_NS, Decision, Kind, Limit
from keywright.limits.bucket import Bucket
from keywright.limits.mapped import MappedFile
from keywright.limits.sliding import LIVE, PLACES, Slices
from keywright.limits.standing import Standing
from keywright.limits.window import CLOSED, Window, decide_one

MAGIC = b"keywright limits 1\n"
SLICES_MAGIC = b"keywright slices 1\n"
HEADER_BYTES = 4096
#: A fixed window: opened_at, spent, tag. A sliding one: when nothing counts any more, 0, tag. A tag of 0: it is free.
_CELL = struct.Struct("=dII")
_CELL_BYTES = _CELL.size
_BUCKET = struct.Struct("=qII")  # empty_ns, count, tag
_ENTRY = struct.Struct("=" + "dII" * MAX_LIMITS_PER_KEY)
ENTRY_BYTES = _ENTRY.size
#: Entries whose room on disk is reserved together.
CHUNK_BYTES = ENTRY_BYTES * 4096
#: The kind stands above the window's seconds, which are below 2**25. Fixed is 0: its tag is its window.
_KIND_SHIFT = 30
_WINDOW_MASK = (1 << _KIND_SHIFT) - 1

_RING = struct.Struct(f"=Q{PLACES}I")  # the newest slice's number, then the counts
_NUMBER = struct.Struct("=Q")
_COUNT = struct.Struct("=I")
_PAGE_BYTES = 4096
_RINGS_PER_PAGE = _PAGE_BYTES // _RING.size
_NO_COUNT = _COUNT.pack(0)

_STRIPES = 64
#: How long closing waits for one decision: as long as a decision itself waits for another process, and a little.
_CLOSING_WAIT_SECONDS = 0.5


class Counters:
    """Counters in the file at ``path``, shared by all processes that open the same path. Raises as `MappedFile` does.

    Whoever reads and writes an owner's counters holds its lock (`acquire`), but for looking at them.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        self.table = MappedFile(path, MAGIC, CHUNK_BYTES)
        self._slices = MappedFile(path.with_name(path.name + ".slices"), SLICES_MAGIC, _PAGE_BYTES)
        # A file that is there and is none of ours is found at the start, not by the first request that needs it.
        for file in (self.table, self._slices):
            if file.path.exists():
                file.open()
        # Open-file-description locks do not see the threads of their own process.
        self._threads = tuple(threading.Lock() for _ in range(_STRIPES))

    def after_fork(self) -> None:
        """See `MappedFile.after_fork`."""
        self.table.after_fork()
        self._slices.after_fork()
        self._threads = tuple(threading.Lock() for _ in range(_STRIPES))

    def close(self) -> None:
        """See `MappedFile.close`. Decisions under way are made first; those that come later get `Unavailable`."""
        held = [each for each in self._threads if each.acquire(timeout=_CLOSING_WAIT_SECONDS)]
        try:
            self.table.close()
            self._slices.close()
        finally:
            for each in held:
                each.release()

    def is_current(self) -> bool:
        """See `MappedFile.is_current`, of both files."""
        return self.table.is_current() and self._slices.is_current()

    def follow(self) -> None:
        """See `MappedFile.follow`, for whichever file is another than what stands at its path.

        Raises:
            Unavailable: as there; or decisions are under way that do not end.
        """
        with self._nobody_deciding():
            for file in (self.table, self._slices):
                if not file.is_current():
                    file.follow()

    @contextmanager
    def _nobody_deciding(self) -> Iterator[None]:
        """No thread of this process is in the middle of a decision, nor begins one."""
        with ExitStack() as held:
            for each in self._threads:
                if not each.acquire(timeout=_CLOSING_WAIT_SECONDS):
                    raise Unavailable("A decision about a limit does not end.")
                held.callback(each.release)
            yield

    def entry(self, number: int) -> int:
        """Where the owner's entry is; there is room for it from now on."""
        offset = HEADER_BYTES + number * ENTRY_BYTES
        # Header and chunks are whole numbers of entries, so that no entry lies across two chunks.
        if offset // CHUNK_BYTES not in self.table.reserved:
            self.table.reserve(offset // CHUNK_BYTES)
        return offset

    def acquire(self, number: int, offset: int, wait_seconds: float) -> bool:
        """Lock the owner's counters against all threads and processes; False if somebody holds them for too long."""
        thread = self._threads[number % _STRIPES]
        if not thread.acquire(timeout=wait_seconds):
            return False
        try:
            locked = self.table.lock(offset, ENTRY_BYTES, wait_seconds, self._clock)
        except BaseException:
            thread.release()
            raise
        if not locked:
            thread.release()
        return locked

    def release(self, number: int, offset: int) -> None:
        """Let go of what `acquire` has locked."""
        try:
            self.table.unlock(offset, ENTRY_BYTES)
        finally:
            self._threads[number % _STRIPES].release()

    def take_fixed(self, number: int, limit: Limit, cost: int, now: float, wait_seconds: float) -> Decision | None:
        """Spend from the one limit of an owner, a fixed window; None if somebody holds its counters for too long."""
        # The same as `entry`, `acquire`, `_spend_fixed` and `release`: most decisions are made here.
        table = self.table
        offset = HEADER_BYTES + number * ENTRY_BYTES
        if offset // CHUNK_BYTES not in table.reserved:
            table.reserve(offset // CHUNK_BYTES)
        thread = self._threads[number % _STRIPES]
        # Mostly nobody holds it, and to ask without a time takes half as long.
        if not (thread.acquire(blocking=False) or (wait_seconds and thread.acquire(timeout=wait_seconds))):
            return None
        try:
            if not table.lock(offset, ENTRY_BYTES, wait_seconds, self._clock):
                return None
            try:
                return self._spend_fixed(offset, limit, cost, now)
            finally:
                table.unlock(offset, ENTRY_BYTES)
        finally:
            thread.release()

    def _spend_fixed(self, offset: int, limit: Limit, cost: int, now: float) -> Decision:
        # The tag of a fixed window is the window. One limit alone is mostly counted in the first cell.
        place, tag = 0, limit.window_seconds
        opened_at, used, found = _CELL.unpack_from(self.table.map, offset)
        if found != tag:
            (place,), entry = self._places(offset, (limit,))
            opened_at, used = entry[place * 3 : place * 3 + 2] if entry[place * 3 + 2] == tag else CLOSED
        decision, opened_at, used = decide_one(opened_at, used, limit, cost, now)
        if decision.admitted:
            self.put(offset, place, _CELL.pack(opened_at, used, tag))
        return decision

    def read(
        self, number: int, offset: int, limits: tuple[Limit, ...], now: float, *, settle: bool = True
    ) -> tuple[list[int], list[Standing]]:
        """Which cell each limit has, and where it stands. A limit without a cell gets one that no limit here uses.

        Args:
            settle: write down at once what a changed rate makes of a bucket; only for who holds the lock. From then
                on it fills at the new rate, also where the request that found the change is refused.

        Raises:
            Unavailable: there is no room on disk for what is to be written.
        """
        places, entry = self._places(offset, limits)
        standings: list[Standing] = []
        for place, limit in zip(places, limits, strict=True):
            stored = entry[place * 3 + 2] == _tag(limit)
            if limit.kind is Kind.FIXED:
                cell = (entry[place * 3], entry[place * 3 + 1]) if stored else CLOSED
                standings.append(Window.at(limit, cell, now))
            elif limit.kind is Kind.BUCKET:
                standings.append(self._bucket(offset, place, limit, now, stored=stored, settle=settle))
            else:
                newest, *ring = self._ring(number, place) if stored else (0,)
                standings.append(Slices.at(limit, newest, ring, now))
                # Here, where nothing is written yet: a disk without room must not charge one limit and not the next.
                self._ring_offset(number, place)
        return places, standings

    def write(self, number: int, offset: int, places: Sequence[int], standings: Sequence[Any]) -> None:
        """Store standings in the cells that `read` has found for them."""
        for place, standing in zip(places, standings, strict=True):
            limit = standing.limit
            if isinstance(standing, Window):
                packed = _CELL.pack(standing.opened_at, standing.used, _tag(limit))
            elif isinstance(standing, Bucket):
                packed = _BUCKET.pack(*standing.cell, _tag(limit))
            else:
                self._write_slices(number, offset, place, standing)
                packed = _CELL.pack(standing.state().resets_at, 0, _tag(limit))
            self.put(offset, place, packed)

    def put(self, offset: int, place: int, packed: bytes) -> None:
        """Store one cell."""
        # One copy of 16 aligned bytes, which is one instruction. `pack_into` would clear them first: a process killed
        # between the two leaves a free cell, and with it a whole new allowance.
        start = offset + place * _CELL_BYTES
        self.table.map[start : start + _CELL_BYTES] = packed

    def _places(self, offset: int, limits: tuple[Limit, ...]) -> tuple[list[int], tuple[Any, ...]]:
        entry = _ENTRY.unpack_from(self.table.map, offset)
        tags = entry[2::3]
        wanted = [_tag(limit) for limit in limits]
        free: list[int] = []
        places = []
        for tag in wanted:
            if tag in tags:
                places.append(tags.index(tag))
            else:
                free = free or self._unused(offset, entry, wanted)
                places.append(free.pop())
        return places, entry

    def _unused(self, offset: int, entry: tuple[Any, ...], wanted: list[int]) -> list[int]:
        """The cells that no limit here asks for, the one that ended first at the end: it goes first, so that a limit
        that comes back within its window finds what was spent in it."""

        def ends_at(place: int) -> float:
            window_seconds, kind = entry[place * 3 + 2] & _WINDOW_MASK, entry[place * 3 + 2] >> _KIND_SHIFT
            if kind == Kind.BUCKET:
                # How large it was is not known, only how fast it filled: a window's worth is as good a guess as any.
                empty_ns, _, _ = _BUCKET.unpack_from(self.table.map, offset + place * _CELL.size)
                return float(empty_ns / SECOND_NS + window_seconds)
            return float(entry[place * 3] + (window_seconds if kind == Kind.FIXED else 0))

        # Of several that were never used, the first: `_spend_fixed` looks there first.
        unused = [place for place in reversed(range(MAX_LIMITS_PER_KEY)) if entry[place * 3 + 2] not in wanted]
        return sorted(unused, key=ends_at, reverse=True)

    def _bucket(self, offset: int, place: int, limit: Limit, now: float, *, stored: bool, settle: bool) -> Bucket:
        if not stored:
            return Bucket.at(limit, None, now)
        empty_ns, count, tag = _BUCKET.unpack_from(self.table.map, offset + place * _CELL.size)
        if not count:
            # Nothing fills by nothing: half of a cell, which is all that a power cut has left of it.
            return Bucket.at(limit, None, now)
        bucket = Bucket.at(limit, (empty_ns, count), now)
        if settle and count != limit.count:
            self.put(offset, place, _BUCKET.pack(*bucket.cell, tag))
        return bucket

    def _ring_offset(self, number: int, place: int) -> int:
        # By place first and owner second: an owner's rings are apart, but those of many owners who have one sliding
        # window each, as is usual, are together and share their pages.
        page = 1 + number // _RINGS_PER_PAGE * MAX_LIMITS_PER_KEY + place
        if page not in self._slices.reserved:
            self._slices.reserve(page)
        return page * _PAGE_BYTES + number % _RINGS_PER_PAGE * _RING.size

    def _ring(self, number: int, place: int) -> tuple[int, ...]:
        offset = self._ring_offset(number, place)
        return _RING.unpack_from(self._slices.map, offset)

    def _write_slices(self, number: int, offset: int, place: int, slices: Slices) -> None:
        start = self._ring_offset(number, place)
        ring, newest = self._slices.map, slices.newest
        (tag,) = _COUNT.unpack_from(self.table.map, offset + place * _CELL.size + 12)
        (stored,) = _NUMBER.unpack_from(ring, start)
        if tag != _tag(slices.limit) or not newest - LIVE < stored <= newest:
            # The ring of another limit, or of a time that is past. Until it is whole again, the cell is nobody's.
            self.put(offset, place, bytes(_CELL.size))
            ring[start : start + _RING.size] = bytes(_RING.size)
            stored = newest - 1
        for each in range(stored + 1, newest + 1):
            # One by one, a place first emptied and then entered: it is emptied when it counts for nobody, and whoever
            # finds what a killed process left here finds each slice that still counts.
            self._put_count(ring, start, each, _NO_COUNT)
            ring[start : start + _NUMBER.size] = _NUMBER.pack(each)
        self._put_count(ring, start, newest, _COUNT.pack(slices.counts[-1]))

    @staticmethod
    def _put_count(ring: Any, start: int, slice_number: int, packed: bytes) -> None:
        place = start + _NUMBER.size + slice_number % PLACES * _COUNT.size
        ring[place : place + _COUNT.size] = packed


def _tag(limit: Limit) -> int:
    return limit.window_seconds | limit.kind << _KIND_SHIFT
