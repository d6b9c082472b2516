"""The second factor: time-based one-time codes (RFC 6238, SHA-1, six digits, 30 seconds), and recovery codes.

Secrets are stored sealed, and recovery codes as keyed digests, so that whoever reads the database has no second factor.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import quote, urlencode

STEP_SECONDS = 30
DIGITS = 6
#: Clocks of telephones are wrong by a little: the code before and the code after are taken, too.
STEPS_ASIDE = 1
RECOVERY_CODES = 10
_SECRET_BYTES = 20
_RECOVERY_BYTES = 10
_NONCE_BYTES = 16
_MARK_BYTES = 16


def new_secret() -> bytes:
    """A secret to be shared with somebody's telephone."""
    return secrets.token_bytes(_SECRET_BYTES)


def plain(given: str) -> str:
    """A code as it is meant, however it was typed."""
    return given.strip().replace(" ", "")


def is_figures(given: str) -> bool:
    """Whether the text can be a code of the telephone at all; everything else can be a recovery code only."""
    text = plain(given)
    return len(text) == DIGITS and text.isascii() and text.isdecimal()


def code(secret: bytes, step: int, digits: int = DIGITS) -> str:
    """The code of a step. RFC 4226, section 5.3."""
    mac = hmac.digest(secret, step.to_bytes(8), "sha1")
    start = mac[-1] & 15
    number = int.from_bytes(mac[start : start + 4]) & 0x7FFF_FFFF
    return str(number % 10**digits).zfill(digits)


def matching_step(secret: bytes, given: str, now: float) -> int | None:
    """The step whose code was given; None if it is none of those around now."""
    given = plain(given)
    current = int(now) // STEP_SECONDS
    found = None
    for step in range(current - STEPS_ASIDE, current + STEPS_ASIDE + 1):
        if hmac.compare_digest(code(secret, step).encode(), given.encode("utf-8", "replace")):
            found = step
    return found


def uri(secret: bytes, email: str, issuer: str) -> str:
    """What a telephone reads from the QR code."""
    label = quote(f"{issuer}:{email}", safe="")
    return f"otpauth://totp/{label}?" + urlencode({"secret": as_text(secret), "issuer": issuer})


def as_text(secret: bytes) -> str:
    """The secret for people who type it."""
    return base64.b32encode(secret).decode().rstrip("=")


def new_recovery_codes() -> list[str]:
    """Codes that each work once, instead of the telephone."""
    return [_grouped(base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode()) for _ in range(RECOVERY_CODES)]


def _grouped(text: str) -> str:
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


class Sealer:
    """Seals secrets and makes keyed digests, under keys that are not in the database.

    Args:
        keys: 32 bytes by version, the newest first.
    """

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        self._keys = dict(keys)

    def seal(self, secret: bytes, owner: str) -> bytes:
        """``secret`` as it is stored: of no use to another owner, and to nobody without the key. At most 32 bytes."""
        version, key = next(iter(self._keys.items()))
        nonce = secrets.token_bytes(_NONCE_BYTES)
        hidden = bytes(a ^ b for a, b in zip(secret, _pad(key, nonce), strict=False))
        body = bytes([version]) + nonce + hidden
        return body + _mark(key, body, owner)

    def unseal(self, sealed: bytes, owner: str) -> bytes | None:
        """The secret; None where it was changed, is another owner's, or its key is gone."""
        key = self._keys.get(sealed[0])
        body, mark = sealed[:-_MARK_BYTES], sealed[-_MARK_BYTES:]
        if key is None or not hmac.compare_digest(mark, _mark(key, body, owner)):
            return None
        nonce, hidden = body[1 : 1 + _NONCE_BYTES], body[1 + _NONCE_BYTES :]
        return bytes(a ^ b for a, b in zip(hidden, _pad(key, nonce), strict=False))

    def digests(self, recovery_code: str) -> list[bytes]:
        """What may be stored of a recovery code, under each key, the newest first. Blanks, dashes and case are free."""
        plain = "".join(each for each in recovery_code.upper() if each.isalnum())
        return [hmac.digest(key, b"recovery " + plain.encode(), "sha256") for key in self._keys.values()]


def _pad(key: bytes, nonce: bytes) -> bytes:
    # Used once: the nonce is random, and a secret is never longer than one block.
    return hmac.digest(key, b"pad " + nonce, "sha256")


def _mark(key: bytes, body: bytes, owner: str) -> bytes:
    return hmac.digest(key, b"mark " + hashlib.sha256(owner.encode()).digest() + body, "sha256")[:_MARK_BYTES]
