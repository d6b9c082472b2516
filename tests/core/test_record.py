"""The rules that follow from what is known of a key."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from keywright import Limit, Reason, Request
from keywright.key import BUILT_IN_FORMATS, KeyFormat
from keywright.limits.base import Kind
from keywright.record import (
    FULL_ACCESS,
    OPERATOR_SCOPE,
    KeyStatus,
    LimitPolicy,
    life_refusal,
    missing_scopes,
    place_refusal,
    record_of,
)
from keywright.stores.conformance import NOW, row

MORE_FORMATS = (KeyFormat("two", "two_", rate_limit=("9/s", "50/m sliding")), KeyFormat("any", "any_", rate_limit=()))
POLICY = LimitPolicy(("100/15m",), (*BUILT_IN_FORMATS, KeyFormat("fast", "fast_", rate_limit="9/s"), *MORE_FORMATS))
scopes = st.sets(st.sampled_from(["*", "a", "a:b", "b", "operator"]), max_size=4)


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({}, KeyStatus.ACTIVE, None),
        ({"expires_at": NOW + 0.1}, KeyStatus.ACTIVE, None),
        ({"expires_at": NOW}, KeyStatus.EXPIRED, Reason.EXPIRED),
        ({"disabled": True}, KeyStatus.DISABLED, Reason.DISABLED),
        ({"disabled": True, "expires_at": NOW}, KeyStatus.DISABLED, Reason.DISABLED),
        ({"successor_id": "key_x", "expires_at": NOW + 1}, KeyStatus.ROTATING, None),
        ({"successor_id": "key_x", "expires_at": NOW}, KeyStatus.EXPIRED, Reason.EXPIRED),
    ],
)
def test_a_key_is_good_until_the_moment_it_ends(
    changes: dict[str, Any], status: KeyStatus, reason: Reason | None
) -> None:
    """A key is refused from the very moment that it expires, while it is disabled, and not otherwise."""
    stored = row(1, **changes)
    assert stored.status(NOW) is status
    assert life_refusal(record_of(stored, POLICY), NOW) is reason


@pytest.mark.parametrize(
    ("networks", "address", "inside"),
    [
        ((), "", True),
        (("203.0.113.0/24",), "203.0.113.9", True),
        (("203.0.113.0/24",), "::ffff:203.0.113.9", True),
        (("203.0.113.0/24",), "203.0.114.9", False),
        (("203.0.113.0/24",), "", False),
        (("203.0.113.0/24",), "unknown", False),
        (("203.0.113.0/24", "2001:db8::/32"), "2001:db8::1", True),
        (("2001:db8::/32",), "203.0.113.9", False),
    ],
)
def test_a_key_bound_to_networks_is_good_there_only(networks: tuple[str, ...], address: str, inside: bool) -> None:
    """A key with networks is refused from everywhere else, and from where nobody knows."""
    record = record_of(row(1, networks=networks), POLICY)
    assert (place_refusal(record, Request(address=address)) is None) is inside


def test_a_key_of_another_environment_is_refused() -> None:
    """A test key does nothing where a live one is asked for."""
    record = record_of(row(1, environment="test"), POLICY)
    reasons = [place_refusal(record, Request(environment=wanted)) for wanted in ("live", "test", "")]
    assert reasons == [Reason.ENVIRONMENT, None, None]


@given(scopes, scopes)
def test_full_access_covers_all_but_the_operators(held: set[str], wanted: set[str]) -> None:
    """S20: full access is every scope but operator; without it a key has what it names."""
    expected = {scope for scope in wanted if scope not in held and (FULL_ACCESS not in held or scope == OPERATOR_SCOPE)}
    assert set(missing_scopes(held, wanted)) == expected


@pytest.mark.parametrize(
    ("key_format", "own", "limits"),
    [
        ("lwa", None, (Limit(100, 900),)),
        ("fast", None, (Limit(9, 1),)),
        ("fast", ("5/m",), (Limit(5, 60),)),
        ("lwa", (), ()),
        ("two", None, (Limit(9, 1), Limit(50, 60, Kind.SLIDING))),
        ("any", None, ()),
    ],
)
def test_s62_a_limit_is_the_keys_else_the_formats_else_the_installations(
    key_format: str, own: tuple[str, ...] | None, limits: tuple[Limit, ...]
) -> None:
    """S62: limits can be set for the installation, a key format and a key, and the nearest one counts."""
    assert record_of(row(1, format=key_format, limits=own), POLICY).limits == limits
