"""What we know about a key, and the rules that follow from it.

A `KeyRow` is all that is stored of a key, for management. A `Record` is the part that a verification needs, with
everything that can be worked out beforehand worked out; it is what a process keeps in memory.
"""

from __future__ import annotations

import ipaddress
import json
import math
import sys
from collections.abc import Collection, Iterable
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeAlias

from keywright.key import KeyFormat
from keywright.limits.base import AccountLimits, Limit, parse_limits
from keywright.reason import Reason
from keywright.values import Value

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

FULL_ACCESS = "*"
OPERATOR_SCOPE = "operator"
NEVER = math.inf


class KeyStatus(StrEnum):
    """The state of a key that exists. A deleted key has none."""

    ACTIVE = "active"
    DISABLED = "disabled"
    EXPIRED = "expired"
    ROTATING = "rotating"


class KeyRow(Value, frozen=True, gc=False):
    """All that is stored of a key. Never the key itself.

    Attributes:
        slot: its number; given once, never again. Orders keys by age, and finds their counters.
        scopes: sorted; ``("*",)`` is full access.
        expires_at: Unix seconds, `NEVER` if it does not expire.
        limits: as written; None for the limit of its format or of the installation, empty for no limit.
        networks: CIDR blocks it may be used from; empty for anywhere.
        successor_id: the key that replaces it, while it is being rotated.
    """

    slot: int
    id: str
    account_id: str
    name: str
    format: str
    environment: str
    prefix: str
    hint: str
    digest: bytes
    digest_version: int
    scopes: tuple[str, ...]
    expires_at: float
    disabled: bool
    limits: tuple[str, ...] | None
    networks: tuple[str, ...]
    metadata: str
    created_at: float
    successor_id: str | None = None

    def status(self, now: float) -> KeyStatus:
        """The state at ``now``."""
        if self.disabled:
            return KeyStatus.DISABLED
        if self.expires_at <= now:
            return KeyStatus.EXPIRED
        return KeyStatus.ROTATING if self.successor_id else KeyStatus.ACTIVE

    @property
    def metadata_object(self) -> dict[str, Any]:
        """The caller's own data, as it was given."""
        loaded: dict[str, Any] = json.loads(self.metadata)
        return loaded


class Block(Value, frozen=True, gc=False):
    """The addresses of a network, as numbers: a network of the standard library is five objects that the garbage
    collector would walk, for every key that is bound to one."""

    version: int
    first: int
    last: int


class AccountTerms(Value, frozen=True, gc=False):
    """What an account lays upon all of its keys.

    Attributes:
        number: the account's own; given once, never again. Finds the counters of its limits.
        limits: as written, and shared by all of its keys; empty for none.
        disabled: whether every one of its keys is refused.
    """

    number: int = 0
    limits: tuple[str, ...] = ()
    disabled: bool = False


NO_TERMS = AccountTerms()


class Record(Value, frozen=True, gc=False):
    """What a verification needs to know of a key. A process remembers a million of them, so nothing in it is left for
    the garbage collector to walk.

    Attributes:
        guarded: whether any rule besides expiry can refuse it; lets the hot path skip them all at once.
        disabled: whether the key is, or its account.
        account_limits: the limits that it shares with all keys of its account; None where there are none.
        plain: whether nothing but its expiry, and what a request asks for, can refuse it: not even a limit.
    """

    key_id: str
    account_id: str
    slot: int
    name: str
    environment: str
    scopes: tuple[str, ...]
    expires_at: float
    disabled: bool
    limits: tuple[Limit, ...]
    networks: tuple[Block, ...]
    guarded: bool
    plain: bool
    account_limits: AccountLimits | None = None


class Request(Value, frozen=True, gc=False):
    """What a verification needs to know of a request besides the key.

    Attributes:
        scopes: all that the key must have.
        address: the client's address, as text; empty where it is not known. A key that is bound to networks is
            refused then.
        environment: the environment that the key must be of; empty for any.
        account_id: the account that the key must belong to; empty for any. To whoever asks for one account, the keys of
            the others do not exist: they are refused as unknown, charged nothing, and not marked as used.
        cost: what the request takes from the key's limits; at least 1.
        user_agent: what the client says it is; shown to people, believed by nobody.
    """

    scopes: tuple[str, ...] = ()
    address: str = ""
    environment: str = ""
    cost: int = 1
    user_agent: str = ""
    account_id: str = ""

    def __post_init__(self) -> None:
        # Nothing would pass a limit that is used up, and less than nothing would give back what was spent.
        if self.cost < 1:
            raise ValueError("a request costs at least 1")
        # A text is a sequence of letters, each of which would be taken for a scope.
        if self.scopes and isinstance(self.scopes, str):
            raise TypeError("scopes are a tuple of texts")


#: A request that asks for nothing but a good key.
ANY_REQUEST = Request()


class LimitPolicy:
    """Which limits a key has that names none itself: those of its format, else those of the installation."""

    def __init__(self, default: tuple[str, ...], formats: Iterable[KeyFormat]) -> None:
        self.default = parse_limits(default)
        self._by_format = {
            each.name: parse_limits((each.rate_limit,) if isinstance(each.rate_limit, str) else each.rate_limit)
            for each in formats
            if each.rate_limit is not None
        }

    def limits(self, key_format: str, own: tuple[str, ...] | None) -> tuple[Limit, ...]:
        """The limits in force for a key of that format that names ``own``."""
        if own is not None:
            return parse_limits(own)
        return self._by_format.get(key_format, self.default)


def record_of(row: KeyRow, policy: LimitPolicy, terms: AccountTerms = NO_TERMS) -> Record:
    """The part of a row, and of the terms of its account, that a verification needs. Equal scopes, limits and networks
    are shared between records."""
    networks = _blocks(row.networks)
    limits = policy.limits(row.format, row.limits)
    account_limits = _account_limits(terms.number, terms.limits) if terms.limits else None
    disabled = row.disabled or terms.disabled
    guarded = disabled or bool(networks)
    return Record(
        key_id=row.id,
        # Shared by many keys, and each costs 64 bytes: one copy for all of them.
        account_id=sys.intern(row.account_id),
        slot=row.slot,
        name=row.name,
        environment=sys.intern(row.environment),
        scopes=_shared(row.scopes),
        expires_at=row.expires_at,
        disabled=disabled,
        limits=limits,
        networks=networks,
        guarded=guarded,
        plain=not guarded and not limits and account_limits is None,
        account_limits=account_limits,
    )


def life_refusal(record: Record, now: float) -> Reason | None:
    """Why the key is not good at all, whoever asks for what."""
    if record.disabled:
        return Reason.DISABLED
    if record.expires_at <= now:
        return Reason.EXPIRED
    return None


def place_refusal(record: Record, request: Request) -> Reason | None:
    """Why a good key may not be used from there or for that environment."""
    if request.environment and request.environment != record.environment:
        return Reason.ENVIRONMENT
    if record.networks and not _inside(request.address, record.networks):
        return Reason.NETWORK
    return None


def missing_scopes(held: Collection[str], wanted: Iterable[str]) -> tuple[str, ...]:
    """Which of ``wanted`` is not covered by ``held``. Full access covers everything but `OPERATOR_SCOPE`."""
    full = FULL_ACCESS in held
    return tuple(scope for scope in wanted if scope not in held and (not full or scope == OPERATOR_SCOPE))


def parse_network(text: str) -> Network:
    """A CIDR block or a single address. ValueError for anything else, also for a block with host bits set."""
    if "%" in text:
        # A zone is any text at all, terminal escapes included, and means nothing on another machine.
        raise ValueError("a network has no zone")
    return ipaddress.ip_network(text)


def network_around(text: str) -> Network | None:
    """The network that an address with a length lies in, for whoever wrote ``10.0.0.1/8`` and may mean ``10.0.0.0/8``
    or ``10.0.0.1``; None for any other text that `parse_network` refuses."""
    try:
        return None if "%" in text else ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address, an IPv4 one in IPv6 clothes as IPv4; None if ``text`` is not an address."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _inside(text: str, blocks: tuple[Block, ...]) -> bool:
    address = parse_address(text)
    if address is None:
        return False
    number = int(address)
    return any(block.first <= number <= block.last and block.version == address.version for block in blocks)


@lru_cache(maxsize=4096)
def _account_limits(number: int, limits: tuple[str, ...]) -> AccountLimits:
    return AccountLimits(number, parse_limits(limits))


@lru_cache(maxsize=4096)
def _shared(texts: tuple[str, ...]) -> tuple[str, ...]:
    return texts


@lru_cache(maxsize=4096)
def _blocks(texts: tuple[str, ...]) -> tuple[Block, ...]:
    networks = [parse_network(text) for text in texts]
    return tuple(Block(each.version, int(each.network_address), int(each.broadcast_address)) for each in networks)
