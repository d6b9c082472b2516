"""What a verification answers: accepted, or refused with a reason. Never an exception, never a bare boolean."""

from __future__ import annotations

from typing import TypeAlias

from keywright.limits.base import Decision
from keywright.reason import Reason
from keywright.record import Record
from keywright.values import Value


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
