"""The audit log: what was done, by whom, to what; and taking it along."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice

from starlette.responses import Response, StreamingResponse

from keywright.audit import Action, ActorKind
from keywright.build import Keywright
from keywright.clock import parse_timestamp
from keywright.errors import InvalidValue
from keywright.manage.ledger import EXPORT_LINES, Line, Wanted
from keywright.server.console import exports, show
from keywright.server.console.ask import Ask, Route, query_of
from keywright.server.console.pages import Pages, page_headers
from keywright.stores.people import Role
from keywright.values import Value

PATH = "/audit-log"
_FIELDS = ("actor", "action", "target", "since", "until")
_DAY_SECONDS = 86_400


class _Form(Value, frozen=True, gc=False):
    """A form in which the log can be taken along."""

    media_type: str
    ending: str
    write: Callable[[Iterable[Line]], Iterator[str]]


FORMS = {
    "csv": _Form(exports.CSV_TYPE, "csv", exports.csv),
    "ndjson": _Form("application/x-ndjson", "ndjson", exports.ndjson),
}


def routes(keywright: Keywright, pages: Pages) -> list[Route]:
    """The routes. An export is a POST: it leaves a line in the log, and no page that is only looked at does."""
    made = _AuditPages(keywright, pages)
    return [
        Route("GET", PATH, made.log),
        Route("POST", f"{PATH}/export", made.export, Role.ADMIN),
    ]


class _AuditPages:
    def __init__(self, keywright: Keywright, pages: Pages) -> None:
        self._keywright = keywright
        self._pages = pages

    def log(self, ask: Ask) -> Response:
        given = {name: ask.query.get(name, "").strip() for name in _FIELDS}
        try:
            wanted = self._wanted(given)
        except InvalidValue as error:
            return self._log(ask, given, Wanted(), 422, error)
        return self._log(ask, given, wanted)

    def _log(
        self, ask: Ask, given: dict[str, str], wanted: Wanted, status: int = 200, error: InvalidValue | None = None
    ) -> Response:
        below, above = ask.number("below"), ask.number("above")
        page = self._keywright.ledger.page(ask.actor, ask.account_id, wanted, below=below, above=above)
        return self._pages.answer(
            ask,
            "audit.html.j2",
            status,
            error=error,
            page=page,
            given=given,
            filtered=any(given.values()),
            actions=list(Action),
            kinds=list(ActorKind),
            people=[member for member, _ in self._keywright.directory.members(ask.actor, ask.account_id)],
            forms=list(FORMS),
            at=lambda **more: PATH + query_of({**given, **more}),
            only=lambda **more: PATH + query_of(more),
        )

    def export(self, ask: Ask) -> Response:
        given = {name: ask.field(name).strip() for name in _FIELDS}
        chosen = ask.field("as")
        try:
            if chosen not in FORMS:
                raise InvalidValue(self._pages.words("audit.unknown_form"), "as")
            wanted = self._wanted(given)
        except InvalidValue as error:
            return self._log(ask, given, Wanted(), 422, error)
        lines = self._keywright.ledger.export(ask.actor, ask.account_id, wanted, chosen)
        # The first part is read before anything is sent: what fails now is still answered with a page.
        first = list(islice(lines, EXPORT_LINES))
        form = FORMS[chosen]
        day = show.iso(self._keywright.clock.now())[:10]
        headers = {
            **page_headers(ask.nonce, ask.origin),
            "Content-Disposition": f'attachment; filename="audit-log-{day}.{form.ending}"',
        }
        return StreamingResponse(exports.pieces(form.write(chain(first, lines))), 200, headers, form.media_type)

    def _wanted(self, given: dict[str, str]) -> Wanted:
        """What is looked for; the day in ``until`` is looked at to its end.

        Raises:
            InvalidValue: not an action, or not a day.
        """
        if given["action"] and given["action"] not in list(Action):
            raise InvalidValue(self._pages.words("audit.unknown_action"), "action")
        since, until = self._day(given["since"], "since"), self._day(given["until"], "until")
        return Wanted(
            given["action"], given["actor"], given["target"], since, None if until is None else until + _DAY_SECONDS
        )

    def _day(self, text: str, member: str) -> float | None:
        try:
            return parse_timestamp(f"{text}T00:00:00Z") if text else None
        except ValueError:
            raise InvalidValue(self._pages.words("audit.unknown_day"), member) from None
