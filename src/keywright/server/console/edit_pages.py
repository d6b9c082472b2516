"""Changing a key that there is: what it is called, what it may do, and until when."""

from __future__ import annotations

from starlette.responses import Response

from keywright.build import Keywright
from keywright.errors import ActError, Conflict, Forbidden, InvalidValue
from keywright.manage.values import edition
from keywright.record import FULL_ACCESS, KeyRow
from keywright.server.console import show
from keywright.server.console.ask import Ask, Route
from keywright.server.console.key_forms import (
    EXPIRIES,
    KEEP,
    NO_LIMIT,
    Form,
    KeyForm,
    filled,
    most_scopes,
    offered_scopes,
    templates,
)
from keywright.server.console.pages import Pages
from keywright.server.console.place import CONSOLE, Place
from keywright.stores.people import Role

_EDITION = "edition"


def routes(keywright: Keywright, pages: Pages, place: Place = CONSOLE) -> list[Route]:
    """The routes of a place."""
    made = _EditPages(keywright, pages)
    path = place.keys + "/{key_id}/edit"
    return [Route("GET", path, made.ask, Role.ADMIN), Route("POST", path, made.change, Role.ADMIN)]


class _EditPages:
    def __init__(self, keywright: Keywright, pages: Pages) -> None:
        self._keywright = keywright
        self._pages = pages

    def ask(self, ask: Ask) -> Response:
        row = self._row(ask)
        return self._form(ask, row, filled(ask, row, self._offered(ask)))

    def change(self, ask: Ask) -> Response:
        row = self._row(ask)
        try:
            form = KeyForm(ask, self._pages.words, self._offered(ask))
            if changes := form.changes(row, self._keywright.clock.now()):
                self._keywright.manager.update(ask.actor, ask.account_id, row.id, changes, ask.field(_EDITION))
        except (InvalidValue, Forbidden) as error:
            return self._form(ask, row, dict(ask.form), 422, error)
        except Conflict as error:
            return self._form(ask, self._row(ask), dict(ask.form), 409, error)
        return self._pages.redirect(ask, f"{ask.place.keys}/{row.id}")

    def _form(self, ask: Ask, row: KeyRow, form: Form, status: int = 200, error: ActError | None = None) -> Response:
        offered = self._offered(ask)
        changed = error is not None and error.member == _EDITION
        # Full access has a choice of its own, for whoever may give it; for others it is a scope like any that is there.
        full = row.scopes == (FULL_ACCESS,) and FULL_ACCESS in most_scopes(ask)
        more = () if full else row.scopes
        return self._pages.answer(
            ask,
            "edit.html.j2",
            status,
            error=error,
            row=row,
            form=form,
            # Who has been shown what the key is now has seen that; before, what they began with still counts.
            edition=edition(row) if changed else ask.field(_EDITION) or edition(row),
            others=self._others(ask, row, form, offered) if changed else None,
            scopes=offered_scopes(ask, self._keywright.settings.gate_routes.values(), more),
            templates=templates(ask, offered),
            expiries=EXPIRIES,
            default_limit=show.limits(self._keywright.policy.limits(row.format, None)),
            no_limit=NO_LIMIT,
        )

    def _others(self, ask: Ask, row: KeyRow, form: Form, offered: list[str]) -> dict[str, str]:
        """What the key is now, by field, where that is not what was typed."""
        words, present = self._pages.words, filled(ask, row, offered)
        texts = {name: present[name][0] for name in ("name", "rate_limit", "networks", "metadata")}
        texts["scopes"] = words("keys.full_access") if row.scopes == (FULL_ACCESS,) else ", ".join(row.scopes)
        # By what they mean: a browser writes line breaks in its own way, and an order may be another.
        meant = KeyForm(ask, words, offered).untouched(row, self._keywright.clock.now())
        others = {name: text for name, text in texts.items() if name not in meant}
        if form.get("expires") != [KEEP]:
            never = show.never(row.expires_at)
            others["expires"] = words("keys.no_expiry") if never else show.day(row.expires_at)
        return others

    def _offered(self, ask: Ask) -> list[str]:
        return offered_scopes(ask, self._keywright.settings.gate_routes.values())

    def _row(self, ask: Ask) -> KeyRow:
        return self._keywright.manager.key(ask.actor, ask.account_id, ask.parts["key_id"]).row
