"""``/v1/portal/sessions`` and ``keywright portal``: what a link looks like, who may make one, and what is wrong with a
request for one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from keywright.adapters.answers import ERRORS
from keywright.clock import parse_timestamp
from keywright.people.portals import PORTAL_LINK_SECONDS
from support.faces import Headers, InProcess
from support.installation import ME, Installation
from support.servers import Server

PATH = "/v1/portal/sessions"
HOST = "keys.internal:8460"


@pytest.fixture
def face(installation: Installation) -> Iterator[InProcess]:
    """The application over the test's own installation."""
    with InProcess(installation.keywright) as made:
        yield made


def send(face: InProcess, key: str, body: Any, method: str = "POST", path: str = PATH) -> httpx.Response:
    """Ask for a link."""
    headers: Headers = (("X-API-Key", key), ("Host", HOST), ("Content-Type", "application/json"))
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return face.send(method, path, headers, raw if method == "POST" else None)


def refused(answer: httpx.Response, status: int) -> dict[str, Any]:
    """See that a request was refused so, in the one shape of errors; its body."""
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, ERRORS[body["error"]][0]) == (status, status)
    assert list(body)[:3] == ["error", "message", "timestamp"]
    return body


@pytest.fixture
def operator(installation: Installation) -> str:
    """A key with the scope operator, and no other."""
    return installation.create("Backend", scopes=["operator"]).key


def test_what_a_link_looks_like(installation: Installation, face: InProcess, operator: str) -> None:
    """The answer names the session, the account, the link and until when it can be opened, in this order; the link
    begins with the address that was asked, and its token stands behind the #."""
    account_id = installation.account()
    answer = send(face, operator, {"account_id": account_id, "session_seconds": 900})
    body = answer.json()

    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert "x-ratelimit-remaining" in answer.headers
    assert list(body) == ["id", "account_id", "url", "expires_at", "session_seconds"]
    assert re.fullmatch(r"prt_\w{9}", body["id"])
    assert re.fullmatch(rf"http://{re.escape(HOST)}/portal/open#[\w-]{{43}}", body["url"])
    assert parse_timestamp(body["expires_at"]) == int(installation.clock.now() + PORTAL_LINK_SECONDS)
    assert (body["account_id"], body["session_seconds"]) == (account_id, 900)
    assert installation.keywright.portals.open(body["url"].partition("#")[2], _nowhere())


def _nowhere() -> Any:
    from keywright.people.values import Visit

    return Visit()


def test_who_may_not_make_links(installation: Installation, face: InProcess, operator: str) -> None:
    """Without the scope it is 403, which names it, whether or not there is such an account; with it, an account that is
    not there is 404, and one that is disabled 409. Nothing was made."""
    account_id = installation.account()
    others = installation.create("Full"), installation.create("Own", account_id)
    for key in (*others, installation.create("Few", scopes=["verify"])):
        for wanted in (account_id, "acc_123456789"):
            body = refused(send(face, key.key, {"account_id": wanted}), 403)
            assert "operator" in body["message"]
    refused(send(face, operator, {"account_id": "acc_123456789"}), 404)
    refused(send(face, operator, {"account_id": installation.account_id}), 403)
    installation.keywright.manager.change_account(ME, account_id, {"disabled": True})
    refused(send(face, operator, {"account_id": account_id}), 409)
    for method, path in (("DELETE", f"{PATH}/prt_123456789"), ("DELETE", f"{PATH}/{account_id}")):
        refused(send(face, operator, None, method, path), 404)


#: A body, and the status and member with which it is refused.
BAD: tuple[tuple[Any, int, str | None], ...] = (
    (b"", 400, None),
    (b"[]", 400, None),
    (b"{", 400, None),
    ({}, 400, "account_id"),
    ({"actor": "x"}, 400, "account_id"),
    ({"account_id": 5}, 422, "account_id"),
    ({"account_id": None}, 422, "account_id"),
    ({"account_id": "A", "actor": 5}, 422, "actor"),
    ({"account_id": "A", "access": "all"}, 422, "access"),
    ({"account_id": "A", "scopes": ["operator"]}, 422, "scopes"),
    ({"account_id": "A", "session_seconds": "60"}, 422, "session_seconds"),
    ({"account_id": "A", "return_url": "javascript:alert(1)"}, 422, "return_url"),
    ({"account_id": "A", "expires_in": 5}, 422, "expires_in"),
)


@pytest.mark.parametrize(("body", "status", "member"), BAD)
def test_a_bad_body_is_refused_in_the_documented_shape(
    face: InProcess, operator: str, body: Any, status: int, member: str | None
) -> None:
    """What is missing or malformed is 400, and a wrong value 422; each names the member, in the one shape of errors."""
    found = refused(send(face, operator, body), status)

    assert [each["member"] for each in found.get("details", [])] == ([member] if member else [])


def test_the_key_that_made_it_may_end_it_and_so_may_another(
    installation: Installation, face: InProcess, operator: str
) -> None:
    """Any key with the scope ends a session, once; 204 without a body."""
    account_id = installation.account()
    ids = [send(face, operator, {"account_id": account_id}).json()["id"] for _ in range(2)]
    other = installation.create("Other backend", scopes=["operator"]).key
    for key, session_id in zip((operator, other), ids, strict=True):
        answer = send(face, key, None, "DELETE", f"{PATH}/{session_id}")
        assert (answer.status_code, answer.content) == (204, b"")
        refused(send(face, key, None, "DELETE", f"{PATH}/{session_id}"), 404)


def test_the_command_line_makes_links_and_ends_them(server: Server) -> None:
    """Without HTTP: a link on standard output, all of its values with --json, an end by its id; and the exit codes of
    every other command."""
    account = server.account("Links by hand")
    plain = server.command("portal", "link", "--account", account)
    made = server.command(
        "portal", "link", "--account", "Links by hand", "--for", "Jo", "--read-only", "--scope", "keys:read",
        "--session", "15m", "--return-url", "https://app.example.com/", "--json",
    )  # fmt: skip
    shown = json.loads(made.stdout)

    assert re.fullmatch(rf"{re.escape(server.url)}/portal/open#[\w-]{{43}}\n", plain.stdout)
    assert (shown["account_id"], shown["session_seconds"]) == (account, 900)
    assert [server.command("portal", "end", shown["id"]).returncode for _ in range(2)] == [0, 3]
    assert server.command("portal", "link", "--account", "Nobody").returncode == 3
    assert server.command("portal", "link", "--account", account, "--session", "30s").returncode == 2
    assert server.command("portal", "link").returncode == 2


def test_a_link_leads_to_the_page(server: Server) -> None:
    """The link of a real server opens there: the page is there, the token is traded once, the keys show."""
    account = server.account("Over HTTP")
    operator = server.key("Backend", "--scope", "operator")["key"]
    server.key("Shop of over HTTP", "--account", account)
    url = server.request("POST", PATH, operator, json={"account_id": account}).json()["url"]
    page, token = url.split("#")
    assert page == f"{server.url}/portal/open"
    form: dict[str, Any] = {"data": {"token": token}, "headers": {"Origin": server.url}, "allow_redirects": False}
    traded = server.request("POST", "/portal/open", **form)
    assert (traded.status_code, traded.headers["location"]) == (303, "/portal/api-keys")
    cookie = {"Cookie": traded.headers["set-cookie"].partition(";")[0]}
    assert "Shop of over HTTP" in server.request("GET", "/portal/api-keys", headers=cookie).text
    assert server.request("POST", "/portal/open", **form).status_code == 403
    assert token not in server.log.read_text("utf-8")
