"""The hot path: may this key pass?

The order is the cheapest refusal first: size, memory, checksum and tag, and only then the store; then the rules of
`record`, the limits, and the scopes last, so that what lacks a scope is charged like any other request (a free answer
would be an oracle).
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable
from typing import TypeAlias

from keywright.cache import RecordCache
from keywright.clock import Clock
from keywright.digest import Digester
from keywright.errors import Unavailable
from keywright.flood import FloodGate, source_of
from keywright.key import MAX_KEY_CHARACTERS, KeyFormats
from keywright.limits.base import AccountLimits, Decision, Limit, Limiter
from keywright.outcome import Accepted, Outcome, Refused
from keywright.reason import Reason
from keywright.record import (
    ANY_REQUEST,
    LimitPolicy,
    Record,
    Request,
    life_refusal,
    missing_scopes,
    place_refusal,
    record_of,
)
from keywright.stores.base import Store
from keywright.usage import OUTCOME_OF, UsageOutcome, UsageRecorder
from keywright.values import replace

# Members of an enumeration are slow to look up and to index by, and this one is on the hot path.
_ACCEPTED = int(UsageOutcome.ACCEPTED)
_MALFORMED = Refused(Reason.MALFORMED)
_UNKNOWN = Refused(Reason.UNKNOWN)
_STRIPES = 64
#: 120 bits under a secret key; a `bytes` of one more would take 16 more, for every remembered key.
_FINGERPRINT_BYTES = 15
_Take: TypeAlias = Callable[[int, tuple[Limit, ...], int, float, AccountLimits | None], Decision | None]


class Verifier:
    """Verifies keys against what this process remembers, and against the store where it remembers nothing.

    A warm verification runs no statement and does no I/O but locking and unlocking the key's counters. All methods may
    be called from any thread.
    """

    def __init__(
        self,
        *,
        formats: KeyFormats,
        digester: Digester,
        policy: LimitPolicy,
        store: Store,
        cache: RecordCache,
        limiter: Limiter,
        usage: UsageRecorder,
        clock: Clock,
    ) -> None:
        self._formats = formats
        self._digester = digester
        self._policy = policy
        self._store = store
        self._cache = cache
        self._limiter = limiter
        # Bound once: binding a method anew costs as much as looking a key up.
        self._take = limiter.take
        self._try_take = limiter.try_take
        self._note = usage.note
        self._now = clock.now
        self._flood = FloodGate(clock)
        # Remembered keys are found by a fingerprint under a key that dies with this process: memory, swap and core
        # dumps hold neither keys nor anything the database holds.
        self._new_fingerprint = hashlib.blake2s(key=secrets.token_bytes(32), digest_size=_FINGERPRINT_BYTES).copy
        self._misses = tuple(threading.Lock() for _ in range(_STRIPES))

    def verify(self, presented: str | None, request: Request = ANY_REQUEST, now: float | None = None) -> Outcome:
        """Whether a request with the key ``presented`` may pass, and why not.

        What the key's owner may do with the answer is not checked; nor is the key's account.

        Args:
            presented: the key as it came, and nothing around it. Any text at all is allowed; None, which is what a
                table of headers says where there is no key, is malformed.
            request: what else is known of the request. A scope that the key lacks is refused after the limits were
                charged.
            now: Unix seconds; the clock's time if None.

        Raises:
            Unavailable: the store or the counters cannot answer. Never a verdict on the key.
        """
        # Whether there is a text at all turns out where finding it out costs texts nothing.
        text: str = presented  # type: ignore[assignment]
        outcome = self._remembered(text, request, now, self._take)
        return outcome if outcome is not None else self._cold(text, request, now, self._take)

    def warm(self, presented: str, request: Request = ANY_REQUEST, now: float | None = None) -> Outcome | None:
        """The same answer where it can be given at once; None where it needs the store, or where another process holds
        the key's counters. Never waits, so that an event loop may call it."""
        return self._remembered(presented, request, now, self._try_take)

    def identify(self, presented: str, request: Request = ANY_REQUEST, now: float | None = None) -> Outcome:
        """The same as `verify` for a request that is charged to somebody else: it takes nothing from the key's limits,
        and is not refused where they are used up. The decision tells where they stand.

        Raises:
            Unavailable: see `verify`.
        """
        outcome = self._remembered(presented, request, now, self._look)
        return outcome if outcome is not None else self._cold(presented, request, now, self._look)

    def warm_identity(self, presented: str, request: Request = ANY_REQUEST, now: float | None = None) -> Outcome | None:
        """The same answer where it can be given at once; None where it needs the store, or for a key with limits, whose
        standing cannot be read without waiting for whoever is changing it."""
        return self._remembered(presented, request, now, _never)

    def remembered(self, presented: str) -> Record | None:
        """The record of a key that is good now, if this process remembers it and nothing but its life and its limits
        binds it. Nothing is charged or noted; see `note_use`.

        Raises:
            Unavailable: see `verify`.
        """
        fingerprint = self._new_fingerprint()
        fingerprint.update(presented.encode(errors="replace"))
        if self._store.freshness() != self._cache.seen:
            return None
        digest = fingerprint.digest()
        known = self._cache.entries[digest[0]].get(digest)
        if known is None or known.record.guarded or known.record.expires_at <= self._now():
            return None
        return known.record

    def recall(self, presented: str) -> tuple[bytes, Accepted] | None:
        """Where a key that was just verified is remembered, and what; None if it is not. Nobody may believe it: it is
        for `again` to say what it is worth."""
        fingerprint = self._new_fingerprint()
        fingerprint.update(presented.encode())
        digest = fingerprint.digest()
        known = self._cache.entries[digest[0]].get(digest)
        return None if known is None else (digest, known)

    def again(self, digest: bytes, known: Accepted, request: Request, now: float) -> Outcome | None:
        """The same as `warm` for the key that `recall` found there; None also where something else, or nothing, is
        remembered there by now.

        Raises:
            Unavailable: see `verify`.
        """
        return self._judge(known, request, now, self._try_take) if self.is_current(digest, known) else None

    def is_current(self, digest: bytes, known: Accepted) -> bool:
        """Whether what `recall` found there is still what this process remembers, and may believe."""
        # In this order, as in `_remembered`.
        cache = self._cache
        return self._store.freshness() == cache.seen and cache.entries[digest[0]].get(digest) is known

    def note_use(self, record: Record, request: Request) -> None:
        """Note that a key was used for something that is not charged to it."""
        self._note(record, request, _ACCEPTED, self._now())

    def _remembered(self, presented: str, request: Request, now: float | None, take: _Take) -> Outcome | None:
        fingerprint = self._new_fingerprint()
        try:
            if len(presented) > MAX_KEY_CHARACTERS:
                return _MALFORMED
            fingerprint.update(presented.encode())
        except (TypeError, UnicodeEncodeError):
            # No text at all, such as None; or half a surrogate pair. Others that are not ASCII are simply not found.
            return _MALFORMED
        # First whether memory is current, then what it holds: the other way round, a change that lands in between
        # would be missed.
        cache = self._cache
        if self._store.freshness() != cache.seen:
            return None
        digest = fingerprint.digest()
        known = cache.entries[digest[0]].get(digest)
        if known is None:
            return self._garbage(presented, digest)
        if now is None:
            now = self._now()
        record = known.record
        # Most ask for nothing but a good key, and need not be asked what else they want.
        if record.plain and now < record.expires_at and (request is ANY_REQUEST or _asks_nothing(request)):
            # The same as `_judge` would come to, for a key that nothing but its life binds.
            self._note(record, request, _ACCEPTED, now)
            return known
        return self._judge(known, request, now, take)

    def _judge(self, known: Accepted, request: Request, now: float, take: _Take) -> Outcome | None:
        record = known.record
        if request.account_id and request.account_id != record.account_id:
            return _UNKNOWN
        if record.guarded or record.expires_at <= now or request.environment:
            reason = life_refusal(record, now) or place_refusal(record, request)
            if reason is not None:
                return self._refuse(record, reason, request, now)
        if not record.limits and record.account_limits is None:
            outcome = known
        else:
            decision = take(record.slot, record.limits, request.cost, now, record.account_limits)
            if decision is None:
                return None
            if not decision.admitted:
                self._note(record, request, UsageOutcome.RATE_LIMITED, now, Reason.RATE_LIMITED)
                return Refused(Reason.RATE_LIMITED, record, decision)
            outcome = Accepted(record, decision)
        if request.scopes and (missing := missing_scopes(record.scopes, request.scopes)):
            self._note(record, request, UsageOutcome.FORBIDDEN, now, Reason.SCOPE)
            return Refused(Reason.SCOPE, record, outcome.decision, missing)
        self._note(record, request, _ACCEPTED, now)
        return outcome

    def _refuse(self, record: Record, reason: Reason, request: Request, now: float) -> Refused:
        told = reason not in (Reason.DISABLED, Reason.EXPIRED)
        # Before it is noted: where the counters cannot be read, the answer is another.
        standing = self._standing(record, now) if told else None
        self._note(record, request, OUTCOME_OF[reason], now, reason)
        return Refused(reason, record, standing)

    def _standing(self, record: Record, now: float) -> Decision | None:
        if not record.limits and record.account_limits is None:
            return None
        return self._limiter.peek(record.slot, record.limits, now, record.account_limits)

    def _garbage(self, presented: str, fingerprint: bytes) -> Refused | None:
        """The refusal of a text that needs no look-up; None if it may be a key."""
        if self._cache.is_dead(fingerprint) or self._flood.is_unknown(fingerprint):
            return _UNKNOWN
        return None if self._formats.parse(presented) else _MALFORMED

    def _look(
        self, slot: int, limits: tuple[Limit, ...], _cost: int, now: float, account: AccountLimits | None
    ) -> Decision:
        return replace(self._limiter.peek(slot, limits, now, account), admitted=True)

    def _cold(self, presented: str, request: Request, now: float | None, take: _Take) -> Outcome:
        self._cache.catch_up()
        fingerprint = self._new_fingerprint()
        fingerprint.update(presented.encode())
        digest = fingerprint.digest()
        # Of several requests with the same new key, one reads. The others wait for it here and then look again, which
        # is not the same as taking its answer: that answer may be older than they are.
        with self._misses[digest[0] % _STRIPES]:
            outcome = self._remembered(presented, request, now, take)
            if outcome is not None:
                return outcome
            self._cache.catch_up()
            known = self._look_up(presented, digest, request.address)
        if known is None:
            return _UNKNOWN
        judged = self._judge(known, request, self._now() if now is None else now, take)
        if judged is None:
            raise AssertionError("a limiter that waits has neither answered nor raised")
        return judged

    def _look_up(self, presented: str, fingerprint: bytes, address: str) -> Accepted | None:
        source = source_of(address)
        token = self._cache.begin_fill()
        candidates = self._digester.candidates(presented)
        with self._flood.lookup(source):
            found = self._store.find(candidates)
        if found.row is None:
            if found.deleted:
                self._cache.bury(fingerprint)
            else:
                self._flood.charge(source, fingerprint)
            return None
        if self._digester.needs_rehash(found.row.digest_version):
            self._rehash(found.row.id, presented)
        known = Accepted(record_of(found.row, self._policy, found.terms))
        self._cache.fill(token, fingerprint, known)
        return known

    def _rehash(self, key_id: str, presented: str) -> None:
        try:
            self._store.rehash(key_id, self._digester.digest(presented))
        except Unavailable:
            return  # the old digest still verifies; the next first use tries again

    def after_fork(self) -> None:
        """In a forked child: locks that no thread of the parent holds."""
        self._misses = tuple(threading.Lock() for _ in range(_STRIPES))
        self._flood.after_fork()


def _never(_slot: int, _limits: tuple[Limit, ...], _cost: int, _now: float, _account: AccountLimits | None) -> None:
    return None


def _asks_nothing(request: Request) -> bool:
    """Whether any key that is good at all may make this request."""
    return not request.scopes and not request.environment and not request.account_id
