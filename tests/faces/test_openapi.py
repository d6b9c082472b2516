"""The OpenAPI document: valid, complete, and true, also of who may do what."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from keywright.server.app import build_api
from support.faces import beside
from support.installation import ME, Installation
from support.mutants import assert_caught
from support.servers import Server, running
from support.wire import Answer, answer_of, assert_error

CONTACT = "help@example.com"
#: Routes that need no key, and are not part of the API.
OPEN = {"/", "/healthz", "/readyz", "/help", "/openapi.json"}
KEYS = "/v1/account/api-keys"
FOREIGN = "Of no concern to others"
#: In a body: the account whose things are named.
ACCOUNT = "{account_id}"


@dataclass(frozen=True)
class Operation:
    """One operation: which scope it needs, how it ends well, and what to send."""

    method: str
    path: str
    scope: str
    status: int
    body: Any = None
    #: Whether it names a thing of one account; for others that thing does not exist.
    named: bool = False
    #: Members of the answer by which the caller's account would show.
    shows: tuple[str, ...] = field(default=())

    @property
    def beyond(self) -> bool:
        """Whether it reaches beyond the caller's account, so that full access of an account is not enough for it."""
        return self.scope == "operator"


SUBSCRIPTION = {"entity_type": "contact", "linkedin_id": "jane-smith"}
OPERATIONS = (
    Operation("GET", KEYS, "keys:read", 200),
    Operation("POST", KEYS, "keys:write", 201, {"name": "Made in the matrix"}),
    Operation("GET", f"{KEYS}/{{key_id}}", "keys:read", 200, named=True),
    Operation("PATCH", f"{KEYS}/{{key_id}}", "keys:write", 200, {"metadata": {"seen": True}}, named=True),
    Operation("POST", f"{KEYS}/{{key_id}}/rotate", "keys:write", 201, {"grace_seconds": 3600}, named=True),
    Operation("DELETE", f"{KEYS}/{{key_id}}", "keys:write", 204, named=True),
    Operation("GET", "/v1/account", "account:read", 200),
    Operation("GET", "/v1/account/usage", "usage:read", 200),
    Operation("POST", "/v1/portal/sessions", "operator", 201, {"account_id": ACCOUNT, "actor": "jane@example.com"}),
    Operation("DELETE", "/v1/portal/sessions/{session_id}", "operator", 204, named=True),
    Operation("POST", "/v1/keys/verify", "verify", 200, {"key": "lwa.nothing"}),
    Operation("POST", "/v1/keys/verify/batch", "verify", 200, {"keys": [{"key": "lwa.nothing"}]}),
    Operation("GET", "/v1/subscriptions", "subscriptions:read", 200),
    Operation("POST", "/v1/subscriptions", "subscriptions:write", 201, SUBSCRIPTION),
    Operation("GET", "/v1/subscriptions/{subscription_id}", "subscriptions:read", 200, named=True),
    Operation("GET", "/api/campaigns", "campaigns:read", 200),
    Operation("POST", "/api/campaigns", "campaigns:write", 201, {"name": "Matrix", "deployed": True}),
    Operation("POST", "/api/campaigns/{campaign_id}/deploy", "campaigns:write", 200, named=True),
    Operation(
        "POST", "/api/campaigns/{campaign_id}/trigger", "campaigns:trigger", 202, {"phone": "+14155552671"}, named=True
    ),
)


def _named(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of these tests' own, with whom to ask for help."""
    data_dir = tmp_path_factory.mktemp("described") / "data"
    with running(data_dir, KEYWRIGHT_SUPPORT_CONTACT=CONTACT, KEYWRIGHT_LOG_LEVEL="warning") as started:
        yield started


@pytest.fixture(scope="module")
def document(described: Server) -> dict[str, Any]:
    """What the server says of itself."""
    found: dict[str, Any] = described.request("GET", "/openapi.json").json()
    return found


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    """Generators and readers of OpenAPI 3.1 can take the document as it is."""
    OPENAPI_31_VALIDATOR.validate(document)
    assert document["openapi"].startswith("3.1.")


def test_the_document_says_whom_to_ask_and_how_to_authenticate(document: dict[str, Any]) -> None:
    """The operator's contact, the licence and both ways of sending a key are in it, and every operation needs one."""
    assert document["info"]["contact"] == {"name": "Support", "email": CONTACT}
    assert document["info"]["license"]["identifier"] == "Apache-2.0"
    schemes = document["components"]["securitySchemes"]
    assert (schemes["ApiKey"]["type"], schemes["ApiKey"]["in"], schemes["ApiKey"]["name"]) == (
        "apiKey",
        "header",
        "X-API-Key",
    )
    assert (schemes["Bearer"]["type"], schemes["Bearer"]["scheme"]) == ("http", "bearer")
    for operation in _operations(document).values():
        assert [set(each) for each in operation["security"]] == [{"ApiKey"}, {"Bearer"}]


def _operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_every_route_is_in_the_document_or_open_on_purpose(
    document: dict[str, Any], installation: Installation
) -> None:
    """No route answers that the document does not tell of, but for those that need no key and are named here."""
    routes = build_api(installation.keywright).routes
    found = {f"{method} {each.path}" for each in _flat(routes) for method in each.methods if each.path not in OPEN}

    assert found == set(_operations(document))


def _flat(routes: Any) -> Iterator[Any]:
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        else:
            yield from _flat(getattr(getattr(route, "original_router", route), "routes", ()))


def test_every_operation_tells_of_every_way_it_can_end(document: dict[str, Any]) -> None:
    """The statuses that any operation can end with are described at each, with the headers that come with them."""
    for name, operation in _operations(document).items():
        answers = operation["responses"]
        assert {"400", "401", "403", "413", "429", "431", "500", "503"} <= set(answers), name
        assert "WWW-Authenticate" in answers["401"]["headers"], name
        assert "Retry-After" in answers["429"]["headers"], name
        assert "Retry-After" in answers["503"]["headers"], name
        assert "X-RateLimit-Remaining" in answers["429"]["headers"], name
        for status, answer in answers.items():
            assert status == "204" or "application/json" in answer["content"], name


def test_the_matrix_knows_every_operation(document: dict[str, Any]) -> None:
    """A new operation must be given its scope here before anybody can call it untested."""
    assert {_named(operation) for operation in OPERATIONS} == set(_operations(document))


class Owner:
    """An account with one of everything, and its keys of every kind."""

    def __init__(self, server: Server, name: str) -> None:
        self._server = server
        self._numbers = itertools.count()
        self.account_id = server.account(name)
        self.full = self.key()

    def key(self, *options: str) -> dict[str, Any]:
        """One more key."""
        return self._server.key(FOREIGN, "--account", self.account_id, "--limit", "none", *options)

    def send(self, operation: Operation, key: str | None, names: dict[str, str]) -> Answer:
        """Call the operation."""
        path = operation.path.format(**names)
        body = operation.body
        if isinstance(body, dict):
            body = {name: names["account_id"] if value == ACCOUNT else value for name, value in body.items()}
        return answer_of(self._server.request(operation.method, path, key, json=body))

    def holder(self, scope: str) -> dict[str, Any]:
        """A key with that scope alone; that of an operator is the operator's account's."""
        return self._server.key(FOREIGN, "--scope", scope) if scope == "operator" else self.key("--scope", scope)

    def things(self) -> dict[str, str]:
        """New things of the account, to be named."""
        made = self._server.request(
            "POST", "/api/campaigns", self.full["key"], json={"name": FOREIGN, "deployed": True}
        )
        followed = {"entity_type": "company", "linkedin_id": f"made-{next(self._numbers)}"}
        added = self._server.request("POST", "/v1/subscriptions", self.full["key"], json=followed)
        with beside(self._server) as keywright:
            link = keywright.portals.new_link(ME, {"account_id": self.account_id})
        return {
            "account_id": self.account_id,
            "session_id": link.session.id,
            "key_id": self.key()["id"],
            "campaign_id": made.json()["id"],
            "subscription_id": added.json()["id"],
        }

    def state(self) -> Any:
        """All that others could have touched."""
        paths = (KEYS, "/v1/subscriptions", "/api/campaigns")
        found = [self._server.request("GET", path, self.full["key"]).json() for path in paths]
        for each in found[0]["keys"]:
            each["last_used_at"] = None
        return found


@pytest.fixture(scope="module")
def mine(described: Server) -> Owner:
    """The account whose things are named."""
    return Owner(described, "Mine")


@pytest.fixture(scope="module")
def others(described: Server) -> Owner:
    """An account that must learn nothing of it."""
    return Owner(described, "Others")


@pytest.mark.parametrize("operation", OPERATIONS, ids=_named)
def test_s26_nobody_gets_in_without_a_key(mine: Owner, operation: Operation) -> None:
    """Without a key every operation is the same 401, and nothing happens."""
    things = mine.things()
    before = mine.state()

    assert_error(mine.send(operation, None, things), 401)

    assert mine.state() == before


@pytest.mark.parametrize("operation", OPERATIONS, ids=_named)
def test_s45_s73_another_account_sees_and_touches_nothing(mine: Owner, others: Owner, operation: Operation) -> None:
    """Another account's full key reaches its own things only: what is ours is 404, or simply not there."""
    things = mine.things()
    before = mine.state()

    answer = others.send(operation, others.full["key"], things)

    if operation.beyond:
        assert_error(answer, 403)
    elif operation.named:
        assert_error(answer, 404)
    else:
        assert answer.status in (operation.status, 409)
    foreign = [mine.account_id, mine.full["id"], *things.values()]
    assert not [each for each in foreign if each.encode() in answer.body]
    assert mine.state() == before


@pytest.mark.parametrize("operation", OPERATIONS, ids=_named)
def test_a_key_that_may_only_read_keys_does_only_that(mine: Owner, operation: Operation) -> None:
    """A key with the scope keys:read passes where that is the scope, and is told elsewhere which one it lacks."""
    reader = mine.key("--scope", "keys:read")
    things = mine.things()
    before = mine.state()

    answer = mine.send(operation, reader["key"], things)

    if operation.scope == "keys:read":
        assert answer.status == operation.status
        return
    body = assert_error(answer, 403)
    assert operation.scope in body["message"]
    challenge = f'Bearer realm="api", error="insufficient_scope", scope="{operation.scope}"'
    assert answer.headers["www-authenticate"] == challenge
    assert mine.state() == before


@pytest.mark.parametrize("operation", OPERATIONS, ids=_named)
def test_a_key_with_just_the_scope_is_enough(mine: Owner, operation: Operation) -> None:
    """The scope that an operation names is all it needs: nobody has to hand out more."""
    holder = mine.holder(operation.scope)

    things = {**mine.things(), "key_id": holder["id"]}
    answer = mine.send(operation, holder["key"], things)

    assert answer.status in (operation.status, 409), answer.body


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if not each.beyond], ids=_named)
def test_s20_a_test_key_stays_in_its_environment(mine: Owner, operation: Operation) -> None:
    """A test key calls what a live key calls, and what it makes is never live."""
    tester = mine.key("--environment", "test")
    things = mine.things()

    answer = mine.send(operation, tester["key"], things)

    if operation.path.endswith("/rotate"):
        assert_error(answer, 403)  # the successor of a live key is live
        return
    assert answer.status in (operation.status, 409)
    if operation.path == KEYS and operation.method == "POST":
        assert answer.json()["environment"] == "test"


@pytest.mark.parametrize("operation", OPERATIONS, ids=_named)
def test_a_full_key_ends_every_operation_well(mine: Owner, operation: Operation) -> None:
    """What the document promises a key with full access, such a key gets; what reaches beyond its account it does not:
    full access never includes the scope operator."""
    answer = mine.send(operation, mine.full["key"], mine.things())

    if operation.beyond:
        assert_error(answer, 403)
        return
    assert answer.status in (operation.status, 409), answer.body


CONFIG = """
[generation]
# A text with NUL is refused by all of it: no database keeps it.
allow-x00 = false

[checks]
# No schema can say that a time lies in the future, or that a number is a telephone's: 422 answers that.
positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "422"]
# A body that is wrong and too large is refused for its size: nobody reads on.
negative_data_rejection.expected-statuses = [
  "400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429", "5xx"
]
"""


SHORT = ("--max-examples", "2", "--phases", "examples,coverage,fuzzing")
LONG = ("--max-examples", "25", "--phases", "examples,coverage,fuzzing,stateful")


@pytest.mark.parametrize("how", [SHORT, pytest.param(LONG, marks=pytest.mark.full)], ids=["short", "long"])
def test_what_the_document_says_is_true(described: Server, how: tuple[str, ...], tmp_path: Path) -> None:
    """Requests made from the document by the thousand, good and bad, in sequence too: each answer is as it says."""
    key = described.key("Schemathesis", "--limit", "none", "--account", described.account("Schemathesis"))["key"]
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("st")), "run", f"{described.url}/openapi.json", "--header",
            f"X-API-Key: {key}", "--checks", "all", "--seed", "1", "--no-color", *how,
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert f"Tested: {len(OPERATIONS)}" in done.stdout


MUTANTS = (
    (
        "reference/campaigns.py",
        'caller: Annotated[Caller, require_scope("campaigns:trigger")],',
        'caller: Annotated[Caller, require_scope("keys:read")],',
        "test_a_key_that_may_only_read_keys_does_only_that[POST /api/campaigns/{campaign_id}/trigger]",
    ),
    (
        "reference/campaigns.py",
        "    statement = select(campaigns).where(columns.id == campaign_id, columns.account_id == account_id)\n",
        "    statement = select(campaigns).where(columns.id == campaign_id)\n",
        "test_s45_s73_another_account_sees_and_touches_nothing[POST /api/campaigns/{campaign_id}/deploy]",
    ),
    (
        "stores/sql.py",
        "        statement = _KEY.where(keys.c.id == key_id, keys.c.account_id == account_id)\n",
        "        statement = _KEY.where(keys.c.id == key_id)\n",
        f"test_s45_s73_another_account_sees_and_touches_nothing[DELETE {KEYS}/{{key_id}}]",
    ),
)


@pytest.mark.planted
@pytest.mark.parametrize(
    ("file", "old", "new", "test"), MUTANTS, ids=["scope", "account of a campaign", "account of a key"]
)
def test_the_matrix_notices_a_hole(
    tmp_path_factory: pytest.TempPathFactory, file: str, old: str, new: str, test: str
) -> None:
    """Mutants: a route asks for the wrong scope, a query forgets whose thing it is. The matrix must fail then."""
    assert_caught(tmp_path_factory.mktemp("mutant"), file, old, new, f"tests/faces/test_openapi.py::{test}")
