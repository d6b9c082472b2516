"""What unknown keys may cost: a bound on the look-ups that strangers cause.

Garbage ends before it gets here: it has no prefix, a wrong CRC or a wrong tag, and costs no I/O. What is left are
texts that could be keys. A text just found to be unknown is not looked up again for a moment; a source whose keys
keep being unknown may cause only so many look-ups; and only so many look-ups run at once. A remembered key, living or
deleted, never gets here, so nobody's flood refuses a key that is in use.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from keywright.clock import Clock
from keywright.errors import Unavailable

K = TypeVar("K")
V = TypeVar("V")

UNKNOWN_SECONDS = 2.0
MAX_UNKNOWN = 65_536
MAX_SOURCES = 16_384
#: How many look-ups of unknown keys one source may cause at once, and how many more each second.
BURST = 50
PER_SECOND = 10.0
MAX_LOOKUPS = 32
LOOKUP_WAIT_SECONDS = 1.0


class FloodGate:
    """Stands before the store."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._unknown: OrderedDict[bytes, float] = OrderedDict()
        self._sources: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._slots = threading.BoundedSemaphore(MAX_LOOKUPS)

    def is_unknown(self, fingerprint: bytes) -> bool:
        """Whether this text was found to be no key within the last two seconds."""
        found_at = self._unknown.get(fingerprint)
        return found_at is not None and self._clock.elapsed() - found_at < UNKNOWN_SECONDS

    @contextmanager
    def lookup(self, source: str) -> Iterator[None]:
        """A place among the running look-ups, for a source that has not caused too many in vain.

        Raises:
            Unavailable: no place became free in a second, or the source has used up its share.
        """
        with self._lock:
            tokens = self._tokens(source)
        # Who asks inside the program itself has no address: they would all share one bucket.
        if source and tokens < 1:
            raise Unavailable("Too many unknown keys came from this address.", 1)
        if not self._slots.acquire(timeout=LOOKUP_WAIT_SECONDS):
            raise Unavailable("Too many keys are being looked up.", 1)
        try:
            yield
        finally:
            self._slots.release()

    def charge(self, source: str, fingerprint: bytes) -> None:
        """A look-up found no such key: remember the text, and take it from the source's share."""
        with self._lock:
            _put(self._unknown, fingerprint, self._clock.elapsed(), MAX_UNKNOWN)
            _put(self._sources, source, (self._tokens(source) - 1, self._clock.elapsed()), MAX_SOURCES)

    def after_fork(self) -> None:
        """In a forked child: begin anew, with locks that no thread of the parent holds."""
        self.__init__(self._clock)  # type: ignore[misc]

    def _tokens(self, source: str) -> float:
        left, at = self._sources.get(source, (float(BURST), 0.0))
        return min(float(BURST), left + (self._clock.elapsed() - at) * PER_SECOND)


def _put(table: OrderedDict[K, V], name: K, value: V, most: int) -> None:
    table[name] = value
    table.move_to_end(name)
    if len(table) > most:
        table.popitem(last=False)
