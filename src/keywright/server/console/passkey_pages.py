"""Passkeys under your profile: adding and removing them."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from keywright.build import Keywright
from keywright.errors import Conflict, InvalidValue
from keywright.people.ceremony import AnswerRefused
from keywright.server.console.ask import Ask, Route
from keywright.server.console.pages import Pages

PROFILE = "/profile"
PATH = "/profile/passkeys"


def routes(keywright: Keywright, pages: Pages) -> list[Route]:
    """The routes."""
    made = _PasskeyPages(keywright, pages)
    return [
        Route("GET", f"{PATH}/new", made.form, proof=True),
        Route("POST", f"{PATH}/options", made.options, proof=True),
        Route("POST", PATH, made.add, proof=True),
        Route("GET", PATH + "/{passkey_id}/remove", made.ask_remove),
        Route("POST", PATH + "/{passkey_id}/remove", made.remove, proof=True),
    ]


class _PasskeyPages:
    def __init__(self, keywright: Keywright, pages: Pages) -> None:
        self._passkeys = keywright.passkeys
        self._pages = pages

    def form(self, ask: Ask) -> Response:
        if self._pages.site(ask) is None:
            return self._pages.redirect(ask, PROFILE)
        return self._form(ask)

    def _form(self, ask: Ask, status: int = 200, **more: Any) -> Response:
        shown = {"name": ask.field("name"), "refused": False}
        return self._pages.answer(ask, "passkey.html.j2", status, **{**shown, **more})

    def options(self, ask: Ask) -> Response:
        return self._pages.data(ask, self._passkeys.ask_to_add(ask.visitor, self._pages.require_site(ask)))

    def add(self, ask: Ask) -> Response:
        site = self._pages.require_site(ask)
        try:
            self._passkeys.add(ask.visitor, site, ask.field("passkey"), ask.field("name"), ask.visit)
        except AnswerRefused:
            return self._form(ask, 403, refused=True)
        except (InvalidValue, Conflict) as error:
            return self._form(ask, 422, error=error)
        return self._pages.redirect(ask, f"{PROFILE}?changed=passkey")

    def ask_remove(self, ask: Ask) -> Response:
        found = next((each for each in self._passkeys.listed(ask.visitor) if each.id == ask.parts["passkey_id"]), None)
        if found is None:
            return self._pages.redirect(ask, PROFILE)
        return self._pages.answer(ask, "remove_passkey.html.j2", passkey=found)

    def remove(self, ask: Ask) -> Response:
        self._passkeys.remove(ask.visitor, ask.parts["passkey_id"], ask.visit)
        return self._pages.redirect(ask, PROFILE)
