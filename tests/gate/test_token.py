"""Signed tokens of who passed."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import KeySet

from keywright import ManualClock
from keywright.record import NEVER, Record
from keywright.route import Route
from keywright.server.gate.token import TokenMaker
from keywright.values import replace

NOW = ManualClock().now()
ROUTE = Route("orders")


def record(**changes: object) -> Record:
    """A key's record."""
    plain = Record(
        key_id="key_123456789", account_id="acc_123456789", slot=1, name="Größe 7", environment="live",
        scopes=("b", "a"), expires_at=NEVER, disabled=False, limits=(), networks=(), guarded=False,
        plain=True,
    )  # fmt: skip
    return replace(plain, **changes)


def read(maker: TokenMaker, token: str) -> dict[str, object]:
    """What a reader with the published keys finds in a token."""
    published: Any = maker.public_keys()
    claims: dict[str, object] = jwt.decode(token, KeySet.import_key_set(published), algorithms=["ES256"]).claims
    return claims


def test_a_reader_with_the_published_keys_finds_who_passed() -> None:
    """The token says what the headers say, whom it is for, and for how long; its public key is enough to check it."""
    maker = TokenMaker({1: b"1" * 32}, 60)
    assert read(maker, maker(record(), ROUTE, NOW)) == {
        "iss": "keywright", "aud": "orders", "sub": "key_123456789", "account_id": "acc_123456789", "name": "Größe 7",
        "scope": "a b", "environment": "live", "iat": int(NOW), "exp": int(NOW) + 60,
    }  # fmt: skip
    assert all("d" not in key for key in maker.public_keys()["keys"]), "a private key is published"


def test_a_token_of_another_installation_is_no_good() -> None:
    """Nobody without the master secret makes a token that passes."""
    mine, other = TokenMaker({1: b"1" * 32}, 60), TokenMaker({1: b"2" * 32}, 60)
    with pytest.raises(JoseError):
        read(mine, other(record(), ROUTE, NOW))
    head, body, signature = mine(record(), ROUTE, NOW).split(".")
    with pytest.raises(BadSignatureError):
        read(mine, f"{head}.{body[:-2]}AA.{signature}")


def test_an_older_generation_still_checks() -> None:
    """While the master secret is changed, tokens of the old one can be checked; new ones are of the newest."""
    before, after = TokenMaker({1: b"1" * 32}, 60), TokenMaker({2: b"2" * 32, 1: b"1" * 32}, 60)
    assert read(after, before(record(), ROUTE, NOW))["sub"] == "key_123456789"
    assert read(TokenMaker({2: b"2" * 32}, 60), after(record(), ROUTE, NOW))


def test_a_token_is_used_again_for_half_its_life_and_for_nobody_else() -> None:
    """Signing is spared where nothing has changed: not for a changed key, not for another route, not near the end."""
    maker, mine = TokenMaker({1: b"1" * 32}, 60), record()
    first = maker(mine, ROUTE, NOW)
    assert maker(mine, ROUTE, NOW + 29.9) == first
    assert maker(mine, Route("other"), NOW) != first
    assert read(maker, maker(record(scopes=("a",)), ROUTE, NOW + 1))["scope"] == "a"
    later = maker(mine, ROUTE, NOW + 30)
    assert read(maker, later)["exp"] == int(NOW + 30) + 60


def test_a_token_never_outlives_its_key() -> None:
    """A key that expires sooner than its token takes the token with it."""
    maker = TokenMaker({1: b"1" * 32}, 60)
    assert read(maker, maker(record(expires_at=NOW + 5), ROUTE, NOW))["exp"] == int(NOW) + 5


def test_without_a_key_there_is_no_token() -> None:
    """Where tokens are not asked for, none is made."""
    assert TokenMaker({}, 0)(record(), ROUTE, NOW) == ""
