"""Signed tokens that say who passed, for applications that would rather check than trust their network.

A token is a JWT (RFC 7519) signed with ES256, which every library and proxy can check. It cannot be taken back: one
that was made a moment before its key was deleted is good until it ends, `gate_token_seconds` later at the most. Whoever
needs more asks the gate each time. The signing key is derived from the master secret; its public half is
published, with those of older generations.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwk, jwt

from keywright.record import Record
from keywright.route import Route

JWKS_PATH = "/.well-known/jwks.json"
ISSUER = "keywright"
ALGORITHM = "ES256"
#: The order of the curve P-256 (FIPS 186-5).
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
#: Tokens kept for the next request with the same key on the same route; emptied when full.
MAX_KEPT = 10_000


class TokenMaker:
    """Makes tokens, and tells what they are checked with.

    Args:
        seeds: 32 bytes for each generation of the master secret, the newest first; without any, no token is made.
        life_seconds: how long a token is good.
    """

    def __init__(self, seeds: Mapping[int, bytes], life_seconds: int) -> None:
        self._life_seconds = life_seconds
        self._keys = [_key(seed) for seed in seeds.values()]
        self._kept: dict[tuple[str, str], tuple[Record, float, str]] = {}

    def __call__(self, record: Record, route: Route, now: float) -> str:
        """A token for a request that passes now; empty where none are made.

        Signing takes 50 times as long as deciding, so a token is used again for the first half of its life.
        """
        if not self._keys:
            return ""
        kept = self._kept.get((record.key_id, route.name))
        if kept is not None and kept[0] is record and kept[1] <= now < kept[1] + self._life_seconds / 2:
            return kept[2]
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        token = self._sign(record, route, now)
        self._kept[record.key_id, route.name] = record, now, token
        return token

    def public_keys(self) -> dict[str, Any]:
        """What tokens are checked with: a JWK set (RFC 7517)."""
        return {"keys": [key.as_dict(private=False, use="sig", alg=ALGORITHM) for key in self._keys]}

    def _sign(self, record: Record, route: Route, now: float) -> str:
        key = self._keys[0]
        claims = {
            "iss": ISSUER,
            "aud": route.name,
            "sub": record.key_id,
            "account_id": record.account_id,
            "name": record.name,
            "scope": " ".join(sorted(record.scopes)),
            "environment": record.environment,
            "iat": int(now),
            # A key that ends sooner takes its tokens with it.
            "exp": int(min(now + self._life_seconds, record.expires_at)),
        }
        return jwt.encode({"typ": "JWT", "alg": ALGORITHM, "kid": key.kid}, claims, key, algorithms=[ALGORITHM])


def _key(seed: bytes) -> jwk.ECKey:
    # Twice as many bits as the order has, so that no private key is likelier than another (FIPS 186-5, A.2.1).
    private = int.from_bytes(hashlib.sha512(seed).digest(), "big") % (_ORDER - 1) + 1
    key = jwk.ECKey.import_key(ec.derive_private_key(private, ec.SECP256R1()))
    key.ensure_kid()  # its thumbprint (RFC 7638): another key never has the same
    return key
