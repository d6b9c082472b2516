"""Pages: templates, words and the headers that every page has."""

from __future__ import annotations

import gzip
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import Response

from keywright.build import Keywright
from keywright.errors import NotFound
from keywright.people.ceremony import Site
from keywright.server.console import show
from keywright.server.console.ask import Ask
from keywright.server.console.assets import Assets
from keywright.server.console.origin import Origin, is_loopback, site_of
from keywright.server.console.words import Words

HTML = "text/html; charset=utf-8"
_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}' 'strict-dynamic'; style-src 'nonce-{nonce}'; img-src 'self'; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "object-src 'none'; require-trusted-types-for 'script'; trusted-types htmx"
)
_FEATURES = (
    "accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "magnetometer", "microphone", "midi",
    "payment", "screen-wake-lock", "usb",
)  # fmt: skip
_EVERY_PAGE = {
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(f"{each}=()" for each in _FEATURES),
    # Not `no-referrer`: with it browsers send `Origin: null` with our own forms, which nobody could tell from others'.
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
_ONE_YEAR = "max-age=31536000"
#: Below this many bytes compressing a page is not worth its time.
_ZIP_FROM = 2048


def page_headers(nonce: str, origin: Origin) -> dict[str, str]:
    """What every page of the console carries."""
    more = {"Strict-Transport-Security": _ONE_YEAR} if origin.scheme == "https" else {}
    if origin.scheme == "https" or is_loopback(origin.host):
        # Anywhere else browsers ignore it, and complain.
        more["Cross-Origin-Opener-Policy"] = "same-origin"
    return {"Content-Security-Policy": _POLICY.format(nonce=nonce), **_EVERY_PAGE, **more}


class Pages:
    """Makes pages from templates.

    Attributes:
        words: all that they say.
    """

    def __init__(self, keywright: Keywright, assets: Assets, words: Words | None = None) -> None:
        self._keywright = keywright
        self.words = words or Words()
        self._environment = Environment(
            loader=PackageLoader(__package__, "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            t=self.words,
            asset=assets.base,
            show=show,
            support=keywright.settings.support_contact,
            provider=keywright.provider.label if keywright.provider else "",
        )

    def answer(self, ask: Ask, template: str, status: int = 200, **values: Any) -> Response:
        """A page, or what changes of it."""
        if ask.guest:
            values = {"me": ask.guest, **values}
        html = self._environment.get_template(template).render(
            ask=ask, now=self._keywright.clock.now(), nonce=ask.nonce, **{"me": None, "error": None, **values}
        )
        return Response(html, status, page_headers(ask.nonce, ask.origin), HTML)

    def site(self, ask: Ask) -> Site | None:
        """Where passkeys belong to that are used on this page; None where there are none."""
        return site_of(ask.origin, self._keywright.settings.public_url)

    def require_site(self, ask: Ask) -> Site:
        """The same.

        Raises:
            NotFound: there are none here.
        """
        site = self.site(ask)
        if site is None:
            raise NotFound(self.words("fault.not_found.text"))
        return site

    def data(self, ask: Ask, json: str) -> Response:
        """What the page's script asks for."""
        return Response(json, headers=page_headers(ask.nonce, ask.origin), media_type="application/json")

    def redirect(self, ask: Ask, path: str, cookies: tuple[str, ...] = ()) -> Response:
        """Go to another page, also where htmx asks."""
        status, name = (204, "HX-Redirect") if ask.in_place else (303, "Location")
        answer = Response(status_code=status, headers={**page_headers(ask.nonce, ask.origin), name: path})
        for cookie in cookies:
            answer.headers.append("Set-Cookie", cookie)
        return answer


def zipped(response: Response) -> Response:
    """The answer compressed, if it is worth it. Only for pages that hold nothing secret: of what an attacker can have
    compressed together with text of their own, the length tells."""
    if len(response.body) < _ZIP_FROM or response.media_type != HTML:
        return response
    response.body = gzip.compress(response.body, 6)
    response.headers["Content-Length"] = str(len(response.body))
    response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    return response
