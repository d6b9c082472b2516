"""Sending a key, and the three refusals: one list of cases, every face."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TypeAlias

import pytest

from keywright import Keywright, ManualClock
from support.cases import CASES, Case, Verdict, assert_unauthorized, assert_verdict, material
from support.faces import Face, InProcess, OverHttp
from support.installation import Installation
from support.servers import Server
from support.waiting import eventually

Prepared: TypeAlias = tuple[Face, Mapping[str, str]]


def by_name(case: Case) -> str:
    """What a case is called in the tests' output."""
    return case.name


@pytest.fixture(scope="module", params=["inside", "over_http"])
def prepared(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    server: Server,
    server_keywright: Keywright,
) -> Iterator[Prepared]:
    """A face and keys of every fate behind it, for the whole list."""
    with ExitStack() as stack:
        if request.param == "inside":
            made = stack.enter_context(Installation(tmp_path_factory.mktemp("cases") / "data", ManualClock()))
            face: Face = stack.enter_context(InProcess(made.keywright))
        else:
            face = OverHttp(server_keywright, server)
        yield face, material(face)


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_s21_s22_s23_s26_s27_s28_s29_s30_s31_s32_s33_s35_s36_every_case(case: Case, prepared: Prepared) -> None:
    """What is sent as a key, and how, decides between a good answer and exactly one of the documents' refusals."""
    face, keys = prepared
    answer = face.send("GET", case.path, case.filled(keys))
    assert_verdict(case, answer, face.keywright.clock.now())


def test_s27_s32_the_command_line_agrees_with_the_list(
    server: Server, over_http: OverHttp, subtests: pytest.Subtests
) -> None:
    """``keywright verify`` accepts and refuses the very texts that the server does."""
    keys = material(over_http)
    cases = {
        text: case for case in CASES if (text := case.text(keys)) is not None and case.verdict is not Verdict.MISSING
    }

    def verify(text: str) -> int:
        return server.command("verify", stdin=text + "\n").returncode

    with ThreadPoolExecutor(2) as pool:
        codes = dict(zip(cases, pool.map(verify, cases), strict=True))
    for text, case in cases.items():
        with subtests.test(case.name):
            assert codes[text] == (0 if case.verdict is Verdict.GOOD else 5)


def test_s26_s27_s28_the_words_are_the_documents(inside: InProcess) -> None:
    """The three bodies, byte for byte, at the moment that the documents show."""
    assert inside.send("GET", "/v1/subscriptions").text == (
        '{"error":"UNAUTHORIZED","message":"Missing API key. Include your API key in the X-API-Key header.",'
        '"timestamp":"2025-01-20T10:30:00Z"}'
    )
    assert inside.send("GET", "/v1/subscriptions", (("X-API-Key", "lwa.foo"),)).text == (
        '{"error":"UNAUTHORIZED","message":"Invalid API key. Check that your key is correct and active.",'
        '"timestamp":"2025-01-20T10:30:00Z"}'
    )
    assert inside.send("GET", "/v1/subscriptions", (("X-API-Key", "foo"),)).text == (
        '{"error":"UNAUTHORIZED","message":"Invalid API key format. Keys must start with \'lwa.\' prefix.",'
        '"timestamp":"2025-01-20T10:30:00Z"}'
    )


def test_s24_a_key_in_the_query_is_no_key_and_never_logged(server: Server, over_http: OverHttp) -> None:
    """A key in a URL counts as missing, and neither query nor path brings it into the log."""
    key = over_http.key()

    in_query = over_http.send("GET", f"/v1/subscriptions?api_key={key}&marker=s24")
    in_path = over_http.send("GET", f"/v1/account/api-keys/{key}", (("X-API-Key", key),))
    encoded = over_http.send("GET", f"/v1/s24/{key.replace('_', '%5F')}", (("X-API-Key", key),))

    assert_unauthorized(in_query, Verdict.MISSING.message, over_http.keywright.clock.now())
    assert (in_path.status_code, encoded.status_code) == (404, 404)
    assert eventually(lambda: "/v1/s24/" in server.log.read_text("utf-8"))
    log = server.log.read_text("utf-8")
    assert "marker=s24" not in log
    tail = key.rpartition("_")[2]
    for answer in (in_query, in_path, encoded):
        assert tail not in answer.text
    assert not [start for start in range(len(tail) - 11) if tail[start : start + 12] in log]


def test_s34_deleted_and_never_made_are_the_same(face: Face) -> None:
    """Nobody can find out from an answer whether a key ever existed."""
    keys = material(face)
    answers = [face.send("GET", "/v1/subscriptions", (("X-API-Key", keys[name]),)) for name in ("deleted", "unknown")]
    varying = {"timestamp", "x-request-id", "date"}
    seen = [
        (
            each.status_code,
            {name: value for name, value in each.json().items() if name not in varying},
            [(name, value) for name, value in each.headers.multi_items() if name not in varying],
        )
        for each in answers
    ]
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/nothing"), ("GET", "/v1"), ("GET", "/v1/"), ("PUT", "/v1/account/api-keys"),
        ("OPTIONS", "/v1/subscriptions"), ("TRACE", "/v1/subscriptions"), ("PURGE", "/v1/subscriptions"),
        ("GET", "/api/nothing"), ("GET", "/api"), ("DELETE", "/api/v1/nothing"), ("POST", "/v1/account/api-keys"),
    ],
)  # fmt: skip
def test_s37_credentials_come_before_routing(method: str, path: str, face: Face) -> None:
    """Without a key nobody learns which paths and methods there are."""
    assert_unauthorized(face.send(method, path), Verdict.MISSING.message, face.keywright.clock.now())


def test_s37_errors_after_authentication_count_and_carry_rate_headers(face: Face) -> None:
    """404, 405, 415, 422 and broken bodies cost a request each and say what is left."""
    key = face.key()
    json_type = (("X-API-Key", key), ("Content-Type", "application/json"))
    text_type = (("X-API-Key", key), ("Content-Type", "text/plain"))
    answers = [
        face.call("GET", "/v1/nothing", key),
        face.call("PUT", "/v1/account/api-keys", key),
        face.send("POST", "/v1/account/api-keys", json_type, b"{"),
        face.send("POST", "/v1/account/api-keys", text_type, b"{}"),
        face.call("POST", "/v1/account/api-keys", key, {"name": ""}),
        face.call("GET", "/v1/account/api-keys/key_000000000", key),
    ]
    assert [each.status_code for each in answers] == [404, 405, 400, 415, 422, 404]
    assert [each.headers["X-RateLimit-Remaining"] for each in answers] == ["99", "98", "97", "96", "95", "94"]


def test_s27_a_key_expires_on_the_second(moving: InProcess, clock: ManualClock) -> None:
    """An expired key is refused from its expiry on, in the words for a key that is not good."""
    key = moving.key(expires_in_seconds=60)
    clock.advance(59)
    assert moving.call("GET", "/v1/subscriptions", key).status_code == 200
    clock.advance(1)
    assert_unauthorized(moving.call("GET", "/v1/subscriptions", key), Verdict.INVALID.message, clock.now())


def test_s6_s32_a_typo_anywhere_is_refused(inside: InProcess) -> None:
    """Every single wrong character of a key's tail is found out; the message speaks of a key that is not correct."""
    key = inside.key()
    for position in range(len("lwa.sk_live_"), len(key)):
        wrong = key[:position] + ("x" if key[position] != "x" else "y") + key[position + 1 :]
        answer = inside.call("GET", "/v1/subscriptions", wrong)
        assert_unauthorized(answer, Verdict.INVALID.message, inside.keywright.clock.now())
