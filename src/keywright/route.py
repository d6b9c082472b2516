"""What a proxy's gate asks of a key: one route for each kind of request that it lets through."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from keywright.values import Value

#: How a proxy wants to be answered; `server.gate.dialects` has the details.
DIALECTS = ("plain", "nginx", "envoy")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}", re.ASCII)
_ACCOUNT = re.compile(r"acc_[A-Za-z0-9]{9}", re.ASCII)
_MEMBERS = ("account", "scopes", "environment", "cost", "dialect")
MAX_COST = 1_000_000


class Route(Value, frozen=True, gc=False):
    """One route of the gate.

    Attributes:
        name: the path below ``/v1/gate/`` at which a proxy asks.
        dialect: one of `DIALECTS`.
        account_id: the only account whose keys pass; empty for any.
        scopes: all that a key must have.
        environment: the only environment whose keys pass; empty for any.
        cost: what a request takes from the key's limits.
    """

    name: str
    dialect: str = "plain"
    account_id: str = ""
    scopes: tuple[str, ...] = ()
    environment: str = ""
    cost: int = 1


#: Routes that ask for nothing but a good key: there is one for each dialect, whatever the settings say.
BUILT_IN_ROUTES = tuple(Route(name, name) for name in DIALECTS)


def parse_route(name: str, members: Mapping[str, Any]) -> Route:
    """The route written as a table of ``account``, ``scopes``, ``environment``, ``cost`` and ``dialect``, each of which
    may be left out.

    Raises:
        ValueError: the name or a member is not one that a route can have.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name[:40]!r} cannot be a route's name: small letters, digits, '-' and '_', at most 64")
    if unknown := members.keys() - set(_MEMBERS):
        raise ValueError(f"route {name}: there is no member {min(unknown)!r}; there are {', '.join(_MEMBERS)}")
    scopes = members.get("scopes", [])
    scopes = [scopes] if isinstance(scopes, str) else scopes
    checks = {
        "account": _matches(_ACCOUNT, members.get("account", "acc_000000000")),
        "scopes": isinstance(scopes, list) and all(_matches(_SCOPE, each) for each in scopes),
        "environment": isinstance(members.get("environment", ""), str),
        "cost": _is_cost(members.get("cost", 1)),
        "dialect": members.get("dialect", "plain") in DIALECTS,
    }
    for member, good in checks.items():
        if not good:
            known = f"; there are {', '.join(DIALECTS)}" if member == "dialect" else ""
            raise ValueError(f"route {name}: {members[member]!r} cannot be its {member}{known}")
    return Route(
        name,
        members.get("dialect", "plain"),
        members.get("account", ""),
        tuple(scopes),
        members.get("environment", ""),
        members.get("cost", 1),
    )


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_cost(value: Any) -> bool:
    return type(value) is int and 1 <= value <= MAX_COST
