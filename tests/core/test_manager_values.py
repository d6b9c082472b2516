"""S11, S18, S19: what the values of a key may be, and that a wrong one makes nothing."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from keywright.errors import ActFault, InvalidValue
from support.installation import ME, Installation

NAMES = (
    "Production Server", "Local Development", "CI / CD – staging", "Größe", "Ключ разработчика", "本番サーバー",
    "한국어 키", "مفتاح الإنتاج", "מפתח", "कुंजी",
    "🦔 hedgehog 👩‍💻", "<script>alert(1)</script>", "'; DROP TABLE keys; --",
    "a", "0", "e\u0301", "\u00e9", "x" * 255, "🦔" * 255, "null", "%00", "name\u00a0with\u00a0spaces",
)  # fmt: skip

WRONG: dict[str, list[Any]] = {
    "name": [
        "", " ", "\t\n", "\u3000", "\u200b", "\u200b \u200d", "\u0301", "x" * 256, "a\nb", "a\0b", "a\x1bb", "a\x7fb",
        "a\u2028b", "a\u202eb", "a\u2066b", "a\ud800b", 5, None, True, ["a"], {}, b"a",
    ],
    "scopes": [
        [], "*", None, [""], ["A"], ["keys read"], ["keys:"], ["*:*"], [5], ["a"] * 65, ["a:b:c:d:e"], ["é"], ["a\n"],
    ],
    "networks": ["10.0.0.0/8", None, ["10.0.0.1/8"], ["everywhere"], [""], [5], ["10.0.0.0/33"], ["::1"] * 65],
    "rate_limit": ["", "100", [], ["1/s", "2/s"], ["1/s", "1/m", "1/h", "1/d", "1/2d"], 5, [5], {}],
    "metadata": [[], "{}", None, {"a": float("nan")}, {"a": {1, 2}}, {"a": "x" * 4096}, {"a": b""}],
    "expires_at": ["", "tomorrow", "2020-01-01T00:00:00Z", "2025-01-20T10:30:00Z", 5, True],
    "expires_in_seconds": [0, -1, 1.5, "60", None, True, 10**12],
    "environment": ["", "production", None, 5, ["live"]],
    "format": ["", "none", None, 5],
    "colour": ["red"],
    "disabled": [False],
    "id": ["key_abcdefghi"],
    "x" * 500: [1],
}  # fmt: skip
BAD = [(member, value) for member, wrong in WRONG.items() for value in wrong]


@pytest.mark.parametrize("blank", ["\u2800", "\u3164", "\u115f\u1160", "\uffa0 \u2800\u200b"], ids=ascii)
def test_s19_what_looks_blank_is_no_name(installation: Installation, blank: str) -> None:
    """S19: a name of which nothing can be seen is refused; beside letters such characters may stand."""
    with pytest.raises(InvalidValue, match="must not be blank"):
        installation.create(blank)
    assert installation.create(f"a{blank}b").row.name == f"a{blank}b"


#: A value → what its refusal says besides the member.
HELPFUL: tuple[tuple[str, Any, str], ...] = (
    ("networks", ["10.0.0.1/8"], "'10.0.0.1/8' is an address with a length. Its network is 10.0.0.0/8."),
    ("networks", ["2001:db8::1/32"], "Its network is 2001:db8::/32."),
    ("networks", ["10.0.0.1%x/8"], "is not a network such as"),
    ("networks", ["10.0.0.1/33"], "is not a network such as"),
    ("rate_limit", {}, "must be a text such as 100/15m, a list of such texts, or null for no limit."),
    ("rate_limit", [5], "must be a list of texts."),
)


@pytest.mark.parametrize(("member", "value", "said"), HELPFUL)
def test_a_refusal_says_what_would_do(installation: Installation, member: str, value: Any, said: str) -> None:
    """Whoever wrote almost the right thing is told the right one."""
    with pytest.raises(InvalidValue) as raised:
        installation.create(**{member: value})
    assert raised.value.message.startswith(member)
    assert said in raised.value.message


@pytest.mark.parametrize("name", NAMES)
def test_s11_a_name_is_kept_as_it_is(installation: Installation, name: str) -> None:
    """S11: a name of any script, with blanks and slashes, is kept unchanged but for blanks around it."""
    assert installation.create(f"  {name}\t").row.name == name
    assert installation.keywright.manager.find(ME, installation.account_id, name).row.name == name


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(max_size=300))
@example(name="\u202e")
@example(name="a" * 256)
def test_s11_any_text_is_a_name_or_a_wrong_value(installation: Installation, name: str) -> None:
    """S11: whatever text somebody calls a key, it is stored as it is or refused as a wrong value."""
    try:
        stored = installation.create(name).row.name
    except InvalidValue as error:
        assert error.member == "name"  # noqa: PT017 - the other outcome is a name, and is looked at below
    else:
        assert stored == name.strip()
        assert 1 <= len(stored) <= 255
        assert not {unicodedata.category(character) for character in stored} & {"Cc", "Cs", "Zl", "Zp"}


def test_s17_s18_names_need_not_be_unique(installation: Installation) -> None:
    """S17, S18: an account has many keys, and several may have one name."""
    made = [installation.create("Same") for _ in range(5)]
    assert len({created.key for created in made}) == len({created.row.id for created in made}) == 5


@pytest.mark.parametrize(("member", "bad"), BAD, ids=lambda value: ascii(value)[:30])
def test_s19_a_wrong_value_makes_nothing(installation: Installation, member: str, bad: Any) -> None:
    """S19: a wrong value is refused with the member's name, and neither made nor changed anything."""
    manager, account = installation.keywright.manager, installation.account_id
    created = installation.create()
    with pytest.raises(InvalidValue) as raised:
        manager.create(ME, account, {"name": "x", member: bad})
    assert raised.value.fault is ActFault.INVALID
    assert raised.value.member == member[:80]
    assert len(str(raised.value)) < 400
    if member != "disabled":
        with pytest.raises(InvalidValue):
            manager.update(ME, account, created.row.id, {member: bad})
    assert [each.row for each in manager.keys(ME, account)] == [created.row]


def test_s19_a_name_is_required(installation: Installation) -> None:
    """S15, S19: a name suffices, and without one there is no key."""
    with pytest.raises(InvalidValue) as raised:
        installation.keywright.manager.create(ME, installation.account_id, {"scopes": ["*"]})
    assert raised.value.member == "name"
    assert installation.keywright.manager.keys(ME, installation.account_id) == []


def test_deep_metadata_is_a_wrong_value(installation: Installation) -> None:
    """Metadata however deep is refused as a wrong value, not as a fault; eight levels are kept."""
    for depth, fine in ((8, True), (9, False), (100_000, False)):
        value: dict[str, Any] = {}
        for _ in range(depth - 1):
            value = {"a": value}
        if fine:
            assert installation.create(metadata=value).row.metadata_object == value
        else:
            with pytest.raises(InvalidValue):
                installation.create(metadata=value)


def test_two_ways_of_saying_an_expiry_are_one_too_many(installation: Installation) -> None:
    """Who gives both a time and a span has not said when the key ends."""
    with pytest.raises(InvalidValue):
        installation.create(expires_at="2030-01-01T00:00:00Z", expires_in_seconds=60)
    assert installation.create(expires_in_seconds=60).row.expires_at == installation.clock.now() + 60


def test_values_are_stored_as_they_are_meant(installation: Installation) -> None:
    """Scopes once each, networks in their canonical form, limits in their shortest."""
    row = installation.create(
        scopes=["b", "a", "b"], networks=["2001:DB8:0::/32", "192.0.2.7", "192.0.2.7/32"], rate_limit=["60/60s", "5/s"]
    ).row
    assert (row.scopes, row.networks, row.limits) == (
        ("a", "b"),
        ("2001:db8::/32", "192.0.2.7/32"),
        ("5/s", "60/m"),
    )
