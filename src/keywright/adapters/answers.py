"""Outcomes and faults → what goes over the wire: status, headers, body. The documents' words stand here, once."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from keywright.clock import timestamp
from keywright.errors import ActError, ActFault
from keywright.limits.base import Decision, Holder, Kind, Limit, LimitState, limit_name
from keywright.limits.sliding import LIVE, SLICES
from keywright.outcome import Refused
from keywright.reason import NOT_A_KEY, Reason
from keywright.values import Value

#: Every error code there is: the status it is sent with, and its title in a problem document.
ERRORS: Mapping[str, tuple[int, str]] = {
    "BAD_REQUEST": (400, "The request cannot be read"),
    "UNAUTHORIZED": (401, "A valid API key is required"),
    "FORBIDDEN": (403, "The API key does not allow this"),
    "NOT_FOUND": (404, "There is nothing here"),
    "METHOD_NOT_ALLOWED": (405, "This method does not exist here"),
    "REQUEST_TIMEOUT": (408, "The request did not arrive in time"),
    "CONFLICT": (409, "The state of the resource does not allow this"),
    "PAYLOAD_TOO_LARGE": (413, "The body is too large"),
    "UNSUPPORTED_MEDIA_TYPE": (415, "The body must be JSON"),
    "VALIDATION_ERROR": (422, "A value is not allowed"),
    "RATE_LIMIT_EXCEEDED": (429, "The API key has used up its limit"),
    "HEADERS_TOO_LARGE": (431, "The headers are too large"),
    "INTERNAL_ERROR": (500, "Something went wrong here"),
    "SERVICE_UNAVAILABLE": (503, "This cannot be answered right now"),
}

#: The code of each status that errors have.
CODE_OF: Mapping[int, str] = {status: code for code, (status, _) in ERRORS.items()}

MISSING_KEY = "Missing API key. Include your API key in the X-API-Key header."
INVALID_KEY = "Invalid API key. Check that your key is correct and active."
WRONG_PREFIX = "Invalid API key format. Keys must start with '{prefix}' prefix."
CONFLICTING_KEYS = "Two different API keys were sent. Send one, in the X-API-Key header."
UNAVAILABLE = "The service cannot answer right now. Try again in {seconds} seconds."
RATE_LIMITED = "Rate limit exceeded. Try again in {seconds} seconds."
OTHER_ENVIRONMENT = "This API key is of another environment. Use a key of the one that is asked for here."
OTHER_NETWORK = "This API key may not be used from this network address."
CHALLENGE = 'Bearer realm="api"'
QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"

JSON = "application/json"
PROBLEM_JSON = "application/problem+json"


class Fault(Value, frozen=True, gc=False):
    """An error as it will be sent, before it is known in which form.

    Attributes:
        code: one of `ERRORS`.
        message: one sentence that helps whoever made the request.
        headers: besides those that every answer has.
        details: more members of the body, after the three that every error has.
        problem: members that only a problem document has; ``type`` among them replaces ``about:blank``.
    """

    code: str
    message: str
    headers: tuple[tuple[str, str], ...] = ()
    details: Mapping[str, Any] = {}
    problem: Mapping[str, Any] = {}

    @property
    def status(self) -> int:
        """The HTTP status."""
        return ERRORS[self.code][0]

    def body(self, now: float, accept: str) -> tuple[str, bytes]:
        """The media type and the body: flat, or a problem document (RFC 9457) where ``accept`` prefers one."""
        if not prefers_problem(accept):
            flat = {"error": self.code, "message": self.message, "timestamp": timestamp(now), **self.details}
            return JSON, to_json(flat)
        problem = {
            "type": "about:blank",
            "title": ERRORS[self.code][1],
            "status": self.status,
            "detail": self.message,
            "code": self.code,
            "timestamp": timestamp(now),
        }
        return PROBLEM_JSON, to_json({**problem, **self.details, **self.problem})


class FaultRaised(Exception):
    """An answer that is given by raising it."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.code)
        self.fault = fault


def to_json(value: Any) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def prefers_problem(accept: str) -> bool:
    """Whether an ``Accept`` header ranks ``application/problem+json`` strictly above ``application/json``."""
    return "problem" in accept.lower() and _quality(accept, PROBLEM_JSON) > _quality(accept, JSON)


def _quality(accept: str, media_type: str) -> float:
    found = {"*/*": 0.0, "application/*": 0.0, media_type: 0.0}
    named = set()
    for part in accept.lower().split(","):
        media_range, *parameters = (piece.strip() for piece in part.split(";"))
        if media_range in found:
            found[media_range] = max([_weight(parameters), found[media_range] if media_range in named else 0.0])
            named.add(media_range)
    # The most specific range that was named decides, even when it decides against.
    return next((found[each] for each in (media_type, "application/*", "*/*") if each in named), 0.0)


def _weight(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0


def rate_headers(decision: Decision | None, now: float) -> list[tuple[str, str]]:
    """Where the limits stand: the three headers of the tightest one, and the IETF fields of all of them."""
    if decision is None:
        return []
    states = decision.states
    tightest = states[0] if len(states) == 1 else decision.tightest
    _, policy, capacity = written_limit(tightest.limit, tightest.holder)
    standing = _standing(tightest, now)
    if len(states) > 1:
        policy = ", ".join([written_limit(state.limit, state.holder)[1] for state in states])
        standing = ", ".join([_standing(state, now) for state in states])
    return [
        ("X-RateLimit-Limit", capacity),
        ("X-RateLimit-Remaining", str(tightest.remaining)),
        ("X-RateLimit-Reset", str(tightest.reset_epoch)),
        ("RateLimit-Policy", policy),
        ("RateLimit", standing),
    ]


def _standing(state: LimitState, now: float) -> str:
    name = written_limit(state.limit, state.holder)[0]
    # A server elsewhere tells whole seconds, rounded up, and they are rounded up again here; its clock is another one
    # besides. What is said must never be more than there can be, or a client that adds it up waits for nothing.
    seconds = min(math.ceil(state.resets_at - now), _most_seconds(state.limit))
    return f"{name};r={state.remaining};t={max(0, seconds)}"


@lru_cache(maxsize=1024)
def _most_seconds(limit: Limit) -> int:
    """The most that can be left until all of a limit is there again."""
    return -(-limit.refill_seconds * LIVE // SLICES) if limit.kind is Kind.SLIDING else limit.refill_seconds


@lru_cache(maxsize=1024)
def written_limit(limit: Limit, holder: Holder) -> tuple[str, str, str]:
    """A limit's name, its whole policy, and its capacity. There are few limits, and every answer tells of some."""
    name = f'"{limit_name(limit, holder)}"'
    return name, f"{name};q={limit.capacity};w={limit.refill_seconds}", str(limit.capacity)


def missing_key() -> Fault:
    """No key came."""
    return Fault("UNAUTHORIZED", MISSING_KEY, (("WWW-Authenticate", CHALLENGE),))


def conflicting_keys() -> Fault:
    """Two different keys came; which one would count is anybody's guess."""
    return Fault("BAD_REQUEST", CONFLICTING_KEYS)


def unavailable(retry_after_seconds: int) -> Fault:
    """The machine cannot answer. Never a verdict on the key."""
    message = UNAVAILABLE.format(seconds=retry_after_seconds)
    return Fault("SERVICE_UNAVAILABLE", message, (("Retry-After", str(retry_after_seconds)),))


def internal_error(request_id: str = "") -> Fault:
    """A bug of ours: an id to look for in the log, and nothing else."""
    message = "Something went wrong on our side. Tell support the request_id."
    return Fault("INTERNAL_ERROR", message, details={"request_id": request_id} if request_id else {})


def invalid_key() -> Fault:
    """The key is not good, or not any more: which of the two is not told."""
    return Fault("UNAUTHORIZED", INVALID_KEY, (("WWW-Authenticate", CHALLENGE),))


def lacks_scope(missing: Sequence[str]) -> Fault:
    """A good key without the right."""
    scopes = " ".join(missing)
    challenge = f'{CHALLENGE}, error="insufficient_scope", scope="{scopes}"'
    message = f"This API key lacks the scope {scopes}. Use a key that has it."
    return Fault("FORBIDDEN", message, (("WWW-Authenticate", challenge),))


def forbidden(message: str) -> Fault:
    """A good key that may not do this, for reasons that no scope would change."""
    return Fault("FORBIDDEN", message, (("WWW-Authenticate", f'{CHALLENGE}, error="insufficient_scope"'),))


_ACT_CODES = {
    ActFault.NOT_FOUND: "NOT_FOUND",
    ActFault.CONFLICT: "CONFLICT",
    ActFault.INVALID: "VALIDATION_ERROR",
}


def act_fault(error: ActError) -> Fault:
    """The answer to an act of management that was not done, for reasons other than the caller's key."""
    if error.fault is ActFault.FORBIDDEN:
        return lacks_scope((error.member,)) if error.member else forbidden(error.message)
    if error.fault is ActFault.CONFLICT:
        existing = {"details": [{"existing": error.member}]} if error.member else {}
        return Fault("CONFLICT", error.message, details=existing)
    members = member_detail(error.member) if error.fault is ActFault.INVALID else {}
    return Fault(_ACT_CODES[error.fault], error.message, details=members)


def member_detail(member: str) -> dict[str, Any]:
    """Details that name a member of the body; nothing where it has no name."""
    return {"details": [{"member": member}]} if member else {}


def refusal(refused: Refused, presented: str, surface_prefix: str) -> Fault:
    """The answer to a request whose key was refused. Rate headers are not in it; see `rate_headers`.

    Args:
        presented: the text that came as a key.
        surface_prefix: the prefix that keys are told to have where this happened.
    """
    if refused.reason in NOT_A_KEY:
        # A key that was good once and a text that never was get the same words, chosen by the text alone.
        if presented.startswith(surface_prefix):
            return invalid_key()
        message = WRONG_PREFIX.format(prefix=surface_prefix)
        return Fault("UNAUTHORIZED", message, (("WWW-Authenticate", CHALLENGE),))
    if refused.reason is Reason.RATE_LIMITED and refused.decision is not None:
        return _rate_limited(refused.decision)
    if refused.reason is Reason.SCOPE:
        return lacks_scope(refused.missing)
    return forbidden(OTHER_ENVIRONMENT if refused.reason is Reason.ENVIRONMENT else OTHER_NETWORK)


def _rate_limited(decision: Decision) -> Fault:
    seconds = decision.retry_after_seconds
    violated = [limit_name(state.limit, state.holder) for state in decision.states if state.remaining < decision.cost]
    return Fault(
        "RATE_LIMIT_EXCEEDED",
        RATE_LIMITED.format(seconds=seconds),
        (("Retry-After", str(seconds)),),
        problem={"type": QUOTA_EXCEEDED, "violated-policies": violated},
    )
