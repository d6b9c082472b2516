"""The identity provider of the tests: a real one, in a process of its own (`identity_app`)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

APP = Path(__file__).with_name("identity_app.py")
CLIENT_ID = "keywright"
#: A client without a secret.
PUBLIC_CLIENT_ID = "keywright-public"
CLIENT_SECRET = "not-much-of-a-secret"


class IdentityProvider:
    """The provider.

    Attributes:
        issuer: what it calls itself.
        at: what it takes for the time when it makes tokens; None for the machine's.
    """

    at: float | None = None

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer

    def told(self, **changes: Any) -> None:
        """Tell it how to be; see `identity_app.told`. It forgets what it was told before."""
        at = {} if self.at is None else {"at": int(self.at)}
        assert requests.post(f"{self.issuer}/told", json={**at, **changes}, timeout=30).ok

    def counts(self) -> dict[str, int]:
        """How often each of its paths was asked for since then."""
        found: dict[str, int] = requests.get(f"{self.issuer}/counts", timeout=30).json()
        return found

    def signed_in(self, address: str, person: str = "maya") -> str:
        """Where it sends somebody who was sent to ``address`` and has signed in there; "" for somebody who does not."""
        answer = requests.post(address, data={"person": person}, allow_redirects=False, timeout=30)
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]


@contextmanager
def providing() -> Iterator[IdentityProvider]:
    """A provider for the length of a block."""
    process = subprocess.Popen([sys.executable, APP], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        issuer = process.stdout.readline().strip()
        assert issuer.startswith("http://127.0.0.1:")
        yield IdentityProvider(issuer)
    finally:
        process.kill()
        process.communicate()
