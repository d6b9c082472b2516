"""Whose address counts: that of the peer, or one that a trusted proxy names."""

from __future__ import annotations

import re
from functools import lru_cache

from keywright.record import Network, parse_address

_WITH_PORT = re.compile(r"(\d+\.\d+\.\d+\.\d+):\d{1,5}|\[([^\[\]]+)\](?::\d{1,5})?", re.ASCII)


def client_address(peer: str, forwarded_for: str | None, trusted: tuple[Network, ...]) -> str:
    """The client's address: the peer's, or the nearest one in X-Forwarded-For that is not a trusted proxy's own.

    Read from the right: what stands to the left of the first untrusted address was written by anybody. Empty where the
    entry that counts cannot be read: it is somebody's, and not the proxy's, which may be one that a key is bound to.

    Args:
        peer: who the request came from; empty where that is not known.
        forwarded_for: all values of the header, joined by commas; None where it was not sent.
        trusted: the proxies that may name somebody.
    """
    if forwarded_for is None or not trusted or not is_trusted(peer, trusted):
        return peer
    for text in reversed(forwarded_for.split(",")):
        address = forwarded_address(text.strip())
        if address is None:
            return ""
        if not is_trusted(address, trusted):
            return address
    return peer


@lru_cache(maxsize=4096)
def forwarded_address(text: str) -> str | None:
    """The address in an entry of X-Forwarded-For. Some proxies add the port, and put IPv6 in brackets."""
    match = _WITH_PORT.fullmatch(text)
    address = parse_address((match[1] or match[2]) if match else text)
    return None if address is None else str(address)


def is_trusted(text: str, trusted: tuple[Network, ...]) -> bool:
    """Whether an address is in one of the networks."""
    address = parse_address(text)
    return address is not None and any(address in network for network in trusted)
