"""What a route of the gate can be."""

from __future__ import annotations

from typing import Any

import pytest

from keywright import Misconfigured
from keywright.route import Route, parse_route
from keywright.settings import load

ACCOUNT = "acc_0123456AB"


def test_a_route_is_written_as_a_table() -> None:
    """Everything that a route can ask for, and what it asks for where nothing is said."""
    members = {
        "account": ACCOUNT, "scopes": ["orders:read", "orders:write"], "environment": "live", "cost": 3,
        "dialect": "nginx",
    }  # fmt: skip
    assert parse_route("orders", members) == Route(
        "orders", "nginx", ACCOUNT, ("orders:read", "orders:write"), "live", 3
    )
    assert parse_route("orders", {"scopes": "orders:read"}).scopes == ("orders:read",)
    assert parse_route("open", {}) == Route("open")


@pytest.mark.parametrize(
    ("name", "members", "named"),
    [
        ("Orders", {}, "Orders"),
        ("", {}, "cannot be a route"),
        ("../keys", {}, "keys"),
        ("a" * 65, {}, "aaaa"),
        ("orders", {"scope": "x"}, "scope"),
        ("orders", {"scopes": ["with space"]}, "scopes"),
        ("orders", {"scopes": 5}, "scopes"),
        ("orders", {"account": "Acme"}, "account"),
        ("orders", {"environment": 1}, "environment"),
        ("orders", {"cost": 0}, "cost"),
        ("orders", {"cost": True}, "cost"),
        ("orders", {"cost": "2"}, "cost"),
        ("orders", {"dialect": "apache"}, "dialect"),
    ],
)
def test_what_is_no_route_is_refused_at_the_start(name: str, members: dict[str, Any], named: str) -> None:
    """A route that would ask for something else than was meant never serves: the start says which member is wrong."""
    with pytest.raises(ValueError, match=named):
        parse_route(name, members)
    with pytest.raises(Misconfigured, match="gate_routes"):
        load({"gate_routes": {name: members}}, environment={})


def test_own_routes_stand_beside_the_built_in_ones() -> None:
    """A route can be given another meaning; those that nobody wrote stay."""
    routes = load({"gate_routes": {"nginx": {"dialect": "nginx", "cost": 2}}}, environment={}).gate_routes
    assert (routes["nginx"].cost, routes["plain"].cost, routes["envoy"].cost) == (2, 1, 1)


def test_a_short_secret_is_refused() -> None:
    """What lets anybody ask the gate cannot be guessed."""
    with pytest.raises(Misconfigured, match="gate_secret"):
        load({"gate_secret": "open sesame"}, environment={})
