"""Overview, and one key looked at closely."""

from __future__ import annotations

import json

from starlette.responses import Response

from keywright.build import Keywright
from keywright.manage.insight import DEFAULT_SPAN, SPANS
from keywright.server.console import show
from keywright.server.console.ask import Ask, Route
from keywright.server.console.charts import COLOURS, chart
from keywright.server.console.pages import Pages
from keywright.server.console.place import CONSOLE, HOME, Place


def routes(keywright: Keywright, pages: Pages) -> list[Route]:
    """The routes. Those of `key_pages` must come first: its ``new`` looks like an id."""
    return [Route("GET", HOME, _InsightPages(keywright, pages).overview), *key_routes(keywright, pages)]


def key_routes(keywright: Keywright, pages: Pages, place: Place = CONSOLE) -> list[Route]:
    """Those of single keys alone, in a place."""
    return [Route("GET", place.keys + "/{key_id}", _InsightPages(keywright, pages).key)]


class _InsightPages:
    def __init__(self, keywright: Keywright, pages: Pages) -> None:
        self._keywright = keywright
        self._pages = pages

    def overview(self, ask: Ask) -> Response:
        span = _span(ask)
        found = self._keywright.insight.account(ask.actor, ask.account_id, SPANS[span])
        return self._pages.answer(
            ask,
            "overview.html.j2",
            found=found,
            chart=chart(found.history),
            colours=COLOURS,
            spans=SPANS,
            span=span,
        )

    def key(self, ask: Ask) -> Response:
        span = _span(ask)
        found = self._keywright.insight.key(ask.actor, ask.account_id, ask.parts["key_id"], SPANS[span])
        row = found.seen.listed.row
        return self._pages.answer(
            ask,
            "key.html.j2",
            found=found,
            chart=chart(found.history),
            colours=COLOURS,
            spans=SPANS,
            span=span,
            limits=show.limits(self._keywright.policy.limits(row.format, row.limits)),
            metadata=json.dumps(row.metadata_object, ensure_ascii=False, indent=2) if row.metadata_object else "",
        )


def _span(ask: Ask) -> str:
    wanted = ask.query.get("span", "")
    return wanted if wanted in SPANS else DEFAULT_SPAN
