"""How each proxy is answered: the whole table."""

from __future__ import annotations

import pytest

from keywright.adapters.answers import ERRORS
from keywright.route import BUILT_IN_ROUTES, DIALECTS
from keywright.server.gate.dialects import TABLE
from keywright.server.gate.gate import path_asked

STATUSES = sorted({200, *(status for status, _ in ERRORS.values())})


@pytest.mark.parametrize("status", STATUSES)
def test_nginx_is_told_only_what_it_understands(status: int) -> None:
    """nginx takes 2xx, 401 and 403 from a subrequest and turns everything else into a 500: every other refusal is told
    as 403, and none as a success."""
    assert TABLE["nginx"].status(status) == (status if status in (200, 401, 403) else 403)


@pytest.mark.parametrize("dialect", sorted(set(DIALECTS) - {"nginx"}))
@pytest.mark.parametrize("status", STATUSES)
def test_the_others_are_told_the_truth(dialect: str, status: int) -> None:
    """Proxies that pass a refusal on as it is are told it as it is."""
    assert TABLE[dialect].status(status) == status


def test_every_dialect_has_a_route_of_its_name() -> None:
    """Whoever has written no routes still has one for the proxy at hand."""
    assert {route.name: route.dialect for route in BUILT_IN_ROUTES} == {name: name for name in DIALECTS}


@pytest.mark.parametrize(
    ("dialect", "rest", "headers", "path"),
    [
        ("plain", "", {b"x-forwarded-uri": b"/v1/orders?key=1"}, "/v1/orders"),
        ("plain", "", {b"x-original-uri": b"/v1/orders"}, ""),
        ("nginx", "", {b"x-original-uri": b"/api%2Fcampaigns/x"}, "/api/campaigns/x"),
        ("nginx", "", {b"x-forwarded-uri": b"/v1/orders"}, ""),
        ("envoy", "/v1/orders", {b"x-forwarded-uri": b"/elsewhere", b"x-original-uri": b"/elsewhere"}, "/v1/orders"),
        ("plain", "", {}, ""),
    ],
)
def test_each_names_the_request_in_its_own_way(dialect: str, rest: str, headers: dict[bytes, bytes], path: str) -> None:
    """Only the header that the dialect's proxy writes itself is believed; the others may be the client's."""
    route = next(each for each in BUILT_IN_ROUTES if each.dialect == dialect)
    assert path_asked(route, rest, headers) == path
