"""What an actor may do and give: a key never makes, or becomes, more than the key that made it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from keywright.audit import Actor, ActorKind
from keywright.errors import CallerRefused, Conflict, Forbidden, InvalidValue, NotFound
from keywright.limits.base import Limit, all_within
from keywright.record import (
    FULL_ACCESS,
    NEVER,
    OPERATOR_SCOPE,
    KeyRow,
    LimitPolicy,
    Record,
    Request,
    life_refusal,
    missing_scopes,
    parse_network,
    place_refusal,
    record_of,
)
from keywright.stores.base import Account, Snapshot, Store
from keywright.stores.people import Role
from keywright.stores.portal import PortalSession
from keywright.values import Value, replace


class Rights(Value, frozen=True, gc=False):
    """The most that an actor may give to a key.

    Attributes:
        row: the key that acts; None for a person.
        limits: the limits in force for that key; empty for none.
        scopes: what a person may give at most; None for somebody on the machine itself, who is not restricted.
        default_limits: whether a person may give no more than the limits that keys of a format have by default.
    """

    row: KeyRow | None = None
    limits: tuple[Limit, ...] = ()
    scopes: tuple[str, ...] | None = None
    default_limits: bool = False


UNRESTRICTED = Rights()
#: Who is not restricted. Whatever is not named here is treated as a key: a word nobody knows must not open the door.
ON_THE_MACHINE = frozenset({ActorKind.COMMAND_LINE, ActorKind.LIBRARY, ActorKind.SYSTEM})

_READING = ("account:read", "audit:read", "keys:read", "usage:read")
_MANAGING = (*_READING, "audit:export", "keys:write")
#: What each role may do in its account, as the scopes of a key that may do the same.
SCOPES_OF_ROLE = {
    Role.VIEWER: _READING,
    Role.ADMIN: _MANAGING,
    Role.OWNER: (*_MANAGING, "account:write"),
}
#: What each role may give to keys. Only an owner hands out what reaches beyond the account.
_GIFTS_OF_ROLE = {Role.VIEWER: (), Role.ADMIN: (FULL_ACCESS,), Role.OWNER: (FULL_ACCESS, OPERATOR_SCOPE)}
_LOOKING = ("keys:read", "usage:read")
#: What somebody in a portal session may do: look at keys or manage them, and nothing else of the account.
SCOPES_IN_PORTAL = {Role.VIEWER: _LOOKING, Role.ADMIN: (*_LOOKING, "keys:write"), Role.OWNER: ()}


def authorise(
    reads: Snapshot, actor: Actor, scope: str, policy: LimitPolicy, now: float, account_id: str | None = None
) -> Rights:
    """The actor's rights, read inside the transaction that will use them, never from memory.

    Args:
        account_id: the account that is acted on; None for the installation as a whole.

    Raises:
        CallerRefused: the actor's key was deleted, disabled or has expired since it was presented; a member is one no
            longer; a portal session has ended.
        Forbidden: it lacks ``scope``, or may not be used from where the request came; the member's role, or the portal
            session, does not allow it.
        NotFound: the account is not the actor's own, and the actor is no key of the operator's.
    """
    if actor.kind in ON_THE_MACHINE:
        return UNRESTRICTED
    if actor.kind is ActorKind.MEMBER:
        return _authorise_member(reads, actor, scope, account_id)
    if actor.kind is ActorKind.PORTAL:
        return _authorise_portal(reads, actor, scope, policy, now, account_id)
    row, record = _good_key(reads, actor.id, policy, now)
    if row.account_id != actor.account_id:
        raise CallerRefused("The calling key is gone.")
    if place_refusal(record, Request(address=actor.address)) is not None:
        raise Forbidden("This key may not be used from this address.")
    if missing_scopes(row.scopes, (scope,)):
        raise Forbidden(f"This key lacks the scope {scope}.", scope)
    if account_id not in (None, row.account_id) and OPERATOR_SCOPE not in row.scopes:
        raise NotFound("There is no such account.")
    return Rights(row, record.limits)


def _authorise_member(reads: Snapshot, actor: Actor, scope: str, account_id: str | None) -> Rights:
    membership = reads.people.membership(actor.account_id, actor.id)
    if membership is None:
        raise CallerRefused("You are not a member of this account any more.")
    if account_id not in (None, actor.account_id):
        raise NotFound("There is no such account.")
    if scope not in SCOPES_OF_ROLE[membership.role]:
        raise Forbidden(f"Your role here is {membership.role}, which does not allow this.", scope)
    return Rights(scopes=_GIFTS_OF_ROLE[membership.role])


def _good_key(reads: Snapshot, key_id: str, policy: LimitPolicy, now: float) -> tuple[KeyRow, Record]:
    row = reads.caller(key_id)
    if row is None:
        raise CallerRefused("The calling key is gone.")
    account = reads.account(row.account_id)
    if account is None:
        raise CallerRefused("The calling key's account is gone.")
    record = record_of(row, policy, account.terms)
    if life_refusal(record, now) is not None:
        raise CallerRefused("The calling key is no longer active.")
    return row, record


def _authorise_portal(
    reads: Snapshot, actor: Actor, scope: str, policy: LimitPolicy, now: float, account_id: str | None
) -> Rights:
    session = reads.portal.session_by_id(actor.id)
    if session is None or not session.opened or session.account_id != actor.account_id:
        raise CallerRefused("This session has ended.")
    require_portal(reads, session, policy, now)
    if account_id != session.account_id:
        raise NotFound("There is no such account.")
    if scope not in SCOPES_IN_PORTAL[session.role]:
        raise Forbidden("This session may look at keys and do nothing else.", scope)
    return Rights(scopes=session.scopes, default_limits=True)


def require_portal(reads: Snapshot, session: PortalSession, policy: LimitPolicy, now: float) -> Account:
    """The account of a portal session, or of a link to one, as long as it is good. It is as long as whoever has made it
    could make it again: a stolen key's links die with the key.

    Raises:
        CallerRefused: it has ended; its account is disabled; the key that has made it is gone, disabled or expired, or
            is no operator's any more; a key has made it, and the account is the operator's own.
    """
    account = reads.account(session.account_id)
    if session.expires_at <= now or account is None or account.terms.disabled:
        raise CallerRefused("This session has ended.")
    # Somebody on the machine needs no key, and is not gone. Whatever is not named there is treated as a key.
    if session.maker_kind not in ON_THE_MACHINE:
        row, _ = _good_key(reads, session.maker_id, policy, now)
        if OPERATOR_SCOPE not in row.scopes:
            raise CallerRefused("Who has opened this session is no operator any more.")
        if account.operator:
            # See `people.portals.Portals.new_link`: none is made, and one that is there from before opens nothing.
            raise CallerRefused("This session has ended.")
    return account


def inherit(rights: Rights, given: dict[str, Any], default_format: str) -> dict[str, Any]:
    """All values of a new key: what ``given`` leaves out is the maker's own."""
    if rights.row is None:
        scopes = (FULL_ACCESS,) if rights.scopes is None or FULL_ACCESS in rights.scopes else rights.scopes
        own = {"format": default_format, "environment": "live", "scopes": scopes, "expires_at": NEVER}
        return {**own, "networks": (), "limits": None, **given}
    own = {name: getattr(rights.row, name) for name in ("format", "environment", "scopes", "expires_at", "networks")}
    values = {**own, "limits": rights.row.limits, **given}
    if values["limits"] is None and values["format"] != rights.row.format:
        # Another format may have a wider default: what is inherited is what the maker has, not what it is called.
        values["limits"] = tuple(str(limit) for limit in rights.limits)
    return values


def require_within(rights: Rights, values: dict[str, Any], policy: LimitPolicy, key_format: str) -> None:
    """Refuse whatever in ``values`` goes beyond the actor's own.

    Raises:
        InvalidValue: names the member.
    """
    mine = rights.row
    if mine is None:
        _require_within_role(rights, values)
        _require_within_default(rights, values, policy, key_format)
        return
    if values.get("environment") == "live" and mine.environment != "live":
        raise InvalidValue("A test key cannot make a live key.", "environment")
    if "scopes" in values and (beyond := missing_scopes(mine.scopes, values["scopes"])):
        raise InvalidValue(f"scopes: the calling key does not have {', '.join(beyond)}.", "scopes")
    if values.get("expires_at", 0) > mine.expires_at:
        raise InvalidValue("expires_at must not be after the calling key's own.", "expires_at")
    if "networks" in values and not _networks_within(values["networks"], mine.networks):
        raise InvalidValue("networks must lie within the calling key's own.", "networks")
    if "limits" in values and not all_within(policy.limits(key_format, values["limits"]), rights.limits):
        own = ", ".join(map(str, rights.limits))
        raise InvalidValue(f"rate_limit must not allow more than the calling key's own ({own}).", "rate_limit")


def _require_within_role(rights: Rights, values: dict[str, Any]) -> None:
    if rights.scopes is None or "scopes" not in values:
        return
    if beyond := missing_scopes(rights.scopes, values["scopes"]):
        raise InvalidValue(f"scopes: your role does not allow you to give {', '.join(beyond)}.", "scopes")


def _require_within_default(rights: Rights, values: dict[str, Any], policy: LimitPolicy, key_format: str) -> None:
    if not rights.default_limits or "limits" not in values:
        return
    most = policy.limits(key_format, None)
    if not all_within(policy.limits(key_format, values["limits"]), most):
        raise InvalidValue(f"rate_limit must not allow more than {', '.join(map(str, most))}.", "rate_limit")


def require_rights_over(rights: Rights, row: KeyRow, policy: LimitPolicy) -> None:
    """Refuse to hand out the rights of ``row`` to an actor who has fewer.

    Raises:
        Forbidden: the key can do something that the actor's cannot.
    """
    values = {name: getattr(row, name) for name in ("environment", "scopes", "expires_at", "networks", "limits")}
    if rights.default_limits:
        # What somebody else has given to a key of theirs is theirs already; its successor has no more.
        del values["limits"]
    try:
        require_within(rights, values, policy, row.format)
    except InvalidValue as error:
        who = "The calling key has" if rights.row else "You have"
        raise Forbidden(f"{who} fewer rights than this key has or would have: {error.message}") from error


def multiplies_limit(rights: Rights, row: KeyRow, policy: LimitPolicy) -> bool:
    """Whether another key like this one would be more than the actor may give: each has its limit for itself."""
    default = policy.limits(row.format, None)
    return rights.default_limits and not all_within(policy.limits(row.format, row.limits), default)


def require_rights_for(rights: Rights, row: KeyRow, changes: dict[str, Any], policy: LimitPolicy) -> None:
    """Refuse to turn ``row`` into a key that can do more, unless the actor can do all that it could do then.

    What only takes rights away, or touches none, is open to whoever may change keys at all.

    Raises:
        InvalidValue: a value goes beyond the actor's own.
        Forbidden: the key that would come of it can do something that the actor's cannot.
    """
    if _narrows(row, changes, policy):
        return
    require_within(rights, changes, policy, row.format)
    require_rights_over(rights, replace(row, **changes), policy)


def _narrows(row: KeyRow, changes: dict[str, Any], policy: LimitPolicy) -> bool:
    if row.disabled and changes.get("disabled") is False:
        return False
    as_it_is = Rights(row, policy.limits(row.format, row.limits))
    try:
        require_within(as_it_is, changes, policy, row.format)
    except InvalidValue:
        return False
    return True


def _networks_within(child: tuple[str, ...], parent: tuple[str, ...]) -> bool:
    if not parent:
        return True
    outer = [parse_network(text) for text in parent]
    inner = [parse_network(text) for text in child]
    return bool(inner) and all(
        any(each.version == other.version and each.subnet_of(other) for other in outer)  # type: ignore[arg-type]
        for each in inner
    )


@contextmanager
def settled(store: Store) -> Iterator[None]:
    """Whoever is told that something is gone, replaced or no longer good may rely on it at once; the process that did
    it may be between its commit and its notice to the others."""
    try:
        yield
    except (NotFound, Conflict, CallerRefused):
        store.settle()
        raise
