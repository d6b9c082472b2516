"""The verify endpoint's words, for both ends of the wire; and a verdict as it came over it → an outcome. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keywright.clock import parse_timestamp
from keywright.limits.base import Decision, Holder, LimitState, parse_limit
from keywright.outcome import Accepted, Outcome, Refused
from keywright.reason import Reason
from keywright.record import NEVER, Record
from keywright.values import from_json

PATH = "/v1/keys/verify"
VALID = "VALID"
#: In a batch: this one could not be looked at; ask again.
UNAVAILABLE = "UNAVAILABLE"
#: Every verdict but a good one, by why.
CODES: Mapping[Reason, str] = {
    Reason.MALFORMED: "NOT_FOUND",
    Reason.UNKNOWN: "NOT_FOUND",
    Reason.DISABLED: "DISABLED",
    Reason.EXPIRED: "EXPIRED",
    Reason.NETWORK: "FORBIDDEN_ADDRESS",
    Reason.ENVIRONMENT: "FORBIDDEN_ENVIRONMENT",
    Reason.RATE_LIMITED: "RATE_LIMITED",
    Reason.SCOPE: "INSUFFICIENT_SCOPE",
}
#: The other way round; of two reasons with one code the last, which says less.
_REASONS = {code: reason for reason, code in CODES.items()}
#: How a limit that the account shares begins; see `limit_name`.
_ACCOUNT_PREFIX = f"{Holder.ACCOUNT} "


def outcome_of(raw: bytes, cost: int) -> Outcome:
    """The outcome that a verdict tells of.

    What is not in a verdict is not in the record: its slot is 0, and networks and limits of its account are none,
    because the server has looked at them.

    Args:
        raw: the body of an answer.
        cost: what was asked for.

    Raises:
        ValueError: it is not a verdict, or not one that is whole and agrees with itself.
    """
    try:
        return _outcome(from_json(raw), cost)
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError("not a verdict") from error


def _outcome(told: Mapping[str, Any], cost: int) -> Outcome:
    code, decision = told["code"], _decision(told["ratelimit"], cost)
    record = None if told["key_id"] is None else _record(told, decision)
    # Both members say whether it may pass. Where they differ, neither is believed.
    if told["valid"] is True and code == VALID and record is not None:
        return Accepted(record, decision)
    if told["valid"] is not False or code not in _REASONS:
        raise ValueError("a verdict that does not agree with itself")
    reason = _REASONS[code]
    if reason is Reason.RATE_LIMITED and (decision is None or decision.retry_after_seconds < 1):
        raise ValueError("a limit that is used up, and not until when")
    missing = _texts(told["missing_scopes"]) if reason is Reason.SCOPE else ()
    return Refused(reason, record, decision, missing)


def _record(told: Mapping[str, Any], decision: Decision | None) -> Record:
    expires_at = told["expires_at"]
    states = decision.states if decision else ()
    return Record(
        key_id=_text(told["key_id"]),
        account_id=_text(told["account_id"]),
        slot=0,
        name=_text(told["name"]),
        environment=_text(told["environment"]),
        scopes=_texts(told["scopes"]),
        expires_at=NEVER if expires_at is None else parse_timestamp(expires_at),
        disabled=told["code"] == CODES[Reason.DISABLED],
        limits=tuple(state.limit for state in states if state.holder is Holder.KEY),
        networks=(),
        guarded=False,
        plain=not states,
    )


def _decision(told: Mapping[str, Any] | None, cost: int) -> Decision | None:
    if told is None:
        return None
    # Of several limits all are told; of one, what is told of the tightest is all there is.
    states = tuple(_state(each) for each in told.get("limits") or (told,))
    seconds = _whole(told["retry_after_seconds"])
    return Decision(seconds == 0, states, seconds, cost)


def _state(told: Mapping[str, Any]) -> LimitState:
    policy = _text(told["policy"])
    holder = Holder.ACCOUNT if policy.startswith(_ACCOUNT_PREFIX) else Holder.KEY
    limit = parse_limit(policy.removeprefix(_ACCOUNT_PREFIX))
    return LimitState(limit, _whole(told["remaining"]), float(_whole(told["reset"])), holder)


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("not a whole number")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("not a text")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError("not a list")
    return tuple(_text(each) for each in value)
