"""Headers → the key that was presented. Nothing but headers is ever looked at."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from keywright.values import Value


class Presented(Value, frozen=True, gc=False):
    """The text that came as a key; ASCII or not, a key or not. Its ``repr`` hides it."""

    key: str

    def __repr__(self) -> str:
        return "Presented(<hidden>)"


class Absent(Enum):
    """Why there is no one key."""

    MISSING = "missing"
    CONFLICTING = "conflicting"


def presented_key(api_keys: Sequence[str], authorizations: Sequence[str]) -> Presented | Absent:
    """The key in ``X-API-Key`` (with or without ``Bearer``), else in ``Authorization: Bearer``.

    Where ``X-API-Key`` is there at all it decides, even when it is empty. Two that name different keys are
    `Absent.CONFLICTING`: proxies and servers do not agree on which of them counts. The same holds for two different
    ``Authorization`` headers.

    Args:
        api_keys: the value of each ``X-API-Key`` that came, its bytes as Latin-1.
        authorizations: likewise of each ``Authorization``.
    """
    if len(api_keys) == 1:  # nearly always
        key = _without_scheme(api_keys[0])
        return Presented(key) if key else Absent.MISSING
    found = {_without_scheme(value) for value in api_keys}
    if not found:
        found = {token for value in authorizations if (token := _bearer(value)) is not None}
    if len(found) > 1:
        return Absent.CONFLICTING
    key = next(iter(found), "")
    return Presented(key) if key else Absent.MISSING


def _bearer(value: str) -> str | None:
    scheme, _, token = value.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _without_scheme(value: str) -> str:
    token = _bearer(value)
    return value.strip() if token is None else token
