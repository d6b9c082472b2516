"""An identity provider: OpenID Connect on Authlib's authorization server and Flask, in a process of its own.

It does all that a good one does. Besides, it can be told (at ``/told``) to lie in its tokens and in what it says of
itself, as a broken or a hostile one would. Run as a program; the first line that it writes is what it calls itself.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import json
import logging
import secrets
import threading
import warnings
from typing import Any, ClassVar

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc9207 import IssuerParameter
from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode
from flask import Flask, Response, abort, jsonify, request
from joserfc import jws, jwt
from joserfc.jwk import ECKey, Key, KeySet, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.registry import HeaderParameter
from werkzeug.serving import BaseWSGIServer, make_server

CLIENT_ID = "keywright"
CLIENT_SECRET = "not-much-of-a-secret"
#: A client that has none.
PUBLIC_CLIENT_ID = "keywright-public"
PEOPLE: dict[str, dict[str, Any]] = {
    "maya": {"sub": "248289761001", "name": "Maya Chen", "email": "maya@example.com", "email_verified": True},
    "vic": {"sub": "7", "name": "Vic", "email": "Vic@Example.com", "email_verified": True, "groups": ["staff"]},
    "eve": {"sub": "666", "name": "Eve", "email": "maya@example.com", "email_verified": False},
    "new": {"sub": "8", "name": "New", "email": "new@example.com", "email_verified": True},
    "strange": {"sub": "9", "name": "Strange", "email": "strange@elsewhere.org", "email_verified": True},
    "again": {"sub": "10", "name": "Another Maya", "email": "maya@example.com", "email_verified": True},
}


class Client:
    """Somebody whom people may be sent back to."""

    def __init__(self, client_id: str, secret: str) -> None:
        self.client_id = client_id
        self._secret = secret

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        return ""

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, uri: str) -> bool:
        return uri in STATE["redirect_uris"]

    def check_client_secret(self, secret: str) -> bool:
        return hmac.compare_digest(secret, self._secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in (("client_secret_basic", "client_secret_post") if self._secret else ("none",))

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


class Code:
    """An authorization code."""

    def __init__(self, asked: Any, client_id: str, person: dict[str, Any]) -> None:
        self.client_id = client_id
        self.person = person
        self.redirect_uri = asked.get("redirect_uri")
        self.scope = asked.get("scope", "")
        self.nonce = asked.get("nonce")
        self.code_challenge = asked.get("code_challenge")
        self.code_challenge_method = asked.get("code_challenge_method")

    def get_redirect_uri(self) -> Any:
        return self.redirect_uri

    def get_scope(self) -> str:
        return str(self.scope)

    def get_nonce(self) -> Any:
        return self.nonce

    def get_auth_time(self) -> None:
        return None

    def get_acr(self) -> Any:
        return self.person.get("acr")

    def get_amr(self) -> Any:
        return self.person.get("amr")


listening: BaseWSGIServer
CLIENTS = {
    CLIENT_ID: Client(CLIENT_ID, CLIENT_SECRET),
    PUBLIC_CLIENT_ID: Client(PUBLIC_CLIENT_ID, ""),
}
CODES: dict[str, Code] = {}
TOKENS: dict[str, dict[str, Any]] = {}
LOCK = threading.Lock()
#: What it has been told; see `told`.
STATE: dict[str, Any] = {}
COUNTS: dict[str, int] = {}
KEYS = {"rsa": RSAKey.generate_key(2048, {"kid": "first", "use": "sig", "alg": "RS256"})}
#: Keys that it does not publish.
HIDDEN: dict[str, Key] = {
    "rsa": RSAKey.generate_key(2048, {"kid": "first"}),
    "second": ECKey.generate_key("P-256", {"kid": "second"}),
}


def told(changes: dict[str, Any]) -> None:
    """Begin anew with these changes.

    ``at``: the time, in place of the machine's; ``fails``: a path that answers with 500; ``redirect_uris``; ``people``
    by name, over `PEOPLE`; ``claims`` and ``header``, over those of a token (null leaves one out); ``signs``: none,
    hs256, stranger or second in place of its own key; ``publishes``: whether the second key is published;
    ``discovery``, over what it says of itself; ``codes_work_again``; ``thin``: tokens without an address.
    """
    STATE.clear()
    STATE.update({"redirect_uris": [], "people": {}, "claims": {}, "header": {}, "discovery": {}, **changes})
    CODES.clear()
    COUNTS.clear()


class CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc] # Authlib has no types
    """Codes that work once."""

    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar[list[str]] = ["client_secret_basic", "client_secret_post", "none"]

    def save_authorization_code(self, code: str, asked: Any) -> None:
        CODES[code] = Code(request.args, asked.payload.client_id, asked.user)

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        found = CODES.get(code)
        return found if found and found.client_id == client.client_id else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        if not STATE.get("codes_work_again"):
            for text, each in list(CODES.items()):
                if each is authorization_code:
                    del CODES[text]

    def authenticate_user(self, authorization_code: Code) -> dict[str, Any]:
        return authorization_code.person


class IdToken(OpenIDCode):  # type: ignore[misc]
    """Tokens that say who somebody is."""

    def exists_nonce(self, nonce: str, asked: Any) -> bool:
        return any(each.nonce == nonce for each in CODES.values())

    def get_client_claims(self, client: Client) -> dict[str, Any]:
        return {"iss": issuer(), "aud": [client.client_id]}

    def get_client_algorithm(self, client: Client) -> str:
        return "RS256"

    def get_encode_header(self, client: Client) -> dict[str, Any]:
        return {"alg": "RS256", "kid": "first"}

    def resolve_client_private_key(self, client: Client) -> Any:
        return KEYS["rsa"]

    def generate_user_info(self, user: dict[str, Any], scope: str) -> UserInfo:
        return UserInfo({"sub": user["sub"]} if STATE.get("thin") else user)


class NamesItself(IssuerParameter):  # type: ignore[misc]
    """RFC 9207."""

    def get_issuer(self) -> str:
        return issuer()


app = Flask(__name__)
server = AuthorizationServer(app, CLIENTS.get, lambda token, asked: TOKENS.update({token["access_token"]: asked.user}))
server.register_grant(CodeGrant, [CodeChallenge(required=True), IdToken(require_nonce=True)])
server.register_extension(NamesItself())


def issuer() -> str:
    """What it calls itself."""
    return f"http://127.0.0.1:{listening.server_port}"


@app.before_request
def count() -> None:
    """Count how often each path is asked for."""
    if request.path not in ("/told", "/counts"):
        with LOCK:
            COUNTS[request.path] = COUNTS.get(request.path, 0) + 1
    if request.path == STATE.get("fails"):
        abort(500)


@app.post("/told")
def tell() -> Response:
    """See `told`."""
    told(request.get_json())
    return jsonify({})


@app.get("/counts")
def counts() -> Response:
    """How often each path was asked for since it was told anything."""
    return jsonify(COUNTS)


@app.get("/.well-known/openid-configuration")
def discovery() -> Response:
    """What it says of itself."""
    said = {
        "issuer": issuer(),
        "authorization_endpoint": issuer() + "/authorize",
        "token_endpoint": issuer() + "/token",
        "userinfo_endpoint": issuer() + "/userinfo",
        "jwks_uri": issuer() + "/keys",
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "email", "profile", "groups"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
    }
    return jsonify(_laid_over(said, STATE["discovery"]))


@app.get("/keys")
def keys() -> Response:
    """Its public keys."""
    published: list[Key] = [KEYS["rsa"], *([HIDDEN["second"]] if STATE.get("publishes") else [])]
    return jsonify(KeySet(published).as_dict(private=False))


@app.get("/authorize")
def ask() -> Any:
    """Who are you?"""
    server.get_consent_grant(end_user=PEOPLE["maya"])
    people = "".join(
        f'<button name="person" value="{html.escape(each)}">{html.escape(each)}</button>' for each in PEOPLE
    )
    return (
        '<!doctype html><html lang="en"><title>Example login</title><link rel="icon" href="data:,">'
        f'<h1>Example login</h1><form method="post">{people}<button name="person" value="">Cancel</button></form>'
    )


@app.post("/authorize")
def answered() -> Any:
    """Back to where they came from, with a code."""
    person = {**PEOPLE, **STATE["people"]}.get(request.form["person"])
    grant = server.get_consent_grant(end_user=person or PEOPLE["maya"])
    return server.create_authorization_response(grant=grant, grant_user=person)


@app.post("/token")
def token() -> Any:
    """A token for a code."""
    answer = server.create_token_response()
    said = answer.get_json()
    if "id_token" in said:
        said["id_token"] = _lied(said["id_token"])
        answer.set_data(json.dumps(said))
    return answer


@app.get("/userinfo")
def userinfo() -> Any:
    """Who somebody is, for whoever has an access token of theirs."""
    person = TOKENS.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
    return (jsonify({**person, **STATE.get("userinfo", {})}), 200) if person else (jsonify({}), 401)


def _lied(text: str) -> str:
    """The token as it was told to make it."""
    header, claims = (json.loads(_read(part)) for part in text.split(".")[:2])
    times = {"iat": STATE["at"], "exp": STATE["at"] + 3600, "auth_time": STATE["at"]} if "at" in STATE else {}
    header, claims = _laid_over(header, STATE["header"]), _laid_over(claims, {**times, **STATE["claims"]})
    how = STATE.get("signs")
    if how in ("none", "hs256"):
        header["alg"] = how.replace("hs", "HS")
        signed = f"{_write(json.dumps(header).encode())}.{_write(json.dumps(claims).encode())}"
        # The public key taken for a secret: what a careless check would do.
        seal = (
            hmac.digest(KEYS["rsa"].as_pem(private=False), signed.encode(), hashlib.sha256) if how == "hs256" else b""
        )
        return f"{signed}.{_write(seal)}"
    if how == "second":
        return jwt.encode({**header, "alg": "ES256", "kid": "second"}, claims, HIDDEN["second"], ["ES256"])
    own = JWSRegistry({"x": HeaderParameter("Anything", "int")}, ["RS256"])
    key = HIDDEN["rsa"] if how == "stranger" else KEYS["rsa"]
    # Written here, so that the claims may hold what is no text.
    return jws.serialize_compact(header, json.dumps(claims), key, registry=own)


def _laid_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**below, **above}.items() if value is not None}


def _read(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _write(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app.secret_key = secrets.token_bytes(16)
    told({})
    listening = make_server("127.0.0.1", 0, app, threaded=True)
    print(issuer(), flush=True)
    listening.serve_forever()
