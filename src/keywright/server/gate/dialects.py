"""How each proxy wants to be answered, and how it tells what it is asking about. A table, and pure functions over it.

A proxy's own documentation says which statuses it takes for an answer: nginx passes 2xx, 401 and 403 on and turns
everything else into a 500; Caddy, Traefik, Envoy and HAProxy pass on what they are given.
"""

from __future__ import annotations

from collections.abc import Mapping

from keywright.values import Value


class Dialect(Value, frozen=True, gc=False):
    """One way to ask.

    Attributes:
        uri_header: names the URI of the request that is asked about; empty where it follows the route's own path.
        method_header: names its method; empty where the request has it itself.
        understood: the statuses of a refusal that the proxy takes as they are; empty for all of them.
        otherwise: what it is told instead of any other.
        carries_body: whether a refusal's body reaches the client. Where it does not, it travels in a header.
    """

    uri_header: bytes
    method_header: bytes
    understood: frozenset[int] = frozenset()
    otherwise: int = 403
    carries_body: bool = True

    def status(self, true: int) -> int:
        """The status that the proxy is told for an answer that is ``true``."""
        if true < 300 or not self.understood or true in self.understood:
            return true
        return self.otherwise


TABLE: Mapping[str, Dialect] = {
    "plain": Dialect(b"x-forwarded-uri", b"x-forwarded-method"),
    "nginx": Dialect(b"x-original-uri", b"x-original-method", frozenset({401, 403}), carries_body=False),
    "envoy": Dialect(b"", b""),
}
