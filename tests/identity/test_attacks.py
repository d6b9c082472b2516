"""What comes back from the provider, or seems to, and is not to be believed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from identity.test_journeys import came_in, logged, who
from identity.traveller import CALLBACK, ERRAND, HOME, SESSION, Traveller, seen
from keywright.audit import Action
from keywright.people.federation import AWAY_SECONDS
from keywright.people.throttle import NETWORK_LIMIT
from keywright.server.oidc.client import KEYS_SECONDS
from keywright.server.oidc.errand import begin
from keywright.stores.people import Role
from people.staff import PASSWORD
from support.identity import CLIENT_ID, IdentityProvider
from support.installation import ME, Installation

#: Long ago, or far ahead, for a provider whose clock is right.
HOUR = 3600

#: What a token may not say → changes of its claims.
CLAIMS: dict[str, Callable[[float], dict[str, Any]]] = {
    "another issuer": lambda now: {"iss": "https://evil.example"},
    "the issuer with a slash": lambda now: {"iss": None},
    "a list of issuers": lambda now: {"iss": ["https://evil.example"]},
    "another audience": lambda now: {"aud": "another-client"},
    "no audience": lambda now: {"aud": None},
    "an empty audience": lambda now: {"aud": []},
    "two audiences and nobody asked": lambda now: {"aud": [CLIENT_ID, "another-client"]},
    "two audiences and another asked": lambda now: {"aud": [CLIENT_ID, "another-client"], "azp": "another-client"},
    "one audience and another asked": lambda now: {"azp": "another-client"},
    "another nonce": lambda now: {"nonce": "x" * 43},
    "no nonce": lambda now: {"nonce": None},
    "an empty nonce": lambda now: {"nonce": ""},
    "a list with no nonce": lambda now: {"nonce": []},
    "expired": lambda now: {"exp": int(now) - 61},
    "no end": lambda now: {"exp": None},
    "an end that is no number": lambda now: {"exp": "tomorrow"},
    "an endless end": lambda now: {"exp": True},
    "of the future": lambda now: {"iat": int(now) + HOUR},
    "no beginning": lambda now: {"iat": None},
    "not good yet": lambda now: {"nbf": int(now) + HOUR},
    "no subject": lambda now: {"sub": None},
    "an empty subject": lambda now: {"sub": ""},
    "a subject that is a number": lambda now: {"sub": 5},
    "a subject that is too long": lambda now: {"sub": "x" * 256},
    "a subject that is no text": lambda now: {"sub": "\ud800"},
    "another access token": lambda now: {"at_hash": "x" * 22},
}

#: How a token may not be signed → what the provider is told.
SIGNED: dict[str, dict[str, Any]] = {
    "by nobody": {"signs": "none"},
    "with the public key as a secret": {"signs": "hs256"},
    "by a stranger with a known key id": {"signs": "stranger"},
    "with a key that is not published": {"signs": "second"},
    "with an unknown key id": {"header": {"kid": "third"}},
    "with something critical": {"header": {"crit": ["x"], "x": 1}},
}


@pytest.fixture
def told(provider: IdentityProvider) -> Callable[..., None]:
    """Tells the provider how to be."""
    return lambda **changes: provider.told(redirect_uris=[CALLBACK], **changes)


def refused(installation: Installation, traveller: Traveller, why: str) -> bool:
    """Whether the traveller is out, and the newest line of the log says why."""
    return not traveller.is_in() and logged(installation, Action.SIGN_IN_REFUSED)[0]["why"] == why


def test_a_token_that_says_something_else(
    installation: Installation, told: Callable[..., None], traveller: Traveller
) -> None:
    """A token that is not this provider's, for us, for this sign-in and of now lets nobody in."""
    let_in = []
    for name, changes in CLAIMS.items():
        told(claims=changes(installation.clock.now()))
        answer = traveller.travel("maya")
        if "cannot be trusted" not in seen(answer) or not refused(installation, traveller, "not_good"):
            let_in.append(name)
    assert let_in == []
    assert SESSION not in traveller.cookies


def test_what_a_good_token_may_say(installation: Installation, told: Callable[..., None], traveller: Traveller) -> None:
    """A token for us and others, asked for by us; one that ended within what clocks differ; and one of an hour ago are
    good: the refusals above are not by accident."""
    now = int(installation.clock.now())
    several = {"aud": [CLIENT_ID, "another-client"], "azp": CLIENT_ID}
    for claims in (several, {"aud": CLIENT_ID}, {"exp": now - 20}, {"iat": now - HOUR, "nbf": now - HOUR}):
        told(claims=claims)
        assert came_in(Traveller(traveller.face, traveller.provider).travel("maya")), claims


def test_a_token_that_the_provider_has_not_signed(
    installation: Installation, told: Callable[..., None], traveller: Traveller
) -> None:
    """Neither without a signature, nor with one that somebody else can make, is a token believed; also where the
    provider itself announces such signatures."""
    announced = {"id_token_signing_alg_values_supported": ["none", "HS256", "RS256", "ES256"]}
    let_in = []
    for name, how in SIGNED.items():
        told(**how, discovery=announced)
        if traveller.travel("maya").status_code != 403 or not refused(installation, traveller, "not_good"):
            let_in.append(name)
    assert let_in == []


def test_key_ids_without_number(installation: Installation, told: Callable[..., None], traveller: Traveller) -> None:
    """Tokens with made-up key ids cause one look for new keys in a while, not one each."""
    told()
    assert came_in(traveller.travel("maya"))
    installation.clock.advance(KEYS_SECONDS + 1)
    told(header={"kid": "made-up"})
    for _ in range(10):
        assert Traveller(traveller.face, traveller.provider).travel("maya").status_code == 403
    assert traveller.provider.counts()["/keys"] == 1


def changed(path: str, **values: str | None) -> str:
    """The address with other values in its query."""
    parts = urlsplit(path)
    query = {name: value[0] for name, value in parse_qs(parts.query).items()} | values
    return f"{parts.path}?{urlencode({name: value for name, value in query.items() if value is not None})}"


#: What stands in the address that somebody comes back by → the refusal.
ADDRESSES: dict[str, tuple[dict[str, str | None], str]] = {
    "no state": ({"state": None}, "begun"),
    "a made-up state": ({"state": "x" * 43}, "begun"),
    "a state of the right form": ({"state": f"6743c8f1.{'x' * 22}..{'x' * 43}"}, "begun"),
    "a very long state": ({"state": "x" * 3000}, "begun"),
    "no code": ({"code": None}, "denied"),
    "an error": ({"error": "access_denied", "code": None}, "denied"),
    "an error and a code": ({"error": "<script>alert(1)</script>"}, "denied"),
    "a made-up code": ({"code": "x" * 48}, "not_good"),
    "a very long code": ({"code": "x" * 4000}, "not_good"),
    "no issuer": ({"iss": None}, "not_good"),
    "another issuer": ({"iss": "https://evil.example"}, "not_good"),
    "the issuer with a slash": ({"iss": "/"}, "not_good"),
}


def test_an_address_that_is_not_the_providers(installation: Installation, traveller: Traveller) -> None:
    """Who comes back by another address than the provider has sent them to is not in, and reads nothing of what stands
    in it."""
    wrong = []
    for name, (values, why) in ADDRESSES.items():
        answer = traveller.get(changed(traveller.away("maya"), **values))
        good = answer.status_code == 403 and "alert(1)" not in answer.text
        if not good or not refused(installation, traveller, why):
            wrong.append(name)
    assert wrong == []


def test_a_provider_that_does_not_name_itself(told: Callable[..., None], traveller: Traveller) -> None:
    """Where the provider does not announce that it names itself, nobody waits for it; another name is still refused."""
    told(discovery={"authorization_response_iss_parameter_supported": None})
    other = changed(traveller.away("maya"), iss="https://evil.example")
    assert traveller.get(other).status_code == 403

    assert came_in(traveller.get(changed(traveller.away("maya"), iss=None)))


def test_the_same_address_twice(installation: Installation, told: Callable[..., None], traveller: Traveller) -> None:
    """What has brought somebody in once brings nobody in again, even if the provider takes its codes twice."""
    told(codes_work_again=True)
    path = traveller.away("maya")
    assert came_in(traveller.get(path))
    del traveller.cookies[SESSION]

    assert traveller.get(path).status_code == 403
    assert refused(installation, traveller, "begun")
    fresh = changed(traveller.away("maya"), code=parse_qs(urlsplit(path).query)["code"][0])
    assert traveller.get(fresh).status_code == 403
    assert refused(installation, traveller, "not_good")


def test_what_was_begun_in_another_browser(installation: Installation, traveller: Traveller) -> None:
    """Nobody can be made to sign in as somebody else: an address that an attacker has brought back from the provider is
    worth nothing in another browser, whether that one has begun something or not."""
    attacker = Traveller(traveller.face, traveller.provider)
    path = attacker.away("maya")

    assert traveller.get(path).status_code == 403
    traveller.leave()
    assert traveller.get(path).status_code == 403
    assert refused(installation, traveller, "begun")
    assert came_in(attacker.get(path))


def test_a_code_of_somebody_else(installation: Installation, traveller: Traveller) -> None:
    """A stolen code is worth nothing with one's own state: the verifier that it was asked for with is in the browser
    where it was begun."""
    victim = Traveller(traveller.face, traveller.provider)
    stolen = parse_qs(urlsplit(victim.away("maya")).query)["code"][0]

    assert traveller.get(changed(traveller.away("vic"), code=stolen)).status_code == 403
    assert refused(installation, traveller, "not_good")


def test_what_was_begun_too_long_ago(installation: Installation, traveller: Traveller) -> None:
    """A sign-in that was left open is over after a while."""
    path = traveller.away("maya")
    installation.clock.advance(AWAY_SECONDS + 1)

    assert traveller.get(path).status_code == 403
    assert refused(installation, traveller, "begun")


def test_the_session_is_new(traveller: Traveller) -> None:
    """Whatever session a browser had, or was given, the one that begins is another."""
    given = "x" * 43
    traveller.cookies[SESSION] = given
    path = traveller.away("maya")

    assert came_in(traveller.get(path))
    assert traveller.cookies[SESSION] != given
    assert traveller.is_in()


def test_the_cookie_of_the_way(traveller: Traveller) -> None:
    """The browser keeps one secret for the time that it is away, out of the reach of scripts; one that does not look
    like ours is replaced, and the provider sees nothing of it."""
    traveller.cookies[ERRAND] = "short"
    answer = traveller.get("/sign-in/oidc")

    [cookie] = answer.headers.get_list("set-cookie")
    assert re.fullmatch(rf"{ERRAND}=[\w-]{{43}}; Path=/; Max-Age={AWAY_SECONDS}; SameSite=Lax; HttpOnly", cookie)
    assert traveller.cookies[ERRAND] not in answer.headers["location"]
    asked = parse_qs(urlsplit(answer.headers["location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == [CALLBACK]
    assert asked["response_type"] == ["code"]
    assert len({*asked["state"], *asked["nonce"], *asked["code_challenge"]}) == 3


def test_nobody_is_led_elsewhere(traveller: Traveller) -> None:
    """The page to come back to is one of ours."""
    for hostile in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        each = Traveller(traveller.face, traveller.provider)
        assert came_in(each.travel("maya", hostile)), hostile
    secret = begin("x" * 43, "//evil.example", traveller.face.keywright.clock.now())
    assert secret.following == "//evil.example"
    traveller.cookies[ERRAND] = "x" * 43
    path = traveller.away("maya")
    assert came_in(traveller.get(path), HOME)


#: What the provider says of an address → whether it is enough to be linked by it.
SAID: tuple[tuple[dict[str, Any], bool], ...] = (
    ({"email": "maya"}, False),
    ({"email": ""}, False),
    ({"email": 5}, False),
    ({"email": ["maya@example.com"]}, False),
    ({"email": "maya\ud800@example.com"}, False),
    ({"email": "maya@example.com,eve@example.com"}, False),
    ({"email": "maya@example.com\x00"}, False),
    ({"email_verified": False}, False),
    ({"email_verified": None}, False),
    ({"email_verified": "false"}, False),
    ({"email_verified": 1}, False),
    ({"email_verified": ["true"]}, False),
    ({"email_verified": "true", "email": "MAYA@example.com"}, True),
)


def test_an_address_that_is_not_confirmed(
    installation: Installation, told: Callable[..., None], traveller: Traveller
) -> None:
    """An address that is none, or that the provider does not say is theirs, links nobody to a member."""
    for claims, enough in SAID:
        told(claims=claims)
        assert came_in(traveller.travel("maya")) == enough, claims
        assert enough or refused(installation, traveller, "unverified"), claims


def test_what_is_no_text(installation: Installation, told: Callable[..., None], traveller: Traveller) -> None:
    """Halves of characters in what the provider says are as if they were not there, and harm nothing."""
    installation.keywright.directory.invite(ME, installation.account_id, "vic@example.com", Role.VIEWER)
    told(claims={"name": "\ud800", "acr": "\udfff", "amr": ["\ud800", 5], "groups": ["\ud800"]})

    assert came_in(traveller.travel("vic"))
    assert who(installation, traveller)[0].name == "vic"


def test_who_comes_back_too_often(traveller: Traveller) -> None:
    """Made-up addresses are refused unread after a while. They are counted for themselves: a page that has browsers ask
    for them, by as many pictures as it likes, keeps nobody of their network from signing in."""
    most, seconds = NETWORK_LIMIT
    for _ in range(most):
        assert traveller.get("/sign-in/oidc/callback?state=x&code=y").status_code == 403

    answer = traveller.get("/sign-in/oidc/callback?state=x&code=y")

    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= seconds
    assert came_in(traveller.travel("maya"))
    entry = {"email": "maya@example.com", "password": PASSWORD}
    assert came_in(Traveller(traveller.face, traveller.provider).post("/sign-in", entry))


def test_who_comes_back_too_often_with_what_they_have_begun(traveller: Traveller) -> None:
    """What was begun in the browser is counted with the wrong passwords of its network."""
    most, _ = NETWORK_LIMIT
    path = changed(traveller.away("maya"), code="x")
    for _ in range(most):
        assert traveller.get(path).status_code == 403

    assert traveller.get(path).status_code == 429


def test_what_the_provider_is_not_asked(traveller: Traveller) -> None:
    """Whoever only looks, begins, or comes back with nothing of ours costs the provider no more than one question in an
    hour."""
    for _ in range(5):
        traveller.get("/sign-in")
        traveller.leave()
        traveller.get("/sign-in/oidc/callback?state=x&code=y")
    assert traveller.provider.counts() == {"/.well-known/openid-configuration": 1}
