"""The verify endpoint's words: what is asked of a key, and the verdict on it. Plain data in, bytes out, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from keywright.adapters.answers import Fault, FaultRaised, to_json
from keywright.adapters.verdicts import CODES, UNAVAILABLE, VALID
from keywright.clock import timestamp
from keywright.errors import Unavailable
from keywright.limits.base import Decision, Holder, Limit, LimitState, limit_name
from keywright.manage.values import scopes as scopes_value
from keywright.outcome import Accepted, Outcome, Refused
from keywright.reason import Reason
from keywright.record import NEVER, OPERATOR_SCOPE, Record, Request, missing_scopes, parse_address
from keywright.route import MAX_COST
from keywright.server.gate.written import OncePerRecord

#: What the caller's own key needs.
VERIFY_SCOPE = "verify"
#: Keys in one batch.
MAX_BATCH = 100
MEMBERS = ("key", "scope", "scopes", "cost", "address", "environment", "user_agent", "account_id")
_TEXT_CHARACTERS = 1024


def asked(value: Any, account_id: str) -> tuple[str, Request]:
    """The key that is asked about, and what is asked of it.

    Args:
        value: one object of the body; ``key``, and perhaps ``scope`` or ``scopes``, ``cost``, ``address``,
            ``environment``, ``user_agent``, ``account_id``.
        account_id: the account whose keys the caller may ask about; empty for any.

    Raises:
        FaultRaised: 400 for what is missing, 422 for what is wrong.
    """
    if not isinstance(value, dict):
        raise _wrong("keys", "must hold objects, each with a key")
    if len(value) == 1 and "key" in value:  # as most ask
        return _text(value, "key"), _nothing_more(account_id)
    for member in value.keys() - set(MEMBERS):
        raise _wrong(member[:80], "is not a member of this request; there are " + ", ".join(MEMBERS))
    if "key" not in value:
        raise FaultRaised(Fault("BAD_REQUEST", "The member key is missing.", details={"details": [{"member": "key"}]}))
    return _text(value, "key"), Request(
        scopes=_scopes(value),
        address=_address(value),
        environment=_text(value, "environment"),
        cost=_cost(value),
        user_agent=_text(value, "user_agent"),
        account_id=_account(value, account_id),
    )


@lru_cache(maxsize=4096)
def _nothing_more(account_id: str) -> Request:
    return Request(account_id=account_id)


def _account(value: Mapping[str, Any], may_ask_about: str) -> str:
    wanted = _text(value, "account_id")
    if wanted and may_ask_about and wanted != may_ask_about:
        raise _wrong("account_id", "is another account than that of the key that asks")
    return wanted or may_ask_about


def _scopes(value: Mapping[str, Any]) -> tuple[str, ...]:
    if "scope" in value and "scopes" in value:
        raise _wrong("scope", "and scopes mean the same; send one of them")
    wanted = [_text(value, "scope")] if "scope" in value else value.get("scopes", [])
    return scopes_value(wanted) if wanted else ()


def _address(value: Mapping[str, Any]) -> str:
    text = _text(value, "address")
    if text and parse_address(text) is None:
        raise _wrong("address", "is not an IP address")
    return text


def _cost(value: Mapping[str, Any]) -> int:
    cost = value.get("cost", 1)
    if type(cost) is not int or not 1 <= cost <= MAX_COST:
        raise _wrong("cost", f"must be a whole number from 1 to {MAX_COST}")
    return cost


def _text(value: Mapping[str, Any], member: str) -> str:
    text = value.get(member, "")
    if not isinstance(text, str) or len(text) > _TEXT_CHARACTERS:
        raise _wrong(member, f"must be text of at most {_TEXT_CHARACTERS} characters")
    return text


def _wrong(member: str, what: str) -> FaultRaised:
    details = {"details": [{"member": member}]}
    return FaultRaised(Fault("VALIDATION_ERROR", f"{member} {what}.", details=details))


class Verdicts:
    """Writes verdicts. What does not change between two of them on the same key is written once."""

    def __init__(self) -> None:
        self._good = OncePerRecord(_good)

    def write(self, outcome: Outcome) -> bytes:
        """The verdict as JSON."""
        if isinstance(outcome, Accepted) and (outcome.decision is None or len(outcome.decision.states) == 1):
            return b"%b%b}" % (self._good(outcome.record), _standing(outcome.decision))
        return to_json(verdict(outcome))

    def unavailable(self, error: Unavailable) -> bytes:
        """What is told of a key that could not be looked at, among others that were."""
        unknown = verdict(Refused(Reason.UNKNOWN))
        return to_json({**unknown, "code": UNAVAILABLE, "retry_after_seconds": error.retry_after_seconds})


def _good(record: Record) -> bytes:
    """The verdict on a request that passed, up to where ``ratelimit`` is told."""
    return to_json(verdict(Accepted(record))).removesuffix(b"null}")


def _standing(decision: Decision | None) -> bytes:
    """The member ``ratelimit`` of a request that passed."""
    if decision is None:
        return b"null"
    state = decision.states[0]
    # The same as `to_json` of the same members, at a fifth of its time: this is on the fast lane.
    return b'{"policy":"%b","limit":%d,"remaining":%d,"reset":%d,"retry_after_seconds":%d}' % (
        _policy(state.limit, state.holder), state.limit.count, state.remaining, state.reset_epoch,
        decision.retry_after_seconds,
    )  # fmt: skip


@lru_cache(maxsize=1024)
def _policy(limit: Limit, holder: Holder) -> bytes:
    return limit_name(limit, holder).encode()


def verdict(outcome: Outcome) -> dict[str, Any]:
    """The verdict as plain data. A key that is not there, or of an account that the caller may not see, has no
    identity. ``ratelimit`` comes last."""
    record = outcome.record
    accepted = isinstance(outcome, Accepted)
    shown: dict[str, Any] = {
        "valid": accepted,
        "code": VALID if isinstance(outcome, Accepted) else CODES[outcome.reason],
        "key_id": record.key_id if record else None,
        "account_id": record.account_id if record else None,
        "name": record.name if record else None,
        "scopes": sorted(record.scopes) if record else None,
        "environment": record.environment if record else None,
        "expires_at": timestamp(record.expires_at) if record and record.expires_at != NEVER else None,
    }
    if not isinstance(outcome, Accepted) and outcome.missing:
        shown["missing_scopes"] = list(outcome.missing)
    shown["ratelimit"] = None if outcome.decision is None else _ratelimit(outcome.decision)
    return shown


def _ratelimit(decision: Decision) -> dict[str, Any]:
    shown = {**_state(decision.tightest), "retry_after_seconds": decision.retry_after_seconds}
    if len(decision.states) > 1:
        shown["limits"] = [_state(each) for each in decision.states]
    return shown


def _state(state: LimitState) -> dict[str, Any]:
    return {
        "policy": limit_name(state.limit, state.holder),
        "limit": state.limit.count,
        "remaining": state.remaining,
        "reset": state.reset_epoch,
    }


def account_asked(caller: Record) -> str:
    """The account whose keys a caller may ask about; empty for any."""
    return caller.account_id if missing_scopes(caller.scopes, (OPERATOR_SCOPE,)) else ""
