"""How often somebody may try to sign in. Counted in the store, so that all processes count together.

Three limits at once: so many tries at one person's sign-in from one network, at one person's from anywhere, and from
one network at anybody's. They are counted before anything is looked up, so a person who does not exist is counted, and
refused, like one who does.
"""

from __future__ import annotations

import hashlib

from keywright.errors import KeywrightError
from keywright.record import parse_address
from keywright.stores.base import Store, Transaction

MINUTE = 60.0
HOUR = 3600.0
#: Tries at one person's sign-in from one network: so many in so many seconds.
PAIR_LIMITS = ((5, MINUTE), (30, HOUR))
#: Tries at one person's sign-in from anywhere. High, because whoever uses it up keeps the person out as well.
PERSON_LIMIT = (250, HOUR)
#: Tries from one network at anybody's.
NETWORK_LIMIT = (60, MINUTE)
#: Tries at the second factor in one session's account.
CODE_LIMIT = (5, 5 * MINUTE)


class TooManyAttempts(KeywrightError):
    """Somebody has tried too often. The right password is refused as well, until the time is over.

    Attributes:
        retry_after_seconds: whole seconds, at least 1.
    """

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"Too many attempts. Try again in {retry_after_seconds} seconds.")
        self.retry_after_seconds = retry_after_seconds


def network_of(address: str) -> str:
    """Who shares a limit: one IPv4 address, or an IPv6 network of 64 bits, which one person may have whole."""
    parsed = parse_address(address)
    if parsed is None:
        return ""
    return str(parsed) if parsed.version == 4 else parsed.exploded[:19]


def subject(*parts: str) -> bytes:
    """What attempts are counted by; holds no address in the clear."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).digest()


def count_sign_in(store: Store, email: str, address: str, now: float) -> None:
    """Count a try to sign in.

    Raises:
        TooManyAttempts: one of the limits is used up.
    """
    network = network_of(address)
    limits = [(subject("pair", str(seconds), email, network), most, seconds) for most, seconds in PAIR_LIMITS]
    limits += [(subject("person", email), *PERSON_LIMIT), (subject("network", network), *NETWORK_LIMIT)]
    _count(store, limits, now)


def count_code(store: Store, member_id: str, now: float) -> None:
    """Count a try at a second factor.

    Raises:
        TooManyAttempts: the limit is used up.
    """
    _count(store, [(subject("code", member_id), *CODE_LIMIT)], now)


def _count(store: Store, limits: list[tuple[bytes, int, float]], now: float) -> None:
    with store.transaction() as tx:
        counted = [(*tx.people.count_attempt(each, seconds, now), most) for each, most, seconds in limits]
    # After the commit: an attempt that is refused has been counted as well.
    waits = [ends_at - now for count, ends_at, most in counted if count > most]
    if waits:
        raise TooManyAttempts(max(1, -int(-max(waits) // 1)))


def forget(tx: Transaction, email: str, address: str) -> None:
    """Begin anew for one person from one network: they have just shown who they are."""
    for _, seconds in PAIR_LIMITS:
        tx.people.forget_attempts(subject("pair", str(seconds), email, network_of(address)))
