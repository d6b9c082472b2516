"""What an account lays upon all of its keys: limits that they share, and an end to all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pysqlite3 import dbapi2

from keywright import Accepted, Actor, ActorKind, ManualClock, Reason, Refused
from keywright.adapters.answers import rate_headers
from keywright.build import Keywright
from keywright.errors import ActError, ActFault
from keywright.limits.base import Holder
from keywright.manage.manager import Created
from keywright.stores.sqlite import RECORDS_FILE
from support.faces import InProcess
from support.installation import ME, Installation
from support.mutants import assert_caught
from support.servers import Server


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still."""
    return ManualClock()


@pytest.fixture
def one(tmp_path: Path, clock: ManualClock) -> Iterator[Installation]:
    """An installation."""
    with Installation(tmp_path / "data", clock) as made:
        yield made


@pytest.fixture
def other(one: Installation, tmp_path: Path, clock: ManualClock) -> Iterator[Installation]:
    """The same one, as another process has it open."""
    with Installation(tmp_path / "data", clock) as made:
        yield made


def passes(keywright: Keywright, created: Created, times: int = 1) -> int:
    """How many of so many requests with the key pass."""
    return sum(isinstance(keywright.verify(created.key), Accepted) for _ in range(times))


def change(made: Installation, account_id: str, **given: Any) -> None:
    """Change the account's terms."""
    made.keywright.manager.change_account(ME, account_id, given)


def test_s62_all_keys_of_an_account_share_its_limits(one: Installation) -> None:
    """What one key spends, the others have no more; be they bound themselves or not; other accounts keep theirs."""
    account_id = one.account()
    change(one, account_id, rate_limit=["5/h sliding", "100/d"])
    bound, free = (
        one.create(account_id=account_id, rate_limit="3/m"),
        one.create(account_id=account_id, rate_limit=None),
    )
    elsewhere = one.create(rate_limit=None)

    assert passes(one.keywright, bound, 10) == 3
    assert passes(one.keywright, free, 10) == 2
    assert passes(one.keywright, elsewhere, 10) == 10
    refused = one.keywright.verify(free.key)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.RATE_LIMITED
    assert refused.decision is not None
    assert [(state.holder, state.remaining) for state in refused.decision.states] == [
        (Holder.ACCOUNT, 0),
        (Holder.ACCOUNT, 95),
    ]


def test_s64_the_fields_name_whose_limit_it_is(one: Installation, clock: ManualClock) -> None:
    """The three headers are those of the limit with the least left, be it the account's; the fields list all of them,
    and a limit that key and account have alike stands there twice, under two names."""
    account_id = one.account()
    change(one, account_id, rate_limit="5/h")
    for _ in range(2):
        created = one.create(account_id=account_id, rate_limit="5/h")
        outcome = one.keywright.verify(created.key)
    headers = dict(rate_headers(outcome.decision, clock.now()))
    assert headers["X-RateLimit-Remaining"] == "3"
    assert headers["RateLimit-Policy"] == '"5/h";q=5;w=3600, "account 5/h";q=5;w=3600'
    assert headers["RateLimit"] == '"5/h";r=4;t=3600, "account 5/h";r=3;t=3600'


def test_s55_a_change_is_in_force_everywhere_when_it_returns(one: Installation, other: Installation) -> None:
    """Another process that remembers the account's keys believes none of it any more, and goes on with other keys."""
    account_id = one.account()
    keys = [one.create(account_id=account_id, rate_limit=None) for _ in range(3)]
    elsewhere = one.create(rate_limit=None)
    assert [passes(other.keywright, each) for each in (*keys, elsewhere)] == [1] * 4

    change(one, account_id, rate_limit="2/h")
    assert sum(passes(other.keywright, each, 2) for each in keys) == 2
    change(one, account_id, rate_limit="100/h")
    assert sum(passes(other.keywright, each) for each in keys) == 3
    change(one, account_id, disabled=True)
    assert [passes(other.keywright, each) for each in keys] == [0] * 3
    assert passes(other.keywright, elsewhere) == 1
    change(one, account_id, disabled=False, rate_limit=None)
    assert [passes(other.keywright, each, 9) for each in keys] == [9] * 3


def test_other_accounts_keys_stay_remembered(one: Installation) -> None:
    """A change of one account makes nobody read the keys of the others again."""
    account_id, keys = one.account(), [one.create() for _ in range(3)]
    mine = one.create(account_id=account_id)
    assert [passes(one.keywright, each) for each in (*keys, mine)] == [1] * 4
    change(one, account_id, rate_limit="2/h")
    assert passes(one.keywright, keys[0]) == 1
    assert len(one.keywright.cache) == 3


def test_the_keys_of_a_disabled_account_can_do_nothing(one: Installation, clock: ManualClock) -> None:
    """They are refused as disabled keys are, by every verifier and by the acts of management; a key that was disabled
    itself stays so when the account is enabled again."""
    account_id = one.account()
    good, disabled = one.create(account_id=account_id), one.create(account_id=account_id)
    one.keywright.manager.update(ME, account_id, disabled.row.id, {"disabled": True})
    change(one, account_id, disabled=True)

    outcome = one.keywright.verify(good.key)
    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.decision) == (Reason.DISABLED, None)
    with pytest.raises(ActError) as raised:
        one.keywright.manager.create(one.actor(good), account_id, {"name": "Heir"})
    assert raised.value.fault is ActFault.CALLER_REFUSED
    with InProcess(one.keywright) as face:
        assert face.call("GET", "/v1/account", good.key).status_code == 401
        change(one, account_id, disabled=False)
        assert face.call("GET", "/v1/account", good.key).json()["status"] == "active"
        assert face.call("GET", "/v1/account", disabled.key).status_code == 401


def test_only_the_operators_people_change_accounts(one: Installation) -> None:
    """A key of the account cannot lift the account's limits, whatever its scopes; one with the scope operator can."""
    account_id = one.account()
    mine, operator = one.create(account_id=account_id), one.create(scopes=["*", "operator"])
    for actor, given, fault in (
        (one.actor(mine), {"rate_limit": None}, ActFault.FORBIDDEN),
        (Actor(ActorKind.KEY, "key_000000000", account_id), {"disabled": False}, ActFault.CALLER_REFUSED),
        (ME, {"rate_limit": ["1/s", "2/s"]}, ActFault.INVALID),
        (ME, {"disabled": "yes"}, ActFault.INVALID),
        (ME, {"colour": "red"}, ActFault.INVALID),
    ):
        with pytest.raises(ActError) as raised:
            one.keywright.manager.change_account(actor, account_id, given)
        assert raised.value.fault is fault
    with pytest.raises(ActError) as raised:
        change(one, "acc_000000000", disabled=True)
    assert raised.value.fault is ActFault.NOT_FOUND
    changed = one.keywright.manager.change_account(one.actor(operator), account_id, {"rate_limit": "9/60s"})
    assert changed.terms.limits == ("9/m",)


def test_a_change_of_an_account_leaves_its_trace(one: Installation, tmp_path: Path) -> None:
    """The audit log says who changed what; a change that changes nothing leaves none."""
    account_id = one.account()
    change(one, account_id, rate_limit="100/h", disabled=True)
    change(one, account_id)
    with dbapi2.connect(tmp_path / "data" / RECORDS_FILE) as connection:
        rows = connection.execute("SELECT target, account_id, details FROM audit_log WHERE action = 'account.update'")
        ((target, owner, details),) = rows.fetchall()
    assert (target, owner) == (account_id, account_id)
    assert json.loads(details) == {"limits": ["100/h"], "disabled": True}


def test_the_commands(server: Server) -> None:
    """``accounts change``, ``show``, ``list``, ``disable`` and ``enable``, beside a server that obeys when they end."""
    account_id = server.command("accounts", "create", "A Tenant").stdout.strip()
    key = server.key("One", "--account", account_id)["key"]

    def status() -> int:
        return server.request("GET", "/v1/account", key).status_code

    assert status() == 200
    done = server.command("accounts", "change", "A Tenant", "--limit", "2/h", "--limit", "10/s burst 50", "--json")
    assert json.loads(done.stdout)["account_rate_limit"] == ["10/s burst 50", "2/h"]
    shown = server.request("GET", "/v1/account", key)
    assert shown.json()["account_rate_limit"] == ["10/s burst 50", "2/h"]
    assert [status(), status()] == [200, 429]
    assert server.command("accounts", "change", "A Tenant", "--no-limit").returncode == 0
    assert status() == 200
    at_home = ("--account", "A Tenant", "--json")
    assert server.command("keys", "list", *at_home).stderr == ""
    assert server.command("accounts", "disable", "A Tenant").returncode == 0
    assert status() == 401
    for act in (("list",), ("show", "One"), ("create", "Two"), ("rotate", "One")):
        done = server.command("keys", *act, *at_home)
        assert done.returncode == 0
        assert f"all of its keys are refused. `keywright accounts enable {account_id}` ends it." in done.stderr
        server.canaries += [json.loads(done.stdout)["key"]] if act[0] in ("create", "rotate") else []
    assert "disabled" in server.command("accounts", "list").stdout
    assert json.loads(server.command("accounts", "show", account_id, "--json").stdout)["status"] == "disabled"
    assert server.command("accounts", "enable", account_id).returncode == 0
    assert status() == 200
    assert "2 active" in server.command("accounts", "show", "A Tenant").stdout
    for wrong in ((), ("--limit", "2/h", "--no-limit")):
        assert server.command("accounts", "change", "A Tenant", *wrong).returncode == 2
    assert server.command("accounts", "change", "Nobody", "--no-limit").returncode == 3


HERE = "tests/limits/test_accounts.py"
MUTANTS = {
    "what is remembered of an account's keys stays": (
        "cache.py",
        "for account_id in changes.account_ids:",
        "for account_id in ():",
        f"{HERE}::test_s55_a_change_is_in_force_everywhere_when_it_returns",
    ),
    "the keys of a disabled account still manage": (
        "manage/rights.py",
        "record_of(row, policy, account.terms)",
        "record_of(row, policy)",
        f"{HERE}::test_the_keys_of_a_disabled_account_can_do_nothing",
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_fault_is_caught(mutant: str, tmp_path: Path) -> None:
    """Each planted fault fails the test of the promise that it breaks."""
    assert_caught(tmp_path, *MUTANTS[mutant])
