"""Our side of the conversation with an identity provider: where to send people, and what their code stands for."""

from __future__ import annotations

import base64
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus

from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.client import OAuth2Client
from joserfc.jwk import KeySet

from keywright.clock import Clock
from keywright.people.federation import Voucher
from keywright.provider import Provider, may_be_asked
from keywright.server.oidc.asking import Line, ProviderDown
from keywright.server.oidc.errand import Errand
from keywright.server.oidc.id_token import LEEWAY_SECONDS, NotGood, UnknownKey, claims_of, is_text, read_keys

DISCOVERY = "/.well-known/openid-configuration"
#: How long what the provider says of itself, and its keys, are believed.
FRESH_SECONDS = 3600
#: How often its keys are asked for because of a token that none of them has signed.
KEYS_SECONDS = 60
#: How long a provider that did not answer is not asked again.
DOWN_SECONDS = 5
MAX_CODE_CHARACTERS = 4096
#: Of a name, an address or a group; what is longer is cut.
_MOST_CHARACTERS = 320
_MOST_TEXTS = 1000
#: Unix seconds that a provider may name; later than any of ours.
_LATEST = 1 << 40


class NotAnew(NotGood):
    """The provider has not asked anew who somebody is, or does not say so."""


class Client:
    """Asks one provider, by way of `Line`; for all threads. Every method may raise `ProviderDown`."""

    def __init__(self, provider: Provider, clock: Clock) -> None:
        self.provider = provider
        self._clock = clock
        self._line = Line(provider.issuer)
        # One at a time: while the provider is slow, one thread waits for it, and the others for that one.
        self._lock = threading.Lock()
        self._metadata: dict[str, Any] = {}
        self._keys = KeySet([])
        self._metadata_at = self._keys_at = self._down_at = float("-inf")
        self._down = ""

    def address(self, errand: Errand) -> str:
        """Where to send the browser."""
        metadata = self.metadata()
        terms: dict[str, Any] = {"acr_values": " ".join(self.provider.acr)} if self.provider.acr else {}
        if errand.anew:
            terms |= {"prompt": "login", "max_age": "0"}
        url, _ = self._client(metadata).create_authorization_url(
            metadata["authorization_endpoint"],
            state=errand.state,
            code_verifier=errand.verifier,
            nonce=errand.nonce,
            **terms,
        )
        return str(url)

    def comes_from_it(self, issuer: str | None) -> bool:
        """Whether an answer that names ``issuer`` is the provider's (RFC 9207): where the provider announces that it
        names itself, an answer that does not is another's."""
        if issuer is None:
            return self.metadata().get("authorization_response_iss_parameter_supported") is not True
        return issuer == self.provider.issuer

    def voucher(self, errand: Errand, code: str) -> Voucher:
        """What the provider vouches for, for that code.

        Raises:
            NotGood: it does not know the code (any more), or what it says cannot be believed.
            NotAnew: they were to be asked anew, and it does not say that they were.
        """
        metadata = self.metadata()
        answer = self._token(metadata, errand, code[:MAX_CODE_CHARACTERS])
        access_token, text = str(answer.get("access_token") or ""), answer.get("id_token")
        if not isinstance(text, str):
            raise NotGood("there is no ID token")
        claims = self._claims(text, errand.nonce, access_token)
        if "email" not in claims and access_token and isinstance(metadata.get("userinfo_endpoint"), str):
            claims = self._more(metadata["userinfo_endpoint"], access_token, claims["sub"]) | claims
        voucher = _voucher(self.provider.issuer, claims)
        if errand.anew and voucher.proved_at < errand.begun_at - LEEWAY_SECONDS:
            raise NotAnew("auth_time is missing, or of before")
        return voucher

    def metadata(self) -> dict[str, Any]:
        """What the provider says of itself: OpenID Connect Discovery 1.0."""
        with self._lock:
            now = self._clock.elapsed()
            if now - self._metadata_at > FRESH_SECONDS:
                found = self._found(self.provider.issuer.rstrip("/") + DISCOVERY)
                _require_usable(found, self.provider.issuer)
                self._metadata, self._metadata_at = found, now
            return self._metadata

    def _found(self, url: str) -> dict[str, Any]:
        """What is at ``url``; at once nothing, where there was nothing a moment ago."""
        if self._clock.elapsed() - self._down_at < DOWN_SECONDS:
            raise ProviderDown(self._down)
        try:
            return self._line.get(url)
        except ProviderDown as error:
            self._down_at, self._down = self._clock.elapsed(), str(error)
            raise

    def _claims(self, text: str, nonce: str, access_token: str) -> dict[str, Any]:
        given = {"issuer": self.provider.issuer, "client_id": self.provider.client_id, "nonce": nonce}
        try:
            keys = self._known_keys(FRESH_SECONDS)
            return claims_of(text, keys, access_token=access_token, now=self._clock.now(), **given)
        except UnknownKey:
            # A provider that changes its keys tells nobody. But whoever can make it send tokens with made-up key ids
            # must not make us ask for its keys each time.
            keys = self._known_keys(KEYS_SECONDS)
            return claims_of(text, keys, access_token=access_token, now=self._clock.now(), **given)

    def _known_keys(self, within_seconds: float) -> KeySet:
        url = self.metadata()["jwks_uri"]
        with self._lock:
            now = self._clock.elapsed()
            if now - self._keys_at > within_seconds:
                self._keys, self._keys_at = read_keys(self._found(url)), now
            return self._keys

    def _token(self, metadata: Mapping[str, Any], errand: Errand, code: str) -> Mapping[str, Any]:
        headers, fields = self._credentials(metadata)
        try:
            answer = self._client(metadata).fetch_token(
                metadata["token_endpoint"],
                grant_type="authorization_code",
                code=code,
                code_verifier=errand.verifier,
                headers=headers,
                auth="by headers and fields",
                **fields,
            )
        except (OAuth2Error, ValueError, TypeError, OverflowError) as error:
            raise NotGood(f"no token for the code: {error}"[:200]) from error
        return dict(answer)

    def _credentials(self, metadata: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
        """Headers and fields that tell the provider who we are: RFC 6749, section 2.3.1."""
        client_id, secret = self.provider.client_id, self.provider.client_secret
        if not secret:
            return {}, {"client_id": client_id}
        methods = "token_endpoint_auth_methods_supported"
        if announces(metadata, methods, "client_secret_post") and not announces(
            metadata, methods, "client_secret_basic"
        ):
            return {}, {"client_id": client_id, "client_secret": secret}
        pair = f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}, {}

    def _more(self, url: str, access_token: str, subject: str) -> dict[str, Any]:
        """Claims that the token leaves out, for the caller to lay under those of the token."""
        found = self._line.get(url, {"Authorization": f"Bearer {access_token}"})
        if found.get("sub") != subject:
            raise NotGood("the userinfo endpoint speaks of somebody else")
        return found

    def _client(self, metadata: Mapping[str, Any]) -> OAuth2Client:
        scopes = ["openid", "email", "profile"]
        if self.provider.groups and announces(metadata, "scopes_supported", "groups"):
            scopes.append("groups")
        return OAuth2Client(
            self._line,
            client_id=self.provider.client_id,
            redirect_uri=self.provider.redirect_uri,
            scope=" ".join(scopes),
            code_challenge_method="S256",
        )


def announces(metadata: Mapping[str, Any], name: str, value: str, *, otherwise: bool = False) -> bool:
    """Whether a provider lists the value under that name; ``otherwise``, where it has no list there."""
    listed = metadata.get(name)
    return value in listed if isinstance(listed, list) else otherwise


def _require_usable(metadata: Mapping[str, Any], issuer: str) -> None:
    if metadata.get("issuer") != issuer:
        raise ProviderDown(f"it calls itself {str(metadata.get('issuer'))[:200]!r}; the setting says {issuer!r}")
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        if not isinstance(metadata.get(name), str):
            raise ProviderDown(f"it names no {name}")
    if not may_be_asked(metadata["authorization_endpoint"]):
        raise ProviderDown(f"nobody can be sent to {metadata['authorization_endpoint'][:200]!r}")


def _voucher(issuer: str, claims: Mapping[str, Any]) -> Voucher:
    return Voucher(
        issuer=issuer,
        subject=claims["sub"],
        email=_text(claims.get("email")),
        # Some write it as text.
        verified=claims.get("email_verified") is True or claims.get("email_verified") == "true",
        name=_text(claims.get("name")),
        acr=_text(claims.get("acr")),
        methods=_texts(claims.get("amr")),
        groups=_texts(claims.get("groups")),
        proved_at=_time(claims.get("auth_time")),
    )


def _text(value: Any) -> str:
    return value[:_MOST_CHARACTERS] if is_text(value) else ""


def _time(value: Any) -> float:
    # Neither bool, which is an int, nor what is not to be compared; what is beyond every float is no time.
    known = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < _LATEST
    return float(value) if known else 0.0


def _texts(value: Any) -> tuple[str, ...]:
    listed = value[:_MOST_TEXTS] if isinstance(value, list) else []
    return tuple(each for each in listed if is_text(each))
