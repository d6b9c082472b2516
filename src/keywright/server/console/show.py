"""How values look to people: times, numbers, keys and little charts. None of it asks the time."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from keywright.adapters.answers import ERRORS
from keywright.clock import timestamp
from keywright.limits.base import Limit
from keywright.manage.browse import EXPIRING_SECONDS, RECENT_HOURS, STALE_SECONDS, Activity, Seen
from keywright.reason import NOT_A_KEY, Reason
from keywright.record import NEVER, KeyStatus, parse_address
from keywright.stores.base import KEPT_ADDRESSES, KEPT_REFUSALS, Sighting
from keywright.usage import OUTCOME_OF
from keywright.values import Value

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
_DAYS_UNTIL_MONTHS = 61
_MONTH_DAYS = 30.44
_WITHOUT_YEAR_SECONDS = 300 * 86_400
SPARK_WIDTH = 119
SPARK_HEIGHT = 28
_BAR_WIDTH = 4
_BAR_STEP = 5
#: A key that was used within this is in use: whoever deletes it types its name.
IN_USE_SECONDS = 7 * 86_400


#: Most of each that stand on the page of a key.
MOST_ADDRESSES = KEPT_ADDRESSES
MOST_REFUSALS = KEPT_REFUSALS


class Badge(Value, frozen=True, gc=False):
    """One word about a key: its tone, its icon, and the name of its text."""

    tone: str
    icon: str
    word: str


#: What a key's badge may be, the most pressing first. The texts are ``badge.*``.
BADGES = {
    "disabled": Badge("", "ban", "disabled"),
    "expired": Badge("bad", "circle-alert", "expired"),
    "limited": Badge("bad", "gauge", "limited"),
    "expiring": Badge("warn", "calendar-clock", "expiring"),
    "rotating": Badge("info", "refresh-cw", "rotating"),
    "stale": Badge("warn", "ghost", "stale"),
    "unused": Badge("", "clock", "unused"),
}


def badge(seen: Seen, now: float) -> Badge | None:
    """The one thing worth saying of a key; None if all is well."""
    row, use = seen.listed.row, seen.listed.last_use
    status = row.status(now)
    truths = {
        "disabled": status is KeyStatus.DISABLED,
        "expired": status is KeyStatus.EXPIRED,
        "limited": seen.activity.limited > 0,
        "rotating": status is KeyStatus.ROTATING,
        "expiring": row.expires_at <= now + EXPIRING_SECONDS and row.successor_id is None,
        "stale": use is not None and now - use.at > STALE_SECONDS,
        "unused": use is None,
    }
    return next((each for name, each in BADGES.items() if truths[name]), None)


def in_use(seen: Seen, now: float) -> bool:
    """Whether somebody would notice at once if the key were gone."""
    use = seen.listed.last_use
    return use is not None and now - use.at <= IN_USE_SECONDS


def span(seconds: float) -> tuple[str, int]:
    """A length of time in its largest whole unit: the unit's name, and how many."""
    seconds = max(0, round(seconds))
    if seconds >= _DAYS_UNTIL_MONTHS * 86_400:
        return "month", round(seconds / 86_400 / _MONTH_DAYS)
    for name, length in _UNITS:
        if seconds >= length:
            return name, seconds // length
    return "second", 0


def iso(at: float) -> str:
    """For the machine that reads the page."""
    return timestamp(at)


def day(at: float) -> str:
    """``15 Jan 2026``; in UTC, like all times here."""
    return f"{datetime.fromtimestamp(at, UTC):%-d %b %Y}"


def short_day(at: float) -> str:
    """``15 Jan``; for where the year cannot be another one than is meant."""
    return f"{datetime.fromtimestamp(at, UTC):%-d %b}"


def moment(at: float) -> str:
    """``15 Jan 2026, 08:41``."""
    return f"{datetime.fromtimestamp(at, UTC):%-d %b %Y, %H:%M}"


def recent(at: float, now: float) -> str:
    """``15 Jan, 08:41``; with its year where that could be another one than is meant."""
    return f"{datetime.fromtimestamp(at, UTC):%-d %b, %H:%M}" if abs(now - at) < _WITHOUT_YEAR_SECONDS else moment(at)


def never(at: float) -> bool:
    """Whether a key has no end."""
    return at == NEVER


def percent(part: int, whole: int) -> str:
    """``0.2``, ``9``; ``<0.1`` for what is not nothing."""
    share = 100 * part / whole if whole else 0.0
    if 0 < share < 0.05:
        return "<0.1"
    return f"{share:.1f}" if 0 < share < 10 else f"{share:.0f}"


def address(text: str, masked: bool) -> str:
    """An address; for viewers only the network that it is in."""
    parsed = parse_address(text)
    if parsed is None or not masked:
        return text
    bits = 24 if parsed.version == 4 else 48
    return str(ipaddress.ip_network((parsed, bits), strict=False))


def status(reason: str) -> str:
    """The status that a refusal of a known key is answered with, whatever else is wrong; empty for a reason that only a
    newer Keywright knows."""
    if reason not in OUTCOME_OF:
        return ""
    code = "FORBIDDEN"
    if reason in NOT_A_KEY:
        code = "UNAUTHORIZED"
    elif reason == Reason.RATE_LIMITED:
        code = "RATE_LIMIT_EXCEEDED"
    return str(ERRORS[code][0])


def sightings(found: Iterable[Sighting], masked: bool) -> list[Sighting]:
    """Addresses with when they were seen, in the same order; for viewers the networks that they are in, each once."""
    shown: dict[str, Sighting] = {}
    for each in found:
        name = address(each.address, masked)
        known = shown.get(name, each)
        times = min(known.first_at, each.first_at), max(known.last_at, each.last_at)
        shown[name] = Sighting(name, *times)
    return list(shown.values())


def limits(found: tuple[Limit, ...]) -> str:
    """``100/15m``, several with commas; empty for none."""
    return ", ".join(map(str, found))


def details(found: Mapping[str, Any], hidden: Collection[str] = ()) -> list[tuple[str, str]]:
    """What a line of the audit log says besides, as names and values; what is empty says nothing."""
    shown = {name: value for name, value in found.items() if name not in hidden and value not in (None, "", [])}
    return [(name, _plain(value)) for name, value in shown.items()]


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def spark(activity: Activity) -> tuple[str, str]:
    """A key's last hours as bars, each key to its own scale: one path for what was accepted, and one on top of it for
    what was denied; both empty for a key that did nothing. What is not nothing can be seen."""
    most = max(a + d for a, d in zip(activity.accepted, activity.denied, strict=True))
    below, above = [], []
    for hour in range(RECENT_HOURS if most else 0):
        denied = _height(activity.denied[hour], most)
        # Two parts that are each rounded up may be higher than the chart together.
        accepted = min(_height(activity.accepted[hour], most), SPARK_HEIGHT - denied)
        if accepted:
            below.append(_bar(hour * _BAR_STEP, SPARK_HEIGHT, accepted))
        if denied:
            above.append(_bar(hour * _BAR_STEP, SPARK_HEIGHT - accepted, denied))
    return "".join(below), "".join(above)


def _height(count: int, most: int) -> float:
    return max(1.0, round(SPARK_HEIGHT * count / most, 1)) if count else 0.0


def _bar(left: int, base: float, height: float) -> str:
    return f"M{left} {base:g}v-{height:g}h{_BAR_WIDTH}v{height:g}z"


def initials(name: str) -> str:
    """One or two letters for a round picture."""
    words = [word for word in name.split() if word[0].isalnum()]
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper() or "?"
