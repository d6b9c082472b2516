"""What every store promises, method by method.

Every method raises `keywright.errors.Unavailable` when the database cannot answer (locked, full, gone), and then
nothing was changed. A store outlives a fork of its process by itself (see `forks`). No method knows of accounts'
rights or of keys' rules: that is the business of `manage`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from enum import Enum, StrEnum
from typing import Any, Protocol

from keywright.audit import AuditEvent
from keywright.digest import Digest
from keywright.record import NO_TERMS, AccountTerms, KeyRow
from keywright.stores.people import PeopleReads, PeopleWrites
from keywright.stores.portal import PortalReads, PortalWrites
from keywright.stores.survey import SurveyReads
from keywright.values import Value


class Account(Value, frozen=True, gc=False):
    """The tenant that owns keys.

    Attributes:
        operator: whether it is the one that runs the installation.
        terms: what it lays upon all of its keys.
    """

    id: str
    name: str
    operator: bool
    created_at: float
    terms: AccountTerms = NO_TERMS


class Found(Value, frozen=True, gc=False):
    """What a look-up by digest found: a row and the terms of its account, or the tombstone of a deleted key, or
    neither."""

    row: KeyRow | None = None
    deleted: bool = False
    terms: AccountTerms = NO_TERMS


class Changes(Value, frozen=True, gc=False):
    """What happened since a version.

    Attributes:
        version: the newest version there is.
        key_ids: the keys that changed; None where that is not known any more, and everything must be forgotten.
        account_ids: the accounts whose terms changed, and with them what is known of each of their keys.
    """

    version: int
    key_ids: tuple[str, ...] | None
    account_ids: tuple[str, ...] = ()


class KeyFilter(Value, frozen=True, gc=False):
    """Which keys somebody wants to see.

    Attributes:
        text: what the name contains, in either case of ASCII letters, or the start of the id, or the end of the key;
            empty for any.
        environment: empty for any.
        state: ``active``, ``rotating``, ``disabled``, ``expired``, ``expiring`` (before ``expiring_until``) or
            ``living`` (active, and not being rotated); empty for any.
        expiring_until: what still counts as soon.
    """

    text: str = ""
    environment: str = ""
    state: str = ""
    expiring_until: float = 0.0


class KeySort(StrEnum):
    """What a store puts keys in order by. Keys that are alike in it are ordered by age."""

    CREATED = "created"
    NAME = "name"  # in either case of ASCII letters
    EXPIRES = "expires"  # those without an end last


class KeyOrder(Value, frozen=True, gc=False):
    """An order, the least first or the greatest first."""

    by: KeySort = KeySort.CREATED
    descending: bool = True


class KeyPlace(Value, frozen=True, gc=False):
    """Where a key stands, or stood, in an order: its name or its end, as the order is by, and its slot."""

    slot: int
    value: str | float = 0.0


NEWEST_FIRST = KeyOrder()


class Snapshot(Protocol):
    """Reads that all see the same committed state."""

    @property
    def people(self) -> PeopleReads:
        """Members, sessions and whatever else is about people."""
        ...

    @property
    def portal(self) -> PortalReads:
        """Portal sessions."""
        ...

    @property
    def survey(self) -> SurveyReads:
        """The audit log, and which keys want tidying up."""
        ...

    def account(self, account_id: str) -> Account | None:
        """The account with that id."""
        ...

    def accounts(self) -> list[Account]:
        """All accounts, the oldest first."""
        ...

    def caller(self, key_id: str) -> KeyRow | None:
        """The row of the key that manages; in a `Transaction` locked, so that it cannot be deleted or changed before
        the transaction ends."""
        ...

    def key(self, account_id: str, key_id: str) -> KeyRow | None:
        """The key with that id, if it is that account's."""
        ...

    def keys(self, account_id: str, after_slot: int, limit: int) -> list[KeyRow]:
        """Up to ``limit`` keys of the account whose slot is above ``after_slot``, the oldest first."""
        ...

    def keys_named(self, account_id: str, name: str) -> list[KeyRow]:
        """Up to two keys of the account with exactly that name."""
        ...

    def keys_hinted(self, account_id: str, prefix: str, hint: str) -> list[KeyRow]:
        """Up to two keys of the account with that prefix and those last characters."""
        ...

    def has_predecessor(self, account_id: str, key_id: str, now: float) -> bool:
        """Whether a key of the account that is being replaced by that one has not ended; also one that is disabled."""
        ...

    def count_keys(self, account_id: str, now: float) -> dict[str, int]:
        """How many keys the account has, by status at ``now``; statuses without keys are left out."""
        ...

    def matching_keys(
        self,
        account_id: str,
        wanted: KeyFilter,
        now: float,
        limit: int,
        order: KeyOrder = NEWEST_FIRST,
        *,
        after: KeyPlace | None = None,
        before: KeyPlace | None = None,
    ) -> list[KeyRow]:
        """Up to ``limit`` of the account's keys that are wanted, in order: those right after a place, or right before
        one, or the first of all."""
        ...

    def matching_slots(
        self,
        account_id: str,
        wanted: KeyFilter,
        now: float,
        order: KeyOrder = NEWEST_FIRST,
        *,
        after: KeyPlace | None = None,
        before: KeyPlace | None = None,
    ) -> list[int]:
        """The slots of all keys that `matching_keys` would go through, and nothing else of them; before a place those
        next to it first."""
        ...

    def tally_keys(self, account_id: str, wanted: KeyFilter, now: float) -> dict[str, int]:
        """How many keys with the wanted text there are: ``all``, by environment, and by state."""
        ...

    def slot_of(self, account_id: str, key_id: str) -> int | None:
        """The slot of a key of the account, also of a deleted one; None if it never had such a key."""
        ...

    def made_by(self, account_id: str, idempotency_key: str, since: float) -> str | None:
        """The id of the key that a create call with that ``Idempotency-Key`` made in the account at ``since`` or
        later."""
        ...


class Transaction(Snapshot, Protocol):
    """Reads and writes that are all committed, or none. Serialisable: what it has read cannot change before it ends."""

    @property
    def people(self) -> PeopleWrites:
        """Members, sessions and whatever else is about people."""
        ...

    @property
    def portal(self) -> PortalWrites:
        """Portal sessions."""
        ...

    def insert_account(self, account: Account) -> None:
        """Add an account, without terms. The store gives it its number."""
        ...

    def update_account(self, account_id: str, changes: dict[str, Any]) -> None:
        """Set ``limits`` or ``disabled`` of an account's terms, named as in `AccountTerms`."""
        ...

    def rename_account(self, account_id: str, name: str) -> None:
        """Change what an account is called."""
        ...

    def insert_keys(self, rows: Sequence[KeyRow]) -> list[KeyRow]:
        """Add keys, and return them with the slots that the store gave. Needs no `publish`: nobody can know them yet.

        Raises:
            Unavailable: an id or digest is in use, now or by a deleted key. They are random: the next try has others.
        """
        ...

    def update_key(self, key_id: str, changes: dict[str, Any]) -> None:
        """Set columns of a key, named as in `KeyRow`."""
        ...

    def delete_key(self, row: KeyRow, now: float) -> None:
        """Remove the key and leave a tombstone, so that it is never made or accepted again."""
        ...

    def remember(self, account_id: str, idempotency_key: str, key_id: str, now: float, since: float) -> None:
        """Note which key a create call made. What was noted before ``since`` may go, and is in nobody's way."""
        ...

    def publish(self, key_id: str) -> None:
        """Tell every process that the key has changed, when this transaction commits."""
        ...

    def publish_account(self, account_id: str) -> None:
        """Tell every process that the account's terms have changed, when this transaction commits."""
        ...

    def audit(self, event: AuditEvent) -> None:
        """Write a line of the audit log."""
        ...


class Disturbance(Enum):
    """What was done to a store behind the back of this process."""

    NONE = "none"
    WRITTEN = "written"
    REPLACED = "replaced"


class Store(Protocol):
    """Where records live.

    Attributes:
        freshness: answers some object; as long as it equals an earlier answer, no change was acknowledged since. A
            C function where it can be: it is asked before every verification.
    """

    freshness: Callable[[], object]

    def find(self, digests: Iterable[Digest]) -> Found:
        """The key, or tombstone, with one of these digests. Sees every commit that ended before the call began."""
        ...

    def version(self) -> int:
        """The version of the newest change."""
        ...

    def changes_since(self, version: int) -> Changes:
        """What has changed after ``version``. Sees every commit that ended before the call began."""
        ...

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """Begin a read transaction."""
        ...

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Begin a write transaction; leaving the block commits, an exception undoes everything.

        When the block has been left normally, the changes are durable and every process that asks its `freshness`
        from then on sees another answer than before.
        """
        ...

    def disturbance(self) -> Disturbance:
        """What has been done since this was last asked: nothing; a commit by anybody, told of or not; or the store was
        put back or exchanged, and nothing that was read from it before holds. Asked by one thread only."""
        ...

    def rehash(self, key_id: str, digest: Digest) -> None:
        """Replace the digest of a key by one under a newer pepper."""
        ...

    def settle(self) -> None:
        """Make every change that is committed by now visible to `freshness`, whoever made it.

        Whoever reports something as gone must call this first: the process that deleted it may be between its commit
        and its own notice to the others, and a caller who hears "gone" from us may rely on it.
        """
        ...

    def close(self) -> None:
        """Close every connection."""
        ...


#: Addresses that are kept of a key. More would let whoever has a good key fill the disk from many addresses.
KEPT_ADDRESSES = 20
#: Refused requests that are kept of a key.
KEPT_REFUSALS = 20


class LastUse(Value, frozen=True, gc=False):
    """When and from where a key was last used."""

    at: float
    address: str
    user_agent: str


class Sighting(Value, frozen=True, gc=False):
    """An address that a key was used from, and when so first and last."""

    address: str
    first_at: float
    last_at: float


class Refusal(Value, frozen=True, gc=False):
    """A refused request with a known key: when, why (a `keywright.Reason`), and from where; an empty address is not
    known."""

    at: float
    reason: str
    address: str


class UsageRow(Value, frozen=True, gc=False):
    """What one key did since the last flush.

    Attributes:
        last_use: its last authenticated request; None if there was none.
        counts: how many requests ended how, by outcome.
        sightings: where its authenticated requests came from.
        refusals: its last refused requests.
    """

    slot: int
    account_id: str
    last_use: LastUse | None
    counts: tuple[tuple[str, int], ...]
    sightings: tuple[Sighting, ...] = ()
    refusals: tuple[Refusal, ...] = ()


class HourCount(Value, frozen=True, gc=False):
    """How many requests ended so in the hour that began at ``start``."""

    start: int
    outcome: str
    count: int


class UsageStore(Protocol):
    """Where usage lives: apart from records, so that writing it never disturbs or changes one."""

    def add(self, rows: Sequence[UsageRow], hour: int) -> None:
        """Add counts to the hour that began at ``hour``, and move last uses forward, never back. All or nothing.

        Of the addresses of a key, the `KEPT_ADDRESSES` that were seen last stay, each with the first time that it was
        seen since it is there; of its refusals, the newest `KEPT_REFUSALS`.
        """
        ...

    def last_uses(self, slots: Sequence[int]) -> dict[int, LastUse]:
        """The last use of each of these slots that was ever used."""
        ...

    def used_at(self, slots: Sequence[int]) -> dict[int, float]:
        """When each of these slots that was ever used was used last. For many slots at once."""
        ...

    def hourly(self, account_id: str, start: float, end: float, slot: int | None) -> list[HourCount]:
        """The account's counts of the hours that begin in ``[start, end)``, of one slot or summed over all of them."""
        ...

    def hourly_of(self, account_id: str, slots: Sequence[int], hours: Sequence[int]) -> dict[int, list[HourCount]]:
        """The counts of each of these slots in the hours that begin so; slots without any are left out."""
        ...

    def sightings(self, slot: int) -> list[Sighting]:
        """Where a slot was used from, the address that was seen last first."""
        ...

    def refusals(self, slot: int) -> list[Refusal]:
        """The last refusals of a slot, the newest first."""
        ...

    def forget(self, slots: Sequence[int]) -> None:
        """Remove the addresses and refusals of these slots. Their counts and last uses stay."""
        ...

    def close(self) -> None:
        """See `Store.close`."""
        ...
