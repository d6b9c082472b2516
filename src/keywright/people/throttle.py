"""How often somebody may try to sign in. Counted in the store, so that all processes count together.

Three limits at once: so many tries at one person's sign-in from one network, at one person's from anywhere, and from
one network at anybody's. They are counted before anything is looked up, so a person who does not exist is counted, and
refused, like one who does.

A second factor is tried by whoever knows the password already, and that must not keep the person out. So the tight
limits are by person and network: whoever uses them up waits alone. Above them stands one for tries from anywhere, since
an attacker may have many networks. It is for codes of six figures only, and only wrong ones count. Of a million codes
three are right at any moment (the one of now, the one before and the one after), so a try is right once in 333,333.
100 tries in a week, all that networks without number are left with, are right once in 3,333 weeks; whoever goes on for
a whole year, and for that leaves 5,200 lines in the audit log, gets in with a probability of 1.6 %. From one network
there are 20 tries a day. Recovery codes have 80 random bits: nobody guesses one, so nobody's guesses from anywhere stop
them, and the person gets in with one while strangers use up the tries at the figures.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum

from keywright.errors import KeywrightError
from keywright.record import parse_address
from keywright.stores.base import Store, Transaction

MINUTE = 60.0
HOUR = 3600.0
DAY = 24 * HOUR
#: Tries at one person's sign-in from one network: so many in so many seconds.
PAIR_LIMITS = ((5, MINUTE), (30, HOUR))
#: Tries at one person's sign-in from anywhere. High, because whoever uses it up keeps the person out as well.
PERSON_LIMIT = (250, HOUR)
#: Tries from one network at anybody's.
NETWORK_LIMIT = (60, MINUTE)
#: Tries at one person's second factor, or at another proof of theirs, from one network.
PROOF_LIMITS = ((5, 5 * MINUTE), (20, DAY))
#: Wrong codes of six figures at one person's second factor, from anywhere. See the module for what it leaves to chance.
FIGURES_TRIES = 100
FIGURES_SECONDS = 7 * 86_400
#: Wrong passwords in one session, from anywhere: whoever has stolen its cookie may have networks without number. The
#: person signs in anew, and has another session. As long as a session may live, or a thief would have all tries again.
SESSION_TRIES = 20
SESSION_SECONDS = 7 * 86_400


class Proof(StrEnum):
    """What somebody shows who has shown a password already, or who has signed in. Each is counted for itself, so that
    none is refused because another one was tried."""

    FIGURES = "figures"
    RECOVERY_CODE = "recovery_code"
    PASSWORD = "password"  # noqa: S105 - the name of a kind
    PASSKEY = "passkey"


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
    limits += [(subject("network", network), *NETWORK_LIMIT), (subject("person", email), *PERSON_LIMIT)]
    _count(store, limits, now)


def count_stranger(store: Store, address: str, now: float) -> None:
    """Count a try to sign in that names nobody yet.

    Raises:
        TooManyAttempts: the limit of the network is used up.
    """
    _count(store, [(subject("network", network_of(address)), *NETWORK_LIMIT)], now)


def count_stray(store: Store, address: str, now: float) -> None:
    """Count somebody who comes back from a provider to which nobody in their browser has gone. For itself: any page can
    have a browser ask for that address, and must not use up the tries of everybody behind the same network.

    Raises:
        TooManyAttempts: so many have come from the network.
    """
    _count(store, [(subject("stray", network_of(address)), *NETWORK_LIMIT)], now)


def count_proof(store: Store, proof: Proof, member_id: str, address: str, now: float, *, session_id: str = "") -> None:
    """Count a try to show a proof.

    Args:
        session_id: of the session in which a password is shown.

    Raises:
        TooManyAttempts: one of the limits is used up.
    """
    limits = [(_pair(proof, seconds, member_id, address), most, seconds) for most, seconds in PROOF_LIMITS]
    if proof is Proof.FIGURES:
        limits.append((subject(proof, member_id), FIGURES_TRIES, FIGURES_SECONDS))
    if session_id:
        limits.append((_session(proof, session_id), SESSION_TRIES, SESSION_SECONDS))
    _count(store, limits, now)


def forget_proof(tx: Transaction, proof: Proof, member_id: str, address: str, *, session_id: str = "") -> None:
    """The proof was right. Its network begins anew; of the tries from anywhere only this one is taken back, or each
    time that the person shows it would give an attacker all tries again."""
    for _, seconds in PROOF_LIMITS:
        tx.people.forget_attempts(_pair(proof, seconds, member_id, address))
    if proof is Proof.FIGURES:
        tx.people.take_attempt_back(subject(proof, member_id))
    if session_id:
        tx.people.take_attempt_back(_session(proof, session_id))


def _session(proof: Proof, session_id: str) -> bytes:
    return subject("session", proof, session_id)


def _pair(proof: Proof, seconds: float, member_id: str, address: str) -> bytes:
    return subject(proof, str(seconds), member_id, network_of(address))


def _count(store: Store, limits: list[tuple[bytes, int, float]], now: float) -> None:
    ends_at = None
    with store.transaction() as tx:
        for each, most, seconds in limits:
            count, end = tx.people.count_attempt(each, seconds, now)
            if count > most:
                # What one limit refuses counts for none of those after it: else a single network, by going on and on,
                # would use up the tries from anywhere, and keep everybody out.
                ends_at = end
                break
    if ends_at is not None:
        raise TooManyAttempts(max(1, -int(-(ends_at - now) // 1)))


def forget(tx: Transaction, email: str, address: str) -> None:
    """Begin anew for one person from one network: they have just shown who they are."""
    for _, seconds in PAIR_LIMITS:
        tx.people.forget_attempts(subject("pair", str(seconds), email, network_of(address)))
