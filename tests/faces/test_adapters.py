"""Every adapter in front of an application of its framework, over a real socket: one list of cases for all of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from keywright import ManualClock
from keywright.flood import BURST
from support import corpus
from support.adapters import asynchronous, django_app, flask_app, plain, remote
from support.adapters.common import COST, RETRY_SECONDS, SCOPE, Adapter
from support.cases import (
    CASES,
    RATE_HEADERS,
    Case,
    Verdict,
    assert_flat_error,
    assert_rate_headers,
    assert_unauthorized,
    assert_verdict,
    material,
)
from support.corpus import HeaderCase
from support.faces import OverPort
from support.installation import ME, Installation
from support.mutants import assert_caught, with_long_form

HERE = "tests/faces/test_adapters.py"
ADAPTERS = (*plain.ADAPTERS, *asynchronous.ADAPTERS, *flask_app.ADAPTERS, *django_app.ADAPTERS, *remote.ADAPTERS)
PROXY_SETTINGS = {"trusted_proxies": "127.0.0.1"}
GOOD = "/v1/subscriptions"


class Prepared:
    """An adapter, a way in, and keys of every fate behind it."""

    def __init__(self, adapter: Adapter, installation: Installation, port: int) -> None:
        self.adapter = adapter
        self.clock = installation.clock
        self.face = OverPort(installation.keywright, port)
        self.keys = material(self.face)

    def now(self) -> float:
        """The time that the installation believes it is."""
        return self.clock.now()


@pytest.fixture(scope="module", params=ADAPTERS, ids=lambda adapter: adapter.name)
def prepared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    """Each adapter in turn. It believes what this machine says in X-Forwarded-For."""
    adapter: Adapter = request.param
    data_dir = tmp_path_factory.mktemp("adapter") / "data"
    with ExitStack() as stack:
        installation = stack.enter_context(Installation(data_dir, ManualClock(), **PROXY_SETTINGS))
        port = stack.enter_context(adapter.serve(installation.keywright))
        yield Prepared(adapter, installation, port)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_s21_to_s36_every_case(case: Case, prepared: Prepared) -> None:
    """What is sent as a key, and how, has the same answer through every adapter: a good one, or the very refusal."""
    answer = prepared.face.send("GET", case.path, case.filled(prepared.keys))
    assert_verdict(case, answer, prepared.now())


#: What a table of headers cannot tell from two headers; refused, or one key after all.
_FOLDED = {"two in one line": corpus.CONFLICT, "the same twice in one line": corpus.PASSES}
#: What the library's server, unlike most, takes for the same header.
_UNDERSCORE = {"X_API_Key": corpus.PASSES}


def test_s21_to_s33_the_hostile_ways_of_sending_a_key(prepared: Prepared, subtests: pytest.Subtests) -> None:
    """No way of hiding a key, doubling it or dressing it up passes an adapter that would not pass the server."""
    own = {**_FOLDED, **_UNDERSCORE} if prepared.adapter.folds else {}
    small = [each for each in corpus.HEADERS if sum(map(len, each.lines)) < 5_000 and len(each.lines) < 90]
    keys = [prepared.face.create(rate_limit=None) for _ in range(3)]
    prepared.face.keywright.manager.delete(ME, prepared.face.account_id, keys[2].row.id)
    for case in small:
        with subtests.test(case.label):
            answer = prepared.face.send("GET", GOOD, _lines(case, [each.key for each in keys]))
            assert (answer.status_code, answer.json().get("message", "")) == own.get(case.label, case.expected)


def test_a_key_behind_an_underscore_is_never_preferred(prepared: Prepared) -> None:
    """`X_API_Key` beside `X-API-Key` is another header, or, where the two cannot be told apart, one key too many."""
    key, other = prepared.face.key(), prepared.face.key()
    answer = prepared.face.send("GET", GOOD, (("X-API-Key", key), ("X_API_Key", other)))
    if prepared.adapter.folds:
        assert_flat_error(answer, 400, "BAD_REQUEST", corpus.CONFLICT[1], prepared.now())
    else:
        assert_rate_headers(answer, 99)
        assert_rate_headers(prepared.face.call("GET", GOOD, key), 98)


def _lines(case: HeaderCase, keys: list[str]) -> tuple[tuple[str, str], ...]:
    key, other, dead = keys
    places = {
        "{key}": key, "{other}": other, "{dead}": dead, "{key_cut}": key[:-1], "{key_lower}": key.lower(),
        "{key_upper}": key.upper(), "{key_typo}": key[:-1] + ("A" if key[-1] != "A" else "B"),
        "{tail}": key.rpartition("_")[2],
    }  # fmt: skip
    found = []
    for line in case.lines:
        text = line.decode("latin-1")
        for place, value in places.items():
            text = text.replace(place, value)
        name, _, value = text.partition(":")
        found.append((name, value.strip(" ")))
    return tuple(found)


def test_the_handler_knows_its_caller(prepared: Prepared) -> None:
    """Key, account, name, scopes and what is left of the limit are there for the application, and are the caller's."""
    created = prepared.face.create("Nightly job", scopes=[SCOPE, "orders:read"])
    assert prepared.face.call("GET", GOOD, created.key).json() == {
        "key_id": created.row.id,
        "account_id": prepared.face.account_id,
        "name": "Nightly job",
        "scopes": [SCOPE, "orders:read"],
        "remaining": 99,
    }


def test_what_is_not_protected_passes_untouched(prepared: Prepared) -> None:
    """A path that no key is asked for answers anybody, and is told of nobody, not even of the last caller."""
    key = prepared.face.key()
    prepared.face.call("GET", GOOD, key)
    for headers in ((), (("X-API-Key", key),), (("X-API-Key", "foo"),)):
        answer = prepared.face.send("GET", "/open", headers)
        assert (answer.status_code, answer.text) == (200, "open")
        assert not [name for name in RATE_HEADERS if name in answer.headers]


def test_s37_credentials_come_before_routing(prepared: Prepared) -> None:
    """Without a key nobody learns which paths and methods there are, or brings anything to break."""
    paths = ["/v1/broken", "/v1/busy", "/v1/scoped", "/v1/posted", "/api/elsewhere"]
    if prepared.adapter.routes:
        paths += ["/v1", "/v1/", "/v1/nothing", "/api/nothing"]
    else:
        paths.remove("/v1/busy")
    for path in paths:
        assert_unauthorized(prepared.face.send("GET", path), Verdict.MISSING.message, prepared.now())
    assert_unauthorized(prepared.face.send("DELETE", "/v1/scoped"), Verdict.MISSING.message, prepared.now())


def test_s37_the_applications_own_errors_count_and_carry_rate_headers(prepared: Prepared) -> None:
    """404, 405 and 500 cost a request each and say what is left, as far as the framework lets the adapter see them."""
    key = prepared.face.key()
    expected = {"/v1/posted": 405}
    if prepared.adapter.routes:
        expected |= {"/v1/nothing": 404}
    if prepared.adapter.answers_errors:
        expected |= {"/v1/broken": 500}
    for spent, (path, status) in enumerate(expected.items(), 1):
        answer = prepared.face.call("GET", path, key)
        assert answer.status_code == status
        assert_rate_headers(answer, 100 - spent)


def test_an_error_of_the_machine_in_a_handler_is_a_503(prepared: Prepared) -> None:
    """A store that cannot answer a handler is told as such, says when to come back, and nothing of limits."""
    answer = prepared.face.call("GET", "/v1/busy", prepared.face.key())
    if not prepared.adapter.answers_errors:  # with no framework of ours in front, the error is the server's
        assert answer.status_code == 500
        return
    assert_flat_error(answer, 503, "SERVICE_UNAVAILABLE", None, prepared.now())
    assert answer.headers["Retry-After"] == str(RETRY_SECONDS)
    assert "X-RateLimit-Limit" not in answer.headers


def test_s72_who_cannot_be_looked_up_is_told_to_come_back(prepared: Prepared) -> None:
    """An adapter that is not allowed to ask the store says 503 and when to try again, never 401 and never 200."""
    mint = prepared.face.keywright.formats.mint
    source = ("X-Forwarded-For", "198.51.100.77")
    for _ in range(BURST):
        assert prepared.face.call("GET", GOOD, mint("lwa", "live"), headers=(source,)).status_code == 401
    answer = prepared.face.call("GET", GOOD, prepared.face.key(), headers=(source,))
    assert_flat_error(answer, 503, "SERVICE_UNAVAILABLE", None, prepared.now())
    assert int(answer.headers["Retry-After"]) >= 1
    assert "X-RateLimit-Limit" not in answer.headers


def test_s62_to_s70_the_limit(prepared: Prepared) -> None:
    """What is left is counted down; the request after the last is refused in the documented words, for free."""
    key = prepared.face.key(rate_limit="2/15m")
    reset = str(math.ceil(prepared.now()) + 900)
    for left in ("1", "0"):
        answer = prepared.face.call("GET", GOOD, key)
        assert_rate_headers(answer, int(left))
        assert answer.headers["X-RateLimit-Reset"] == reset
    for path in (GOOD, "/v1/broken"):
        answer = prepared.face.call("GET", path, key)
        message = "Rate limit exceeded. Try again in 900 seconds."
        assert_flat_error(answer, 429, "RATE_LIMIT_EXCEEDED", message, prepared.now())
        assert answer.headers["Retry-After"] == "900"
        assert_rate_headers(answer, 0)


def test_a_request_may_cost_more(prepared: Prepared) -> None:
    """A handler's cost is taken whole or not at all, and a request that cannot pay does not reach it."""
    key = prepared.face.key(rate_limit=f"{2 * COST - 1}/15m")
    assert_rate_headers(prepared.face.call("GET", "/v1/costly", key), COST - 1)
    refused = prepared.face.call("GET", "/v1/costly", key)
    assert refused.status_code == 429
    assert_rate_headers(prepared.face.call("GET", GOOD, key), COST - 2)


def test_a_scope_is_asked_for_and_named(prepared: Prepared) -> None:
    """A key without the scope gets 403, is told which one it lacks, is charged, and the request counts as forbidden."""
    face = prepared.face
    account = face.account("Scopes")
    reader = face.create(account_id=account, scopes=[SCOPE])
    other = face.create(account_id=account, scopes=["orders:read"])
    assert face.call("GET", "/v1/scoped", reader.key).status_code == 200
    answer = face.call("GET", "/v1/scoped", other.key)
    message = f"This API key lacks the scope {SCOPE}. Use a key that has it."
    assert_flat_error(answer, 403, "FORBIDDEN", message, prepared.now())
    assert answer.headers["WWW-Authenticate"] == f'Bearer realm="api", error="insufficient_scope", scope="{SCOPE}"'
    assert_rate_headers(answer, 99)
    face.keywright.usage.flush()
    now = prepared.now()
    report = face.keywright.manager.report(ME, account, now - 3600, now + 3600, key_id=other.row.id, daily=False)
    assert [(each.outcome, each.count) for each in report] == [
        ("forbidden" if prepared.adapter.recounts else "accepted", 1)
    ]


def test_full_access_covers_a_scope(prepared: Prepared) -> None:
    """A key with full access needs no scope by name."""
    assert prepared.face.call("GET", "/v1/scoped", prepared.face.key()).status_code == 200


def test_an_environment_is_asked_for(prepared: Prepared) -> None:
    """A test key does not reach a handler that is for live keys."""
    answer = prepared.face.call("GET", "/v1/live", prepared.face.key(environment="test"))
    message = "This API key is of another environment. Use a key of the one that is asked for here."
    assert_flat_error(answer, 403, "FORBIDDEN", message, prepared.now())
    assert_rate_headers(answer)
    assert prepared.face.call("GET", "/v1/live", prepared.face.key()).status_code == 200


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [("203.0.113.7", 200), ("198.51.100.9", 403), ("203.0.113.7, 198.51.100.9", 403), ("unknown", 403), (None, 403)],
)
def test_the_address_is_what_a_trusted_proxy_says(prepared: Prepared, forwarded: str | None, status: int) -> None:
    """A key that is bound to a network works for the client that the proxy names, and for nobody else."""
    key = prepared.face.key(networks=["203.0.113.0/24"])
    headers = (("X-Forwarded-For", forwarded),) if forwarded else ()
    answer = prepared.face.call("GET", GOOD, key, headers=headers)
    assert answer.status_code == status
    if status == 403:
        message = "This API key may not be used from this network address."
        assert_flat_error(answer, 403, "FORBIDDEN", message, prepared.now())


def test_s55_a_deleted_key_is_dead_at_once(prepared: Prepared) -> None:
    """The very next request with a deleted key is refused, though the adapter knew it a moment ago."""
    created = prepared.face.create()
    assert prepared.face.call("GET", GOOD, created.key).status_code == 200
    prepared.face.keywright.manager.delete(ME, prepared.face.account_id, created.row.id)
    answer = prepared.face.call("GET", GOOD, created.key)
    assert_unauthorized(answer, Verdict.INVALID.message, prepared.now())


def test_a_problem_document_for_whoever_prefers_one(prepared: Prepared) -> None:
    """Refusals follow RFC 9457 where it is ranked above JSON, and are flat otherwise."""
    prefers = (("Accept", "application/problem+json, application/json;q=0.5"),)
    answer = prepared.face.send("GET", GOOD, prefers)
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api"'
    assert (answer.json()["status"], answer.json()["code"]) == (401, "UNAUTHORIZED")
    for accept in ("*/*", "application/json, application/problem+json", "text/html, */*;q=0.1"):
        answer = prepared.face.send("GET", GOOD, (("Accept", accept),))
        assert_unauthorized(answer, Verdict.MISSING.message, prepared.now())


def test_a_refusal_is_not_kept_by_caches(prepared: Prepared) -> None:
    """What was refused once is not answered from a cache to somebody else, and is not taken for a page."""
    for headers in ((), (("X-API-Key", prepared.face.key(networks=["203.0.113.0/24"])),)):
        answer = prepared.face.send("GET", GOOD, headers)
        assert answer.headers.get_list("Cache-Control") == ["no-store"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_head_is_refused_without_a_body(prepared: Prepared) -> None:
    """HEAD is refused like GET, with the headers of its answer and nothing behind them."""
    flat = prepared.face.send("GET", GOOD)
    answer = prepared.face.send("HEAD", GOOD)
    assert (answer.status_code, answer.content) == (401, b"")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api"'
    assert answer.headers.get("Content-Length") in {flat.headers["Content-Length"], None}
    assert prepared.face.send("HEAD", "/v1/posted", (("X-API-Key", "lwa.foo"),)).status_code == 401


def test_a_post_needs_nothing_but_its_key(prepared: Prepared) -> None:
    """A program that posts with a key is not asked for what protects browsers."""
    answer = prepared.face.call("POST", "/v1/posted", prepared.face.key(), {})
    assert answer.status_code in {200, 201}
    assert_rate_headers(answer, 99)


#: Fault → where it is planted, and the test that must fail.
MUTANTS: Mapping[str, tuple[str, str, str, str]] = {
    "scopes are not asked for by handlers": (
        "adapters/guard.py",
        "missing_scopes(caller.record.scopes, wanted.scopes)",
        "()",
        "test_a_scope_is_asked_for_and_named[starlette]",
    ),
    "scopes are not asked for in front of handlers": (
        "adapters/guard.py",
        "Request(wanted.scopes, ",
        "Request((), ",
        "test_a_scope_is_asked_for_and_named[wsgi]",
    ),
    "the environment is not asked for": (
        "adapters/guard.py",
        "if wanted.environment and wanted.environment != caller.record.environment:",
        "if wanted.environment == caller.record.environment == 0:",
        "test_an_environment_is_asked_for[litestar]",
    ),
    "everything costs 1": (
        "adapters/guard.py",
        "wanted.environment, wanted.cost, agent",
        "wanted.environment, 1, agent",
        "test_a_request_may_cost_more[flask]",
    ),
    "limit headers are dropped": (
        "adapters/guard.py",
        "return () if status in WITHOUT_RATE_HEADERS else self.headers",
        "return ()",
        "test_s37_the_applications_own_errors_count_and_carry_rate_headers[django]",
    ),
    "a machine that cannot answer says the key is bad": (
        "adapters/guard.py",
        "self.answer(answers.unavailable(error.retry_after_seconds), sent.accept)",
        "self.answer(answers.invalid_key(), sent.accept)",
        "test_s72_who_cannot_be_looked_up_is_told_to_come_back[django-asgi]",
    ),
    "folded headers are taken for one key": (
        "adapters/wsgi.py",
        'joined.split(",")',
        "[joined]",
        "test_s21_to_s36_every_case[wsgi-s23_twice_different]",
    ),
    "whatever is answered, the caller is let in": (
        "adapters/flask.py",
        "            if isinstance(verdict, Answer):\n                _refuse(verdict)\n",
        "            if isinstance(verdict, Answer):\n                return\n",
        "test_s37_credentials_come_before_routing[flask]",
    ),
}


#: Those that are planted every time; the others take the long form.
QUICK = (
    "scopes are not asked for by handlers",
    "limit headers are dropped",
    "whatever is answered, the caller is let in",
)


@pytest.mark.parametrize("fault", with_long_form(MUTANTS, MUTANTS.keys() - QUICK))
def test_the_tests_catch(fault: str, tmp_path: Path) -> None:
    """Each of these faults, planted in a copy of the source, makes the named test fail."""
    file, old, new, test = MUTANTS[fault]
    assert_caught(tmp_path, file, old, new, f"{HERE}::{test}")
