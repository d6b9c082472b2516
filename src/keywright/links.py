"""Addresses that pages lead to, and what stands in the samples that they show."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

MAX_URL_CHARACTERS = 2048
#: The page at which a link to the portal is opened.
PORTAL_DOOR = "/portal/open"
_SCHEMES = ("http", "https")
#: What would end, or be put in place of, the quoted text that an address is in a sample.
_QUOTING = frozenset("\"'`$")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)


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


def sample_url(text: str) -> str:
    """An address that stands in samples of several languages, in quotation marks.

    Raises:
        ValueError: it is no `web_url`, or has a character in it that a shell or a language takes for its own.
    """
    if _QUOTING.intersection(web_url(text)):
        raise ValueError("must not hold quotation marks, ` or $: people paste it into a shell")
    return text


def sample_variable(text: str) -> str:
    """The name of an environment variable, as every shell takes it.

    Raises:
        ValueError: it is none.
    """
    if not _VARIABLE.fullmatch(text):
        raise ValueError("must be a variable's name such as ACME_API_KEY: letters, digits and _, at most 64")
    return text


def portal_url(base: str, text: str) -> str:
    """The link with that text. It stands behind the ``#``, which no server, no proxy and no log ever sees."""
    return f"{base}{PORTAL_DOOR}#{text}"
