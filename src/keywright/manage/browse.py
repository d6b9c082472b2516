"""Keys as people look at them: a page at a time, searched and filtered, with what each has done lately."""

from __future__ import annotations

from keywright.audit import Actor
from keywright.clock import Clock
from keywright.errors import NotFound
from keywright.manage.manager import Listed
from keywright.manage.paging import cut
from keywright.manage.rights import authorise, settled
from keywright.record import LimitPolicy
from keywright.stores.base import HourCount, KeyFilter, Store, UsageStore
from keywright.usage import HOUR_SECONDS, UsageOutcome
from keywright.values import Value

PAGE_KEYS = 50
RECENT_HOURS = 24
#: A key that ends within this is about to; one that was not used for so long is stale.
EXPIRING_SECONDS = 14 * 86_400
STALE_SECONDS = 90 * 86_400
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


class KeyPage(Value, frozen=True, gc=False):
    """A page of keys, the newest first.

    Attributes:
        newer: the slot above which the page before begins; None on the first page.
        older: the slot below which the next page begins; None on the last page.
        tally: how many keys with the wanted text there are: ``all``, by environment and by state.
    """

    keys: tuple[Seen, ...]
    newer: int | None
    older: int | None
    tally: dict[str, int]


class Browser:
    """Who looks at keys comes here. Raises as `Manager` does."""

    def __init__(self, *, store: Store, usage_store: UsageStore, policy: LimitPolicy, clock: Clock) -> None:
        self._store = store
        self._usage = usage_store
        self._policy = policy
        self._clock = clock

    def page(
        self, actor: Actor, account_id: str, wanted: KeyFilter, *, below: int | None = None, above: int | None = None
    ) -> KeyPage:
        """The newest keys that are wanted, or those right below or above a slot."""
        now = self._clock.now()
        with settled(self._store), self._store.snapshot() as reads:
            authorise(reads, actor, "keys:read", self._policy, now, account_id)
            rows = reads.matching_keys(account_id, wanted, now, PAGE_KEYS + 1, below=below, above=above)
            tally = reads.tally_keys(account_id, wanted, now)
        shown, newer, older = cut(rows, PAGE_KEYS, lambda row: row.slot, below=below, above=above)
        slots = [row.slot for row in shown]
        uses = self._usage.last_uses(slots) if slots else {}
        recent = self._recent(account_id, slots, now)
        seen = (Seen(Listed(row, uses.get(row.slot)), recent.get(row.slot, Activity())) for row in shown)
        return KeyPage(tuple(seen), newer, older, tally)

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
        current = int(now) // HOUR_SECONDS * HOUR_SECONDS
        hours = [current - HOUR_SECONDS * back for back in range(RECENT_HOURS - 1, -1, -1)]
        counted = self._usage.hourly_of(account_id, slots, hours)
        return {slot: _activity(counts, hours) for slot, counts in counted.items()}


def _activity(counts: list[HourCount], hours: list[int]) -> Activity:
    accepted, denied, limited = [0] * RECENT_HOURS, [0] * RECENT_HOURS, 0
    for each in counts:
        bars = accepted if each.outcome == _ACCEPTED else denied
        bars[hours.index(each.start)] += each.count
        limited += each.count if each.outcome == _LIMITED and each.start == hours[-1] else 0
    # A request that is found to have ended otherwise in the next hour leaves a -1 there.
    return Activity(tuple(max(0, each) for each in accepted), tuple(max(0, each) for each in denied), limited)
