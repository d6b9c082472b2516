"""Signed tokens of who passed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import KeySet

from keywright import ManualClock
from keywright.record import NEVER, Record
from keywright.route import Route
from keywright.server.gate.lane import Answered
from keywright.server.gate.token import JWKS_PATH, TokenMaker
from keywright.values import replace
from support.faces import Headers
from support.gate import ABOUT, PROXY, Roads, opened
from support.installation import ME

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
    return read_with(maker.public_keys(), token)


def read_with(published: Any, token: str) -> dict[str, object]:
    """The same with the keys as they were published."""
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


@pytest.fixture
def signing(data_dir: Path, clock: ManualClock) -> Iterator[Roads]:
    """Both roads to a gate that signs."""
    with opened(data_dir, clock, gate_token_seconds=300) as made:
        yield made


def token_in(answered: Answered | None) -> str:
    """The token in an answer of the lane's."""
    assert answered
    (line,) = [each for each in answered.tail.split(b"\r\n") if each.startswith(b"x-auth-token: ")]
    return line.partition(b" ")[2].decode()


@pytest.mark.parametrize(
    ("path", "audience"),
    [
        ("/v1/gate", "plain"),
        ("/v1/gate/nginx", "nginx"),
        ("/v1/gate/envoy/a/b", "envoy"),
        ("/v1/gate/orders", "orders"),
    ],
)
def test_on_every_road_the_token_says_who_passed(signing: Roads, clock: ManualClock, path: str, audience: str) -> None:
    """On the lane, again by the same bytes, and on the road: what a reader finds with the keys that the server itself
    publishes is who passed, which route it is for, and that it was made now and is good for as long as the setting
    says."""
    made = [signing.remembered(f"Number {each}", scopes=["orders:read", "b"]) for each in range(2)]
    headers: list[Headers] = [(("X-API-Key", each.key), *ABOUT) for each in made]
    answered = signing.fast(path, headers[0])
    tokens = [token_in(answered), signing.ordinary(path, headers[1]).headers["X-Auth-Token"]]
    published = signing.send("GET", JWKS_PATH)
    assert (published.status_code, published.headers["Content-Type"]) == (200, "application/json")
    assert all("d" not in each and each["alg"] == "ES256" for each in published.json()["keys"])
    for created, token in zip(made, tokens, strict=True):
        assert read_with(published.json(), token) == {
            "iss": "keywright", "aud": audience, "sub": created.row.id, "account_id": signing.account_id,
            "name": created.row.name, "scope": "b orders:read", "environment": "live", "iat": int(clock.now()),
            "exp": int(clock.now()) + 300,
        }  # fmt: skip
    assert answered
    signing.lane.keep(b"the same bytes", ("GET", path), answered)
    clock.advance(200)
    later = signing.lane.again(b"the same bytes", PROXY)
    assert isinstance(later, tuple)
    assert read_with(published.json(), token_in(later[1]))["exp"] == int(clock.now()) + 300


def test_who_does_not_pass_gets_no_token(signing: Roads) -> None:
    """A refusal carries none: not for a deleted key, nor for one that lacks a scope."""
    lacking, deleted = signing.remembered(scopes=["b"]), signing.remembered()
    signing.keywright.manager.delete(ME, signing.account_id, deleted.row.id)
    for path, key in (("/v1/gate/orders", lacking.key), ("/v1/gate", deleted.key), ("/v1/gate", "lwa.garbage")):
        headers: Headers = (("X-API-Key", key), *ABOUT)
        assert signing.ordinary(path, headers).headers["X-Auth-Token"] == ""
        assert token_in(signing.fast(path, headers)) == ""


def test_without_the_setting_there_are_neither_tokens_nor_keys(roads: Roads) -> None:
    """Tokens are off until they are asked for: the header is blank on both roads, and nothing is published."""
    headers: Headers = (("X-API-Key", roads.remembered().key), *ABOUT)
    assert token_in(roads.fast("/v1/gate", headers)) == ""
    assert roads.ordinary("/v1/gate", headers).headers["X-Auth-Token"] == ""
    assert roads.send("GET", JWKS_PATH).status_code == 404
