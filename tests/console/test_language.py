"""The console in another language: every text in brackets. Whatever stands outside of them is data, or a mistake."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from console.desk import Desk
from console.test_crawl import crawled, furnished
from keywright.adapters.asgi import REQUEST_ID_NAME, Receive, Scope, Send
from keywright.server.console.app import Console
from keywright.server.console.words import Words, texts_of
from keywright.stores.base import LastUse, UsageRow
from people.staff import cheap_passwords, claimed
from support.faces import Headers
from support.installation import ME, Installation

OPEN, CLOSED = "⟦", "⟧"
#: Attributes that people read, or hear.
_READ = ("alt", "aria-label", "content", "label", "placeholder", "title")
_SPOKEN = re.compile(r"data-(blocked|copied|by-hand|said|unsaved)")
#: Elements in which there are no sentences: code, keys and ids, the language of machines, what somebody typed.
_DATA_TAGS = ("code", "script", "style", "title", "time", "option")
_DATA_CLASSES = ("avatar", "mono", "keyval", "det", "wrap-any", "num", "labels")
#: What is data in a text: ids, addresses, times, numbers, scopes, and what the keys and people of this test are called.
_DATA = re.compile(
    r"\b(key|acc|mem|req|sub|ses|tok)_\w+|\b\d{1,2} \w{3}\b|[a-z_.-]+:[a-z_.-]+|\S+@\S+|\bkw\S*|\blwa\S*|\bss_\S*"
    r"|\d+\S*|\b(Maya|Chen|Plain|Ending|Off|Rotating|One of many|Operator|verify|operator|Keywright|UTC|TOTP|cURL"
    r"|Python|Node|lwa|ss|curl|Mozilla|unlimited|test)\b"
)


class Texts(HTMLParser):
    """What is said on a page, without what is data by where it stands."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._silent: list[str] = []
        self._open: list[bool] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        classes = values.get("class", "").split()
        if tag not in ("input", "meta", "link", "img", "path", "rect", "use", "br"):
            silent = tag in _DATA_TAGS or any(each in classes for each in _DATA_CLASSES)
            self._open.append(silent or bool(self._open and self._open[-1]))
        read = [value for name, value in values.items() if name in _READ or _SPOKEN.fullmatch(name)]
        self.found += read if tag not in ("meta", "option") else []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in _READ and value]

    def handle_endtag(self, tag: str) -> None:
        if self._open and tag not in ("input", "meta", "link", "img", "path", "rect", "use", "br"):
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if not (self._open and self._open[-1]):
            self.found.append(data)


def leftover(page: str) -> list[str]:
    """The words on a page that are neither the catalogue's nor data."""
    found = []
    for text in ["\n".join(Texts(page).found)]:
        plain = text
        while (shorter := re.sub(rf"{OPEN}[^{OPEN}{CLOSED}]*{CLOSED}", " ", plain)) != plain:
            plain = shorter
        found += re.findall(r"[^\W\d_]{2,}(?: [^\W\d_]+)*", _DATA.sub(" ", plain))
    return found


class Spoken:
    """The console by itself, in a language of brackets; in place of a face of the whole application."""

    def __init__(self, installation: Installation) -> None:
        texts = {name: f"{OPEN}{text}{CLOSED}" for name, text in texts_of("en").items()}
        console = Console(self._nothing, installation.keywright, Words("xx", texts))

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await console({**scope, REQUEST_ID_NAME: "req_000000000"}, receive, send)

        self._runner = asyncio.Runner()
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1:8460")

    async def _nothing(self, *_: Any) -> None: ...

    def send(self, method: str, path: str, headers: Headers = (), body: bytes | None = None) -> httpx.Response:
        """One request."""
        request = httpx.Request(method, "http://127.0.0.1:8460" + path, headers=list(headers), content=body)
        return self._runner.run(self._client.send(request))

    def close(self) -> None:
        """End the loop."""
        self._runner.run(self._client.aclose())
        self._runner.close()


@pytest.fixture
def abroad(installation: Installation) -> Iterator[Desk]:
    """An owner who reads brackets."""
    cheap_passwords(installation.keywright)
    face = Spoken(installation)
    yield Desk(face, claimed(installation))  # type: ignore[arg-type]
    face.close()


def test_every_text_is_the_catalogues(installation: Installation, abroad: Desk) -> None:
    """Every page that can be reached, in each role's widest form, says nothing that is not in the catalogue."""
    furnished(installation)
    row = installation.keywright.manager.keys(ME, installation.account_id)[0].row
    use = LastUse(installation.clock.now() - 60, "203.0.113.7", "curl/8")
    counts = (("accepted", 7), ("rate_limited", 2), ("forbidden", 1))
    installation.keywright.usage_store.add(
        [UsageRow(row.slot, installation.account_id, use, counts)], int(use.at) // 3600 * 3600
    )
    pages, _ = crawled(abroad)
    stranger = Desk(abroad.face)
    for path in ("/sign-in", "/sign-in/link", "/join"):
        pages[path] = stranger.get(path)
    wrong = {path: found for path, page in pages.items() if (found := leftover(page.text))}

    assert wrong == {}
    assert len(pages) > 25


#: Form → what is wrong with it: each of these is refused by another part of the core.
REFUSED: tuple[tuple[str, dict[str, str | list[str]]], ...] = (
    ("/settings/api-keys", {"name": " "}),
    ("/settings/api-keys", {"name": "x" * 300}),
    ("/settings/api-keys", {"name": "x", "rate_limit": "many"}),
    ("/settings/api-keys", {"name": "x", "rate_limit": "5/m, 6/m"}),
    ("/settings/api-keys", {"name": "x", "networks": "here"}),
    ("/settings/api-keys", {"name": "x", "metadata": "[]"}),
    ("/settings/api-keys", {"name": "x", "expires": "date", "expires_on": "soon"}),
    ("/settings/api-keys", {"name": "x", "expires": "date", "expires_on": "2001-01-01"}),
    ("/settings/api-keys", {"name": "x", "access": "chosen"}),
    ("/settings/api-keys", {"name": "x", "format": "ss", "environment": "test"}),
    ("/settings/api-keys/key_000000000/delete", {}),
    ("/settings/members", {"email": "nobody", "role": "viewer"}),
    ("/settings/members", {"email": "a@example.com", "role": "king"}),
    ("/settings/general", {"name": ""}),
    ("/profile/password", {"old": "wrong", "new": "violet kettle marches 2"}),
    ("/settings/nothing", {}),
)


@pytest.mark.parametrize(("path", "fields"), REFUSED)
def test_every_refusal_is_the_catalogues(abroad: Desk, path: str, fields: dict[str, str | list[str]]) -> None:
    """What the core refuses a form with is said in the page's language."""
    answer = abroad.post(path, fields)

    assert answer.status_code >= 400
    assert leftover(re.sub(r'value="[^"]*"', "", answer.text)) == []


def test_what_is_not_translated_is_found() -> None:
    """The check can fail: in a text, in an attribute, and beside a text that is translated."""
    for page in ("<p>Some words</p>", '<a title="Close"></a>', f"<p>{OPEN}x{CLOSED} and more</p>"):
        assert leftover(page)
    assert leftover(f"<p>{OPEN}Some {OPEN}words{CLOSED}{CLOSED} 15 Jan key_a1 <code>let x</code></p>") == []
