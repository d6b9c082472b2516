"""A browser without a window: one session, forms and pages, over the application in the test's process."""

from __future__ import annotations

import html
import re
from urllib.parse import urlencode

import httpx

from support.faces import Headers, InProcess

HOST = "127.0.0.1:8460"
ORIGIN = f"http://{HOST}"
OWN = (("Sec-Fetch-Site", "same-origin"), ("Origin", ORIGIN))
COOKIE = "keywright"
PORTAL_COOKIE = "keywright-portal"
_TAGS = re.compile(r"<[^>]*>")


class Desk:
    """Somebody at the console.

    Args:
        session: the text in their cookie; empty for a stranger.
        cookie: what the cookie is called.
    """

    def __init__(self, face: InProcess, session: str = "", cookie: str = COOKIE) -> None:
        self.face = face
        self.session = session
        self.cookie = cookie

    def _headers(self, more: Headers) -> Headers:
        cookie = ((("Cookie", f"{self.cookie}={self.session}"),) if self.session else ())  # fmt: skip
        host = () if any(name == "Host" for name, _ in more) else (("Host", HOST),)
        return (*host, *cookie, *more)

    def get(self, path: str, *headers: tuple[str, str]) -> httpx.Response:
        """Look at a page."""
        return self.face.send("GET", path, self._headers((("Accept", "text/html"), *headers)))

    def post(
        self, path: str, fields: dict[str, str | list[str]] | None = None, *, headers: Headers = OWN
    ) -> httpx.Response:
        """Send a form."""
        body = urlencode(fields or {}, doseq=True).encode()
        typed = ("Content-Type", "application/x-www-form-urlencoded")
        answer = self.face.send("POST", path, self._headers((typed, *headers)), body)
        for cookie in answer.headers.get_list("set-cookie"):
            name, _, value = cookie.partition(";")[0].partition("=")
            if name == self.cookie:
                self.session = value
        return answer


def seen(answer: httpx.Response) -> str:
    """What people read on a page."""
    return html.unescape(_TAGS.sub(" ", answer.text))
