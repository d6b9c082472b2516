"""A provider that is down, slow, or not one: nobody waits for it, and passwords work."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from identity.test_journeys import came_in
from identity.traveller import CALLBACK, HOME, START, Traveller, seen
from keywright import ManualClock
from keywright.provider import Provider
from keywright.server.oidc.asking import MAX_ANSWER_BYTES, Line, ProviderDown
from keywright.server.oidc.client import DOWN_SECONDS, FRESH_SECONDS, Client
from keywright.server.oidc.id_token import read_keys
from people.staff import PASSWORD
from support.identity import CLIENT_ID, IdentityProvider
from support.misbehaving import Behaviour, answer as whole, drips, misbehaving, replies, says, says_nothing
from support.servers import Server, free_port, running

PATIENCE = 0.4
DOCUMENT = {
    "issuer": "ISSUER",
    "authorization_endpoint": "ISSUER/authorize",
    "token_endpoint": "ISSUER/token",
    "jwks_uri": "ISSUER/keys",
}

#: What a provider does instead of answering with a JSON object.
FAULTS: dict[str, Behaviour] = {
    "it says nothing": says_nothing,
    "it drips": drips,
    "it hangs up": lambda connection: False,
    "it sends nonsense": says(b"\x00\x01\x02\r\n\r\n"),
    "it sends half": says(whole({"a": 1})[:-3]),
    "it fails": replies({}, "500 Internal Server Error"),
    "it knows nothing": replies({}, "404 Not Found"),
    "it sends elsewhere": replies({}, "302 Found", "Location: http://127.0.0.1:1/\r\n"),
    "it sends a list": replies([]),
    "it sends no JSON": replies(b"<html>"),
    "it sends too much": replies({"a": "x" * MAX_ANSWER_BYTES}),
    "it sends something packed": replies(b"\x1f\x8b", headers="Content-Encoding: gzip\r\n"),
    "it sends depth": replies(b"[" * 100_000),
}

#: Those that only the time ends.
SLOW = ("it says nothing", "it drips")


@pytest.mark.parametrize("fault", FAULTS)
def test_an_answer_that_is_none(fault: str) -> None:
    """Whatever the other side does, the question ends in time, with one error, and without more than a bounded answer
    having been read; nothing that an answer points to is asked."""
    with misbehaving(FAULTS[fault]) as server:
        line = Line(server.url, PATIENCE if fault in SLOW else 60)
        with pytest.raises(ProviderDown):
            line.get(f"{server.url}/.well-known/openid-configuration")
        # On a busy machine patience may end before the server has taken the connection up.
        assert server.opened <= 1


def test_an_answer_that_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    """An answer that is too large, and is not read to its end, leaves nothing behind that complains later."""
    # What others have left behind is not of this test.
    gc.collect()
    caplog.clear()
    with misbehaving(FAULTS["it sends too much"]) as server, pytest.raises(ProviderDown):
        Line(server.url, 60).get(server.url)
    gc.collect()
    assert [each.getMessage() for each in caplog.records if "destroyed" in each.getMessage()] == []


@pytest.mark.parametrize(
    "odd", [{"kty": []}, {"kty": {}}, {"kty": "\ud800"}, {"use": []}, {"n": 5}, {"e": []}, {"kid": {}}, {"alg": []}]
)
def test_keys_that_are_none(odd: dict[str, Any]) -> None:
    """A key that is none is left out, whatever stands where its kind belongs, and those beside it are read."""
    good = RSAKey.generate_key(2048, {"kid": "first"}).as_dict(private=False)

    assert [each.kid for each in read_keys({"keys": [{**good, **odd}, good]}).keys] == ["first"]


def test_nobody_is_there() -> None:
    """A port that nobody listens on, and a name that nobody has, are the same."""
    for url in (f"http://127.0.0.1:{free_port()}/", "https://no-such-host.invalid/"):
        with pytest.raises(ProviderDown):
            Line(url, 5.0).get(url)


@pytest.mark.parametrize(
    ("issuer", "url"),
    [
        ("https://login.example.com", "http://127.0.0.1:1/"),
        ("https://login.example.com", "http://login.example.com/"),
        ("http://127.0.0.1:1", "http://login.example.com/"),
        ("http://127.0.0.1:1", "http://127.0.0.1.example.com/"),
        ("http://127.0.0.1:1", "http://maya@127.0.0.1:1/"),
        ("http://127.0.0.1:1", "file:///etc/passwd"),
        ("http://127.0.0.1:1", "gopher://127.0.0.1:1/"),
        ("http://127.0.0.1:1", "/keys"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1/ HTTP/1.1\r\nX: y"),
    ],
)
def test_who_may_be_asked(issuer: str, url: str) -> None:
    """No question travels in the clear over a network, nor to this machine because a provider elsewhere says so."""
    with pytest.raises(ProviderDown, match="may be asked"):
        Line(issuer).get(url)


#: What a provider says of itself and should not → changes.
SAID: dict[str, dict[str, Any]] = {
    "another name": {"issuer": "https://evil.example"},
    "a slash more": {"issuer": "ISSUER/"},
    "no name": {"issuer": None},
    "no way to it": {"authorization_endpoint": None},
    "a way into the page": {"authorization_endpoint": "javascript:alert(1)"},
    "a way in the clear": {"authorization_endpoint": "http://login.example.com/"},
    "no tokens": {"token_endpoint": 5},
    "no keys": {"jwks_uri": None},
}


@pytest.mark.parametrize("name", SAID)
def test_what_a_provider_says_of_itself(name: str, clock: ManualClock) -> None:
    """A description that is not this provider's, or leads nowhere, is not used."""
    with misbehaving() as listening:
        text = json.dumps({**DOCUMENT, **SAID[name]}).replace("ISSUER", listening.url)
        listening.behave(replies(text.encode()))
        with pytest.raises(ProviderDown):
            Client(provider_at(listening.url), clock).metadata()


def provider_at(issuer: str) -> Provider:
    """The settings of a provider."""
    return Provider(issuer, CLIENT_ID, "", CALLBACK, "Example")


def test_how_often_a_provider_is_asked(clock: ManualClock) -> None:
    """What it says of itself is asked once in a while, by however many at once; and while it is down it is left alone
    for a moment, so that nobody else has to wait for it."""
    with misbehaving() as listening:
        good = replies(json.dumps(DOCUMENT).replace("ISSUER", listening.url).encode())
        listening.behave(good)
        client = Client(provider_at(listening.url), clock)
        with ThreadPoolExecutor(8) as threads:
            assert len([*threads.map(lambda _: client.metadata(), range(16))]) == 16
        assert len(listening.questions) == 1
        clock.advance(FRESH_SECONDS + 1)
        listening.behave(replies({}, "500 Internal Server Error"))
        for _ in range(3):
            with pytest.raises(ProviderDown):
                client.metadata()
        assert len(listening.questions) == 2
        clock.advance(DOWN_SECONDS)
        listening.behave(good)
        assert client.metadata()
        assert len(listening.questions) == 3


class Held:
    """A provider that lets everybody wait until it is told to go on."""

    def __init__(self) -> None:
        self.waiting = threading.Semaphore(0)
        self.on = threading.Event()

    def __call__(self, connection: Any) -> bool:
        self.waiting.release()
        self.on.wait(60)
        return False


def test_while_others_wait_for_the_provider(tmp_path: Path) -> None:
    """However many wait for a provider that does not answer, somebody with a password comes in meanwhile, and a key is
    verified: neither the event loop nor the threads of the door are theirs. Then they are told, with a page."""
    # Where the machine itself stands still, patience with the provider may end first, and that says nothing.
    assert any(others_pass(tmp_path / str(attempt) / "data") for attempt in range(3))


def others_pass(data_dir: Path) -> bool:
    """Whether somebody came in while those who had asked before were still waiting."""
    held = Held()
    with misbehaving(held) as listening, named(data_dir, listening.url) as server, ThreadPoolExecutor(12) as threads:
        key = server.key()["key"]
        try:
            waiting = [threads.submit(server.request, "GET", START) for _ in range(12)]
            assert held.waiting.acquire(timeout=30)
            assert server.request("GET", "/v1/account", key).status_code == 200
            entry, own = {"email": "maya@example.com", "password": PASSWORD}, {"Origin": server.url}
            came = server.request("POST", "/sign-in", data=entry, headers=own, allow_redirects=False)
            assert (came.status_code, came.headers["location"]) == (303, HOME)
            passed = not any(each.done() for each in waiting)
        finally:
            held.on.set()
        for each in waiting:
            answer = each.result()
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) >= 1
            assert "127.0.0.1 does not answer now" in answer.text
    return passed


@contextmanager
def named(data_dir: Path, issuer: str) -> Iterator[Server]:
    """A server that names a provider, and has an owner."""
    settings = {"KEYWRIGHT_OIDC_ISSUER": issuer, "KEYWRIGHT_OIDC_CLIENT_ID": CLIENT_ID}
    with running(data_dir, KEYWRIGHT_PUBLIC_URL="http://127.0.0.1:PORT", **settings) as server:
        made = server.command("admin", "create", "--email", "maya@example.com", "--password-stdin", stdin=PASSWORD)
        assert made.returncode == 0, made.stderr
        yield server


def test_a_provider_that_is_down_while_somebody_is_away(provider: IdentityProvider, traveller: Traveller) -> None:
    """Whoever comes back to find that the provider cannot be asked is told so, and is not in; later they come in."""
    provider.told(redirect_uris=[CALLBACK], fails="/token")

    answer = traveller.travel("maya", "/audit-log")

    assert answer.status_code == 503
    assert "Example does not answer now" in seen(answer)
    assert 'name="next" value="/audit-log"' in answer.text
    assert not traveller.is_in()
    entry = {"email": "maya@example.com", "password": PASSWORD}
    assert came_in(traveller.post("/sign-in", entry))
