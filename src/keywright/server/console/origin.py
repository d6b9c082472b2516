"""Where a browser believes to be, whether it is ours to ask, and what goes into its cookie.

Two rules keep other sites' pages from acting for somebody who has signed in here. A request that changes something must
come from a page of this very origin, as the browser itself says in ``Sec-Fetch-Site`` or, where it says nothing (plain
http outside of this machine), in ``Origin``; a request that says neither is refused. And the cookie is ``SameSite``.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from keywright.adapters.asgi import Scope, header
from keywright.people.ceremony import Site
from keywright.people.entry import ABSOLUTE_SECONDS
from keywright.people.federation import AWAY_SECONDS
from keywright.server.console.place import CONSOLE, Place
from keywright.values import Value

#: On https the browser itself sees to it that no other host and no plain connection can set it. It asks for the path /,
#: so what keeps the cookies of two places apart is their names.
SECURE_PREFIX = "__Host-"
#: On plain http browsers refuse that and the flag. Every name has ours in it, since all ports of a host share cookies.
_OURS = "keywright"
THEME_COOKIE = "theme"
#: What binds a sign-in that is away at the identity provider to the browser.
_ERRAND = "errand"
THEMES = ("light", "dark")
_SAFE_METHODS = frozenset({"GET", "HEAD"})
#: Of a Host header, where it is told what came.
HOST_CHARACTERS = 200
_THEME_SECONDS = 365 * 86_400


class Origin(Value, frozen=True, gc=False):
    """Where the browser is.

    Attributes:
        host: as in the Host header.
        usable: whether people may sign in there: over https, on this machine, or where the operator says so.
    """

    scheme: str
    host: str
    usable: bool

    @property
    def url(self) -> str:
        """Such as ``https://keys.example.com``."""
        return f"{self.scheme}://{self.host}"

    def cookie(self, name: str) -> str:
        """What a session's cookie is called here; see `place.Place.cookie`."""
        if self.scheme == "https":
            return f"{SECURE_PREFIX}{name}"
        return name if name == _OURS else f"{_OURS}-{name}"

    @property
    def errand_cookie(self) -> str:
        """The name of the cookie of sign-ins that are away at the identity provider."""
        return self.cookie(_ERRAND)


def origin_of(scope: Scope, public_url: str | None) -> Origin:
    """The origin of a request. Behind a proxy that speaks https for us, only ``public_url`` tells."""
    host = header(scope, b"host").lower()
    public = urlsplit(public_url) if public_url else None
    if public and host == public.netloc.lower():
        return Origin(public.scheme, host, usable=True)
    scheme = str(scope.get("scheme", "http"))
    return Origin(scheme, host, usable=scheme == "https" or is_loopback(host))


def is_loopback(host: str) -> bool:
    """Whether a Host header names this machine, so that nothing that is sent leaves it."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_elsewhere(origin: Origin, public_url: str | None) -> bool:
    """Whether the request names another host than the one in ``public_url``: somebody came past the proxy, or the proxy
    does not tell what they typed. False where it is not set.

    Such a request is not taken for one to ``public_url``, whatever its Origin says: only Host and scheme together say
    which cookies the browser will send, and keep.
    """
    return public_url is not None and origin.host != urlsplit(public_url).netloc.lower()


def site_of(origin: Origin, public_url: str | None) -> Site | None:
    """Where passkeys belong to that are used here; None where browsers have none: over plain http, but on the machine
    itself, and at an address that is no name. Where ``public_url`` is set, there and nowhere else."""
    if is_elsewhere(origin, public_url):
        return None
    name = urlsplit(origin.url).hostname or ""
    local = name == "localhost" or name.endswith(".localhost")
    return Site(name, origin.url) if local or (origin.scheme == "https" and not _is_address(name)) else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_own_request(scope: Scope, origin: Origin) -> bool:
    """Whether the request may change something; see the module. Always true for one that only reads."""
    if scope["method"] in _SAFE_METHODS:
        return True
    site, sender = header(scope, b"sec-fetch-site"), header(scope, b"origin")
    if not site and not sender:
        return False
    return site in ("", "same-origin") and sender in ("", origin.url)


def own_path(text: str, default: str) -> str:
    """A path on this server that may be gone to, or ``default``: nobody is led to another site from here."""
    plain = text.isascii() and text.isprintable() and "\\" not in text
    return text if plain and text.startswith("/") and not text.startswith("//") else default


def cookies(scope: Scope) -> dict[str, str]:
    """The cookies of a request, the first of each name."""
    found: dict[str, str] = {}
    for part in header(scope, b"cookie").replace(",", ";").split(";"):
        name, _, value = part.strip().partition("=")
        found.setdefault(name, value)
    return found


def session_cookie(origin: Origin, text: str, place: Place = CONSOLE, seconds: int = ABSOLUTE_SECONDS) -> str:
    """The header that begins a session in the browser."""
    return _cookie(origin, origin.cookie(place.cookie), text, seconds, "; HttpOnly")


def no_session_cookie(origin: Origin, place: Place = CONSOLE) -> str:
    """The header that ends it."""
    return _cookie(origin, origin.cookie(place.cookie), "", 0, "; HttpOnly")


def errand_cookie(origin: Origin, secret: str) -> str:
    """The header that keeps the browser's secret for as long as somebody may be away at the identity provider. Lax, not
    strict: they come back from another site."""
    return _cookie(origin, origin.errand_cookie, secret, AWAY_SECONDS, "; HttpOnly")


def theme_cookie(origin: Origin, theme: str) -> str:
    """The header that keeps the choice of light or dark; empty is what the system says."""
    return _cookie(origin, THEME_COOKIE, theme, _THEME_SECONDS if theme else 0, "; HttpOnly")


def _cookie(origin: Origin, name: str, value: str, seconds: int, more: str) -> str:
    secure = "; Secure" if origin.scheme == "https" else ""
    return f"{name}={value}; Path=/; Max-Age={seconds}; SameSite=Lax{more}{secure}"
