"""Requests that were answered before: what was read of them is not read again.

What a request says follows from its bytes, and from who sent them. So of one that was answered on the lane, what was
read is kept, and found again by a fingerprint of all its bytes under a key that dies with this process: memory holds no
keys. What may have changed since is asked anew each time, above all whether the key is still what it was: see
`Verifier.again`.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TypeAlias

from keywright.outcome import Accepted
from keywright.recent import Recent
from keywright.record import Request
from keywright.route import Route
from keywright.server.gate.written import Written
from keywright.values import Value

#: Longer requests are read each time: to look for one costs time by its length.
MAX_SEEN_BYTES = 4096
#: How many are remembered, and how many characters that a client chose in one of them; at most 50 MB in all.
MAX_SEEN = 32_768
MAX_KEPT_CHARACTERS = 512
#: 256 bits of a secret prefix fill half a block of SHA-256. What it gives is shown to nobody, so its one weakness as a
#: keyed hash, that a longer text's follows from a shorter one's, is nothing to anybody; it is the quickest there is.
_SECRET_BYTES = 32


class SeenPassage(Value, frozen=True, gc=False):
    """A proxy's request about one that may pass.

    Attributes:
        peer: who sent it: from anybody else it says something else.
        digest: where the verifier remembers the key.
        known: what it remembered there.
        request: what the route asks of the key.
        written: of the key's record.
    """

    peer: str
    digest: bytes
    known: Accepted
    request: Request
    route: Route
    written: Written


class SeenQuestion(Value, frozen=True, gc=False):
    """A service's question about one key.

    Attributes:
        caller_digest, caller: where the verifier remembers the key of whoever asks, and what it remembered there.
        use: what is noted of the caller's key.
        digest, known, request: the same of the key that is asked about, and what is asked of it.
    """

    peer: str
    caller_digest: bytes
    caller: Accepted
    use: Request
    digest: bytes
    known: Accepted
    request: Request


Seen: TypeAlias = SeenPassage | SeenQuestion
#: A request's method and path, for the log.
Line: TypeAlias = tuple[str, str]


class SeenRequests:
    """The newest of them. All methods belong to the event loop."""

    def __init__(self) -> None:
        self._new_fingerprint = hashlib.sha256(secrets.token_bytes(_SECRET_BYTES)).copy
        self._seen: Recent[bytes, tuple[Line, Seen]] = Recent(MAX_SEEN)

    def find(self, data: bytes) -> tuple[Line, Seen] | None:
        """What was kept of the same bytes."""
        return self._seen.get(self._fingerprint(data))

    def keep(self, data: bytes, line: Line, seen: Seen) -> None:
        """Remember what was read of ``data``, which is one whole request and nothing else, unless that is long."""
        if sum(map(len, _chosen(line, seen))) > MAX_KEPT_CHARACTERS:
            return
        self._seen.put(self._fingerprint(data), (line, seen))

    def _fingerprint(self, data: bytes) -> bytes:
        fingerprint = self._new_fingerprint()
        fingerprint.update(data)
        return fingerprint.digest()


def _chosen(line: Line, seen: Seen) -> tuple[str, ...]:
    """All texts of a request that are kept and may be of any length."""
    use = seen.use.user_agent if isinstance(seen, SeenQuestion) else ""
    asked = seen.request
    return (*line, use, asked.user_agent, *asked.scopes)
