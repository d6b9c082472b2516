"""Whoever asks a server about keys, with little time; and what an adapter in front answers then."""

from __future__ import annotations

from typing import Any

from keywright import RemoteKeywright
from keywright.adapters.guard import Answer, Guard, Sent

#: A text that may be a key; what these servers say of it does not depend on it.
KEY = "lwa.sk_live_" + "0" * 32
ASKER = "lwa.sk_live_" + "1" * 32
PATIENCE_SECONDS = 0.3


def remote(url: str, key: str = ASKER, **given: Any) -> RemoteKeywright:
    """Whoever asks, and has little time."""
    return RemoteKeywright(url, key, **{"timeout_seconds": PATIENCE_SECONDS, **given})


def judged(asking: RemoteKeywright, key: str = KEY) -> Answer:
    """What an adapter answers to a request that is not let in."""
    verdict = Guard(asking).decide(Sent("/v1/subscriptions", "192.0.2.7", [key]))
    assert isinstance(verdict, Answer)
    return verdict
