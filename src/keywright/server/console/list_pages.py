"""The list of keys: searched, filtered, in order, page by page; and the list as a file."""

from __future__ import annotations

import math
from itertools import chain, islice
from typing import Any

from starlette.responses import Response, StreamingResponse

from keywright.build import Keywright
from keywright.key import HINT_CHARACTERS
from keywright.manage.browse import EXPORT_KEYS, KeyQuery, Sort, State
from keywright.server.console import exports, show
from keywright.server.console.ask import Ask, Route, query_of
from keywright.server.console.pages import Pages, page_headers
from keywright.server.console.place import CONSOLE, Place
from keywright.server.console.samples import samples
from keywright.stores.base import KeyPlace
from keywright.stores.people import Role

ENVIRONMENTS = ("live", "test")
#: Before what a list is put in order by, where the greatest comes first.
_FALLING = "-"
DEFAULT_SORT = _FALLING + Sort.CREATED
#: What falls when it is first asked for: people look for the newest, and for names from A on.
_FALLS_FIRST = frozenset({Sort.CREATED, Sort.LAST_USED})
_SEPARATOR = "~"
_NUMBER_CHARACTERS = 19


def routes(keywright: Keywright, pages: Pages, place: Place = CONSOLE) -> list[Route]:
    """The routes of a place. An export is a POST: it leaves a line in the audit log."""
    made = _ListPages(keywright, pages)
    return [
        Route("GET", place.keys, made.listed),
        Route("POST", f"{place.keys}/export", made.export, Role.ADMIN),
    ]


class _ListPages:
    def __init__(self, keywright: Keywright, pages: Pages) -> None:
        self._keywright = keywright
        self._pages = pages

    def listed(self, ask: Ask) -> Response:
        query = self._query(ask.query)
        state = _state(query)
        after, before = _place(query.sort, ask.query.get("after", "")), _place(query.sort, ask.query.get("before", ""))
        whole = not ask.in_place
        page = self._keywright.browser.page(
            ask.actor, ask.account_id, query, after=after, before=None if after else before, figures=whole
        )
        return self._pages.answer(
            ask,
            "keys.html.j2" if whole else "keys_table.html.j2",
            page=page,
            query=query,
            given=state,
            environments=ENVIRONMENTS,
            states=[each for each in State if page.tally[each] or each is query.state],
            sorts=_sorts(query),
            # Whatever is chosen anew begins at the first page.
            at=lambda **more: ask.place.keys + query_of({**state, **more}),
            before=_text(page.before),
            after=_text(page.after),
            samples=samples(ask),
        )

    def _query(self, given: Any) -> KeyQuery:
        """What is looked for. What nobody can have chosen on the page counts as not chosen."""
        sort = given.get("sort", "") or DEFAULT_SORT
        name = sort.removeprefix(_FALLING)
        known = name in list(Sort)
        return KeyQuery(
            text=self._searched(given.get("q", "")),
            environment=given["env"] if given.get("env") in ENVIRONMENTS else "",
            state=State(given["show"]) if given.get("show") in list(State) else None,
            sort=Sort(name) if known else Sort.CREATED,
            descending=sort.startswith(_FALLING) if known else True,
        )

    def _searched(self, text: str) -> str:
        """What is looked for. Who pastes a whole key looks for that key; it is neither shown again nor looked for."""
        text = text.strip()
        hidden = self._keywright.formats.redact(text)
        return text if hidden == text else text[-HINT_CHARACTERS:]

    def export(self, ask: Ask) -> Response:
        query = self._query({name: values[0] for name, values in ask.form.items()})
        found = self._keywright.browser.export(ask.actor, ask.account_id, query)
        # The first part is read before anything is sent: what fails now is still answered with a page.
        first = list(islice(found, EXPORT_KEYS))
        now = self._keywright.clock.now()
        headers = {
            **page_headers(ask.nonce, ask.origin),
            "Content-Disposition": f'attachment; filename="api-keys-{show.iso(now)[:10]}.csv"',
        }
        lines = exports.key_csv(chain(first, found), self._keywright.policy, now)
        return StreamingResponse(exports.pieces(lines), 200, headers, exports.CSV_TYPE)


def _state(query: KeyQuery) -> dict[str, str]:
    """The query as it stands in addresses; what is the default stands in none."""
    sort = _written(query.sort, falling=query.descending)
    return {
        "q": query.text,
        "env": query.environment,
        "show": str(query.state or ""),
        "sort": "" if sort == DEFAULT_SORT else sort,
    }


def _written(sort: Sort, *, falling: bool) -> str:
    return (_FALLING if falling else "") + sort


def _sorts(query: KeyQuery) -> dict[str, tuple[str, str]]:
    """For each order: what its heading leads to, and which way it stands now, as browsers say it; empty if not."""
    found = {}
    for sort in Sort:
        chosen = sort is query.sort
        falling = not query.descending if chosen else sort in _FALLS_FIRST
        standing = ("descending" if query.descending else "ascending") if chosen else ""
        found[str(sort)] = (_written(sort, falling=falling), standing)
    return found


def _text(place: KeyPlace | None) -> str:
    return "" if place is None else f"{place.slot}{_SEPARATOR}{place.value}"


def _place(sort: Sort, text: str) -> KeyPlace | None:
    """The place in an address; None for whatever is none."""
    slot, _, value = text.partition(_SEPARATOR)
    if not slot.isascii() or not slot.isdecimal() or len(slot) >= _NUMBER_CHARACTERS:
        return None
    if sort is Sort.NAME:
        return KeyPlace(int(slot), value)
    if sort is Sort.CREATED:
        return KeyPlace(int(slot))
    try:
        number = float(value)
    except ValueError:
        return None
    return None if math.isnan(number) else KeyPlace(int(slot), number)
