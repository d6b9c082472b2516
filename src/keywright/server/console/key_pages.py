"""Settings → API Keys, and the same pages wherever else they stand."""

from __future__ import annotations

from starlette.responses import Response

from keywright.build import Keywright
from keywright.errors import ActError, Conflict, Forbidden, InvalidValue
from keywright.key import random_text
from keywright.manage.browse import Seen
from keywright.manage.manager import Created
from keywright.server.console import show
from keywright.server.console.ask import Ask, Route
from keywright.server.console.key_forms import ADVISED_EXPIRY, EXPIRIES, KeyForm, offered_scopes, templates
from keywright.server.console.list_pages import routes as list_routes
from keywright.server.console.origin import own_path
from keywright.server.console.pages import Pages
from keywright.server.console.place import CONSOLE, Place
from keywright.server.console.samples import samples
from keywright.stores.people import Role

GRACES = (0, 3_600, 86_400, 7 * 86_400)
DEFAULT_GRACE = 86_400
#: How long the dialog waits for a key's first request.
WAITING_SECONDS = 600
_ONCE_CHARACTERS = 22


def routes(keywright: Keywright, pages: Pages, place: Place = CONSOLE) -> list[Route]:
    """The routes of a place."""
    made = _KeyPages(keywright, pages)
    every, one = place.keys, place.keys + "/{key_id}"
    return [
        *list_routes(keywright, pages, place),
        Route("GET", f"{every}/new", made.new, Role.ADMIN),
        Route("POST", every, made.create, Role.ADMIN),
        Route("GET", f"{one}/first-use", made.first_use, Role.ADMIN),
        Route("GET", f"{one}/delete", made.ask_delete, Role.ADMIN),
        Route("POST", f"{one}/delete", made.delete, Role.ADMIN),
        Route("GET", f"{one}/rotate", made.ask_rotate, Role.ADMIN),
        Route("POST", f"{one}/rotate", made.rotate, Role.ADMIN),
        Route("POST", f"{one}/disable", made.disable, Role.ADMIN),
        Route("POST", f"{one}/enable", made.enable, Role.ADMIN),
    ]


class _KeyPages:
    def __init__(self, keywright: Keywright, pages: Pages) -> None:
        self._keywright = keywright
        self._browser = keywright.browser
        self._manager = keywright.manager
        self._pages = pages

    # Looking

    def _seen(self, ask: Ask) -> Seen:
        return self._browser.one(ask.actor, ask.account_id, ask.parts["key_id"])

    # Creating

    def new(self, ask: Ask) -> Response:
        return self._new_form(ask)

    def _new_form(self, ask: Ask, status: int = 200, error: ActError | None = None, once: str = "") -> Response:
        formats = self._keywright.formats
        limits = {name: show.limits(self._keywright.policy.limits(name, None)) for name in formats.by_name}
        offered = self._offered(ask)
        return self._pages.answer(
            ask,
            "create.html.j2",
            status,
            error=error,
            form=ask.form,
            once=once or random_text(_ONCE_CHARACTERS),
            formats=formats.by_name,
            default_format=formats.default.name,
            format_limits=limits,
            scopes=offered,
            templates=templates(ask, offered),
            expiries=EXPIRIES,
            advised=ADVISED_EXPIRY,
        )

    def _offered(self, ask: Ask) -> list[str]:
        return offered_scopes(ask, self._keywright.settings.gate_routes.values())

    def create(self, ask: Ask) -> Response:
        try:
            given = KeyForm(ask, self._pages.words, self._offered(ask)).new()
            created = self._manager.create(ask.actor, ask.account_id, given, ask.field("once") or None)
        except (InvalidValue, Forbidden) as error:
            return self._new_form(ask, 422, error, ask.field("once"))
        except Conflict as error:
            # What stands in the form may be sent once more, on purpose: as another key.
            return self._new_form(ask, 409, Conflict(self._pages.words("create.made", made=error.member)))
        return self._created(ask, created, "created")

    def _created(self, ask: Ask, created: Created, how: str) -> Response:
        return self._pages.answer(
            ask,
            "created.html.j2",
            201,
            how=how,
            created=created,
            row=created.row,
            samples=samples(ask, created.row.scopes),
        )

    def first_use(self, ask: Ask) -> Response:
        seen = self._seen(ask)
        if not ask.in_place:  # a line of a dialog, and no page: whoever is led here looks for the key
            return self._pages.redirect(ask, f"{ask.place.keys}/{seen.listed.row.id}")
        waiting = self._keywright.clock.now() - seen.listed.row.created_at < WAITING_SECONDS
        return self._pages.answer(
            ask, "first_use.html.j2", row=seen.listed.row, use=seen.listed.last_use, waiting=waiting
        )

    # Ending

    def ask_delete(self, ask: Ask) -> Response:
        return self._delete_form(ask)

    def _delete_form(self, ask: Ask, status: int = 200, error: ActError | None = None) -> Response:
        seen = self._seen(ask)
        must_type = show.in_use(seen, self._keywright.clock.now())
        return self._pages.answer(ask, "delete.html.j2", status, error=error, seen=seen, must_type=must_type)

    def delete(self, ask: Ask) -> Response:
        seen = self._seen(ask)
        if show.in_use(seen, self._keywright.clock.now()) and ask.field("confirm").strip() != seen.listed.row.name:
            error = InvalidValue(self._pages.words("delete.mismatch"), "confirm")
            return self._delete_form(ask, 422, error)
        self._manager.delete(ask.actor, ask.account_id, seen.listed.row.id)
        return self._pages.redirect(ask, ask.place.keys)

    def ask_rotate(self, ask: Ask) -> Response:
        return self._rotate_form(ask)

    def _rotate_form(self, ask: Ask, status: int = 200, error: ActError | None = None) -> Response:
        return self._pages.answer(
            ask,
            "rotate.html.j2",
            status,
            error=error,
            seen=self._seen(ask),
            form=ask.form,
            graces=GRACES,
            chosen=DEFAULT_GRACE if (grace := _grace(ask)) is None else grace,
            expiries=EXPIRIES,
        )

    def rotate(self, ask: Ask) -> Response:
        grace = _grace(ask)
        try:
            if grace is None:
                raise InvalidValue(self._pages.words("rotate.unknown"), "grace")
            end = KeyForm(ask, self._pages.words, ()).end()
            created = self._manager.rotate(ask.actor, ask.account_id, ask.parts["key_id"], grace, end)
        except (InvalidValue, Conflict, Forbidden) as error:
            return self._rotate_form(ask, 409 if isinstance(error, Conflict) else 422, error)
        return self._created(ask, created, "rotated")

    def disable(self, ask: Ask) -> Response:
        self._manager.update(ask.actor, ask.account_id, ask.parts["key_id"], {"disabled": True})
        return self._pages.redirect(ask, own_path(ask.field("next"), ask.place.keys))

    def enable(self, ask: Ask) -> Response:
        self._manager.update(ask.actor, ask.account_id, ask.parts["key_id"], {"disabled": False})
        return self._pages.redirect(ask, own_path(ask.field("next"), ask.place.keys))


def _grace(ask: Ask) -> int | None:
    """The grace that was chosen; None for none of those that there are."""
    # Compared as texts: Python makes no number of thousands of digits.
    return next((each for each in GRACES if str(each) == ask.field("grace")), None)
