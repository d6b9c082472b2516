"""Somebody with a browser, between the console and the provider."""

from __future__ import annotations

import html
import re
from urllib.parse import urlencode, urlsplit

import httpx

from support.faces import Headers, InProcess
from support.identity import IdentityProvider

HOST = "127.0.0.1:8460"
ORIGIN = f"http://{HOST}"
CALLBACK = f"{ORIGIN}/sign-in/oidc/callback"
START = "/sign-in/oidc"
HOME = "/overview"
SESSION = "keywright"
ERRAND = "keywright-errand"
_TAGS = re.compile(r"<[^>]*>")


def seen(answer: httpx.Response) -> str:
    """What people read on a page."""
    return " ".join(html.unescape(_TAGS.sub(" ", answer.text)).split())


class Traveller:
    """One browser.

    Attributes:
        cookies: by name.
    """

    def __init__(self, face: InProcess, provider: IdentityProvider) -> None:
        self.face = face
        self.provider = provider
        self.cookies: dict[str, str] = {}

    def get(self, path: str, *more: tuple[str, str]) -> httpx.Response:
        """Look at a page of the console."""
        return self._sent("GET", path, (("Sec-Fetch-Site", "none"), *more))

    def post(self, path: str, fields: dict[str, str]) -> httpx.Response:
        """Send a form of the console."""
        typed = (("Content-Type", "application/x-www-form-urlencoded"), ("Sec-Fetch-Site", "same-origin"))
        return self._sent("POST", path, typed, urlencode(fields).encode())

    def _sent(self, method: str, path: str, more: Headers, body: bytes | None = None) -> httpx.Response:
        jar = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        host = () if any(name == "Host" for name, _ in more) else (("Host", HOST),)
        headers = (*host, ("Accept", "text/html"), ("Cookie", jar), *more)
        answer = self.face.send(method, path, headers, body)
        for cookie in answer.headers.get_list("set-cookie"):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer

    def leave(self, following: str = "") -> str:
        """Press the button; where it leads."""
        answer = self.get(START + (f"?next={following}" if following else ""))
        assert answer.status_code == 303, seen(answer)
        return str(answer.headers["location"])

    def away(self, person: str = "maya", following: str = "") -> str:
        """Press the button and sign in at the provider; the path that it sends back to."""
        return below(self.provider.signed_in(self.leave(following), person))

    def travel(self, person: str = "maya", following: str = "") -> httpx.Response:
        """The whole way."""
        return self.get(self.away(person, following))

    def is_in(self) -> bool:
        """Whether they have signed in."""
        return self.get(HOME).status_code == 200


def below(address: str) -> str:
    """The path and the query of an address of the console."""
    parts = urlsplit(address)
    assert f"{parts.scheme}://{parts.netloc}" == ORIGIN
    return f"{parts.path}?{parts.query}"
