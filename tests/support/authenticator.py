"""An authenticator of our own: makes passkeys and signs with them as a browser has it do, and lies where a test wants.

Written from the WebAuthn standard, with nothing of the library that judges the answers.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

_PRESENT, _VERIFIED, _HOLDS_KEY = 0x01, 0x04, 0x40


def text(data: bytes) -> str:
    """Bytes as WebAuthn writes them in JSON."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def data(text: str) -> bytes:
    """The same back."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Authenticator:
    """One passkey in one device, before one page.

    Attributes:
        origin: the page's; a browser puts in where it is, whatever the page asks for.
        party: the host name that the passkey is for; None for what the page asks for.
        verifies: whether it looks who is there, and not only that somebody is.
        count: how often it has signed; None for a device that does not count.
        handle: whose the passkey is, as the page has said when it was made.
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.party: str | None = None
        self.verifies = True
        self.count: int | None = 0
        self.handle = ""
        self.credential_id = secrets.token_bytes(32)
        self._key = ec.generate_private_key(ec.SECP256R1())

    def make(self, asked: str) -> str:
        """Answer a page that asks for a new passkey."""
        wanted = json.loads(asked)
        self.handle = wanted["user"]["id"]
        told = self._client_data("webauthn.create", wanted["challenge"])
        attested = bytes(16) + len(self.credential_id).to_bytes(2) + self.credential_id + self._public_key()
        body = self._authenticator_data(wanted["rp"]["id"], _HOLDS_KEY) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": body})
        return self._answer({"clientDataJSON": text(told), "attestationObject": text(attestation)})

    def show(self, asked: str, **changed: Any) -> str:
        """Answer a page that asks for a proof; ``changed`` members of the answer stand in for the right ones."""
        wanted = json.loads(asked)
        told = self._client_data("webauthn.get", wanted["challenge"])
        body = self._authenticator_data(wanted["rpId"], 0)
        signature = self._key.sign(body + hashlib.sha256(told).digest(), ec.ECDSA(hashes.SHA256()))
        answer = {
            "clientDataJSON": text(told),
            "authenticatorData": text(body),
            "signature": text(signature),
            "userHandle": self.handle,
        }
        return self._answer({**answer, **changed})

    def _client_data(self, kind: str, challenge: str) -> bytes:
        told = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(told).encode()

    def _authenticator_data(self, party: str, flags: int) -> bytes:
        if self.count is not None:
            self.count += 1
        flags |= _PRESENT | (_VERIFIED if self.verifies else 0)
        return hashlib.sha256((self.party or party).encode()).digest() + bytes([flags]) + (self.count or 0).to_bytes(4)

    def _public_key(self) -> bytes:
        point = self._key.public_key().public_numbers()
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)})

    def _answer(self, response: dict[str, str]) -> str:
        name = text(self.credential_id)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response})
