"""The acts of management. Each authorises its actor, changes rows, writes its audit line and publishes the change in
one transaction; when a method returns, the change is durable and in force in every process."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any

from keywright import key as key_text
from keywright.audit import SYSTEM, Action, Actor, AuditEvent
from keywright.clock import Clock, timestamp
from keywright.digest import Digester
from keywright.errors import Conflict, InvalidValue, NotFound
from keywright.key import KeyFormats
from keywright.manage import values
from keywright.manage.rights import (
    authorise,
    inherit,
    multiplies_limit,
    require_rights_for,
    require_rights_over,
    require_within,
    settled,
)
from keywright.record import NEVER, OPERATOR_SCOPE, KeyRow, KeyStatus, LimitPolicy
from keywright.stores.base import Account, HourCount, LastUse, Snapshot, Store, Transaction, UsageStore
from keywright.values import Value, replace

OPERATOR_ACCOUNT_NAME = "Operator"
DEFAULT_GRACE_SECONDS = 86_400
MAX_GRACE_SECONDS = 90 * 86_400
#: How long a create call is known again by its idempotency key. Longer than anybody tries again.
IDEMPOTENCY_SECONDS = 86_400
MAX_PAGE_KEYS = 1000
BULK_KEYS = 1000
MAX_REPORT_SECONDS = 366 * 86_400
_ID_CHARACTERS = 9
_NO_SUCH_KEY = "There is no such API key."


class Created(Value, frozen=True, gc=False):
    """A new key: its row, and its text, which exists nowhere else from now on."""

    row: KeyRow
    key: str

    def __repr__(self) -> str:
        return f"Created(row={self.row!r}, key=<hidden>)"


class Listed(Value, frozen=True, gc=False):
    """A key, and its last use if there was one."""

    row: KeyRow
    last_use: LastUse | None


class AccountSummary(Value, frozen=True, gc=False):
    """An account, and how many keys it has by status."""

    account: Account
    keys: dict[str, int]


def new_id(kind: str) -> str:
    """A new id such as ``key_6Vw4Ig8Kl``. Random, and not a secret."""
    return f"{kind}_{key_text.random_text(_ID_CHARACTERS)}"


class Manager:
    """Who wants to change keys comes here, whichever face they come through.

    Every method that takes an ``actor`` may raise `CallerRefused` or `Forbidden` for it, `InvalidValue` for a value,
    `NotFound` for a thing that is not there or is another account's, and `Unavailable` for the machine. Whatever is
    raised, nothing was changed.
    """

    def __init__(
        self,
        *,
        store: Store,
        usage_store: UsageStore,
        formats: KeyFormats,
        digester: Digester,
        policy: LimitPolicy,
        clock: Clock,
    ) -> None:
        self._store = store
        self._usage = usage_store
        self._formats = formats
        self._digester = digester
        self._policy = policy
        self._clock = clock

    # Accounts

    def operator_account(self) -> Account:
        """The account of whoever runs the installation; made by the first call ever, and by no other."""
        with self._looking() as reads:
            found = next((each for each in reads.accounts() if each.operator), None)
        if found:
            return found
        with self._changing() as tx:
            # Another process may have been first: only inside the transaction is the answer final.
            found = next((each for each in tx.accounts() if each.operator), None)
            return found or self._insert_account(tx, SYSTEM, OPERATOR_ACCOUNT_NAME, operator=True)

    def create_account(self, actor: Actor, name: str) -> Account:
        """Make an account. For the operator's people, and keys with the scope ``operator``."""
        with self._changing() as tx:
            authorise(tx, actor, OPERATOR_SCOPE, self._policy, self._clock.now())
            return self._insert_account(tx, actor, values.name(name))

    def accounts(self, actor: Actor) -> list[Account]:
        """All accounts, the oldest first. For the operator's people, and keys with the scope ``operator``."""
        with self._looking() as reads:
            authorise(reads, actor, OPERATOR_SCOPE, self._policy, self._clock.now())
            return reads.accounts()

    def summary(self, actor: Actor, account_id: str) -> AccountSummary:
        """The account, and how many keys it has by status."""
        now = self._clock.now()
        with self._looking() as reads:
            authorise(reads, actor, "account:read", self._policy, now, account_id)
            account = reads.account(account_id)
            if account is None:
                raise NotFound("There is no such account.")
            counts = reads.count_keys(account_id, now)
        return AccountSummary(account, {str(status): counts.get(status, 0) for status in KeyStatus})

    def change_account(self, actor: Actor, account_id: str, given: Mapping[str, Any]) -> Account:
        """Change what an account lays upon all of its keys. For the operator's people, and keys with the scope
        ``operator``. When this returns, it is in force for every key of the account in every process.

        Args:
            given: ``rate_limit`` (the limits that all of its keys share, as a key's own are written; None for none)
                and ``disabled`` (whether all of its keys are refused).
        """
        values.only(given, values.ACCOUNT_MEMBERS)
        changes: dict[str, Any] = {}
        if "rate_limit" in given:
            changes["limits"] = values.limits(given["rate_limit"])
        if "disabled" in given:
            changes["disabled"] = values.flag(given["disabled"], "disabled")
        with self._changing() as tx:
            authorise(tx, actor, OPERATOR_SCOPE, self._policy, self._clock.now())
            account = tx.account(account_id)
            if account is None:
                raise NotFound("There is no such account.")
            if changes:
                tx.update_account(account_id, changes)
                tx.publish_account(account_id)
                self._audit(tx, actor, account_id, Action.ACCOUNT_UPDATE, account_id, changes)
            return replace(account, terms=replace(account.terms, **changes))

    def _insert_account(self, tx: Transaction, actor: Actor, name: str, *, operator: bool = False) -> Account:
        account = Account(new_id("acc"), name, operator, self._clock.now())
        tx.insert_account(account)
        self._audit(tx, actor, account.id, Action.ACCOUNT_CREATE, account.id, {"name": name})
        return account

    # Making keys

    def create(
        self, actor: Actor, account_id: str, given: Mapping[str, Any], idempotency_key: str | None = None
    ) -> Created:
        """Make a key. Its text is in the answer and nowhere else.

        Args:
            given: ``name``, and any of ``format``, ``environment``, ``scopes``, ``expires_at`` or
                ``expires_in_seconds``, ``rate_limit``, ``networks``, ``metadata``. What is left out is the calling
                key's own value, and what is named must lie within it.
            idempotency_key: makes a repeated call fail instead of making a second key, for `IDEMPOTENCY_SECONDS`.

        Raises:
            Conflict: a call with that idempotency key was made before; ``member`` is the id of the key it made.
        """
        now = self._clock.now()
        parsed = self._parse_new(given, now)
        called = _digest_of(idempotency_key) if idempotency_key else None
        with self._changing() as tx:
            rights = authorise(tx, actor, "keys:write", self._policy, now, account_id)
            account = tx.account(account_id)
            if account is None:
                raise NotFound("There is no such account.")
            if called and (made := tx.made_by(account_id, called, now - IDEMPOTENCY_SECONDS)):
                raise Conflict(
                    f"This Idempotency-Key has already made the key {made}. Its secret was shown once and cannot be "
                    "shown again.",
                    made,
                )
            complete = self._complete(account, inherit(rights, parsed, self._formats.default.name))
            require_within(rights, complete, self._policy, complete["format"])
            created = self._insert(tx, account_id, complete, now)
            if called:
                tx.remember(account_id, called, created.row.id, now, now - IDEMPOTENCY_SECONDS)
            self._audit(tx, actor, account_id, Action.KEY_CREATE, created.row.id, _audited(created.row))
        return created

    def create_many(self, actor: Actor, account_id: str, given: Iterable[Mapping[str, Any]]) -> Iterator[Created]:
        """Make many keys, up to 1,000 in each transaction; each has been stored when it is handed out.

        Takes what `create` takes. Memory holds one transaction's keys at a time. An error ends the iteration: what
        was handed out before it stays, nothing else was made. The audit log has one line for each transaction.
        """
        remaining = iter(given)
        while batch := list(islice(remaining, BULK_KEYS)):
            yield from self._create_batch(actor, account_id, batch)

    def _create_batch(self, actor: Actor, account_id: str, batch: list[Mapping[str, Any]]) -> list[Created]:
        now = self._clock.now()
        parsed = [self._parse_new(each, now) for each in batch]
        with self._changing() as tx:
            rights = authorise(tx, actor, "keys:write", self._policy, now, account_id)
            account = tx.account(account_id)
            if account is None:
                raise NotFound("There is no such account.")
            made = []
            for each in parsed:
                complete = self._complete(account, inherit(rights, each, self._formats.default.name))
                require_within(rights, complete, self._policy, complete["format"])
                made.append(self._mint(account_id, complete, now))
            rows = tx.insert_keys([each.row for each in made])
            details = {"count": len(made), "first": made[0].row.id, "last": made[-1].row.id}
            self._audit(tx, actor, account_id, Action.KEY_CREATE_MANY, account_id, details)
        return [Created(row, each.key) for row, each in zip(rows, made, strict=True)]

    def _parse_new(self, given: Mapping[str, Any], now: float) -> dict[str, Any]:
        if "name" not in given:
            raise InvalidValue("name is missing.", "name")
        values.only(given, values.CREATE_MEMBERS)
        parsed = values.parse_members(given, now)
        if "format" in given:
            parsed["format"] = values.one_of(given["format"], "format", self._formats.by_name)
        if "environment" in given:
            parsed["environment"] = values.one_of(given["environment"], "environment", ("live", "test"))
        return parsed

    def _complete(self, account: Account, complete: dict[str, Any]) -> dict[str, Any]:
        """Check what only the whole of the values tells."""
        key_format = self._formats.by_name[complete["format"]]
        if complete["environment"] not in key_format.environments:
            raise InvalidValue(
                f"Keys of the format {key_format.name} are made for: {', '.join(key_format.environments)}.",
                "environment",
            )
        if OPERATOR_SCOPE in complete["scopes"] and not account.operator:
            raise InvalidValue("Only keys of the operator's account can have the scope operator.", "scopes")
        return complete

    def _mint(self, account_id: str, complete: dict[str, Any], now: float) -> Created:
        text = self._formats.mint(complete["format"], complete["environment"])
        digest = self._digester.digest(text)
        row = KeyRow(
            slot=0,
            id=new_id("key"),
            account_id=account_id,
            prefix=self._formats.by_name[complete["format"]].full_prefix(complete["environment"]),
            hint=key_text.hint(text),
            digest=digest.value,
            digest_version=digest.version,
            disabled=False,
            created_at=now,
            **{"metadata": "{}", **complete},
        )
        return Created(row, text)

    def _insert(self, tx: Transaction, account_id: str, complete: dict[str, Any], now: float) -> Created:
        created = self._mint(account_id, complete, now)
        return Created(tx.insert_keys([created.row])[0], created.key)

    # Looking

    def keys(self, actor: Actor, account_id: str, after_slot: int = 0, limit: int = MAX_PAGE_KEYS) -> list[Listed]:
        """A page of the account's keys, the oldest first: those with a slot above ``after_slot``."""
        with self._looking() as reads:
            authorise(reads, actor, "keys:read", self._policy, self._clock.now(), account_id)
            rows = reads.keys(account_id, after_slot, limit)
        return self._with_uses(rows)

    def key(self, actor: Actor, account_id: str, key_id: str) -> Listed:
        """One key."""
        with self._looking() as reads:
            authorise(reads, actor, "keys:read", self._policy, self._clock.now(), account_id)
            row = self._existing(reads, account_id, key_id)
        return self._with_uses([row])[0]

    def find(self, actor: Actor, account_id: str, reference: str) -> Listed:
        """The one key that ``reference`` means: an id, a name that only one key has, or ``prefix…last4``.

        Raises:
            Conflict: it means several.
        """
        prefix, dots, hint = reference.replace("...", "…").partition("…")
        with self._looking() as reads:
            authorise(reads, actor, "keys:read", self._policy, self._clock.now(), account_id)
            by_id = reads.key(account_id, reference)
            rows = [by_id] if by_id else reads.keys_named(account_id, reference)
            if not rows and dots:
                rows = reads.keys_hinted(account_id, prefix, hint)
            if not rows:
                raise NotFound(_NO_SUCH_KEY)
        if len(rows) > 1:
            among = " and ".join(each.id for each in rows)
            raise Conflict(f"Several keys match, among them {among}; use the id.")
        return self._with_uses(rows)[0]

    def report(
        self, actor: Actor, account_id: str, start: float, end: float, *, key_id: str | None, daily: bool
    ) -> list[HourCount]:
        """How many requests ended how, in each hour or UTC day that begins in ``[start, end)``; of one key or of all.

        Keys that are deleted by now are in the sums; their ids may be asked for as well.
        """
        if not 0 < end - start <= MAX_REPORT_SECONDS:
            raise InvalidValue("to must be after from, and at most 366 days after it.", "to")
        with self._looking() as reads:
            authorise(reads, actor, "usage:read", self._policy, self._clock.now(), account_id)
            slot = reads.slot_of(account_id, key_id) if key_id is not None else None
            if key_id is not None and slot is None:
                raise NotFound(_NO_SUCH_KEY)
        hours = self._usage.hourly(account_id, start, end, slot)
        return _by_day(hours) if daily else hours

    def _with_uses(self, rows: list[KeyRow]) -> list[Listed]:
        uses = self._usage.last_uses([row.slot for row in rows]) if rows else {}
        return [Listed(row, uses.get(row.slot)) for row in rows]

    # Changing

    def update(
        self, actor: Actor, account_id: str, key_id: str, given: Mapping[str, Any], edition: str | None = None
    ) -> Listed:
        """Change a key: the members of `create` but ``format`` and ``environment``, and ``disabled``.

        Args:
            edition: `values.edition` of the key as the actor has seen it; None to change it however it is now.

        Raises:
            Conflict: it would give back life that has ended: a later expiry for a key that has expired or is being
                rotated away. Or the key is not of that edition any more: ``member`` is ``edition`` then.
        """
        now = self._clock.now()
        values.only(given, values.UPDATE_MEMBERS)
        parsed = values.parse_members(given, now)
        if "disabled" in given:
            parsed["disabled"] = values.flag(given["disabled"], "disabled")
        with self._changing() as tx:
            rights = authorise(tx, actor, "keys:write", self._policy, now, account_id)
            row = self._existing(tx, account_id, key_id)
            _require_edition(row, edition)
            require_rights_for(rights, row, parsed, self._policy)
            account = tx.account(account_id)
            if OPERATOR_SCOPE in parsed.get("scopes", ()) and not (account and account.operator):
                raise InvalidValue("Only keys of the operator's account can have the scope operator.", "scopes")
            _require_no_revival(row, parsed, now)
            if parsed:
                tx.update_key(key_id, parsed)
                tx.publish(key_id)
                self._audit(tx, actor, account_id, Action.KEY_UPDATE, key_id, {"changed": sorted(given)})
            row = self._existing(tx, account_id, key_id)
        return self._with_uses([row])[0]

    def rotate(
        self,
        actor: Actor,
        account_id: str,
        key_id: str,
        grace_seconds: Any = DEFAULT_GRACE_SECONDS,
        end: Mapping[str, Any] | None = None,
    ) -> Created:
        """Make a successor that can do all that the key can; the key itself ends after the grace, or when it would
        have ended anyway, whichever is first.

        Args:
            end: when the successor ends, as `create` takes it: ``expires_at`` or ``expires_in_seconds``. With neither
                it ends when the key would have ended without the rotation: rotating alone renews nothing.

        Raises:
            Conflict: it was rotated already (``member`` is its successor's id), or it is not in use any more; or, in a
                portal, it has a higher limit than keys of its format have, and the key before it has not ended.
            InvalidValue: the grace or the end is none, or the end is later than the actor's own.
            Forbidden: the successor could do more than the actor's key.
        """
        grace = values.whole(grace_seconds, "grace_seconds", 0, MAX_GRACE_SECONDS)
        values.only(end or {}, values.END_MEMBERS)
        now = self._clock.now()
        renewed = values.parse_members(end or {}, now)
        with self._changing() as tx:
            rights = authorise(tx, actor, "keys:write", self._policy, now, account_id)
            row = self._existing(tx, account_id, key_id)
            _require_rotatable(tx, row, now)
            # The end by itself first: who asks for one that is too late is told which value it is.
            require_within(rights, renewed, self._policy, row.format)
            require_rights_over(rights, replace(row, **renewed), self._policy)
            if multiplies_limit(rights, row, self._policy) and tx.has_predecessor(account_id, key_id, now):
                # Else whoever rotates the successor at once, again and again, has the limit as often as they like.
                raise Conflict("This key has just replaced another one. Wait until that one has ended.")
            same = ("name", "format", "environment", "scopes", "expires_at", "networks", "limits", "metadata")
            created = self._insert(tx, account_id, {name: getattr(row, name) for name in same} | renewed, now)
            ends_at = min(row.expires_at, now + grace)
            tx.update_key(key_id, {"expires_at": ends_at, "successor_id": created.row.id})
            tx.publish(key_id)
            details = {"successor": created.row.id, "ends_at": timestamp(ends_at)}
            own_end = {"successor_expires_at": _audited_end(created.row)} if end else {}
            self._audit(tx, actor, account_id, Action.KEY_ROTATE, key_id, {**details, **own_end})
        return created

    def delete(self, actor: Actor, account_id: str, key_id: str) -> None:
        """Delete a key. When this returns, no verification that begins afterwards accepts it, in any process.

        Raises:
            NotFound: there is no such key (any more). The promise holds then, too.
        """
        now = self._clock.now()
        with self._changing() as tx:
            authorise(tx, actor, "keys:write", self._policy, now, account_id)
            row = self._existing(tx, account_id, key_id)
            tx.delete_key(row, now)
            tx.publish(key_id)
            self._audit(tx, actor, account_id, Action.KEY_DELETE, key_id, _audited(row))

    @contextmanager
    def _changing(self) -> Iterator[Transaction]:
        with settled(self._store), self._store.transaction() as tx:
            yield tx

    @contextmanager
    def _looking(self) -> Iterator[Snapshot]:
        with settled(self._store), self._store.snapshot() as reads:
            yield reads

    def _existing(self, reads: Snapshot, account_id: str, key_id: str) -> KeyRow:
        row = reads.key(account_id, key_id)
        if row is None:
            raise NotFound(_NO_SUCH_KEY)
        return row

    def _audit(
        self, tx: Transaction, actor: Actor, account_id: str, action: Action, target: str, details: Mapping[str, Any]
    ) -> None:
        tx.audit(AuditEvent(self._clock.now(), actor, account_id, action, target, details))


def _audited(row: KeyRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "prefix": row.prefix,
        "hint": row.hint,
        "environment": row.environment,
        "scopes": list(row.scopes),
        "expires_at": _audited_end(row),
    }


def _audited_end(row: KeyRow) -> str | None:
    return None if row.expires_at == NEVER else timestamp(row.expires_at)


def _digest_of(idempotency_key: str) -> str:
    """What is stored of an idempotency key: it may be any text, and some callers make theirs of their API key."""
    return hashlib.sha256(idempotency_key.encode("utf-8", "surrogatepass")).hexdigest()


def _require_edition(row: KeyRow, edition: str | None) -> None:
    # Inside the transaction: two who have looked at the same state cannot both write over it.
    if edition is not None and edition != values.edition(row):
        raise Conflict("Somebody has changed this key since you looked at it.", "edition")


def _require_no_revival(row: KeyRow, parsed: Mapping[str, Any], now: float) -> None:
    ended = row.expires_at <= now or row.successor_id is not None
    if ended and parsed.get("expires_at", 0) > row.expires_at:
        raise Conflict("This key has expired or is being replaced; its life cannot be made longer. Create a new key.")


def _require_rotatable(reads: Snapshot, row: KeyRow, now: float) -> None:
    if row.successor_id is not None and reads.key(row.account_id, row.successor_id) is None:
        # Its own end was moved forward by the rotation, and what it was before is nowhere kept: another successor
        # could not be what the first one was.
        raise Conflict(f"This key was replaced by {row.successor_id}, which is deleted. Create a new key.")
    if row.successor_id is not None:
        raise Conflict(f"This key is being replaced by {row.successor_id} already.", row.successor_id)
    status = row.status(now)
    if status is not KeyStatus.ACTIVE:
        raise Conflict(f"This key is {status}; only an active key can be rotated.")


def _by_day(hours: Iterable[HourCount]) -> list[HourCount]:
    sums: dict[tuple[int, str], int] = {}
    for each in hours:
        day = each.start // 86_400 * 86_400
        sums[day, each.outcome] = sums.get((day, each.outcome), 0) + each.count
    return [HourCount(day, outcome, count) for (day, outcome), count in sums.items()]
