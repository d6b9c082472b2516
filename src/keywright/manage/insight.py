"""How keys do: how their requests ended over time, what their limits have left, and which of them want tidying up."""

from __future__ import annotations

from collections.abc import Iterable

from keywright.audit import Actor
from keywright.clock import Clock
from keywright.limits.base import Limiter, LimitState
from keywright.manage.browse import EXPIRING_SECONDS, STALE_SECONDS, Browser, Seen
from keywright.manage.ledger import Ledger, Line
from keywright.manage.rights import authorise, settled
from keywright.record import NO_TERMS, KeyRow, KeyStatus, LimitPolicy, Record, record_of
from keywright.stores.base import HourCount, LastUse, Refusal, Sighting, Snapshot, Store, UsageStore
from keywright.stores.survey import Surveyed
from keywright.usage import HOUR_SECONDS, UsageOutcome
from keywright.values import Value

DAY_SECONDS = 86_400
OUTCOMES = tuple(outcome.name.lower() for outcome in UsageOutcome)
_ACCEPTED = OUTCOMES[UsageOutcome.ACCEPTED]
#: Lines of the audit log beside a key.
KEY_LINES = 10
#: Hours with refused requests beside a key.
DENIED_HOURS = 8
#: Keys of each sort that are named among those that want tidying up.
TIDY_KEYS = 5


class Span(Value, frozen=True, gc=False):
    """How far a chart goes back: so many steps of so many seconds, the last of which is running."""

    steps: int
    seconds: int


#: What can be asked for. Days are those of UTC.
SPANS = {
    "24h": Span(24, HOUR_SECONDS),
    "3d": Span(72, HOUR_SECONDS),
    "30d": Span(30, DAY_SECONDS),
    "90d": Span(90, DAY_SECONDS),
}
DEFAULT_SPAN = "24h"


class Step(Value, frozen=True, gc=False):
    """How many requests ended how in the hour or day that began at ``start``, in the order of `OUTCOMES`."""

    start: int
    counts: tuple[int, ...]


class KeyInsight(Value, frozen=True, gc=False):
    """A key, looked at closely.

    Attributes:
        history: the steps of the span, the oldest first.
        denied: the last hours within the span in which requests were refused, the newest first.
        refusals: its last refused requests, whenever they were, the newest first.
        sightings: where it was used from, whenever that was, the address that was seen last first.
        headroom: where each of its limits stands now, and of those that it shares with all keys of its account; empty
            for a key without limits.
        lines: the newest lines of the audit log about it.
    """

    seen: Seen
    history: tuple[Step, ...]
    denied: tuple[HourCount, ...]
    refusals: tuple[Refusal, ...]
    sightings: tuple[Sighting, ...]
    headroom: tuple[LimitState, ...]
    lines: tuple[Line, ...]


class Tidy(Value, frozen=True, gc=False):
    """Keys of one sort that want tidying up: how many there are, and the first few, with their last uses."""

    count: int
    keys: tuple[tuple[KeyRow, LastUse | None], ...]


class AccountInsight(Value, frozen=True, gc=False):
    """An account, looked at as a whole.

    Attributes:
        statuses: how many keys it has by status.
        history: the steps of the span, the oldest first, over all keys, also deleted ones.
        tidy: by sort: ``unused``, ``stale``, ``expiring`` and ``unbounded`` (full access and no expiry). Only of keys
            that are active and not being rotated.
    """

    statuses: dict[str, int]
    history: tuple[Step, ...]
    tidy: dict[str, Tidy]


class Insight:
    """Who looks closely comes here. Raises as `Manager` does; looking spends nothing."""

    def __init__(
        self,
        *,
        store: Store,
        usage_store: UsageStore,
        limiter: Limiter,
        browser: Browser,
        ledger: Ledger,
        policy: LimitPolicy,
        clock: Clock,
    ) -> None:
        self._store = store
        self._usage = usage_store
        self._limiter = limiter
        self._browser = browser
        self._ledger = ledger
        self._policy = policy
        self._clock = clock

    def key(self, actor: Actor, account_id: str, key_id: str, span: Span) -> KeyInsight:
        """One key.

        Raises:
            NotFound: there is no such key in the account.
        """
        now = self._clock.now()
        seen = self._browser.one(actor, account_id, key_id)
        with settled(self._store), self._store.snapshot() as reads:
            authorise(reads, actor, "usage:read", self._policy, now, account_id)
            account = reads.account(account_id)
        row = seen.listed.row
        start, end = _edges(span, now)
        # Each hour by itself: a range would be read for all keys of the account, and may be long.
        hours = range(start, end, HOUR_SECONDS)
        counted = self._usage.hourly_of(account_id, [row.slot], hours).get(row.slot, [])
        record = record_of(row, self._policy, account.terms if account else NO_TERMS)
        return KeyInsight(
            seen,
            _steps(counted, span, start, end),
            _denied(counted),
            tuple(self._usage.refusals(row.slot)),
            tuple(self._usage.sightings(row.slot)),
            self._headroom(record, now),
            self._ledger.of_key(actor, account_id, row.id, KEY_LINES),
        )

    def account(self, actor: Actor, account_id: str, span: Span) -> AccountInsight:
        """The account as a whole."""
        now = self._clock.now()
        with settled(self._store), self._store.snapshot() as reads:
            for scope in ("account:read", "keys:read", "usage:read"):
                authorise(reads, actor, scope, self._policy, now, account_id)
            counts = reads.count_keys(account_id, now)
            tidy = self._tidy(reads, account_id, now)
        start, end = _edges(span, now)
        counted = self._usage.hourly(account_id, start, end, None)
        statuses = {str(status): counts.get(status, 0) for status in KeyStatus}
        return AccountInsight(statuses, _steps(counted, span, start, end), tidy)

    def _headroom(self, record: Record, now: float) -> tuple[LimitState, ...]:
        if not record.limits and record.account_limits is None:
            return ()
        return self._limiter.peek(record.slot, record.limits, now, record.account_limits).states

    def _tidy(self, reads: Snapshot, account_id: str, now: float) -> dict[str, Tidy]:
        slots = reads.survey.living_slots(account_id, now)
        used = self._usage.used_at(slots)
        unused = [slot for slot in slots if slot not in used]
        stale = [slot for at, slot in sorted((at, slot) for slot, at in used.items()) if now - at > STALE_SECONDS]
        found = {
            "unused": self._at(reads, account_id, unused),
            "stale": self._at(reads, account_id, stale),
            "expiring": reads.survey.ending(account_id, now, now + EXPIRING_SECONDS, TIDY_KEYS),
            "unbounded": reads.survey.unbounded(account_id, now, TIDY_KEYS),
        }
        uses = self._usage.last_uses([row.slot for each in found.values() for row in each.rows])
        return {
            sort: Tidy(each.count, tuple((row, uses.get(row.slot)) for row in each.rows))
            for sort, each in found.items()
        }

    def _at(self, reads: Snapshot, account_id: str, slots: list[int]) -> Surveyed:
        first = slots[:TIDY_KEYS]
        rows = {row.slot: row for row in reads.survey.keys_at(account_id, first)}
        return Surveyed(len(slots), tuple(rows[slot] for slot in first if slot in rows))


def _edges(span: Span, now: float) -> tuple[int, int]:
    """Where a span begins, and where its running step ends."""
    end = (int(now) // span.seconds + 1) * span.seconds
    return end - span.steps * span.seconds, end


def _steps(counted: Iterable[HourCount], span: Span, start: int, end: int) -> tuple[Step, ...]:
    sums = {at: dict.fromkeys(OUTCOMES, 0) for at in range(start, end, span.seconds)}
    for each in counted:
        step = sums[each.start // span.seconds * span.seconds]
        # An outcome of a newer Keywright would be nobody's: what is shown must add up.
        if each.outcome in step:
            step[each.outcome] += each.count
    # A request that is found to have ended otherwise in the next hour leaves a -1 there.
    return tuple(Step(at, tuple(max(0, count) for count in step.values())) for at, step in sums.items())


def _denied(counted: Iterable[HourCount]) -> tuple[HourCount, ...]:
    denied = [each for each in counted if each.outcome != _ACCEPTED and each.count > 0]
    return tuple(sorted(denied, key=lambda each: (-each.start, each.outcome))[:DENIED_HOURS])
