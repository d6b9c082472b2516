"""The forms in which keys are made and changed: what they offer, how they are filled in, and what was meant by them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from keywright.adapters.json_body import MalformedJson, parse_json
from keywright.clock import parse_timestamp, timestamp
from keywright.errors import InvalidValue
from keywright.manage import values
from keywright.manage.values import KNOWN_SCOPES
from keywright.people.values import PortalVisitor
from keywright.record import FULL_ACCESS, NEVER, OPERATOR_SCOPE, KeyRow, missing_scopes
from keywright.route import Route
from keywright.server.console.ask import Ask
from keywright.server.console.words import Words
from keywright.stores.people import Role

Form = dict[str, list[str]]

#: What a key may be given as its time to live, in seconds; None for no end.
EXPIRIES = {"": None, "30": 30 * 86_400, "90": 90 * 86_400, "365": 365 * 86_400}
#: The one that is recommended.
ADVISED_EXPIRY = "90"
#: In the form of a key that there is: its end stays what it is.
KEEP = "keep"
#: Typed in place of a limit.
NO_LIMIT = "none"
_CHOSEN = "chosen"


def most_scopes(ask: Ask) -> tuple[str, ...]:
    """The most that somebody may give to a key. For what a form offers; acts ask again, inside their transaction."""
    if isinstance(ask.guest, PortalVisitor):
        return ask.guest.session.scopes
    # What reaches beyond the account is offered to who may give it.
    beyond = ask.visitor.account.operator and ask.visitor.may(Role.OWNER)
    return (FULL_ACCESS, OPERATOR_SCOPE) if beyond else (FULL_ACCESS,)


def offered_scopes(ask: Ask, routes: Iterable[Route], more: Iterable[str] = ()) -> list[str]:
    """The scopes that a form offers: those of this server's own routes, those that the routes of the gate ask for, and
    those that somebody may give besides, as far as they may give them; and ``more``."""
    most = most_scopes(ask)
    asked = {scope for route in routes if route.account_id in ("", ask.account_id) for scope in route.scopes}
    named = [*KNOWN_SCOPES, *sorted({*filter(_may_be_given, asked - {OPERATOR_SCOPE}), *most})]
    offered = [each for each in named if each != FULL_ACCESS and not missing_scopes(most, (each,))]
    return list(dict.fromkeys([*offered, *sorted(more)]))


def _may_be_given(scope: str) -> bool:
    """The gate takes wider words than keys do."""
    try:
        return values.scopes([scope]) == (scope,)
    except InvalidValue:
        return False


def templates(ask: Ask, offered: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """What is chosen in one go: the name of its text, and the scopes. The first is the most that there is; the last
    stands for those that are ticked."""
    known = sorted(offered)
    full = FULL_ACCESS in most_scopes(ask)
    found: dict[str, tuple[str, ...]] = {"full": (FULL_ACCESS,)} if full else {"all": tuple(known)}
    found["read"] = tuple(each for each in known if each.endswith(":read"))
    found["trigger"] = tuple(each for each in known if each == "campaigns:trigger")
    return {name: scopes for name, scopes in found.items() if scopes} | {_CHOSEN: ()}


def filled(ask: Ask, row: KeyRow, offered: Iterable[str]) -> Form:
    """The form as it says what the key is."""
    found = next((name for name, scopes in templates(ask, offered).items() if scopes == row.scopes), _CHOSEN)
    limits = [NO_LIMIT] if row.limits == () else list(row.limits or ())
    metadata = json.dumps(row.metadata_object, ensure_ascii=False, indent=2) if row.metadata_object else ""
    return {
        "name": [row.name],
        "access": [found],
        "scope": list(row.scopes),
        "expires": [KEEP],
        "rate_limit": [", ".join(limits)],
        "networks": [", ".join(row.networks)],
        "metadata": [metadata],
    }


class KeyForm:
    """What somebody has sent, as `manage.manager.Manager` takes it.

    Every method raises `InvalidValue` for what cannot be meant; whatever may be meant is judged by the manager.
    """

    def __init__(self, ask: Ask, words: Words, offered: Iterable[str]) -> None:
        self._ask = ask
        self._words = words
        self._offered = offered

    def new(self) -> dict[str, Any]:
        """The members of a new key. What was left alone is left out."""
        given: dict[str, Any] = {"name": self._ask.field("name")}
        for member in ("format", "environment"):
            if self._ask.field(member):
                given[member] = self._ask.field(member)
        if self._ask.field("access") not in ("", "full"):
            given["scopes"] = self._scopes()
        if self._ask.field("rate_limit").strip():
            given["rate_limit"] = self._limits()
        if networks := self._networks():
            given["networks"] = networks
        if self._ask.field("metadata").strip():
            given["metadata"] = self._metadata()
        return {**given, **self.end()}

    def changes(self, row: KeyRow, now: float) -> dict[str, Any]:
        """The members in which the form differs from the key, and no other: what somebody has not touched is not noted
        as changed."""
        given = {
            "name": self._ask.field("name"),
            "scopes": self._scopes(),
            "networks": self._networks(),
            "metadata": self._metadata(),
        }
        if self._ask.field("rate_limit").strip():
            given["rate_limit"] = self._limits()
        elif row.limits is not None:
            raise InvalidValue(self._words("edit.limit_needed", word=NO_LIMIT), "rate_limit")
        changed = {each: value for each, value in given.items() if _differs(row, each, value, now)}
        expiry = self.end()
        return changed if expiry == {"expires_at": None} and row.expires_at == NEVER else {**changed, **expiry}

    def untouched(self, row: KeyRow, now: float) -> frozenset[str]:
        """The fields that mean what the key is now. One that means nothing is not among them."""
        meant = {
            "name": lambda: self._ask.field("name"),
            "scopes": self._scopes,
            "networks": self._networks,
            "metadata": self._metadata,
            "rate_limit": self._limits,
        }
        return frozenset(member for member, value in meant.items() if self._is_meant(row, member, value, now))

    def end(self) -> dict[str, Any]:
        """When the key is to end; empty for what was not chosen, and for an end that is to stay what it is."""
        chosen = self._ask.field("expires")
        if chosen == "date":
            # The day is to be usable to its end.
            return {"expires_at": self._day(f"{self._ask.field('expires_on')}T23:59:59Z")}
        if chosen == "never":
            return {"expires_at": None}
        seconds = EXPIRIES.get(chosen)
        return {} if seconds is None else {"expires_in_seconds": seconds}

    def _is_meant(self, row: KeyRow, member: str, value: Callable[[], Any], now: float) -> bool:
        if member == "rate_limit" and not self._ask.field(member).strip():
            return row.limits is None
        try:
            return not _differs(row, member, value(), now)
        except InvalidValue:
            return False

    def _scopes(self) -> list[str]:
        known = templates(self._ask, self._offered)
        chosen = self._ask.field("access")
        if chosen in known and chosen != _CHOSEN:
            return list(known[chosen])
        more = self._ask.field("other_scopes").replace(",", " ").split()
        return [*self._ask.form.get("scope", []), *more]

    def _limits(self) -> list[str] | None:
        text = self._ask.field("rate_limit").strip()
        return None if text == NO_LIMIT else [each.strip() for each in text.split(",")]

    def _networks(self) -> list[str]:
        return self._ask.field("networks").replace(",", " ").split()

    def _metadata(self) -> Any:
        text = self._ask.field("metadata").strip()
        try:
            return parse_json(text.encode()) if text else {}
        except (MalformedJson, UnicodeEncodeError):
            raise InvalidValue(self._words("create.not_json"), "metadata") from None

    def _day(self, text: str) -> str:
        try:
            return timestamp(parse_timestamp(text))
        except ValueError:
            raise InvalidValue(self._words("create.unknown_day"), "expires_at") from None


def _canonical(text: str) -> str:
    """JSON in one form. Compared as values, 1 would be the same as true."""
    return json.dumps(json.loads(text), sort_keys=True)


def _differs(row: KeyRow, member: str, value: Any, now: float) -> bool:
    ((column, parsed),) = values.parse_members({member: value}, now).items()
    before = getattr(row, column)
    if column == "metadata":
        # The same object may have been written with other blanks, or in another order.
        return _canonical(parsed) != _canonical(before)
    return bool(parsed != before)
