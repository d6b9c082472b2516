"""What the values of a key may be. Every face hands in plain data and gets the same answers.

Each function returns the value as it is stored, or raises `InvalidValue` with the member's name.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from keywright.clock import parse_timestamp
from keywright.errors import InvalidValue
from keywright.limits.base import MAX_LIMITS_PER_KEY, parse_limits
from keywright.record import NEVER, KeyRow, network_around, parse_network

NAME_CHARACTERS = 255
MAX_SCOPES = 64
MAX_NETWORKS = 64
METADATA_BYTES = 4096
METADATA_DEPTH = 8
MAX_EXPIRY_SECONDS = 100 * 366 * 86_400
#: Scopes that this server's own routes ask for. An installation may use any others for its own.
KNOWN_SCOPES = (
    "*",
    "account:read",
    "campaigns:read",
    "campaigns:trigger",
    "campaigns:write",
    "keys:read",
    "keys:write",
    "operator",
    "subscriptions:read",
    "subscriptions:write",
    "usage:read",
    "verify",
)
_SCOPE = re.compile(r"\*|[a-z][a-z0-9_.-]{0,63}(:[a-z0-9_.-]{1,64}){0,3}", re.ASCII)
#: Control characters, surrogates, line and paragraph separators, and those that turn the direction of what follows.
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_INVISIBLE = frozenset({"Cf", "Zs", "Mn"})
#: Letters and symbols by their category, and nothing to be seen: the Hangul fillers, and the empty Braille pattern.
_BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")


def name(value: Any, member: str = "name") -> str:
    """A label: any script, kept as it is but for blanks around it."""
    if not isinstance(value, str):
        raise InvalidValue(f"{member} must be text.", member)
    text = value.strip()
    if any(unicodedata.category(c) in _FORBIDDEN_CATEGORIES or c in _BIDI for c in text):
        raise InvalidValue(f"{member} must not contain control or text-direction characters.", member)
    if not text or all(unicodedata.category(c) in _INVISIBLE or c in _BLANKS for c in text):
        raise InvalidValue(f"{member} must not be blank.", member)
    if len(text) > NAME_CHARACTERS:
        raise InvalidValue(f"{member} must be at most {NAME_CHARACTERS} characters; it has {len(text)}.", member)
    return text


def scopes(value: Any) -> tuple[str, ...]:
    """A list of scopes, sorted, each once."""
    texts = _texts(value, "scopes", MAX_SCOPES)
    if not texts:
        raise InvalidValue("scopes must name at least one scope; ['*'] is full access.", "scopes")
    for text in texts:
        if not _SCOPE.fullmatch(text):
            raise InvalidValue(f"scopes: {text[:80]!r} is not a scope such as keys:read.", "scopes")
    return tuple(sorted(set(texts)))


def networks(value: Any) -> tuple[str, ...]:
    """A list of CIDR blocks or addresses, as they are written canonically."""
    found = []
    for text in _texts(value, "networks", MAX_NETWORKS):
        try:
            found.append(str(parse_network(text)))
        except ValueError as error:
            meant = network_around(text)
            if meant is not None:
                raise InvalidValue(
                    f"networks: {text!r} is an address with a length. Its network is {meant}.", "networks"
                ) from error
            raise InvalidValue(
                f"networks: {text[:80]!r} is not a network such as 203.0.113.0/24.", "networks"
            ) from error
    return tuple(dict.fromkeys(found))


def limits(value: Any) -> tuple[str, ...]:
    """A limit, a list of them, or None for no limit."""
    if value is None:
        return ()
    if not isinstance(value, str | list | tuple):
        raise InvalidValue(
            "rate_limit must be a text such as 100/15m, a list of such texts, or null for no limit.", "rate_limit"
        )
    texts = (value,) if isinstance(value, str) else _texts(value, "rate_limit", MAX_LIMITS_PER_KEY)
    if not texts:
        raise InvalidValue("rate_limit: an empty list says nothing; null is no limit.", "rate_limit")
    try:
        return tuple(str(limit) for limit in parse_limits(tuple(texts)))
    except ValueError as error:
        raise InvalidValue(f"rate_limit: {error}.", "rate_limit") from error


def metadata(value: Any) -> str:
    """Any JSON object up to 4 kB, as its JSON."""
    if not isinstance(value, Mapping):
        raise InvalidValue("metadata must be an object.", "metadata")
    if _deeper(value, METADATA_DEPTH):
        raise InvalidValue(f"metadata must not be nested deeper than {METADATA_DEPTH}.", "metadata")
    try:
        text = json.dumps(value, separators=(",", ":"), allow_nan=False)
        # Half a surrogate pair would be stored, and be shown nowhere.
        json.dumps(value, ensure_ascii=False).encode()
    except (TypeError, ValueError) as error:
        raise InvalidValue("metadata must be plain JSON.", "metadata") from error
    if len(text) > METADATA_BYTES:
        raise InvalidValue(f"metadata must be at most {METADATA_BYTES} bytes of JSON.", "metadata")
    return text


def expires_at(value: Any, now: float) -> float:
    """A time in the future, as RFC 3339 text; None for never."""
    if value is None:
        return NEVER
    if not isinstance(value, str):
        raise InvalidValue("expires_at must be a time such as 2027-01-31T09:00:00Z, or null.", "expires_at")
    try:
        at = parse_timestamp(value)
    except ValueError as error:
        raise InvalidValue(f"expires_at: {error}.", "expires_at") from error
    if at <= now:
        raise InvalidValue("expires_at must be in the future.", "expires_at")
    return at


def expires_in(value: Any, now: float) -> float:
    """A span in whole seconds from now."""
    return now + whole(value, "expires_in_seconds", 1, MAX_EXPIRY_SECONDS)


def flag(value: Any, member: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise InvalidValue(f"{member} must be true or false.", member)
    return value


def whole(value: Any, member: str, least: int, most: int) -> int:
    """A whole number within bounds."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidValue(f"{member} must be a whole number from {least} to {most}.", member)
    return value


def one_of(value: Any, member: str, allowed: Any) -> str:
    """One of a few words."""
    if not isinstance(value, str) or value not in allowed:
        raise InvalidValue(f"{member} must be one of: {', '.join(sorted(allowed))}.", member)
    return value


#: The members that create and change share: where each is stored, and what makes its value.
_SHARED: dict[str, tuple[str, Callable[[Any, float], Any]]] = {
    "name": ("name", lambda value, _: name(value)),
    "scopes": ("scopes", lambda value, _: scopes(value)),
    "networks": ("networks", lambda value, _: networks(value)),
    "rate_limit": ("limits", lambda value, _: limits(value)),
    "metadata": ("metadata", lambda value, _: metadata(value)),
    "expires_at": ("expires_at", expires_at),
    "expires_in_seconds": ("expires_at", expires_in),
}


#: The columns that can be changed, and the one that says that a key is being replaced.
_CHANGING = (*dict.fromkeys(column for column, _ in _SHARED.values()), "disabled", "successor_id")
_EDITION_CHARACTERS = 22
CREATE_MEMBERS = (*_SHARED, "format", "environment")
UPDATE_MEMBERS = (*_SHARED, "disabled")
#: When a key is to end; a rotation takes these and the grace.
END_MEMBERS = ("expires_at", "expires_in_seconds")
ROTATE_MEMBERS = ("grace_seconds", *END_MEMBERS)
ACCOUNT_MEMBERS = ("rate_limit", "disabled")


def only(given: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    """Refuse members that would be ignored: whoever misspells ``expires_at`` must not get a key that never expires."""
    for member in given:
        if member not in allowed:
            raise InvalidValue(f"{member[:80]} is not known here; known are: {', '.join(allowed)}.", member[:80])


def parse_members(given: Mapping[str, Any], now: float) -> dict[str, Any]:
    """The shared members of ``given``, by the name of the column they are stored in. Others are left out."""
    if "expires_at" in given and "expires_in_seconds" in given:
        raise InvalidValue("Give expires_at or expires_in_seconds, not both.", "expires_in_seconds")
    return {_SHARED[member][0]: _SHARED[member][1](value, now) for member, value in given.items() if member in _SHARED}


def edition(row: KeyRow) -> str:
    """A short text that is another one as soon as anything of the key has been changed."""
    told = repr([getattr(row, column) for column in _CHANGING])
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:_EDITION_CHARACTERS]


def _texts(value: Any, member: str, most: int) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
        raise InvalidValue(f"{member} must be a list of texts.", member)
    if len(value) > most:
        raise InvalidValue(f"{member} must have at most {most} entries.", member)
    return tuple(value)


def _deeper(value: Any, levels: int) -> bool:
    """Whether more than ``levels`` containers lie in one another. Goes no deeper than that itself."""
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else None
    if inner is None:
        return False
    return levels == 0 or any(_deeper(each, levels - 1) for each in inner)
