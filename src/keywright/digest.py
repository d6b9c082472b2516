"""Key → digest: what we keep of a key.

A key holds 131 random bits, so nobody can try them all and a slow password hash would only cost time. One
HMAC-SHA-256 under a pepper that is not in the database is right: whoever reads the database cannot present a key, and
whoever can write to it cannot make a row that verifies.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from keywright.values import Value


class Digest(Value, frozen=True, gc=False):
    """32 bytes, and the version of the pepper that made them."""

    version: int
    value: bytes


class Digester:
    """Makes digests under every pepper there is.

    Args:
        peppers: the pepper by version, the newest first.
    """

    def __init__(self, peppers: Mapping[int, bytes]) -> None:
        self._peppers = dict(peppers)
        self.current_version = next(iter(self._peppers))

    def digest(self, key: str) -> Digest:
        """The digest under the newest pepper. ``key`` must be ASCII."""
        return self._digest(self.current_version, key)

    def candidates(self, key: str) -> list[Digest]:
        """The digest under every pepper, the newest first: any of them may be the one that is stored."""
        return [self._digest(version, key) for version in self._peppers]

    def needs_rehash(self, version: int) -> bool:
        """Whether a digest of that version should be replaced by one under the newest pepper."""
        return version != self.current_version

    def _digest(self, version: int, key: str) -> Digest:
        return Digest(version, hmac.digest(self._peppers[version], key.encode("ascii"), "sha256"))
