"""An application that asks a Keywright server about each request: what it makes of answers, and of none."""

from __future__ import annotations

import ctypes
import json
import logging
import os
from collections.abc import Callable
from typing import Any

import pytest

from keywright import Accepted, ManualClock, Misconfigured, Reason, Refused, RemoteKeywright, Request, Unavailable
from keywright.adapters.asking import KEEP_SECONDS
from keywright.adapters.remote import MAX_CACHE_SECONDS
from support.asking import ASKER, KEY, judged, remote
from support.misbehaving import GOOD, VERDICT, Behaviour, answer, drips, misbehaving, replies, says, says_nothing
from support.servers import free_port


def told(**members: Any) -> Behaviour:
    """A verdict that differs from a good one."""
    return replies({**VERDICT, **members})


STANDING = {"policy": "1/15m", "limit": 1, "remaining": 0, "reset": 2_000_000_000, "retry_after_seconds": 0}
#: What a server does → after how many seconds a client is told to try again.
FAILURES: dict[str, tuple[Behaviour, int]] = {
    "hangs up without a word": (says(b""), 1),
    "hangs up in the head": (says(b"HTTP/1.1 200 OK\r\nContent-Le"), 1),
    "hangs up in the body": (says(answer(VERDICT)[:-9]), 1),
    "says nothing": (says_nothing, 1),
    "drips": (drips, 1),
    "is not HTTP": (says(b"\x16\x03\x01 SSH-2.0-x\r\n\r\n"), 1),
    "length that is none": (says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n"), 1),
    "cannot": (replies({}, "500 Internal Server Error"), 1),
    "cannot, with a good verdict": (replies(VERDICT, "500 Internal Server Error"), 1),
    "cannot now": (replies({}, "503 Service Unavailable", "Retry-After: 7\r\n"), 7),
    "cannot for a year": (replies({}, "503 Service Unavailable", "Retry-After: 31536000\r\n"), 3600),
    "cannot until some day": (replies({}, "503 Service Unavailable", "Retry-After: Mon, 1 Jan\r\n"), 1),
    "too many questions": (replies({}, "429 Too Many Requests", "Retry-After: 30\r\n"), 30),
    "sends elsewhere": (replies(b"", "302 Found", "Location: http://127.0.0.1:9/\r\n"), 10),
    "has nothing to say": (says(b"HTTP/1.1 204 No Content\r\n\r\n", keeps=True), 10),
    "is another program": (replies(b"<h1>Welcome</h1>"), 1),
    "is another program's error": (replies(b"<h1>No</h1>", "404 Not Found"), 10),
    "does not take the question": (replies({"error": "VALIDATION_ERROR"}, "422 Unprocessable Content"), 10),
    "does not take the asker's key": (replies({"error": "UNAUTHORIZED"}, "401 Unauthorized"), 10),
    "forbids the asker": (replies({"error": "FORBIDDEN"}, "403 Forbidden"), 10),
    "empty": (replies(b""), 1),
    "a list": (replies([VERDICT]), 1),
    "too long": (replies({**VERDICT, "more": "x" * 70_000}), 1),
    "good, and why not": (told(code="NOT_FOUND"), 1),
    "bad, and good": (told(valid=False), 1),
    "bad, for a reason from the future": (told(valid=False, code="ON_HOLIDAY"), 1),
    "not looked at": (told(valid=False, code="UNAVAILABLE"), 1),
    "good, and nobody's": (told(key_id=None), 1),
    "good for everything true": (told(valid=1), 1),
    "scopes that are one text": (told(scopes="admin"), 1),
    "an end that is no time": (told(expires_at="soon"), 1),
    "a limit that is none": (told(ratelimit={**STANDING, "policy": "many"}), 1),
    "used up for ever": (told(valid=False, code="RATE_LIMITED", ratelimit=STANDING), 1),
    "used up, and nothing of when": (told(valid=False, code="RATE_LIMITED"), 1),
    "lacks a scope, and not which": (told(valid=False, code="INSUFFICIENT_SCOPE"), 1),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_whatever_is_no_verdict_is_a_503(failure: str) -> None:
    """A server that fails, in whatever way, makes nobody's key bad and lets nobody in: 503, and when to come back."""
    behaviour, seconds = FAILURES[failure]
    with misbehaving(behaviour) as server, remote(server.url) as asking:
        with pytest.raises(Unavailable) as caught:
            asking.verify(KEY)
        assert caught.value.retry_after_seconds == seconds
        found = judged(asking)
    assert (found.status, dict(found.headers)["Retry-After"]) == (503, str(seconds))
    assert not [name for name, _ in found.headers if "ratelimit" in name.lower()]


def test_nobody_there_is_a_503() -> None:
    """A server that is not there, or speaks without TLS where TLS was wanted, judges nobody's key."""
    with misbehaving(says(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        for url in (
            f"http://127.0.0.1:{free_port()}",
            f"https://127.0.0.1:{server.port}",
        ):
            with remote(url) as asking:
                assert judged(asking).status == 503, url


def test_the_asker_is_told_of_its_own_key_in_the_log_once(caplog: pytest.LogCaptureFixture) -> None:
    """An operator reads what to change, not once for each request, and neither key is in it."""
    forbids, _ = FAILURES["forbids the asker"]
    with caplog.at_level(logging.INFO), misbehaving(forbids) as server, remote(server.url) as asking:
        for _ in range(5):
            judged(asking)
    told_of = [(each.levelname, each.getMessage()) for each in caplog.records if each.name == "keywright.remote"]
    assert [level for level, _ in told_of] == ["ERROR"]
    assert "the key that it is asked with" in told_of[0][1]
    assert KEY not in told_of[0][1]
    assert ASKER not in told_of[0][1]


def test_a_connection_is_used_again() -> None:
    """One connection carries one question after the other."""
    with misbehaving(GOOD) as server, remote(server.url) as asking:
        assert [type(asking.verify(KEY)) for _ in range(5)] == [Accepted] * 5
        assert (server.opened, len(server.questions)) == (1, 5)


def test_a_question_that_was_taken_is_never_asked_twice() -> None:
    """A server that took a question and hung up may have charged for it: the client is told 503, and pays once."""
    with misbehaving(GOOD, says(b""), GOOD) as server, remote(server.url) as asking:
        asking.verify(KEY)
        with pytest.raises(Unavailable):
            asking.verify(KEY)
        assert len(server.questions) == 2
        assert isinstance(asking.verify(KEY), Accepted)
        assert (server.opened, len(server.questions)) == (2, 3)


def test_a_connection_that_was_closed_meanwhile_costs_nobody_anything() -> None:
    """A server hangs up on a connection that it has kept long enough: the next question goes over another."""
    with misbehaving(says(answer(VERDICT)), GOOD) as server, remote(server.url) as asking:
        asking.verify(KEY)
        assert server.ended.acquire(timeout=5)
        assert isinstance(asking.verify(KEY), Accepted)
        assert (server.opened, len(server.questions)) == (2, 2)


def test_a_connection_is_not_kept_for_long() -> None:
    """A connection is given up before the server would hang up on it, in the middle of a question."""
    clock = ManualClock()
    with misbehaving(GOOD) as server, remote(server.url, clock=clock) as asking:
        for seconds, opened in ((0.0, 1), (KEEP_SECONDS * 0.9, 1), (KEEP_SECONDS + 0.1, 2)):
            clock.advance(seconds)
            asking.verify(KEY)
            assert server.opened == opened


def test_an_answer_to_nobody_is_not_taken_for_the_next() -> None:
    """A server that says more than it was asked has its connection closed: nobody passes under another's name."""
    other = answer({**VERDICT, "name": "Another's"})
    with misbehaving(says(answer(VERDICT) + other, keeps=True), GOOD) as server, remote(server.url) as asking:
        for _ in range(3):
            outcome = asking.verify(KEY)
            assert isinstance(outcome, Accepted)
            assert outcome.record.name == "A key"


@pytest.mark.parametrize("fork", [os.fork, ctypes.PyDLL(None).fork], ids=["of Python", "behind its back"])
def test_a_fork_shares_no_connection(fork: Callable[[], int]) -> None:
    """A child that asks over its parent's connection could be given the parent's answer: each opens its own."""
    with misbehaving(GOOD) as server, remote(server.url) as asking:
        asking.verify(KEY)
        child = fork()
        if child == 0:
            os._exit(0 if isinstance(asking.verify(KEY), Accepted) else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert server.opened == 2
        asking.verify(KEY)
        assert (server.opened, len(server.questions)) == (2, 3)


BAD_ARGUMENTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "no scheme": ("keys.example.com", ASKER, {}),
    "another scheme": ("ftp://keys.example.com", ASKER, {}),
    "no server": ("https://", ASKER, {}),
    "a port that is none": ("https://keys.example.com:http", ASKER, {}),
    "a password": ("https://me:secret@keys.example.com", ASKER, {}),
    "a query": ("https://keys.example.com/?a=b", ASKER, {}),
    "a line": ("https://keys.example.com/\r\nX: y", ASKER, {}),
    "no key": ("https://keys.example.com", "", {}),
    "a header in the key": ("https://keys.example.com", ASKER + "\r\nX-Gate-Secret: x", {}),
    "no time": ("https://keys.example.com", ASKER, {"timeout_seconds": 0}),
    "an old cache": ("https://keys.example.com", ASKER, {"cache_seconds": MAX_CACHE_SECONDS + 1}),
    "less than no cache": ("https://keys.example.com", ASKER, {"cache_seconds": -1}),
    "a setting of servers": ("https://keys.example.com", ASKER, {"data_dir": "data"}),
    "a setting that cannot be": ("https://keys.example.com", ASKER, {"trusted_proxies": "everybody"}),
}


@pytest.mark.parametrize("name", BAD_ARGUMENTS)
def test_what_cannot_work_does_not_start(name: str) -> None:
    """An application learns at its start that its address, key or times cannot be used."""
    url, key, given = BAD_ARGUMENTS[name]
    with pytest.raises(Misconfigured):
        RemoteKeywright(url, key, **given)


def test_words_are_those_of_the_settings() -> None:
    """Prefixes, formats and proxies are told by the settings of the server's names; what looks like a key is hidden."""
    acme = {"name": "acme", "prefix": "acme_"}
    with remote(
        "http://127.0.0.1:9", key_formats=[acme], surfaces={"/shop": "acme_"}, trusted_proxies="10.0.0.0/8"
    ) as asking:
        assert [asking.surface_prefix(path) for path in ("/shop/1", "/elsewhere")] == ["acme_", "lwa."]
        assert asking.redact("got acme_" + "a1" * 8) == "got acme_[redacted]"
        assert [str(each) for each in asking.trusted_proxies] == ["10.0.0.0/8"]


def test_no_key_is_not_asked_about() -> None:
    """What a table of headers says where there is no key is refused here: no server is asked about it."""
    with remote("http://127.0.0.1:9") as asking:
        outcome = asking.verify(None)
    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.MALFORMED


def test_a_key_in_what_a_server_says_is_hidden() -> None:
    """Whoever echoes the question does not get a key into an error or a log."""
    echoing = replies(b"no " + KEY.encode(), "418 No")
    with misbehaving(echoing) as server, remote(server.url) as asking, pytest.raises(Unavailable) as raised:
        asking.verify(KEY)
    assert "(418: 'no lwa.sk_live_[redacted]')" in str(raised.value)


def test_the_question_has_no_more_in_it_than_was_given() -> None:
    """What is sent to the server is the key and what is known of the request; the asker's own key is in a header."""
    with misbehaving(GOOD) as server, remote(server.url + "/keys/") as asking:
        asking.verify(KEY, Request(scopes=("a:read",), address="192.0.2.1", user_agent="curl/8", cost=2))
    head, _, body = server.questions[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /keys/v1/keys/verify HTTP/1.1\r\n")
    assert f"X-API-Key: {ASKER}\r\n".encode() in head
    assert json.loads(body) == {
        "key": KEY, "scopes": ["a:read"], "address": "192.0.2.1", "user_agent": "curl/8", "cost": 2
    }  # fmt: skip
