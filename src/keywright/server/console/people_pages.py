"""Settings → Members."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from keywright.build import Keywright
from keywright.errors import ActError, Conflict, InvalidValue
from keywright.people import values
from keywright.people.directory import INVITATION_SECONDS
from keywright.server.console.ask import Ask, Route
from keywright.server.console.entry_pages import JOIN
from keywright.server.console.pages import Pages
from keywright.stores.people import Role

PATH = "/settings/members"


def routes(keywright: Keywright, pages: Pages) -> list[Route]:
    """The routes."""
    made = _PeoplePages(keywright, pages)
    return [
        Route("GET", PATH, made.listed),
        Route("POST", PATH, made.invite, Role.OWNER, proof=True),
        Route("POST", PATH + "/{member_id}/role", made.set_role, Role.OWNER, proof=True),
        Route("GET", PATH + "/{member_id}/remove", made.ask_remove, Role.OWNER),
        Route("POST", PATH + "/{member_id}/remove", made.remove, Role.OWNER, proof=True),
        Route("POST", "/settings/invitations/{token_id}/withdraw", made.withdraw, Role.OWNER, page=PATH),
    ]


class _PeoplePages:
    def __init__(self, keywright: Keywright, pages: Pages) -> None:
        self._directory = keywright.directory
        self._pages = pages

    def listed(self, ask: Ask) -> Response:
        return self._list(ask)

    def _list(self, ask: Ask, status: int = 200, **more: Any) -> Response:
        owner = ask.visitor.may(Role.OWNER)
        shown = {
            "members": self._directory.members(ask.actor, ask.account_id),
            "invitations": self._directory.invitations(ask.actor, ask.account_id) if owner else [],
            "roles": [str(each) for each in Role],
            "given": {"email": "", "role": str(Role.ADMIN)},
            "invited": None,
            "days": INVITATION_SECONDS // 86_400,
        }
        return self._pages.answer(ask, "members.html.j2", status, **{**shown, **more})

    def invite(self, ask: Ask) -> Response:
        given = {"email": ask.field("email"), "role": ask.field("role")}
        try:
            token = self._directory.invite(ask.actor, ask.account_id, given["email"], values.role(given["role"]))
        except (InvalidValue, Conflict) as error:
            return self._list(ask, 422, given=given, error=error)
        invited = {"email": values.email(given["email"]), "link": f"{ask.origin.url}{JOIN}#{token}"}
        return self._list(ask, 201, invited=invited)

    def set_role(self, ask: Ask) -> Response:
        return self._done(ask, lambda: self._directory.set_role(
            ask.actor, ask.account_id, ask.parts["member_id"], values.role(ask.field("role"))
        ))  # fmt: skip

    def ask_remove(self, ask: Ask) -> Response:
        members = self._directory.members(ask.actor, ask.account_id)
        found = next((member for member, _ in members if member.id == ask.parts["member_id"]), None)
        if found is None:
            return self._pages.redirect(ask, PATH)
        return self._pages.answer(ask, "remove_member.html.j2", member=found)

    def remove(self, ask: Ask) -> Response:
        return self._done(ask, lambda: self._directory.remove(ask.actor, ask.account_id, ask.parts["member_id"]))

    def withdraw(self, ask: Ask) -> Response:
        return self._done(ask, lambda: self._directory.withdraw(ask.actor, ask.account_id, ask.parts["token_id"]))

    def _done(self, ask: Ask, act: Any) -> Response:
        try:
            act()
        except (InvalidValue, Conflict) as error:
            return self._list(ask, _status(error), error=error)
        return self._pages.redirect(ask, PATH)


def _status(error: ActError) -> int:
    return 409 if isinstance(error, Conflict) else 422
