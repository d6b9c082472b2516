"""S20, S59, S73: nobody makes, becomes or reaches more than they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given as given_values, settings, strategies as st

from keywright import Actor, Reason, Refused
from keywright.errors import ActError, CallerRefused, Forbidden, InvalidValue, NotFound
from keywright.limits.base import all_within
from keywright.manage import values
from keywright.manage.manager import Created, Manager
from keywright.record import KeyRow, missing_scopes, parse_network
from keywright.values import replace
from support.installation import ME, Installation

AT_HOME = "192.0.2.5"
scopes = st.sets(st.sampled_from(["*", "a", "b:c", "keys:read", "operator"])).map(
    lambda some: ["keys:write", *sorted(some)]
)
networks = st.lists(
    st.sampled_from(["192.0.2.0/24", "192.0.2.0/28", "192.0.2.5/32", "0.0.0.0/0", "2001:db8::/32", "::/0"]), max_size=2
)
limits = st.one_of(
    st.none(),
    st.sampled_from(["100/15m", "10/15m", "200/15m", "10/s", "100/14m", "1/d"]),
    st.just(["5/s", "50/15m"]),
)
OPTIONAL = {
    "scopes": scopes,
    "networks": networks,
    "rate_limit": limits,
    "expires_in_seconds": st.integers(1, 4),
    "environment": st.sampled_from(["live", "test"]),
    "format": st.sampled_from(["lwa", "ss"]),
}
bodies = st.fixed_dictionaries({}, optional=OPTIONAL)
#: A key that manages: it may be used from where the test stands.
makers = bodies.map(lambda body: {**body, **_reachable(body)})

Act: TypeAlias = Callable[[Manager, Actor, str, str], object]
#: What an actor may do to a key of an account → the scope that it takes, and how it is done.
ACTS: dict[str, tuple[str, Act]] = {
    "create": ("keys:write", lambda manager, actor, account, _: manager.create(actor, account, {"name": "x"})),
    "create_many": (
        "keys:write",
        lambda manager, actor, account, _: list(manager.create_many(actor, account, [{"name": "x"}])),
    ),
    "update": ("keys:write", lambda manager, actor, account, key: manager.update(actor, account, key, {"name": "x"})),
    "rotate": ("keys:write", lambda manager, actor, account, key: manager.rotate(actor, account, key)),
    "delete": ("keys:write", lambda manager, actor, account, key: manager.delete(actor, account, key)),
    "keys": ("keys:read", lambda manager, actor, account, _: manager.keys(actor, account)),
    "key": ("keys:read", lambda manager, actor, account, key: manager.key(actor, account, key)),
    "find": ("keys:read", lambda manager, actor, account, key: manager.find(actor, account, key)),
    "summary": ("account:read", lambda manager, actor, account, _: manager.summary(actor, account)),
    "report": (
        "usage:read",
        lambda manager, actor, account, key: manager.report(actor, account, 0, 9, key_id=key, daily=False),
    ),
    "accounts": ("operator", lambda manager, actor, _, __: manager.accounts(actor)),
    "create_account": ("operator", lambda manager, actor, _, __: manager.create_account(actor, "x")),
}
ON_KEYS = ("update", "rotate", "delete", "key", "find", "report")
OF_ACCOUNTS = [name for name in ACTS if name not in ("accounts", "create_account")]


def _reachable(body: dict[str, Any]) -> dict[str, Any]:
    return {"networks": [*body["networks"], f"{AT_HOME}/32"]} if body.get("networks") else {}


def within(child: KeyRow, maker: KeyRow, installation: Installation) -> bool:
    """Whether a key can do nothing that its maker cannot, worked out anew from what is stored."""
    policy = installation.keywright.policy
    outer = [parse_network(each) for each in maker.networks]
    inside = all(
        any(net.version == other.version and net.subnet_of(other) for other in outer)  # type: ignore[arg-type]
        for net in map(parse_network, child.networks)
    )
    return (
        (maker.environment == "live" or child.environment == "test")
        and not missing_scopes(maker.scopes, child.scopes)
        and child.expires_at <= maker.expires_at
        and (not outer or (bool(child.networks) and inside))
        and all_within(policy.limits(child.format, child.limits), policy.limits(maker.format, maker.limits))
    )


def rows(installation: Installation) -> list[KeyRow]:
    """All keys of the account."""
    return [each.row for each in installation.keywright.manager.keys(ME, installation.account_id)]


def made(installation: Installation, body: dict[str, Any]) -> Created | None:
    """A key with these values, if they go together."""
    try:
        return installation.create(**body)
    except InvalidValue:
        return None


def at_home(installation: Installation, created: Created) -> Actor:
    """The key as an actor, from the test's address."""
    return replace(installation.actor(created), address=AT_HOME)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given_values(maker_body=makers, body=bodies)
def test_s20_a_key_makes_no_more_than_itself(
    installation: Installation, maker_body: dict[str, Any], body: dict[str, Any]
) -> None:
    """S20: whatever a key asks for, the key it makes can do nothing that it cannot do itself, or is not made."""
    maker = made(installation, maker_body)
    if maker is None:
        return
    before = rows(installation)
    try:
        child = installation.keywright.manager.create(
            at_home(installation, maker), installation.account_id, {"name": "Child", **body}
        )
    except InvalidValue:
        assert rows(installation) == before
    else:
        assert within(child.row, maker.row, installation)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given_values(maker_body=makers, other_body=bodies, body=bodies)
def test_s20_a_key_gives_no_more_than_itself(
    installation: Installation, maker_body: dict[str, Any], other_body: dict[str, Any], body: dict[str, Any]
) -> None:
    """S20: changing and rotating hand out no right that the acting key does not have."""
    maker, other = made(installation, maker_body), made(installation, other_body)
    if maker is None or other is None:
        return
    actor, manager = at_home(installation, maker), installation.keywright.manager
    changes = {name: value for name, value in body.items() if name not in ("environment", "format")}
    try:
        changed = manager.update(actor, installation.account_id, other.row.id, changes).row
    except (InvalidValue, Forbidden):
        changed = other.row
    # A key may take rights from a stronger one; it never makes one that can do more than it did and more than itself.
    assert within(changed, other.row, installation) or within(changed, maker.row, installation)
    end = {name: value for name, value in body.items() if name == "expires_in_seconds"}
    meant = replace(changed, **values.parse_members(end, installation.clock.now()))
    try:
        successor = manager.rotate(actor, installation.account_id, other.row.id, end=end)
    except (InvalidValue, Forbidden):
        assert not within(meant, maker.row, installation)
    else:
        assert within(successor.row, maker.row, installation)
        assert successor.row.expires_at == meant.expires_at


@pytest.mark.parametrize(
    ("maker_body", "body", "member"),
    [
        ({"environment": "test"}, {"environment": "live"}, "environment"),
        ({"scopes": ["keys:write", "a"]}, {"scopes": ["a", "b"]}, "scopes"),
        ({"scopes": ["keys:write", "a"]}, {"scopes": ["*"]}, "scopes"),
        ({"expires_in_seconds": 60}, {"expires_in_seconds": 61}, "expires_at"),
        ({"expires_in_seconds": 60}, {"expires_at": None}, "expires_at"),
        ({"networks": ["192.0.2.0/24"]}, {"networks": []}, "networks"),
        ({"networks": ["192.0.2.0/24"]}, {"networks": ["192.0.2.0/24", "2001:db8::/32"]}, "networks"),
        ({"networks": ["192.0.2.0/24"]}, {"networks": ["192.0.2.0/23"]}, "networks"),
        ({"rate_limit": "10/m"}, {"rate_limit": "11/m"}, "rate_limit"),
        ({"rate_limit": "10/m"}, {"rate_limit": None}, "rate_limit"),
        ({"rate_limit": ["5/s", "10/m"]}, {"rate_limit": "5/s"}, "rate_limit"),
        ({}, {"rate_limit": "101/15m"}, "rate_limit"),
    ],
)
def test_s20_each_right_is_bounded(
    installation: Installation, maker_body: dict[str, Any], body: dict[str, Any], member: str
) -> None:
    """S20: each value is bounded for itself, when a key is made, changed or rotated, and its name is said."""
    maker = installation.create(**maker_body)
    actor, manager = at_home(installation, maker), installation.keywright.manager
    with pytest.raises(InvalidValue) as raised:
        manager.create(actor, installation.account_id, {"name": "Child", **body})
    assert raised.value.member == member
    if member != "environment":
        with pytest.raises(InvalidValue):
            manager.update(actor, installation.account_id, maker.row.id, body)
    if member == "expires_at":
        with pytest.raises(InvalidValue) as raised:
            manager.rotate(actor, installation.account_id, maker.row.id, end=body)
        assert raised.value.member == member
    assert rows(installation) == [maker.row]


def _own(installation: Installation, row: KeyRow) -> tuple[str, ...]:
    return tuple(map(str, installation.keywright.policy.limits(row.format, row.limits)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given_values(maker_body=makers)
def test_s20_what_is_left_out_is_the_callers_own(installation: Installation, maker_body: dict[str, Any]) -> None:
    """S20: a key that says only a name makes a key like itself."""
    maker = made(installation, maker_body)
    if maker is None:
        return
    child = installation.keywright.manager.create(
        at_home(installation, maker), installation.account_id, {"name": "Child"}
    )
    for name in ("format", "environment", "scopes", "networks", "expires_at", "limits", "account_id", "prefix"):
        assert getattr(child.row, name) == getattr(maker.row, name)


def test_s20_people_on_the_machine_may_give_anything(installation: Installation) -> None:
    """S20: the command line makes full live keys of the default format, unless it says otherwise."""
    row = installation.create().row
    assert (row.format, row.environment, row.scopes, row.limits) == ("lwa", "live", ("*",), None)


@pytest.mark.parametrize("name", ACTS)
def test_an_act_needs_its_scope(installation: Installation, name: str) -> None:
    """Each act asks for one scope; who lacks it is told which, who has it may act."""
    scope, act = ACTS[name]
    target, target_too = installation.create(scopes=["a"]), installation.create(scopes=["a"])
    others = [*sorted({each for each, _ in ACTS.values()} - {scope}), "a"]
    lacking, having = installation.create(scopes=others), installation.create(scopes=[scope, "a"])
    with pytest.raises(Forbidden) as raised:
        act(installation.keywright.manager, installation.actor(lacking), installation.account_id, target.row.id)
    assert raised.value.member == scope
    if name != "create":
        act(installation.keywright.manager, installation.actor(having), installation.account_id, target_too.row.id)


@pytest.mark.parametrize("name", ACTS)
@pytest.mark.parametrize("end", ["deleted", "disabled", "expired"])
def test_a_caller_that_has_ended_does_nothing(installation: Installation, name: str, end: str) -> None:
    """A key that was deleted, disabled or has expired since it was presented manages nothing any more."""
    manager, account = installation.keywright.manager, installation.account_id
    caller, target = installation.create(scopes=["*", "operator"], expires_in_seconds=60), installation.create()
    actor = installation.actor(caller)
    manager.keys(actor, account)
    if end == "deleted":
        manager.delete(ME, account, caller.row.id)
    elif end == "disabled":
        manager.update(ME, account, caller.row.id, {"disabled": True})
    else:
        installation.clock.advance(60)
    before = rows(installation)
    with pytest.raises(CallerRefused):
        ACTS[name][1](manager, actor, account, target.row.id)
    assert rows(installation) == before


@pytest.mark.parametrize("name", ACTS)
def test_a_caller_from_elsewhere_does_nothing(installation: Installation, name: str) -> None:
    """A key that is bound to networks manages from there only."""
    caller = installation.create(scopes=["*", "operator"], networks=["192.0.2.0/24"])
    target = installation.create()
    for address in ("198.51.100.1", ""):
        actor = replace(installation.actor(caller), address=address)
        with pytest.raises(Forbidden):
            ACTS[name][1](installation.keywright.manager, actor, installation.account_id, target.row.id)


@pytest.mark.parametrize("name", ON_KEYS)
def test_s59_s73_another_accounts_key_does_not_exist(installation: Installation, name: str) -> None:
    """S59, S73: another account's key and one that never was are answered alike, and nothing happens to it."""
    caller, theirs = installation.create(), installation.create(account_id=installation.account())
    messages = []
    for key_id in (theirs.row.id, "key_000000000"):
        with pytest.raises(NotFound) as raised:
            ACTS[name][1](installation.keywright.manager, installation.actor(caller), installation.account_id, key_id)
        messages.append((str(raised.value), raised.value.member))
    assert messages[0] == messages[1]
    assert installation.keywright.manager.key(ME, theirs.row.account_id, theirs.row.id).row == theirs.row


@pytest.mark.parametrize("name", OF_ACCOUNTS)
def test_s73_no_key_acts_on_another_account(installation: Installation, name: str) -> None:
    """S73: a key that names another account finds nothing there; only the operator's reach further."""
    elsewhere = installation.account()
    caller, target = installation.create(), installation.create(account_id=elsewhere)
    with pytest.raises(NotFound):
        ACTS[name][1](installation.keywright.manager, installation.actor(caller), elsewhere, target.row.id)
    assert [each.row for each in installation.keywright.manager.keys(ME, elsewhere)] == [target.row]


def test_a_caller_must_be_of_the_account_it_claims(installation: Installation) -> None:
    """An actor whose account is not its key's is nobody."""
    caller = installation.create()
    forged = replace(installation.actor(caller), account_id=installation.account())
    with pytest.raises(CallerRefused):
        installation.keywright.manager.keys(forged, forged.account_id)


def test_the_operators_scope_is_the_operators(installation: Installation) -> None:
    """S20: full access does not include the operator's scope, and no other account's key can have it."""
    manager, elsewhere = installation.keywright.manager, installation.account()
    full = installation.create()
    with pytest.raises(InvalidValue):
        manager.create(installation.actor(full), installation.account_id, {"name": "x", "scopes": ["operator"]})
    with pytest.raises(InvalidValue):
        installation.create(account_id=elsewhere, scopes=["operator"])
    theirs = installation.create(account_id=elsewhere)
    with pytest.raises(InvalidValue):
        manager.update(ME, elsewhere, theirs.row.id, {"scopes": ["*", "operator"]})
    operator = installation.create(scopes=["*", "operator"])
    account = manager.create_account(installation.actor(operator), "New Company")
    assert [each.id for each in manager.accounts(installation.actor(operator))][-1] == account.id


def test_a_missing_account_is_said_so(installation: Installation) -> None:
    """Keys are made in accounts that exist."""
    for act in (ACTS["create"][1], ACTS["create_many"][1], ACTS["summary"][1]):
        with pytest.raises(ActError, match="no such account"):
            act(installation.keywright.manager, ME, "acc_000000000", "")


@pytest.mark.parametrize(
    ("maker", "target", "changes"),
    [
        ({"scopes": ["keys:write"]}, {"networks": ["10.0.0.0/8"]}, {"networks": []}),
        ({"scopes": ["keys:write"]}, {"expires_in_seconds": 60}, {"expires_at": None}),
        ({"scopes": ["keys:write"], "rate_limit": None}, {"rate_limit": "1/d"}, {"rate_limit": None}),
        ({"environment": "test"}, {"scopes": ["keys:read"]}, {"scopes": ["*"]}),
    ],
    ids=["networks", "expiry", "limit", "a live key by a test key"],
)
def test_s20_a_weak_key_strengthens_no_stronger_one(
    installation: Installation, maker: dict[str, Any], target: dict[str, Any], changes: dict[str, Any]
) -> None:
    """What counts is what would come of the change, not the one value that is named."""
    weak, strong = installation.create(**maker), installation.create(**target)

    with pytest.raises((Forbidden, InvalidValue)):
        installation.keywright.manager.update(installation.actor(weak), installation.account_id, strong.row.id, changes)

    (stored,) = [row for row in rows(installation) if row.id == strong.row.id]
    assert stored == strong.row


def test_s20_a_weak_key_wakes_no_stronger_one(installation: Installation) -> None:
    """Enabling a key gives back all it could do: only who can do it all may."""
    weak, strong = installation.create(scopes=["keys:write"]), installation.create()
    manager = installation.keywright.manager
    manager.update(installation.actor(weak), installation.account_id, strong.row.id, {"disabled": True})

    with pytest.raises(Forbidden):
        manager.update(installation.actor(weak), installation.account_id, strong.row.id, {"disabled": False})

    refused = installation.keywright.verify(strong.key)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.DISABLED


def test_an_actor_of_an_unknown_kind_is_a_key(installation: Installation) -> None:
    """A plain word in the place of a kind opens nothing."""
    created = installation.create()
    with pytest.raises(CallerRefused):
        installation.keywright.manager.delete(
            Actor("somebody", "key_nothere00", installation.account_id),  # type: ignore[arg-type]
            installation.account_id,
            created.row.id,
        )
