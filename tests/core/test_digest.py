"""What is kept of a key."""

from __future__ import annotations

import hashlib
import hmac

from keywright.digest import Digest, Digester

KEY = "lwa." + "sk_live_" + "A" * 32
OLD, NEW = b"o" * 32, b"n" * 32


def test_a_digest_is_an_hmac_under_the_pepper() -> None:
    """Whoever reads the database cannot make a digest: it takes the pepper, which is not in it."""
    made = Digester({1: OLD}).digest(KEY)
    assert made == Digest(1, hmac.new(OLD, KEY.encode(), hashlib.sha256).digest())
    assert made != Digester({1: NEW}).digest(KEY)


def test_every_pepper_is_tried_and_the_newest_is_used() -> None:
    """Keys digested under an older pepper are still found, and are then digested anew."""
    digester = Digester({2: NEW, 1: OLD})
    assert digester.digest(KEY) == Digester({2: NEW}).digest(KEY)
    assert digester.candidates(KEY) == [Digester({2: NEW}).digest(KEY), Digester({1: OLD}).digest(KEY)]
    assert digester.needs_rehash(1)
    assert not digester.needs_rehash(2)
