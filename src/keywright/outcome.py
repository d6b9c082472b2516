"""What a verification answers: accepted, or refused with a reason. Never an exception, never a bare boolean."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from keywright.values import Value

if TYPE_CHECKING:
    from keywright.limits.base import Decision
    from keywright.record import Record


class Reason(StrEnum):
    """Why a key was refused. The first four are all "not a good key" to a caller, who must not tell them apart."""

    MALFORMED = "malformed"  # not the shape of any key format, or a checksum or tag that cannot be ours
    UNKNOWN = "unknown"  # the shape of a key, but no such key: never made, or deleted
    DISABLED = "disabled"
    EXPIRED = "expired"
    NETWORK = "network"
    ENVIRONMENT = "environment"
    RATE_LIMITED = "rate_limited"
    SCOPE = "scope"


#: Reasons that say nothing about who is asking: the caller is a stranger.
NOT_A_KEY = frozenset({Reason.MALFORMED, Reason.UNKNOWN, Reason.DISABLED, Reason.EXPIRED})


class Accepted(Value, frozen=True, gc=False):
    """The request may pass.

    Attributes:
        record: whose key it was, and what it may do.
        decision: where its limits stand after this request; None for a key without limits.
    """

    record: Record
    decision: Decision | None = None


class Refused(Value, frozen=True, gc=False):
    """The request may not pass.

    Attributes:
        reason: why.
        record: the key's record, where the key was recognised; None for a stranger.
        decision: where the key's limits stand, where they were looked at. A refusal for `Reason.RATE_LIMITED` or
            `Reason.NETWORK` spent nothing.
        missing: the scopes that are missing (`Reason.SCOPE`).
    """

    reason: Reason
    record: Record | None = None
    decision: Decision | None = None
    missing: tuple[str, ...] = ()


Outcome: TypeAlias = Accepted | Refused
