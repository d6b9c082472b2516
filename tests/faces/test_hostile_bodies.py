"""Hostile bodies against a real server: one status for each, the member named, and nothing half done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from support import corpus
from support.corpus import BodyCase
from support.mutants import assert_caught
from support.servers import Server
from support.wire import Answer, answer_of, assert_error, exchange, message

KEYS = "/v1/account/api-keys"


class Caller:
    """A key without limit, of an account of its own."""

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.account_id = server.account(name)
        self.made = server.key("Hostile bodies", "--limit", "none", "--account", self.account_id)
        self.key: str = self.made["key"]
        self.path = f"{KEYS}/{self.made['id']}"

    def send(self, method: str, path: str, case: BodyCase) -> Answer:
        """The case's body with its type."""
        headers = {"Content-Type": case.content_type}
        return answer_of(self.server.request(method, path, self.key, data=case.raw, headers=headers))

    def get(self, path: str) -> Any:
        """What stands there now."""
        return self.server.request("GET", path, self.key).json()

    def keys(self) -> dict[str, int]:
        """How many keys the account has, by status."""
        counts: dict[str, int] = self.get("/v1/account")["keys"]
        return counts


@pytest.fixture(scope="module")
def caller(server: Server) -> Iterator[Caller]:
    """A caller whom all tests here share: nothing they send may change anything."""
    shared = Caller(server, "Hostile bodies")
    before = shared.keys()
    yield shared
    assert shared.keys() == before


def _assert_refused(answer: Answer, case: BodyCase) -> None:
    body = assert_error(answer, case.status)
    if case.member:
        assert [each["member"] for each in body["details"]] == [case.member]
        assert answer.status == 422 or case.member in body["message"]


@pytest.mark.parametrize("case", corpus.CREATE, ids=lambda case: case.label)
def test_s19_no_key_is_made_of_a_bad_body(caller: Caller, case: BodyCase) -> None:
    """Whatever is wrong with a create call's body, the answer says so in the flat shape, and there is no new key."""
    before = caller.keys()

    answer = caller.send("POST", KEYS, case)

    _assert_refused(answer, case)
    assert caller.keys() == before


CHANGES = (*corpus.BROKEN, *corpus.WRONG_VALUES, *corpus.UPDATE_ONLY)


@pytest.mark.parametrize("case", CHANGES, ids=lambda case: case.label)
def test_a_bad_change_changes_nothing(caller: Caller, case: BodyCase) -> None:
    """A PATCH with one bad member is refused as a whole: the good name beside it is not taken either."""
    before = caller.get(caller.path)

    answer = caller.send("PATCH", caller.path, case)

    _assert_refused(answer, case)
    after = caller.get(caller.path)
    assert {**after, "last_used_at": None} == {**before, "last_used_at": None}


BLANK = {"nothing", "blanks", "64 KiB of blanks"}


@pytest.mark.parametrize(
    "case", [*(each for each in corpus.BROKEN if each.label not in BLANK), *corpus.ROTATE], ids=lambda case: case.label
)
def test_a_bad_rotation_makes_no_successor(caller: Caller, case: BodyCase) -> None:
    """A rotate call with a bad body makes no key, and the old one keeps its life."""
    answer = caller.send("POST", f"{caller.path}/rotate", case)

    _assert_refused(answer, case)
    assert caller.get(caller.path)["status"] == "active"


@pytest.mark.parametrize("case", [each for each in corpus.BROKEN if "[" not in each.label], ids=lambda case: case.label)
def test_the_resources_refuse_what_the_api_refuses(caller: Caller, case: BodyCase) -> None:
    """Both resource APIs read bodies as strictly as the management API, and store nothing of a bad one."""
    before = caller.get("/api/campaigns")

    for path in ("/v1/subscriptions", "/api/campaigns"):
        assert_error(caller.send("POST", path, case), case.status)

    assert caller.get("/v1/subscriptions")["pagination"]["total"] == 0
    assert caller.get("/api/campaigns") == before


@pytest.fixture(scope="module")
def campaign(caller: Caller) -> str:
    """The path of a deployed campaign's trigger."""
    made = caller.server.request("POST", "/api/campaigns", caller.key, json={"name": "Hostile", "deployed": True})
    return f"/api/campaigns/{made.json()['id']}/trigger"


TRIGGERS: tuple[dict[str, Any], ...] = (
    {},
    {"phone": None},
    {"phone": 14155552671},
    {"phone": ""},
    {"phone": "14155552671"},
    {"phone": "+1 415 555 2671"},
    {"phone": "+1"},
    {"phone": "+" + "1" * 100},
    {"phone": "+١٤١٥٥٥٥٢٦٧١"},
    {"phone": "+14155552671\n"},
    {"phone": ["+14155552671"]},
    {"phone": "+14155552671", **{f"attribute {number}": number for number in range(100)}},
)


@pytest.mark.parametrize("body", TRIGGERS, ids=lambda body: str(body)[:40])
def test_a_trigger_without_a_good_phone_is_not_queued(caller: Caller, campaign: str, body: dict[str, Any]) -> None:
    """A trigger that could be sent to nobody is refused, and the answer tells what is wrong with it."""
    found = assert_error(answer_of(caller.server.request("POST", campaign, caller.key, json=body)), 422)

    assert "phone" in found["message"] or "at most" in found["message"]


@pytest.mark.parametrize("case", corpus.BROKEN, ids=lambda case: case.label)
def test_a_trigger_reads_its_body_as_strictly(caller: Caller, campaign: str, case: BodyCase) -> None:
    """A message with a body that two readers could understand differently is not queued."""
    answer = caller.send("POST", campaign, case)

    assert_error(answer, case.status)


@pytest.fixture(scope="module")
def maker(server: Server) -> Caller:
    """A caller who makes keys."""
    return Caller(server, "Unusual bodies")


@pytest.mark.parametrize(
    ("name", "kept"), [each[1:] for each in corpus.GOOD_NAMES], ids=[e[0] for e in corpus.GOOD_NAMES]
)
def test_s11_a_name_of_any_script_is_kept_as_it_came(maker: Caller, name: str, kept: str) -> None:
    """Names are free labels: whatever can be read is stored and shown unchanged, but for the blanks around it."""
    made = maker.server.request("POST", KEYS, maker.key, json={"name": name})

    assert made.status_code == 201, made.text
    assert made.json()["name"] == kept
    assert maker.get(f"{KEYS}/{made.json()['id']}")["name"] == kept


@pytest.mark.parametrize("case", corpus.GOOD_BODIES, ids=lambda case: case.label)
def test_an_unusual_body_that_means_one_thing_is_taken(maker: Caller, case: BodyCase) -> None:
    """Strictness stops where the JSON standard does: what every reader understands alike makes a key."""
    assert maker.send("POST", KEYS, case).status == 201


def test_a_body_without_a_type_is_read_as_json(maker: Caller) -> None:
    """Small clients send no Content-Type; their body is judged by what it is."""
    raw = message(b"POST", KEYS.encode(), [b"X-API-Key: " + maker.key.encode()], b'{"name": "No type"}')

    made = exchange(maker.server.url, raw)

    assert made is not None
    assert made.status == 201


def _chunks(count: int) -> Iterator[bytes]:
    yield b'{"name": "'
    for _ in range(count):
        yield b"x" * 1024
    yield b'"}'


@pytest.mark.parametrize("chunks", [64, 1024, 16_384], ids=["64 KiB", "1 MiB", "16 MiB"])
def test_a_large_body_without_a_length_is_counted_as_it_comes(caller: Caller, chunks: int) -> None:
    """Whoever hides the size of a body by sending it in chunks is refused as soon as it is too large."""
    headers = {b"X-API-Key: " + caller.key.encode(), b"Content-Type: application/json", b"Transfer-Encoding: chunked"}
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in _chunks(chunks)) + b"0\r\n\r\n"

    answer = exchange(caller.server.url, message(b"POST", KEYS.encode(), headers) + body)

    assert_error(answer, 413)
    assert answer is not None
    assert answer.headers["connection"] == "close"


def test_a_large_body_is_refused_by_its_length_before_it_is_sent(caller: Caller) -> None:
    """A body that says it is too large is refused at its headers: nobody waits for 10 GB that may never come."""
    lines = [b"X-API-Key: " + caller.key.encode(), b"Content-Length: 10000000000"]
    started = time.monotonic()

    answer = exchange(caller.server.url, message(b"POST", KEYS.encode(), lines))

    assert_error(answer, 413)
    assert time.monotonic() - started < 5


def test_size_comes_before_credentials(caller: Caller) -> None:
    """A stranger's body of any size costs nothing: it is refused before anybody looks for a key."""
    answer = exchange(caller.server.url, message(b"POST", KEYS.encode(), [b"Content-Length: 65537"]))

    assert_error(answer, 413)


def test_a_body_on_a_request_that_takes_none_is_ignored(caller: Caller) -> None:
    """GET and DELETE mean the same with a body, broken or not, as without."""
    listed = caller.send("GET", KEYS, BodyCase("broken", b"{", 200))

    assert listed.status == 200


@pytest.mark.parametrize(
    ("file", "old", "new", "test"),
    [
        (
            "adapters/json_body.py",
            "object_pairs_hook=_unique, ",
            "",
            "test_s19_no_key_is_made_of_a_bad_body[a member twice]",
        ),
        (
            "manage/values.py",
            "        if member not in allowed:",
            "        if not member:",
            "test_s19_no_key_is_made_of_a_bad_body[unknown member 'account_id']",
        ),
    ],
    ids=["duplicates", "unknown members"],
)
def test_the_corpus_notices_a_lenient_reader(
    tmp_path_factory: pytest.TempPathFactory, file: str, old: str, new: str, test: str
) -> None:
    """Mutants: the reader takes duplicate members, or ignores unknown ones. The corpus must fail then."""
    directory = tmp_path_factory.mktemp("mutant")

    assert_caught(directory, file, old, new, f"tests/faces/test_hostile_bodies.py::{test}")
