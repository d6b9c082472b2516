"""Faults of the machine, and acts that cannot be done. One base class above all of them.

"This key is refused" is never an error: it is an `outcome.Refused`. An error of the machine must never be shown to a
caller as a bad key, because callers throw bad keys away.
"""

from __future__ import annotations

from enum import StrEnum


class KeywrightError(Exception):
    """Base of every error that Keywright raises on purpose."""


class Unavailable(KeywrightError):
    """The store, the disk or the limiter cannot answer now. Nothing was changed; trying again is right.

    Attributes:
        retry_after_seconds: when to try again; whole seconds, at least 1.
        told: whether whoever raised it has told the log; nobody else needs to then.
    """

    def __init__(self, message: str, retry_after_seconds: int = 1, *, told: bool = False) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.told = told


class Misconfigured(KeywrightError):
    """Keywright cannot start safely as it is set up. The message says what to do about it."""


class ActFault(StrEnum):
    """Why an act of management was not done."""

    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    INVALID = "invalid"
    FORBIDDEN = "forbidden"
    CALLER_REFUSED = "caller_refused"


class ActError(KeywrightError):
    """An act of management was not done, and nothing was changed.

    Attributes:
        fault: why, for programs.
        member: the name of the value at fault (``INVALID``), of the missing scope (``FORBIDDEN``), or the id of the
            thing that is in the way (``CONFLICT``; ``edition`` where it was changed meanwhile); else empty.
    """

    fault: ActFault

    def __init__(self, message: str, member: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.member = member


class NotFound(ActError):
    """There is no such thing, or it belongs to another account: the two are not told apart."""

    fault = ActFault.NOT_FOUND


class Conflict(ActError):
    """The thing is not in a state that allows it, or it has been done before."""

    fault = ActFault.CONFLICT


class InvalidValue(ActError):
    """A value is not allowed; ``member`` names it."""

    fault = ActFault.INVALID


class Forbidden(ActError):
    """The actor lacks a right; ``member`` names the scope."""

    fault = ActFault.FORBIDDEN


class CallerRefused(ActError):
    """The actor's own key is no longer good (deleted, disabled or expired since it was presented)."""

    fault = ActFault.CALLER_REFUSED
