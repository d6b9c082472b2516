"""Whether an ID token is good: OpenID Connect Core 1.0, section 3.1.3.7."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import JWKRegistry, Key, KeySet
from joserfc.jws import JWSRegistry

#: Signatures that only the provider can make. Neither ``none`` nor those with a secret, which anybody who knows the
#: secret (or takes the public key for one) can make as well.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519")
#: How far the provider's clock may be off.
LEEWAY_SECONDS = 60
MAX_KEYS = 64
MAX_HEADER_BYTES = 4096
_KINDS = frozenset({"RSA", "EC", "OKP"})
#: Characters of the modulus of an RSA key with 2,048 bits.
_LEAST_MODULUS = 342


class NotGood(Exception):
    """The token is none that may be believed; the text says why, for the log."""


class UnknownKey(NotGood):
    """It is signed with a key that is not among the provider's, as far as we know them."""


class _Registry(JWSRegistry):
    max_header_length = MAX_HEADER_BYTES


def read_keys(published: Mapping[str, Any]) -> KeySet:
    """The keys of a JWK set that can sign tokens; those that we do not understand are left out."""
    listed = published.get("keys")
    found = [_key(each) for each in listed[:MAX_KEYS]] if isinstance(listed, list) else []
    return KeySet([each for each in found if each is not None])


def _key(published: Any) -> Key | None:
    if not isinstance(published, dict) or published.get("use", "sig") != "sig":
        return None
    if not is_text(published.get("kty")) or published["kty"] not in _KINDS:
        return None
    if published["kty"] == "RSA" and len(str(published.get("n", ""))) < _LEAST_MODULUS:
        return None
    try:
        return JWKRegistry.import_key(published)
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def is_text(value: Any) -> TypeGuard[str]:
    """Whether it can be written down: JSON can also name halves of characters, which no database takes."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def claims_of(
    text: str, keys: KeySet, *, issuer: str, client_id: str, nonce: str, access_token: str, now: float
) -> dict[str, Any]:
    """What a token says, if it is the provider's, for us, for this sign-in, and of now.

    Raises:
        UnknownKey: the provider may have a new key.
        NotGood: it is not.
    """
    options = {
        "iss": {"essential": True, "value": issuer},
        "sub": {"essential": True},
        "aud": {"essential": True, "value": client_id},
        "nonce": {"essential": True, "value": nonce},
    }
    params = {"nonce": nonce, "client_id": client_id, "access_token": access_token}
    registry = _Registry(algorithms=ALGORITHMS, strict_check_header=False)
    try:
        token = jwt.decode(text, keys, registry=registry)
        claims = CodeIDToken(token.claims, token.header, options, params)
        claims.validate(now=int(now), leeway=LEEWAY_SECONDS)
    except InvalidKeyIdError as error:
        raise UnknownKey(str(error)) from error
    except Exception as error:  # whatever a text can break in there: it is not good
        raise NotGood(f"{type(error).__name__}: {error}"[:200]) from error
    subject = claims["sub"]
    if not is_text(subject) or not 0 < len(subject) <= 255:
        raise NotGood("sub is not a text of at most 255 characters")
    return dict(claims)
