"""Addresses that pages lead to."""

from __future__ import annotations

from urllib.parse import urlsplit

MAX_URL_CHARACTERS = 2048
#: The page at which a link to the portal is opened.
PORTAL_DOOR = "/portal/open"
_SCHEMES = ("http", "https")


def web_url(text: str) -> str:
    """An address on the web that a page may lead people to, as it was given.

    Raises:
        ValueError: it is none of http or https, has no host or somebody's name in it, is not of printable ASCII without
            blanks, or is too long.
    """
    plain = text.isascii() and text.isprintable() and " " not in text and "\\" not in text
    parts = urlsplit(text) if plain and len(text) <= MAX_URL_CHARACTERS else None
    if parts is None or parts.scheme not in _SCHEMES or not parts.hostname or "@" in parts.netloc:
        raise ValueError("must be an address such as https://app.example.com/settings")
    return text


def portal_url(base: str, text: str) -> str:
    """The link with that text. It stands behind the ``#``, which no server, no proxy and no log ever sees."""
    return f"{base}{PORTAL_DOOR}#{text}"
