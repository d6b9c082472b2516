"""The identity provider that people may sign in with (OpenID Connect), and what is asked of who comes from there."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from keywright.values import Value

#: Where a provider sends people back to, below ``public_url``.
CALLBACK = "/sign-in/oidc/callback"
#: In ``oidc_new_members``: nobody comes in who was not invited.
INVITED_ONLY = "invited"
#: What somebody whom nobody invited can become. An owner is made by an owner.
NEW_MEMBERS = (INVITED_ONLY, "viewer", "admin")
MAX_URL_CHARACTERS = 255
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,62})(\.[a-z0-9][a-z0-9-]{0,62}){1,20}", re.ASCII)


class Provider(Value, frozen=True, gc=False):
    """One provider, and the terms on which its people come in.

    Attributes:
        issuer: exactly as the provider calls itself.
        client_secret: empty for a client that has none.
        redirect_uri: where people come back to; the provider has it on its list.
        label: what stands on the button.
        domains: of the e-mail addresses with which somebody may come in for the first time; empty for any.
        new_members: the role of whoever was not invited; empty if nobody comes in like that.
        acr: classes of authentication, of which the provider must have used one; empty for any.
        groups: groups, of which somebody must be in one; empty for none.
        strong: classes or methods of authentication that stand for our own second factor.
    """

    issuer: str
    client_id: str
    client_secret: str
    redirect_uri: str
    label: str
    domains: tuple[str, ...] = ()
    new_members: str = ""
    acr: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    strong: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Provider(issuer={self.issuer!r}, client_id={self.client_id!r})"


def may_be_asked(url: str) -> bool:
    """Whether what is sent to ``url`` can be read by nobody on the way: https, or http on this machine."""
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and " " not in url
    return plain and named and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _THIS_MACHINE))


def parse_issuer(value: Any) -> str:
    """An issuer, as it is written: providers differ over the slash at its end, and it must be theirs.

    Raises:
        ValueError: it is no URL that may be asked, or has a query.
    """
    good = isinstance(value, str) and len(value) <= MAX_URL_CHARACTERS and not set(value) & set("?#")
    if not good or not may_be_asked(value):
        raise ValueError("must be an https URL such as https://login.example.com (http only on this machine)")
    return str(value)


def parse_domains(values: tuple[str, ...]) -> tuple[str, ...]:
    """Domains of e-mail addresses, in lower case.

    Raises:
        ValueError: one is no domain.
    """
    domains = tuple(each.lower() for each in values if each)
    for each in domains:
        if not _DOMAIN.fullmatch(each):
            raise ValueError(f"{each[:80]!r} is not a domain such as example.com")
    return domains


def parse_new_members(value: Any) -> str:
    """One of `NEW_MEMBERS`.

    Raises:
        ValueError: it is none of them.
    """
    if value not in NEW_MEMBERS:
        raise ValueError(f"must be one of: {', '.join(NEW_MEMBERS)}")
    return str(value)
