"""Nothing on any page is for show: every link leads somewhere, every form is taken, every button does something."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from console.desk import Desk
from console.test_doors import routes
from house.rules import SOURCE
from keywright.stores.people import Role
from keywright.values import Value
from support.installation import ME, Installation

START = "/overview"
SCRIPT = (SOURCE / "server" / "console" / "static" / "app.js").read_text("utf-8")
#: What a button without a form can have that makes it act: a browser's own means, or one that the script looks for.
_OWN_MEANS = ("popovertarget",)
_OF_THE_SCRIPT = ("data-copy", "data-env", "data-close", "data-theme", "role")
#: Forms that end the visit, or lead out of the account that is crawled.
_LAST = ("/sign-out", "/profile/sessions/", "/account/switch")
_TAKEN = frozenset({200, 201, 303, 409, 422})


class Form(Value, frozen=True, gc=False):
    """A form on a page, as a browser would send it untouched."""

    method: str
    action: str
    fields: tuple[tuple[str, str], ...]


class Reader(HTMLParser):
    """What a page leads to: links, forms, and buttons that are idle."""

    def __init__(self, page: httpx.Response) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[Form] = []
        self.idle: list[str] = []
        self.ids: set[str] = set()
        self._form: tuple[str, str, list[tuple[str, str]]] | None = None
        self._select = ""
        self.feed(page.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids.add(found.get("id", ""))
        self.links += [found[name] for name in ("href", "hx-get") if tag not in ("link", "use") and name in found]
        if tag == "form":
            self._form = (found.get("method", "get"), found.get("action", ""), [])
        elif tag == "button":
            self._button(found)
        elif tag == "a" and not found.get("href"):
            self.idle.append(str(found))
        elif tag in ("input", "select", "option", "textarea"):
            self._field(tag, found)

    def _button(self, found: dict[str, str]) -> None:
        if found.get("type") == "submit" and self._form:
            if "name" in found:
                self._form[2].append((found["name"], found.get("value", "")))
            return
        known = [name for name in _OF_THE_SCRIPT if name in found and (f"[{name}" in SCRIPT or "role=tab" in SCRIPT)]
        if not known and not any(name in found for name in _OWN_MEANS):
            self.idle.append(str(found))

    def _field(self, tag: str, found: dict[str, str]) -> None:
        if self._form is None:
            return
        if tag == "select":
            self._select = found.get("name", "")
        elif tag == "option":
            if "selected" in found:
                self._form[2].append((self._select, found.get("value", "")))
        elif "name" in found and (found.get("type") not in ("radio", "checkbox") or "checked" in found):
            self._form[2].append((found["name"], html.unescape(found.get("value", ""))))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._form:
            self.forms.append(Form(self._form[0].upper(), self._form[1], tuple(self._form[2])))
            self._form = None


def furnished(installation: Installation) -> None:
    """A key in every state, an invitation, and lines in the log: what pages offer depends on what there is."""
    manager, account_id = installation.keywright.manager, installation.account_id
    installation.create("Plain")
    installation.create("Ending", expires_in_seconds=86_400, scopes=["keys:read"], metadata={"a": 1})
    manager.update(ME, account_id, installation.create("Off").row.id, {"disabled": True})
    manager.rotate(ME, account_id, installation.create("Rotating").row.id, 3600)
    list(manager.create_many(ME, account_id, ({"name": f"One of many {each}"} for each in range(60))))
    installation.keywright.directory.invite(ME, account_id, "new@example.com", Role.VIEWER)


def shape(path: str) -> str:
    """Addresses that are alike: ids stand for one another, and so do values of a query."""
    plain = re.sub(r"(key|mem|ses|tok|inv|acc)_\w+", r"\1_", path)
    return re.sub(r"=[^&]*", "=", plain)


def crawled(desk: Desk) -> tuple[dict[str, httpx.Response], dict[str, tuple[str, Form]]]:
    """All pages that can be reached by links, one of each shape, and the forms on them with the page they are on."""
    waiting, pages, forms = [START], dict[str, httpx.Response](), dict[str, tuple[str, Form]]()
    while waiting:
        path = waiting.pop()
        if shape(path) in pages or path.startswith("/static/"):
            continue
        page = desk.get(path, *((("HX-Request", "true"),) if "first-use" in path else ()))
        assert page.status_code == 200, path
        pages[shape(path)] = page
        read = Reader(page)
        assert read.idle == [], path
        for link in read.links:
            parts = urlsplit(urljoin(path, link))
            assert not parts.netloc, (path, link)
            assert link[0] != "#" or link[1:] in read.ids, (path, link)
            if link[0] != "#":
                waiting.append(parts.path + (f"?{parts.query}" if parts.query else ""))
        for form in read.forms:
            forms.setdefault(f"{form.method} {shape(form.action)}", (path, form))
    return pages, forms


def taking_away(name: str) -> bool:
    """Whether a form takes away what others are about."""
    return "/delete" in name or "/remove" in name


def assert_made_for_an_account(installation: Installation, forms: dict[str, tuple[str, Form]]) -> None:
    """Every form that does something in the account says which one it was made for: in another tab they may be in
    another one since."""
    ways = [
        re.compile(re.sub(r"\{\w+\}", r"[\\w]+", route.path) + "$")
        for route in routes(installation)
        if route.method == "POST" and route.least in (Role.ADMIN, Role.OWNER)
    ]
    for path, form in forms.values():
        if form.method == "POST" and any(each.match(form.action) for each in ways):
            assert ("account_id", installation.account_id) in form.fields, (path, form.action)


@pytest.mark.parametrize("role", ["owner", "admin", "viewer"])
def test_everything_leads_somewhere(installation: Installation, request: pytest.FixtureRequest, role: str) -> None:
    """Every link that an owner, an admin or a viewer comes upon is a page that they may see; every form that they are
    shown is taken from them, and may only find fault with what is in it; no button does nothing."""
    desk: Desk = request.getfixturevalue(role)
    furnished(installation)
    pages, forms = crawled(desk)

    assert_made_for_an_account(installation, forms)
    seen = {urlsplit(path).path for path in pages}
    assert {START, "/audit-log", "/settings/api-keys", "/settings/members", "/profile"} <= seen
    # What takes a thing away comes last: other forms are about it, too.
    for name, (path, form) in sorted(
        forms.items(), key=lambda each: ("delete" in each[0] or "remove" in each[0], each)
    ):
        if form.method == "GET":
            continue
        if form.action.startswith(_LAST):
            assert any(route.path == form.action or "{" in route.path for route in routes(installation)), name
            continue
        fields: dict[str, str | list[str]] = {}
        for field, value in form.fields:
            fields[field] = [*fields.get(field, []), value]
        answer = desk.post(form.action, fields)
        assert answer.status_code in _TAKEN, (path, name, answer.status_code)
    manages = {name for name in forms if "/delete" in name or "/rotate" in name or "/edit" in name}
    assert bool(manages) == (role != "viewer")
    assert len(pages) > {"owner": 25, "admin": 25, "viewer": 20}[role]


def test_the_crawler_can_fail() -> None:
    """It sees a button that nothing listens to, and a link without an address."""
    for text in ("<button type=button>x</button>", "<a>x</a>", "<button>x</button>"):
        assert Reader(httpx.Response(200, text=text)).idle
    good = "<form method=post action=/x><button type=submit>x</button></form><button data-copy='#x'>x</button>"
    assert Reader(httpx.Response(200, text=good)).idle == []
