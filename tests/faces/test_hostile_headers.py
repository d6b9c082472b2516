"""Hostile headers against a real server: which key, if any, was presented, and what is said about it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from support import corpus
from support.corpus import HeaderCase
from support.mutants import assert_caught
from support.servers import Server
from support.wire import assert_error, exchange, message

PATH = b"/v1/account/api-keys"


@pytest.fixture(scope="module")
def named(server: Server) -> Mapping[bytes, bytes]:
    """What the placeholders of the corpus stand for."""
    key, other, dead = (server.key(f"Hostile headers {number}", "--limit", "none") for number in range(3))
    assert server.request("DELETE", f"/v1/account/api-keys/{dead['id']}", other["key"]).status_code == 204
    text = key["key"]
    typo = text[:-1] + ("A" if text[-1] != "A" else "B")
    found = {
        "key": text,
        "other": other["key"],
        "dead": dead["key"],
        "key_cut": text[:-1],
        "key_typo": typo,
        "key_lower": text.lower(),
        "key_upper": text.upper(),
        "tail": text.removeprefix(key["prefix"]),
    }
    return {b"{%s}" % name.encode(): value.encode() for name, value in found.items()}


def _filled(case: HeaderCase, named: Mapping[bytes, bytes]) -> list[bytes]:
    lines = list(case.lines)
    for placeholder, value in named.items():
        lines = [line.replace(placeholder, value) for line in lines]
    return lines


@pytest.mark.parametrize("case", corpus.HEADERS, ids=lambda case: case.label)
def test_s21_to_s33_every_way_of_sending_a_key_has_one_answer(
    server: Server, named: Mapping[bytes, bytes], case: HeaderCase
) -> None:
    """A key passes only as the documents say it is sent; anything else gets the one refusal that names its fault."""
    answer = exchange(server.url, message(b"GET", PATH + b"?limit=1", _filled(case, named)))

    status, text = case.expected
    if status == 200:
        assert answer is not None
        assert answer.status == 200, answer.body
        assert "keys" in answer.json()
    else:
        assert_error(answer, status, text)


@pytest.mark.parametrize(
    "case", [each for each in corpus.HEADERS if each.expected[0] != 200], ids=lambda case: case.label
)
def test_what_is_refused_writes_nothing(server: Server, named: Mapping[bytes, bytes], case: HeaderCase) -> None:
    """A create call whose credentials are refused gets the same answer as a list call, and makes no key."""
    lines = [*_filled(case, named), b"Content-Type: application/json"]

    answer = exchange(server.url, message(b"POST", PATH, lines, b'{"name": "made by a stranger"}'))

    assert_error(answer, *case.expected)
    listed = server.request("GET", PATH.decode(), named[b"{key}"].decode()).json()["keys"]
    assert not [each for each in listed if each["name"] == "made by a stranger"]


def test_s23_two_different_keys_charge_neither(server: Server) -> None:
    """Where two keys conflict nobody knows who called: neither is charged, neither was used."""
    first, second = server.key("conflicting 1"), server.key("conflicting 2")
    lines = [b"X-API-Key: " + each["key"].encode() for each in (first, second)]

    answer = exchange(server.url, message(b"GET", PATH, lines))

    assert_error(answer, 400, corpus.CONFLICT[1])
    assert answer is not None
    assert "x-ratelimit-limit" not in answer.headers
    assert server.request("GET", "/v1/account", first["key"]).headers["X-RateLimit-Remaining"] == "99"
    shown = server.request("GET", f"/v1/account/api-keys/{second['id']}", first["key"]).json()
    assert shown["last_used_at"] is None


@pytest.mark.parametrize(
    "raw",
    [
        b"GARBAGE\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 64,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"FETCH /v1/account HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /v1/account HTTP/9.9\r\nHost: a\r\n\r\n",
        b"GET /v1/\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /v1/account HTTP/1.1\r\nHost: a\r\nX-API-Key : a\r\n\r\n",
        b"GET /v1/account HTTP/1.1\r\nHost: a\r\nX-API-Key: a\x00b\r\n\r\n",
        b"GET /v1/account HTTP/1.1\r\nHost: a\r\n: nameless\r\n\r\n",
        b"POST /v1/account HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/account/api-keys HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"POST /v1/account/api-keys HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/account/api-keys HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"9" * 40 + b"\r\n\r\n",
        b"POST /v1/account/api-keys HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n\r\n",
        b"POST /v1/account/api-keys HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"GET /v1/account HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"GET /v1/account HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /v1/account HTTP/1.0\r\n\r\n",
    ],
    ids=repr,
)
def test_what_is_hardly_http_is_refused_and_harms_nobody(
    server: Server, named: Mapping[bytes, bytes], raw: bytes
) -> None:
    """Broken HTTP is never accepted, never a fault of ours, and the next caller is served as if nothing had been."""
    answer = exchange(server.url, raw)

    assert answer is None or 400 <= answer.status < 500
    assert answer is None or b"Traceback" not in answer.body
    assert server.request("GET", "/v1/account", named[b"{key}"].decode()).status_code == 200


def test_a_client_that_leaves_in_the_middle_harms_nobody(server: Server, named: Mapping[bytes, bytes]) -> None:
    """A connection that breaks off inside a body leaves no half-made key and a server that goes on."""
    lines = [b"X-API-Key: " + named[b"{key}"], b"Content-Type: application/json", b"Content-Length: 4000"]

    exchange(
        server.url, message(b"POST", PATH, [*lines, b"Connection: close"]) + b'{"name": "left early"', half_closed=True
    )

    listed = server.request("GET", PATH.decode(), named[b"{key}"].decode())
    assert listed.status_code == 200
    assert "left early" not in listed.text


def test_the_corpus_notices_a_preference_between_two_keys(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Mutant: of two different keys the server picks one. The corpus must fail then."""
    assert_caught(
        tmp_path_factory.mktemp("mutant"),
        "adapters/credentials.py",
        "    if len(found) > 1:\n",
        "    if len(found) > 2:\n",
        "tests/faces/test_hostile_headers.py::test_s23_two_different_keys_charge_neither",
    )
