"""Keys as people look at them: a page at a time, searched, filtered and in order, with what each has done lately; and
all of them, to take along."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum

from keywright.audit import Action, Actor, AuditEvent
from keywright.clock import Clock
from keywright.errors import NotFound
from keywright.manage.manager import Listed
from keywright.manage.paging import cut
from keywright.manage.rights import authorise, settled
from keywright.record import KeyRow, LimitPolicy
from keywright.stores.base import (
    HourCount,
    KeyFilter,
    KeyOrder,
    KeyPlace,
    KeySort,
    Snapshot,
    Store,
    UsageStore,
)
from keywright.usage import HOUR_SECONDS, UsageOutcome
from keywright.values import Value

PAGE_KEYS = 50
RECENT_HOURS = 24
#: A key that ends within this is about to; one that was not used for so long is stale.
EXPIRING_SECONDS = 14 * 86_400
STALE_SECONDS = 90 * 86_400
#: So many keys of an export are in memory at a time.
EXPORT_KEYS = 1000
#: Who may change keys may take their list along.
_EXPORT = "keys:write"
_ACCEPTED, _LIMITED = (each.name.lower() for each in (UsageOutcome.ACCEPTED, UsageOutcome.RATE_LIMITED))


class Activity(Value, frozen=True, gc=False):
    """What a key did in each of the last `RECENT_HOURS`, the oldest first; the hour that is running is the last.

    Attributes:
        limited: how many requests its limits have refused in this hour.
    """

    accepted: tuple[int, ...] = (0,) * RECENT_HOURS
    denied: tuple[int, ...] = (0,) * RECENT_HOURS
    limited: int = 0


class Seen(Value, frozen=True, gc=False):
    """A key on a page."""

    listed: Listed
    activity: Activity


class Sort(StrEnum):
    """What keys can be put in order by. Those that are alike in it are ordered by age."""

    CREATED = "created"
    NAME = "name"
    LAST_USED = "last_used"  # those that were never used before all others
    EXPIRES = "expires"  # those without an end after all others


class State(StrEnum):
    """What keys can be chosen by, besides their environment."""

    ACTIVE = "active"  # good, also while it is being rotated
    EXPIRING = "expiring"  # like the next two, of those that are good and not being rotated
    UNUSED = "unused"
    STALE = "stale"
    ROTATING = "rotating"
    DISABLED = "disabled"
    EXPIRED = "expired"


class KeyQuery(Value, frozen=True, gc=False):
    """What somebody wants to see.

    Attributes:
        text: as in `stores.base.KeyFilter`.
        environment: empty for any.
        state: None for any.
    """

    text: str = ""
    environment: str = ""
    state: State | None = None
    sort: Sort = Sort.CREATED
    descending: bool = True


class Figures(Value, frozen=True, gc=False):
    """An account's keys in a few numbers; requests are those of the last `RECENT_HOURS`, also of deleted keys.

    Attributes:
        tally: as in `KeyPage`, of all keys.
        unbounded: living keys with full access and no end.
    """

    accepted: int
    refused: int
    tally: dict[str, int]
    unbounded: int


class KeyPage(Value, frozen=True, gc=False):
    """A page of keys, in order.

    Attributes:
        before: the place before which the page before ends; None on the first page.
        after: the place after which the next page begins; None on the last page.
        tally: how many keys with the wanted text there are: ``all``, by environment and by state.
        figures: of the whole account; None where they were not asked for.
    """

    keys: tuple[Seen, ...]
    before: KeyPlace | None
    after: KeyPlace | None
    tally: dict[str, int]
    figures: Figures | None = None


class Exported(Value, frozen=True, gc=False):
    """A key of an export: with its requests of the last `RECENT_HOURS`."""

    listed: Listed
    accepted: int
    refused: int


#: What only usage tells. It lives in another database than keys, so that writing it never disturbs one: what is chosen
#: or ordered by it is put together here, of two numbers for each key.
_BY_USE = frozenset({State.UNUSED, State.STALE})
_SORTS = {Sort.CREATED: KeySort.CREATED, Sort.NAME: KeySort.NAME, Sort.EXPIRES: KeySort.EXPIRES}


class Browser:
    """Who looks at keys comes here. Raises as `Manager` does."""

    def __init__(self, *, store: Store, usage_store: UsageStore, policy: LimitPolicy, clock: Clock) -> None:
        self._store = store
        self._usage = usage_store
        self._policy = policy
        self._clock = clock

    def page(
        self,
        actor: Actor,
        account_id: str,
        query: KeyQuery,
        *,
        after: KeyPlace | None = None,
        before: KeyPlace | None = None,
        figures: bool = False,
    ) -> KeyPage:
        """The first keys that are wanted, or those right after or before a place in their order.

        Args:
            figures: whether to tell of the whole account as well.
        """
        now = self._clock.now()
        with settled(self._store), self._store.snapshot() as reads:
            authorise(reads, actor, "keys:read", self._policy, now, account_id)
            tally = self._tally(reads, account_id, query.text, now)
            if query.sort is Sort.LAST_USED:
                found, place = self._by_last_use(reads, account_id, query, now, after, before)
            else:
                found, place = self._by_record(reads, account_id, query, now, after, before), _place(query.sort)
            everything = None
            if figures:
                whole = tally if not query.text else self._tally(reads, account_id, "", now)
                everything = self._figures(reads, account_id, whole, now)
        shown, first, last = cut(found, PAGE_KEYS, place, below=after, above=before)
        slots = [row.slot for row in shown]
        uses = self._usage.last_uses(slots) if slots else {}
        recent = self._recent(account_id, slots, now)
        seen = (Seen(Listed(row, uses.get(row.slot)), recent.get(row.slot, Activity())) for row in shown)
        return KeyPage(tuple(seen), first, last, tally, everything)

    def _by_record(
        self,
        reads: Snapshot,
        account_id: str,
        query: KeyQuery,
        now: float,
        after: KeyPlace | None,
        before: KeyPlace | None,
    ) -> list[KeyRow]:
        wanted, order = _filter(query, now), KeyOrder(_SORTS[query.sort], query.descending)
        if query.state not in _BY_USE:
            return reads.matching_keys(account_id, wanted, now, PAGE_KEYS + 1, order, after=after, before=before)
        slots = reads.matching_slots(account_id, wanted, now, order, after=after, before=before)
        used = self._usage.used_at(slots)
        fitting = _fitting(query.state, used, now)
        chosen = [slot for slot in slots if fitting(slot)][: PAGE_KEYS + 1]
        return _rows(reads, account_id, chosen if before is None else chosen[::-1])

    def _by_last_use(
        self,
        reads: Snapshot,
        account_id: str,
        query: KeyQuery,
        now: float,
        after: KeyPlace | None,
        before: KeyPlace | None,
    ) -> tuple[list[KeyRow], Callable[[KeyRow], KeyPlace]]:
        slots = reads.matching_slots(account_id, _filter(query, now), now)
        used = self._usage.used_at(slots)
        fitting = _fitting(query.state, used, now)
        standing = sorted(((used.get(slot, 0.0), slot) for slot in slots if fitting(slot)), reverse=query.descending)
        edge = after or before
        if edge is not None:
            there = (edge.value, edge.slot)
            # Told by value: the key that was there may have been used or deleted meanwhile.
            later = query.descending == (edge is before)
            standing = [each for each in standing if (each > there if later else each < there)]
        chosen = standing[: PAGE_KEYS + 1] if before is None else standing[-PAGE_KEYS - 1 :]
        rows = _rows(reads, account_id, [slot for _, slot in chosen])
        return rows, lambda row: KeyPlace(row.slot, used.get(row.slot, 0.0))

    def _tally(self, reads: Snapshot, account_id: str, text: str, now: float) -> dict[str, int]:
        wanted = _filter(KeyQuery(text), now)
        slots = reads.matching_slots(account_id, _filter(KeyQuery(text, state=State.UNUSED), now), now)
        used = self._usage.used_at(slots)
        by_use = {str(state): sum(map(_fitting(state, used, now), slots)) for state in sorted(_BY_USE)}
        return {**reads.tally_keys(account_id, wanted, now), **by_use}

    def _figures(self, reads: Snapshot, account_id: str, tally: dict[str, int], now: float) -> Figures:
        hours = _hours(now)
        counted = self._usage.hourly(account_id, hours[0], hours[-1] + HOUR_SECONDS, None)
        accepted = sum(each.count for each in counted if each.outcome == _ACCEPTED)
        refused = sum(each.count for each in counted if each.outcome != _ACCEPTED)
        return Figures(accepted, refused, tally, reads.survey.unbounded(account_id, now, 0).count)

    def export(self, actor: Actor, account_id: str, query: KeyQuery) -> Iterator[Exported]:
        """All keys that are wanted, the newest first whatever the order, `EXPORT_KEYS` at a time. That somebody takes
        the list along is a line of the audit log, which is written before the first key is handed out.

        Each part is authorised anew: who is taken out of the account meanwhile gets no further, and an error ends the
        iteration.
        """
        now = self._clock.now()
        texts = {"text": query.text, "environment": query.environment, "state": query.state or ""}
        details = {name: str(text) for name, text in texts.items() if text}
        with settled(self._store), self._store.transaction() as tx:
            authorise(tx, actor, _EXPORT, self._policy, now, account_id)
            tx.audit(AuditEvent(now, actor, account_id, Action.KEY_EXPORT, account_id, details))
        return self._exported(actor, account_id, query, now)

    def _exported(self, actor: Actor, account_id: str, query: KeyQuery, now: float) -> Iterator[Exported]:
        after: KeyPlace | None = None
        while True:
            with settled(self._store), self._store.snapshot() as reads:
                authorise(reads, actor, _EXPORT, self._policy, self._clock.now(), account_id)
                rows = reads.matching_keys(account_id, _filter(query, now), now, EXPORT_KEYS, after=after)
            slots = [row.slot for row in rows]
            uses = self._usage.last_uses(slots) if slots else {}
            fitting = _fitting(query.state, {slot: use.at for slot, use in uses.items()}, now)
            recent = self._recent(account_id, slots, now)
            # Outside the snapshot: whoever reads slowly must not hold it open.
            for row in filter(lambda row: fitting(row.slot), rows):
                done = recent.get(row.slot, Activity())
                yield Exported(Listed(row, uses.get(row.slot)), sum(done.accepted), sum(done.denied))
            if len(rows) < EXPORT_KEYS:
                return
            after = KeyPlace(rows[-1].slot)

    def one(self, actor: Actor, account_id: str, key_id: str) -> Seen:
        """One key, as on a page.

        Raises:
            NotFound: there is no such key in the account.
        """
        now = self._clock.now()
        with settled(self._store), self._store.snapshot() as reads:
            authorise(reads, actor, "keys:read", self._policy, now, account_id)
            row = reads.key(account_id, key_id)
            if row is None:
                raise NotFound("There is no such API key.")
        uses = self._usage.last_uses([row.slot])
        recent = self._recent(account_id, [row.slot], now)
        return Seen(Listed(row, uses.get(row.slot)), recent.get(row.slot, Activity()))

    def _recent(self, account_id: str, slots: list[int], now: float) -> dict[int, Activity]:
        if not slots:
            return {}
        hours = _hours(now)
        counted = self._usage.hourly_of(account_id, slots, hours)
        return {slot: _activity(counts, hours) for slot, counts in counted.items()}


def _hours(now: float) -> list[int]:
    """When each of the last hours began, the oldest first."""
    current = int(now) // HOUR_SECONDS * HOUR_SECONDS
    return [current - HOUR_SECONDS * back for back in range(RECENT_HOURS - 1, -1, -1)]


def _filter(query: KeyQuery, now: float) -> KeyFilter:
    state = "living" if query.state in _BY_USE else str(query.state or "")
    return KeyFilter(query.text, query.environment, state, now + EXPIRING_SECONDS)


def _fitting(state: State | None, used: dict[int, float], now: float) -> Callable[[int], bool]:
    """Whether a slot is in a state that usage tells; every slot is in any other one."""
    if state is State.UNUSED:
        return lambda slot: slot not in used
    if state is State.STALE:
        return lambda slot: slot in used and now - used[slot] > STALE_SECONDS
    return lambda slot: True


def _place(sort: Sort) -> Callable[[KeyRow], KeyPlace]:
    if sort is Sort.NAME:
        return lambda row: KeyPlace(row.slot, row.name)
    return lambda row: KeyPlace(row.slot, row.expires_at)


def _rows(reads: Snapshot, account_id: str, slots: list[int]) -> list[KeyRow]:
    """The keys in these slots, in this order."""
    rows = {row.slot: row for row in reads.survey.keys_at(account_id, slots)}
    return [rows[slot] for slot in slots if slot in rows]


def _activity(counts: list[HourCount], hours: list[int]) -> Activity:
    accepted, denied, limited = [0] * RECENT_HOURS, [0] * RECENT_HOURS, 0
    for each in counts:
        bars = accepted if each.outcome == _ACCEPTED else denied
        bars[hours.index(each.start)] += each.count
        limited += each.count if each.outcome == _LIMITED and each.start == hours[-1] else 0
    # A request that is found to have ended otherwise in the next hour leaves a -1 there.
    return Activity(tuple(max(0, each) for each in accepted), tuple(max(0, each) for each in denied), limited)
