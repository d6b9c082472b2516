"""What unknown keys may cost: a bound on the look-ups that strangers cause.

Garbage ends before it gets here: it has no prefix, a wrong CRC or a wrong tag, and costs no I/O. What is left are
texts that could be keys. A text just found to be unknown is not looked up again for a moment; a source whose keys
keep being unknown may cause only so many look-ups; and only so many look-ups run at once. A remembered key, living or
deleted, never gets here, so nobody's flood refuses a key that is in use.

A source is an IPv4 address or an IPv6 network of 64 bits: whoever has one IPv6 address has all the others of its
network too, 2^64 of them.
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from keywright.clock import Clock
from keywright.errors import Unavailable
from keywright.recent import Recent
from keywright.record import parse_address

UNKNOWN_SECONDS = 2.0
#: How many unknown texts and how many sources are remembered: at most 10 MB and 4 MB.
MAX_UNKNOWN = 65_536
MAX_SOURCES = 16_384
#: How many look-ups of unknown keys one source may cause at once, and how many more each second.
BURST = 50
PER_SECOND = 10.0
MAX_LOOKUPS = 32
LOOKUP_WAIT_SECONDS = 1.0
#: The part of an IPv6 address that its holder cannot choose.
IPV6_SOURCE_BITS = 64
#: Of an address that is none: the text is only told apart from others, and must not fill memory.
_MAX_SOURCE_CHARACTERS = 64


class FloodGate:
    """Stands before the store."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._unknown: Recent[bytes, float] = Recent(MAX_UNKNOWN)
        # When the source's share will be whole again, which says how much of it is left now. One number: a pair for
        # each would be one more object for the garbage collector to walk.
        self._whole_at: Recent[str, float] = Recent(MAX_SOURCES)
        self._slots = threading.BoundedSemaphore(MAX_LOOKUPS)

    def is_unknown(self, fingerprint: bytes) -> bool:
        """Whether this text was found to be no key within the last two seconds."""
        found_at = self._unknown.get(fingerprint)
        return found_at is not None and self._clock.elapsed() - found_at < UNKNOWN_SECONDS

    @contextmanager
    def lookup(self, source: str) -> Iterator[None]:
        """A place among the running look-ups, for a source that has not caused too many in vain.

        Args:
            source: as `source_of` gives it; empty for whoever asks inside the program itself.

        Raises:
            Unavailable: no place became free in a second, or the source has used up its share.
        """
        with self._lock:
            left = self._left(source)
        # Who asks inside the program itself has no address: they would all share one bucket.
        if source and left < 1:
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
            now = self._clock.elapsed()
            self._unknown.put(fingerprint, now)
            self._whole_at.put(source, now + (BURST + 1 - self._left(source)) / PER_SECOND)

    def after_fork(self) -> None:
        """In a forked child: begin anew, with locks that no thread of the parent holds."""
        self.__init__(self._clock)  # type: ignore[misc]

    def _left(self, source: str) -> float:
        whole_at = self._whole_at.get(source)
        if whole_at is None:
            return float(BURST)
        return BURST - max(0.0, whole_at - self._clock.elapsed()) * PER_SECOND


def source_of(address: str) -> str:
    """Who is counted together with the client at ``address``; an address that is none is a source of its own."""
    if ":" in address:
        parsed = parse_address(address)
        if isinstance(parsed, ipaddress.IPv6Address):
            return str(ipaddress.IPv6Network((int(parsed), IPV6_SOURCE_BITS), strict=False))
        if parsed is not None:
            return str(parsed)
    return address[:_MAX_SOURCE_CHARACTERS]
