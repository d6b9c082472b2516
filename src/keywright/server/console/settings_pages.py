"""Settings → General, Limits, and Help."""

from __future__ import annotations

from starlette.responses import Response

import keywright as package
from keywright.build import Keywright
from keywright.errors import InvalidValue
from keywright.server.console import show
from keywright.server.console.ask import Ask, Route
from keywright.server.console.pages import Pages
from keywright.stores.people import Role

GENERAL = "/settings/general"
LIMITS = "/settings/limits"
HELP = "/settings/help"


def routes(keywright: Keywright, pages: Pages) -> list[Route]:
    """The routes."""
    made = _SettingsPages(keywright, pages)
    return [
        Route("GET", GENERAL, made.general),
        Route("POST", GENERAL, made.rename, Role.OWNER),
        Route("GET", LIMITS, made.limits),
        Route("GET", HELP, made.help),
    ]


class _SettingsPages:
    def __init__(self, keywright: Keywright, pages: Pages) -> None:
        self._keywright = keywright
        self._pages = pages

    def general(self, ask: Ask) -> Response:
        return self._general(ask, ask.visitor.account.name)

    def _general(self, ask: Ask, name: str, status: int = 200, error: InvalidValue | None = None) -> Response:
        summary = self._keywright.manager.summary(ask.actor, ask.account_id)
        return self._pages.answer(
            ask,
            "general.html.j2",
            status,
            name=name,
            error=error,
            summary=summary,
            formats=self._keywright.formats.by_name.values(),
            default_format=self._keywright.formats.default.name,
            version=package.__version__,
            saved="saved" in ask.query,
        )

    def rename(self, ask: Ask) -> Response:
        try:
            self._keywright.directory.rename_account(ask.actor, ask.account_id, ask.field("name"))
        except InvalidValue as error:
            return self._general(ask, ask.field("name"), 422, error)
        return self._pages.redirect(ask, f"{GENERAL}?saved=1")

    def limits(self, ask: Ask) -> Response:
        policy = self._keywright.policy
        rows = [
            (each, show.limits(policy.limits(each.name, None))) for each in self._keywright.formats.by_name.values()
        ]
        return self._pages.answer(ask, "limits.html.j2", rows=rows, default=show.limits(policy.default))

    def help(self, ask: Ask) -> Response:
        surfaces = self._keywright.settings.surface_prefix("/v1")
        return self._pages.answer(ask, "help.html.j2", prefix=surfaces)
