"""A window of the browser, which remembers all that it was sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
from playwright.sync_api import Browser, Locator, Page, Response, expect

from support.canaries import Canaries
from support.servers import Server

PASSWORD = "violet kettle marches"
EMAIL = "maya@example.com"
COOKIE = "keywright"
KEYS = "/settings/api-keys"


def sign_in(server: Server, url: str) -> str:
    """The text of a new session of the owner."""
    answer = requests.post(
        server.url + "/sign-in",
        data={"email": EMAIL, "password": PASSWORD},
        headers={"Origin": url, "Host": urlsplit(url).netloc},
        allow_redirects=False,
        timeout=30,
    )
    assert answer.status_code == 303, answer.text
    return answer.cookies[COOKIE]


class Window:
    """One page, and what has happened in it.

    Attributes:
        trouble: what the browser complained of.
        keys: the keys that were shown in it.
    """

    def __init__(self, page: Page, server: Server, url: str, *, has_script: bool = True) -> None:
        self.page = page
        self.server = server
        self.url = url
        self._has_script = has_script
        self.trouble: list[str] = []
        self.keys = Canaries()
        page.on("console", lambda message: self._heard(message.type, message.text))
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("dialog", self._asked)
        page.on("response", self._received)

    @classmethod
    @contextmanager
    def opened(cls, browser: Browser, server: Server, url: str, session: str, **options: Any) -> Iterator[Window]:
        """A window of its own, for the length of a block."""
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=server.url)
        if session:
            context.add_cookies([{"name": COOKIE, "value": session, "url": url, "httpOnly": True, "sameSite": "Lax"}])
        made = cls(context.new_page(), server, url, has_script=options.get("java_script_enabled", True))
        try:
            yield made
            assert made.trouble == []
        finally:
            context.close()

    def _heard(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.trouble.append(text)

    def _asked(self, dialog: Any) -> None:
        if dialog.type != "beforeunload":
            self.trouble.append(f"a dialog: {dialog.message}")
        dialog.accept()

    def _received(self, response: Response) -> None:
        if not response.url.startswith(self.url):
            self.trouble.append(f"asked elsewhere: {response.url}")

    def go(self, path: str = KEYS) -> Page:
        """Open a page of the console."""
        self.page.goto(self.url + path)
        self.ready()
        return self.page

    def ready(self) -> None:
        """Wait until the page's script has what it makes quick; what is clicked on before is a plain link or form."""
        if self._has_script:
            self.page.locator("html[data-script=on]").wait_for(state="attached")
            expect(
                self.page.locator("[hx-get]:not([data-htmx-powered]), [hx-post]:not([data-htmx-powered])")
            ).to_have_count(0)

    def form(self, opened_by: str) -> Locator:
        """Click on that, and wait for the form that it opens: until htmx has it, and the browser alone no longer."""
        self.page.get_by_role("link", name=opened_by).first.click()
        form = self.page.locator("dialog[open] form[data-htmx-powered]")
        form.wait_for()
        return form

    def create(self, name: str) -> str:
        """Create a key as people do; the dialog that shows it is open then. The key."""
        page = self.go()
        page.get_by_role("link", name="Create API Key").first.click()
        page.get_by_label("Name", exact=True).fill(name)
        self.ready()
        page.get_by_role("button", name="Create", exact=True).click()
        return self.shown_key()

    def shown_key(self) -> str:
        """The key that the dialog shows."""
        self.page.locator("#secret").wait_for()
        key = (self.page.locator("#secret").text_content() or "").strip()
        self.server.canaries.append(key)
        self.keys.append(key)
        return key

    def copied(self) -> None:
        """Wait until the dialog has said that the key is in the clipboard. The button's own word is gone too soon."""
        expect(self.page.locator(".shown-once [data-live]")).to_have_text("Copied to the clipboard.")

    def done(self) -> None:
        """Close the dialog that shows the key, having ticked that it is stored, and wait for the list."""
        self.page.get_by_label("I have stored this key").check()
        with self.page.expect_navigation():
            self.page.get_by_role("link", name="Done").click()
        self.ready()

    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        found: int = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        return found
