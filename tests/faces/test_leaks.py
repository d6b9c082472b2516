"""Keys never leak: not into the database, the logs, an error page, a process list, wherever they were sent by mistake.

Beyond these tests every server that any test starts is searched at its end for every key that was made on it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from support.canaries import Canaries, Leaked, tail
from support.mutants import assert_caught
from support.servers import Server, running
from support.waiting import eventually
from support.wire import exchange, message

KEYS = "/v1/account/api-keys"


HEADERS = (
    "Referer", "Cookie", "X-Forwarded-For", "Forwarded", "X-Request-Id", "Idempotency-Key", "Accept", "Host", "Origin",
    "From", "X-Api-Key-Old", "Authorization", "Traceparent", "Via",
)  # fmt: skip


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of these tests' own, searched after each of them."""
    with running(tmp_path_factory.mktemp("searched") / "data", KEYWRIGHT_LOG_LEVEL="debug") as started:
        yield started


@pytest.fixture
def victim(searched: Server) -> str:
    """A key whose owner makes mistakes."""
    key: str = searched.key("Victim", "--limit", "none")["key"]
    return key


def _cut(key: str) -> list[str]:
    """Pieces of a key as they come from bad copying."""
    text = tail(key)
    return [key[:-3], key[4:], text, text[:22], text[5:20], text[-12:], key + "x", f"x{text}"]


def _encoded(key: str) -> list[str]:
    return [
        key,
        quote(key),
        key.replace(".", "%2E").replace("_", "%5F"),
        key.replace("_", "%5f"),
        quote(f"Bearer {key}"),
    ]


def test_s24_s78_a_key_in_an_address_is_in_no_log(searched: Server, victim: str) -> None:
    """Whole, cut, encoded, in query or path, with a good key beside it or without: the log holds nothing of it."""
    good = searched.key("Good", "--limit", "none")["key"]
    for piece in (*_encoded(victim), *_cut(victim)):
        for target in (
            f"{KEYS}?api_key={piece}", f"{KEYS}/{piece}", f"/v1/{piece}/x", f"/{piece}", f"{KEYS};key={piece}",
            f"/api/campaigns/{piece}/trigger", f"/help?{piece}", f"{KEYS}/{piece}/rotate?x={piece}",
            f"/v1/account/usage?key_id={piece}",
        ):  # fmt: skip
            for lines in ([], [b"X-API-Key: " + good.encode()]):
                answer = exchange(searched.url, message(b"GET", target.encode(), lines))
                assert answer is not None
                assert answer.status < 500
                searched.canaries.assert_absent(str(answer.headers).encode() + answer.body, target)

    searched.assert_no_leaks()


def test_s78_a_key_in_a_wrong_header_is_stored_and_shown_nowhere(searched: Server, victim: str) -> None:
    """Headers that we keep something of, or might, hold keys as well: what is kept of them holds none."""
    good = searched.key("Good", "--limit", "none")["key"]
    for name in HEADERS:
        for value in (victim, f"Bearer {victim}", f"curl/8 {quote(victim)}", f"key={tail(victim)};x"):
            headers = {name: value, "Content-Type": "application/json"}
            listed = searched.request("GET", KEYS, good, headers=headers)
            made = searched.request("POST", KEYS, good, headers=headers, data=b'{"name": "x", "scopes": ["none"]}')
            assert listed.status_code in (200, 400)
            assert made.status_code in (201, 400, 409)

    searched.assert_no_leaks()


@pytest.mark.parametrize("agent", ["{key}", "tool/1.0 ({key})", "curl/8 {encoded}", "key={tail};"])
def test_s78_a_key_in_a_user_agent_is_not_stored(searched: Server, victim: str, agent: str) -> None:
    """The user agent of a key's last use is stored and shown to people: a key in it is hidden before that."""
    used = searched.key("Talkative")
    value = agent.format(key=victim, encoded=quote(f"Bearer {victim}"), tail=tail(victim))
    assert searched.request("GET", "/v1/account", used["key"], headers={"User-Agent": value}).status_code == 200

    path = f"{KEYS}/{used['id']}"
    assert eventually(lambda: searched.request("GET", path, victim).json()["last_used_at"])

    searched.assert_no_leaks()


BODIES = (
    '{{"name": "x", "key": "{key}"}}',
    '{{"name": "x", "{key}": 1}}',
    '{{"name": "x", "scopes": ["{key}"]}}',
    '{{"name": "x", "rate_limit": "{key}"}}',
    '{{"name": "x", "networks": ["{key}"]}}',
    '{{"name": "x", "expires_at": "{key}"}}',
    '{{"name": "x", "format": "{key}"}}',
    '{{"name": "x", "environment": "{key}"}}',
    '{{"name": ["{key}"]}}',
    '{{"name": "{key}',
    "{key}",
    '"{key}"',
    '["{key}"]',
    "name={key}",
    '{{"name": "x", "metadata": "{key}"}}',
    '{{"name": "{key}\\u0000"}}',
    '{{"name": "{key}", "name": "{key}"}}',
    '{{"name": "\\u202e{key}"}}',
    '{{"name": "{key} {key} {key} {key} {key} {key} {key} {key}"}}',
)


@pytest.mark.parametrize("body", BODIES)
def test_s78_a_key_in_a_refused_body_is_in_no_answer_and_no_log(searched: Server, victim: str, body: str) -> None:
    """An error that quotes what was wrong never quotes a key: error pages are pasted into tickets."""
    raw = body.format(key=victim).encode()
    headers = {"Content-Type": "application/json"}
    for method, path in (("POST", KEYS), ("POST", "/v1/subscriptions"), ("POST", "/api/campaigns")):
        assert 400 <= searched.request(method, path, victim, data=raw, headers=headers).status_code < 500
        problem = {**headers, "Accept": "application/problem+json"}
        assert 400 <= searched.request(method, path, victim, data=raw, headers=problem).status_code < 500

    searched.assert_no_leaks()


def test_s78_a_key_in_what_is_hardly_http_is_in_no_log(searched: Server, victim: str) -> None:
    """Requests that never become requests are logged as well, without what was in them."""
    for raw in (
        f"{victim}\r\n\r\n",
        f"GET /v1/account?{victim} HTTP/9.9\r\n\r\n",
        f"GET /v1/account HTTP/1.1\r\nHost: a\r\nX-API-Key : {victim}\r\n\r\n",
        f"GET /v1/account HTTP/1.1\r\nHost: a\r\nX-API-Key: {victim}\x00\r\n\r\n",
        f"{victim} /v1/account HTTP/1.1\r\nHost: a\r\n\r\n",
        f"GET /v1/account HTTP/1.1\r\nHost: a\r\n{victim}: x\r\n\r\n",
        f"GET /v1/account HTTP/1.1\r\nHost: a\r\nUpgrade: {victim}\r\nConnection: Upgrade\r\n\r\n",
    ):
        answer = exchange(searched.url, raw.encode())
        if answer is not None:
            searched.canaries.assert_absent(answer.body, raw)

    searched.assert_no_leaks()


def test_the_life_of_a_key_leaves_no_trace_of_it(searched: Server, victim: str) -> None:
    """Making, using, changing, rotating, misusing and deleting a key: no file, log or list holds anything of it."""
    made = searched.request("POST", KEYS, victim, json={"name": "Life", "rate_limit": "3/h"}).json()
    path = f"{KEYS}/{made['id']}"
    for _ in range(4):
        searched.request("GET", "/v1/account", made["key"])
    searched.request("PATCH", path, victim, json={"name": "Changed", "metadata": {"team": "x"}})
    successor = searched.request("POST", f"{path}/rotate", victim, json={"grace_seconds": 0}).json()
    searched.command("verify", stdin=successor["key"])
    searched.command("keys", "show", "Changed")
    searched.request("DELETE", path, victim)
    searched.request("GET", "/v1/account", made["key"])
    searched.request("GET", KEYS, victim)
    searched.request("GET", "/v1/account/usage", victim)

    assert made["key"] in searched.canaries
    assert successor["key"] in searched.canaries
    for command in (("keys", "list", "--json"), ("keys", "show", successor["id"]), ("doctor", "--json")):
        done = searched.command(*command)
        searched.canaries.assert_absent((done.stdout + done.stderr).encode(), " ".join(command))
    searched.assert_no_leaks()


def test_the_command_line_shows_a_key_to_no_process_list(searched: Server, victim: str) -> None:
    """There is no way to give a key as an argument: `verify` reads it from standard input, and a REF is never a key."""
    assert searched.command("verify", victim).returncode == 2
    for arguments in (("keys", "show", victim), ("keys", "delete", victim, "--yes")):
        done = searched.command(*arguments)
        assert done.returncode == 3
        searched.canaries.assert_absent((done.stdout + done.stderr).encode(), " ".join(arguments[:2]))


def test_the_search_finds_what_it_looks_for(tmp_path: Path) -> None:
    """A search that finds nothing shows nothing: planted keys are found, whole, cut and between binary bytes."""
    text = "lwa.sk_live_" + "Ab3" * 10 + "xY"
    canaries = Canaries([text])
    for number, planted in enumerate(
        (text, tail(text)[3:15], json.dumps({"x": [text[:-9]]}), f"\x00\x01{tail(text)}\x7f")
    ):
        file = tmp_path / f"{number}" / "file"
        file.parent.mkdir()
        file.write_bytes(b"\xff\xfe" + planted.encode() + b"\x00")
        with pytest.raises(Leaked):
            canaries.assert_files_clean(tmp_path / f"{number}")
    canaries.assert_absent(tail(text)[:11].encode(), "eleven characters")


_LINE = "status, seconds, client, record, inner[REQUEST_ID_NAME])"
MUTANTS = (
    (
        "server/log.py",
        _LINE,
        _LINE.replace("client,", 'client + outer["query_string"].decode(),'),
        "test_s24_s78_a_key_in_an_address_is_in_no_log",
    ),
    (
        "server/log.py",
        _LINE,
        _LINE.replace("client,", 'client + str(outer["headers"]),'),
        "test_the_life_of_a_key_leaves_no_trace_of_it",
    ),
    (
        "usage.py",
        "        shown = self._redact(_storable(user_agent))\n",
        "        shown = _storable(user_agent)\n",
        "test_s78_a_key_in_a_user_agent_is_not_stored[{key}]",
    ),
)


@pytest.mark.planted
@pytest.mark.parametrize(("file", "old", "new", "test"), MUTANTS, ids=["query", "headers", "user agent"])
def test_the_search_notices_a_leak(
    tmp_path_factory: pytest.TempPathFactory, file: str, old: str, new: str, test: str
) -> None:
    """Mutants: the log shows the query, or the headers; the user agent is stored as it came. Each must be found."""
    assert_caught(tmp_path_factory.mktemp("mutant"), file, old, new, f"tests/faces/test_leaks.py::{test}")
