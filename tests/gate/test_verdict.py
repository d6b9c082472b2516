"""The verify endpoint's words."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from keywright import Accepted, Reason, Refused, Request
from keywright.adapters.answers import FaultRaised
from keywright.adapters.verdicts import CODES, UNAVAILABLE, VALID
from keywright.errors import InvalidValue, Unavailable
from keywright.server.gate.api import Code
from keywright.server.gate.verdict import MEMBERS, Verdicts, asked, verdict
from support.installation import Installation


def test_every_reason_has_a_code_and_every_code_is_documented() -> None:
    """No refusal goes without its word, and the document names all of them."""
    assert set(CODES) == set(Reason)
    assert set(get_args(Code)) == {VALID, UNAVAILABLE, *CODES.values()}


@pytest.mark.parametrize("limit", [None, "100/15m", ["3/1m", "100/15m"]])
def test_what_is_written_fast_is_what_is_written_slowly(installation: Installation, limit: Any) -> None:
    """The bytes of the hot path are those of the plain one, for every key, its name in any script, and each request."""
    verdicts = Verdicts()
    made = installation.create('Größe "7" / 测试', rate_limit=limit, scopes=["a:read", "b"], expires_in_seconds=60)
    for _ in range(4):
        outcome = installation.keywright.verify(made.key)
        assert json.loads(verdicts.write(outcome)) == verdict(outcome)
        assert list(json.loads(verdicts.write(outcome))) == list(verdict(outcome))


def test_a_changed_key_is_written_anew(installation: Installation) -> None:
    """What was written of a key is not shown of it after a change."""
    verdicts, made = Verdicts(), installation.create("Before")
    assert json.loads(verdicts.write(installation.keywright.verify(made.key)))["name"] == "Before"
    me = installation.actor(made)
    installation.keywright.manager.update(me, installation.account_id, made.row.id, {"name": "After"})
    assert json.loads(verdicts.write(installation.keywright.verify(made.key)))["name"] == "After"


def test_nobody_has_an_identity(installation: Installation) -> None:
    """S34, S73: of a key that is not there nothing is told, and so of one that the caller may not see."""
    outcome = installation.keywright.verify(installation.create().key, Request(account_id="acc_000000000"))
    shown = verdict(outcome)
    assert (shown["valid"], shown["code"]) == (False, "NOT_FOUND")
    assert {value for name, value in shown.items() if name not in ("valid", "code")} == {None}


def test_one_that_could_not_be_looked_at_is_told_apart() -> None:
    """In a batch, a fault of the machine is no verdict on a key."""
    shown = json.loads(Verdicts().unavailable(Unavailable("The store is away.", 3)))
    assert (shown["valid"], shown["code"], shown["retry_after_seconds"]) == (False, "UNAVAILABLE", 3)


def test_a_question_says_everything_that_a_request_is() -> None:
    """Each member reaches the verification; what is left out asks for nothing."""
    whole = {
        "key": "lwa.x", "scopes": ["a", "b:c"], "cost": 4, "address": "2001:db8::1", "environment": "test",
        "user_agent": "curl/8",
    }  # fmt: skip
    assert asked(whole, "acc_1") == (
        "lwa.x",
        Request(("a", "b:c"), "2001:db8::1", "test", 4, "curl/8", "acc_1"),
    )
    assert asked({"key": "x", "scope": "a"}, "")[1] == Request(scopes=("a",))
    assert asked({"key": ""}, "") == ("", Request())


@pytest.mark.parametrize(
    ("value", "code", "member"),
    [
        ({}, "BAD_REQUEST", "key"),
        ("lwa.x", "VALIDATION_ERROR", "keys"),
        ({"key": 5}, "VALIDATION_ERROR", "key"),
        ({"key": "x" * 1025}, "VALIDATION_ERROR", "key"),
        ({"key": "x", "Scope": "a"}, "VALIDATION_ERROR", "Scope"),
        ({"key": "x", "scope": "a", "scopes": ["a"]}, "VALIDATION_ERROR", "scope"),
        ({"key": "x", "scope": ["a"]}, "VALIDATION_ERROR", "scope"),
        ({"key": "x", "cost": 0}, "VALIDATION_ERROR", "cost"),
        ({"key": "x", "cost": True}, "VALIDATION_ERROR", "cost"),
        ({"key": "x", "cost": 1.0}, "VALIDATION_ERROR", "cost"),
        ({"key": "x", "cost": 10**30}, "VALIDATION_ERROR", "cost"),
        ({"key": "x", "address": "localhost"}, "VALIDATION_ERROR", "address"),
        ({"key": "x", "environment": None}, "VALIDATION_ERROR", "environment"),
        ({"key": "x", "user_agent": 1}, "VALIDATION_ERROR", "user_agent"),
    ],
)
def test_a_question_that_is_wrong_says_where(value: Any, code: str, member: str) -> None:
    """Nothing is guessed at: the answer names the member."""
    with pytest.raises(FaultRaised) as caught:
        asked(value, "")
    assert caught.value.fault.code == code
    assert caught.value.fault.details["details"] == [{"member": member}]


@pytest.mark.parametrize("scopes", ["a", [1], ["with space"], [["a"]], {"a": 1}])
def test_scopes_are_held_to_the_rules_of_scopes(scopes: Any) -> None:
    """What could not be a key's scope cannot be asked for."""
    with pytest.raises((InvalidValue, FaultRaised)):
        asked({"key": "x", "scopes": scopes}, "")


def test_the_members_are_those_that_are_documented() -> None:
    """The document's shape of a question has exactly the members that are taken."""
    from keywright.server.gate.api import VerifyKey

    assert set(VerifyKey.model_fields) == set(MEMBERS)
    assert isinstance(Accepted, type)
    assert isinstance(Refused, type)
