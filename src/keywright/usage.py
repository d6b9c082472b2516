"""Usage, written behind: when each key was last used, and how its requests ended, hour by hour.

Noting a request touches memory only. A flush, once a second, writes everything that was noted in one transaction, to
tables that hold nothing but usage. What may be lost: a process that is killed loses what it noted since its last flush,
so at most `FLUSH_SECONDS` of counts; a process that is stopped properly loses nothing. A flush that fails keeps what it
could not write and tries again; what is written late is counted in the hour in which it was noted.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from enum import IntEnum
from typing import TypeAlias

from keywright.clock import Clock
from keywright.errors import Unavailable
from keywright.reason import Reason
from keywright.record import ANY_REQUEST, Record, Request
from keywright.stores.base import KEPT_ADDRESSES, KEPT_REFUSALS, LastUse, Refusal, Sighting, UsageRow, UsageStore
from keywright.values import Mutable, replace

FLUSH_SECONDS = 0.8
#: Within how many seconds a use shows in lists: one flush, and the time it takes.
VISIBLE_WITHIN_SECONDS = 2.0
HOUR_SECONDS = 3600
#: Keys written in one transaction; more would make other processes wait.
BATCH_KEYS = 1000
#: Hours that are kept apart while nothing can be written; what came before is counted to the oldest of them. Else a
#: disk that is broken for weeks would fill the memory.
MAX_UNWRITTEN_HOURS = 48
#: Addresses and refusals that are kept in memory until they are written, of all keys together, besides the last address
#: of each: else a flood of requests with many keys from many addresses would fill it. What is more is only counted.
MOST_TRACES = 20_000
_TEXT_LIMIT = 255
_ADDRESS_LIMIT = 64
_MAX_HARMLESS = 4096

_log = logging.getLogger("keywright.usage")
# Without a handler anywhere, `logging` would write warnings to the standard error of whoever embeds us.
_log.addHandler(logging.NullHandler())


class UsageOutcome(IntEnum):
    """How a request that carried a known key ended, as far as the key was concerned. Stored and shown by name, in lower
    case."""

    ACCEPTED = 0
    RATE_LIMITED = 1
    FORBIDDEN = 2
    REFUSED = 3


# Members of an enumeration are slow to look up and to index by, and this one is on the hot path.
_REFUSED = int(UsageOutcome.REFUSED)
_NAMES = tuple(outcome.name.lower() for outcome in UsageOutcome)

#: What each refusal of a known key counts as.
OUTCOME_OF = {
    Reason.RATE_LIMITED: UsageOutcome.RATE_LIMITED,
    Reason.SCOPE: UsageOutcome.FORBIDDEN,
    Reason.NETWORK: UsageOutcome.FORBIDDEN,
    Reason.ENVIRONMENT: UsageOutcome.FORBIDDEN,
    Reason.DISABLED: UsageOutcome.REFUSED,
    Reason.EXPIRED: UsageOutcome.REFUSED,
}


class _Noted(Mutable, gc=False):
    """What one key did since the last flush. The counts are named as in `UsageOutcome`. No lists in here but those of a
    few keys (see `MOST_TRACES`): where many keys are used in a second, the garbage collector would walk them all."""

    account_id: str
    used_at: float = 0.0
    request: Request = ANY_REQUEST
    accepted: int = 0
    rate_limited: int = 0
    forbidden: int = 0
    refused: int = 0
    since: float = 0.0  # when the address of `request` was seen first
    seen: dict[str, tuple[float, float]] | None = None  # other addresses: first and last; the one left last comes last
    denied: list[Refusal] | None = None  # the oldest first

    def add(self, name: str, count: int) -> None:
        """Count ``count`` more of that outcome."""
        setattr(self, name, getattr(self, name) + count)

    def counts(self) -> tuple[tuple[str, int], ...]:
        """How many requests ended how, without what never happened."""
        return tuple((name, count) for name in _NAMES if (count := getattr(self, name)))

    def see(self, address: str, first_at: float, last_at: float, *, room: bool = True) -> bool:
        """Remember an address, if there is ``room`` for one more; whether there is one more now."""
        if not address:
            return False
        address = address[:_ADDRESS_LIMIT]
        if self.seen is None:
            self.seen = {}
        before = self.seen.pop(address, None)
        if before is not None:
            self.seen[address] = min(before[0], first_at), max(before[1], last_at)
            return False
        full = len(self.seen) >= KEPT_ADDRESSES
        if full:
            del self.seen[next(iter(self.seen))]
        elif not room:
            return False
        self.seen[address] = first_at, last_at
        return not full

    def deny(self, refusal: Refusal, *, room: bool = True) -> bool:
        """Remember a refusal, if there is ``room`` for one more; whether there is one more now."""
        if self.denied is None:
            self.denied = []
        full = len(self.denied) >= KEPT_REFUSALS
        if full:
            del self.denied[0]
        elif not room:
            return False
        self.denied.append(refusal)
        return not full


_Table: TypeAlias = dict[int, _Noted]


class UsageRecorder:
    """Notes requests in memory and writes them behind.

    Args:
        redact: hides what is key-shaped in what a client says it is: some put their key there.

    Attributes:
        writable: whether the last flush could write what it had.
        failures: how many flushes could not.
    """

    def __init__(self, store: UsageStore, clock: Clock, redact: Callable[[str], str] = str) -> None:
        self._store = store
        self._clock = clock
        self._redact = redact
        self._harmless: set[str] = set()
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self.writable = True
        self.failures = 0
        self._flushed_at = clock.elapsed()
        self._tables: dict[int, _Table] = {}  # by the hour they began in, of all that is not written yet
        self._begin_hour(clock.now())
        self._traces = 0  # addresses and refusals in all of them, besides the last address of each key
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def note(self, record: Record, request: Request, outcome: int, now: float, reason: Reason | None = None) -> None:
        """Count one request. A request with a good key, whatever became of it, is also the key's last use.

        Args:
            outcome: a `UsageOutcome`; a plain number of the same value is quicker.
            reason: why it was refused.
        """
        # The lock costs 0.1 µs and makes counts exact: without it a flush could write and forget an entry between
        # another thread's look-up of it and its addition.
        with self._lock:
            if now >= self._hour_ends:
                self._begin_hour(now)
            noted = self._noted.get(record.slot)
            if noted is None:
                noted = self._noted[record.slot] = _Noted(record.account_id)
            if outcome:
                noted.add(_NAMES[outcome], 1)
                if reason is not None:
                    self._deny(noted, reason, request.address, now)
                if outcome == _REFUSED:
                    return
            else:
                noted.accepted += 1
            if now > noted.used_at:
                # Mostly the same one; to look is quicker than to put it there again.
                if noted.request is not request:
                    if noted.request.address != request.address:
                        self._see(noted, noted.request.address, noted.since, noted.used_at)
                        noted.since = now
                    noted.request = request
                noted.used_at = now
            elif noted.request.address != request.address:
                self._see(noted, request.address, now, now)

    def reclassify(self, record: Record, address: str, reason: Reason) -> None:
        """Count a request that was noted as accepted as refused: its handler found out more than the verifier knew."""
        now = self._clock.now()
        with self._lock:
            noted = self._noted.setdefault(record.slot, _Noted(record.account_id))
            noted.accepted -= 1
            noted.add(_NAMES[OUTCOME_OF[reason]], 1)
            self._deny(noted, reason, address, now)

    def _see(self, noted: _Noted, address: str, first_at: float, last_at: float) -> None:
        self._traces += noted.see(address, first_at, last_at, room=self._traces < MOST_TRACES)

    def _deny(self, noted: _Noted, reason: Reason, address: str, now: float) -> None:
        refusal = Refusal(now, reason, address[:_ADDRESS_LIMIT])
        self._traces += noted.deny(refusal, room=self._traces < MOST_TRACES)

    def _begin_hour(self, now: float) -> None:
        hour = int(now) // HOUR_SECONDS * HOUR_SECONDS
        self._hour_ends = float(hour + HOUR_SECONDS)  # compared with floats on the hot path, which is quicker so
        self._noted = self._tables.setdefault(hour, {})

    def flush(self) -> int:
        """Write what was noted; returns for how many keys, each hour for itself.

        Raises:
            Unavailable: it could not be written. Nothing is lost; the next flush tries again.
        """
        with self._flushing:
            with self._lock:
                tables, self._tables = self._tables, {}
                traces, self._traces = self._traces, 0
                self._begin_hour(self._clock.now())
            try:
                written = sum(self._write(hour, tables[hour]) for hour in sorted(tables))
            except BaseException:
                self.writable = False
                self.failures += 1
                self._take_back(tables, traces)
                raise
            self.writable = True
            self._flushed_at = self._clock.elapsed()
            return written

    def age_seconds(self) -> float:
        """How long ago everything that had been noted was written."""
        return self._clock.elapsed() - self._flushed_at

    def _write(self, hour: int, table: _Table) -> int:
        """Write a table and empty it: what is left in it was not written."""
        slots = list(table)
        for start in range(0, len(slots), BATCH_KEYS):
            batch = slots[start : start + BATCH_KEYS]
            try:
                self._add(hour, table, batch)
            except Unavailable:
                raise
            except Exception:  # noqa: BLE001 - one of them can never be stored; the others must not wait for it
                for slot in batch:
                    self._add_or_drop(hour, table, slot)
        return len(slots)

    def _add(self, hour: int, table: _Table, slots: list[int]) -> None:
        self._store.add([self._row(slot, table[slot]) for slot in slots], hour)
        for slot in slots:
            del table[slot]

    def _add_or_drop(self, hour: int, table: _Table, slot: int) -> None:
        try:
            self._add(hour, table, [slot])
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001 - see `_write`
            del table[slot]
            _log.exception("The usage of one key in one hour cannot be stored and is lost.")

    def _take_back(self, unwritten: dict[int, _Table], traces: int) -> None:
        with self._lock:
            # Some may have been written: to count them until the next flush costs nothing but room.
            self._traces += traces
            for hour, table in unwritten.items():
                since = self._tables.get(hour, {})
                # The few that were noted since to the many, not the other way round: every request waits meanwhile.
                for slot, new in since.items():
                    _join(table.setdefault(slot, new), new)
                self._tables[hour] = table
                if self._noted is since:
                    self._noted = table
            while len(self._tables) > MAX_UNWRITTEN_HOURS:
                self._join_oldest()

    def _join_oldest(self) -> None:
        """Count the oldest hour to the one after it: no request is lost, only when it was is told less well."""
        # Never the one that is being noted in: where a clock was set back, that may be the oldest.
        oldest, next_one = sorted(hour for hour, table in self._tables.items() if table is not self._noted)[:2]
        into = self._tables[next_one]
        for slot, noted in self._tables.pop(oldest).items():
            _join(into.setdefault(slot, noted), noted)

    def _row(self, slot: int, noted: _Noted) -> UsageRow:
        last_use = None
        if noted.used_at:
            address = _storable(noted.request.address)[:_ADDRESS_LIMIT]
            last_use = LastUse(noted.used_at, address, self._shown(noted.request.user_agent))
        return UsageRow(slot, noted.account_id, last_use, noted.counts(), _sightings(noted, last_use), _denied(noted))

    def _shown(self, user_agent: str) -> str:
        # Looking for keys takes longer than all the rest of a flush, and clients are few: what held none is remembered.
        if user_agent in self._harmless:
            return user_agent[:_TEXT_LIMIT]
        shown = self._redact(_storable(user_agent))
        if shown == user_agent and len(self._harmless) < _MAX_HARMLESS and len(user_agent) <= _TEXT_LIMIT:
            self._harmless.add(user_agent)
        return shown[:_TEXT_LIMIT]

    def start(self) -> None:
        """Flush every `FLUSH_SECONDS` in a thread of its own, until `close`."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="keywright-usage", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(FLUSH_SECONDS):
            wrote = self.writable
            try:
                self.flush()
            except Exception as error:  # noqa: BLE001 - without this thread nothing would ever be written again
                if wrote:
                    _log.warning("Usage cannot be written now. It is kept and tried again: %s", error)
            else:
                if not wrote:
                    _log.warning("Usage is written again.")

    def after_fork(self) -> None:
        """In a forked child: what the parent noted, the parent writes."""
        running = self._thread is not None
        self.__init__(self._store, self._clock, self._redact)  # type: ignore[misc]
        if running:
            self.start()

    def close(self) -> None:
        """Stop the thread and write what is left.

        Raises:
            Unavailable: what is left could not be written, and is lost.
        """
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()


def _join(noted: _Noted, old: _Noted) -> None:
    if noted is old:
        return
    for name, count in old.counts():
        noted.add(name, count)
    for address, (first_at, last_at) in (old.seen or {}).items():
        noted.see(address, first_at, last_at)
    for refusal in old.denied or ():
        noted.deny(refusal)
    if old.used_at > noted.used_at:
        noted.see(noted.request.address, noted.since, noted.used_at)
        noted.used_at, noted.request, noted.since = old.used_at, old.request, old.since
    else:
        noted.see(old.request.address, old.since, old.used_at)


def _sightings(noted: _Noted, last_use: LastUse | None) -> tuple[Sighting, ...]:
    last = (Sighting(last_use.address, noted.since, last_use.at),) if last_use and last_use.address else ()
    if not noted.seen:
        return last
    others = tuple(Sighting(_storable(address), *times) for address, times in noted.seen.items())
    return others + last


def _denied(noted: _Noted) -> tuple[Refusal, ...]:
    return tuple(replace(each, address=_storable(each.address)) for each in noted.denied or ())


def _storable(text: str) -> str:
    """``text`` without what databases cannot store: half a surrogate pair, NUL."""
    return text if text.isascii() and "\0" not in text else text.encode(errors="replace").decode().replace("\0", "?")
