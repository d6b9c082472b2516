"""Hostile paths, methods and ids against a real server: strangers learn nothing, callers find only their own."""

from __future__ import annotations

import pytest

from support import corpus
from support.servers import Server
from support.wire import RATE_HEADERS, Answer, answer_of, assert_error, exchange, message

KEYS = "/v1/account/api-keys"
#: Path → the methods that it has.
ROUTES = {
    KEYS: {"GET", "HEAD", "POST"},
    f"{KEYS}/{{id}}": {"GET", "HEAD", "PATCH", "DELETE"},
    f"{KEYS}/{{id}}/rotate": {"POST"},
    "/v1/account": {"GET", "HEAD"},
    "/v1/account/usage": {"GET", "HEAD"},
    "/v1/subscriptions": {"GET", "HEAD", "POST"},
    "/v1/subscriptions/sub_000000000": {"GET", "HEAD"},
    "/api/campaigns": {"GET", "HEAD", "POST"},
    "/api/campaigns/camp_000000000/trigger": {"POST"},
    "/api/campaigns/camp_000000000/deploy": {"POST"},
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "LINK", "PURGE")
OPEN = ("/", "/healthz", "/readyz", "/help", "/openapi.json")


@pytest.fixture(scope="module")
def mine(server: Server) -> dict[str, str]:
    """A key without limit, of an account of its own."""
    return server.key("Hostile paths", "--limit", "none", "--account", server.account("Hostile paths"))


@pytest.fixture(scope="module")
def theirs(server: Server) -> dict[str, str]:
    """Another account's key."""
    return server.key("Not yours", "--limit", "none", "--account", server.account("Somebody else"))


@pytest.mark.parametrize("path", ROUTES)
def test_a_wrong_method_is_405_and_names_the_right_ones(server: Server, mine: dict[str, str], path: str) -> None:
    """Every method that a path does not have is refused with all those that it has, and does nothing."""
    filled = path.replace("{id}", mine["id"])
    for method in set(METHODS) - ROUTES[path]:
        answer = answer_of(server.request(method, filled, mine["key"], data=b'{"name": "x"}'))

        if method == "HEAD":
            assert answer.status == 405
            assert not answer.body
        else:
            assert_error(answer, 405)
        assert set(answer.headers["allow"].split(", ")) == ROUTES[path], method

    assert server.request("GET", f"{KEYS}/{mine['id']}", mine["key"]).json()["name"] == "Hostile paths"


@pytest.mark.parametrize(
    "path", [*ROUTES, "/v1", "/v1/", "/v1/nothing", "/api", "/api/", "/api/v1/account", "/v1//account"]
)
def test_s37_without_a_key_every_method_on_every_path_is_the_same_401(server: Server, path: str) -> None:
    """A stranger cannot find out which paths and methods there are: credentials come before routing."""
    for method in METHODS:
        answer = exchange(server.url, message(method.encode(), path.encode()), method=method)

        assert answer is not None
        assert answer.status == 401, method
        if method != "HEAD":
            assert_error(answer, *corpus.MISSING)


@pytest.mark.parametrize("path", OPEN)
def test_open_routes_refuse_other_methods(server: Server, path: str) -> None:
    """What needs no key cannot be written to either."""
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        assert_error(answer_of(server.request(method, path, data=b"{")), 405)


@pytest.mark.parametrize(
    "path",
    ["/V1/account", "//v1/account", "/v1account", "/v2/account", "/%00", "/..", "/v1/../healthz", "/%2e%2e/etc/passwd",
     "/files/../../etc/passwd", "/.env", "/.git/config", "/%F0%9F%94%91", "/a" * 1_000, "/index.php?x=<b>", "/%zz"],
)  # fmt: skip
def test_a_path_that_is_none_is_404_or_401_and_shows_nothing(server: Server, path: str) -> None:
    """No spelling of a path leads around the key, to a file, or to an error page of somebody else's making."""
    answer = exchange(server.url, message(b"GET", path.encode()))

    assert answer is not None
    assert_error(answer, 401 if "/v1/" in path else 404)


@pytest.mark.parametrize("odd", corpus.IDS)
@pytest.mark.parametrize(("method", "tail"), [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/rotate")])
def test_s59_an_id_that_is_none_is_404(server: Server, mine: dict[str, str], odd: str, method: str, tail: str) -> None:
    """Only a key's exact id means the key: nothing near it, nothing encoded, nothing that points elsewhere."""
    spelled = odd.replace("{id}", mine["id"]).replace("{upper}", mine["id"].upper())

    body = b'{"name": "Taken"}' if method == "PATCH" else b""

    answer = _sent(server, method, f"{KEYS}/{spelled}{tail}", mine["key"], body)

    # What holds a slash is another path, which may have no such method; it is never another key.
    assert answer.status in (404, 405)
    assert_error(answer, answer.status)
    assert "x-injected" not in answer.headers
    assert server.request("GET", f"{KEYS}/{mine['id']}", mine["key"]).json()["status"] == "active"


@pytest.mark.parametrize("odd", ["camp_000000000", "%00", "..", "%F0%9F%94%91", "a%2Fb", "camp_" + "x" * 4_000])
@pytest.mark.parametrize("tail", ["trigger", "deploy"])
def test_a_campaign_id_that_is_none_is_404(server: Server, mine: dict[str, str], odd: str, tail: str) -> None:
    """Campaigns are found by their exact ids as well."""
    answer = _sent(server, "POST", f"/api/campaigns/{odd}/{tail}", mine["key"], b'{"phone": "+14155552671"}')

    assert_error(answer, 404)


@pytest.mark.parametrize(
    ("method", "tail", "body"),
    [("GET", "", b""), ("PATCH", "", b'{"name": "Taken"}'), ("POST", "/rotate", b"{}"), ("DELETE", "", b"")],
)
def test_s45_s59_another_accounts_key_is_as_if_it_did_not_exist(
    server: Server, mine: dict[str, str], theirs: dict[str, str], method: str, tail: str, body: bytes
) -> None:
    """Another account's id and one that nobody has get the same bytes, but for the time; nothing is touched."""
    found = _sent(server, method, f"{KEYS}/{theirs['id']}{tail}", mine["key"], body)
    unknown = _sent(server, method, f"{KEYS}/key_000000000{tail}", mine["key"], body)

    assert {**assert_error(found, 404), "timestamp": ""} == {**assert_error(unknown, 404), "timestamp": ""}
    assert set(found.headers) == set(unknown.headers)
    shown = server.request("GET", f"{KEYS}/{theirs['id']}", theirs["key"]).json()
    assert (shown["name"], shown["status"], shown["expires_at"]) == ("Not yours", "active", None)


def test_another_accounts_key_shows_nowhere(server: Server, mine: dict[str, str], theirs: dict[str, str]) -> None:
    """Neither lists, nor usage, nor a crafted cursor reach beyond the caller's account."""
    for path in (KEYS, f"{KEYS}?limit=1000", f"{KEYS}?limit=1000&cursor=WzBd", "/v1/account", "/v1/account/usage"):
        answer = server.request("GET", path, mine["key"])
        assert answer.status_code == 200
        assert theirs["id"] not in answer.text
        assert "Not yours" not in answer.text

    assert_error(_sent(server, "GET", f"/v1/account/usage?key_id={theirs['id']}", mine["key"]), 404)


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=-1", "limit=1001", "limit=x", "limit=", "limit=1.5", "limit=" + "9" * 4_500, "limit=%00",
     "limit=1e3", "cursor=x", "cursor=%00", "cursor=%F0%9F%94%91", "cursor=bnVsbA", "cursor=W10",
     "cursor=WzEsMl0", "cursor=Wy0xXQ", "cursor=WzFlNDAwXQ", "cursor=" + "W" * 65, "cursor=" + "W1tb" * 16],
)  # fmt: skip
def test_a_wrong_page_is_422(server: Server, mine: dict[str, str], query: str) -> None:
    """A page that cannot be meant is refused by the name of the parameter, however it is spelled."""
    body = assert_error(_sent(server, "GET", f"{KEYS}?{query}", mine["key"]), 422)

    assert body["details"][0]["member"] == query.partition("=")[0]


@pytest.mark.parametrize(
    "query",
    ["from=x", "to=2025-01-20", "to=9999-12-31T23:59:59-23:59", "from=0001-01-01T00:00:00Z", "interval=week",
     "from=2025-01-20T00:00:00Z&to=2025-01-20T00:00:00Z", "from=2020-01-01T00:00:00Z&to=2025-01-01T00:00:00Z",
     "from=2025-01-20T00:00:00+00:00", "to=%00", "key_id=" + "x" * 65],
)  # fmt: skip
def test_a_wrong_report_is_422(server: Server, mine: dict[str, str], query: str) -> None:
    """A time span that cannot be reported is refused, never guessed at."""
    assert_error(_sent(server, "GET", f"/v1/account/usage?{query}", mine["key"]), 422)


@pytest.mark.parametrize(
    "target",
    [f"{KEYS}?api_key={{key}}", f"{KEYS}?key={{key}}", f"{KEYS}?X-API-Key={{key}}", f"{KEYS}?access_token={{key}}",
     f"{KEYS}?token=Bearer%20{{key}}", f"{KEYS}/{{key}}", f"{KEYS};api_key={{key}}", "/v1/{key}", "/v1/{key}/account",
     f"{KEYS}#{{key}}"],
)  # fmt: skip
def test_s24_a_key_in_the_address_is_no_key(server: Server, mine: dict[str, str], target: str) -> None:
    """A key in the query or the path counts as missing: addresses end up in logs, headers do not."""
    answer = exchange(server.url, message(b"GET", target.replace("{key}", mine["key"]).encode()))

    assert_error(answer, *corpus.MISSING)


def test_s24_a_key_in_the_address_of_a_good_call_is_not_looked_at(server: Server, mine: dict[str, str]) -> None:
    """With a good header the query's key changes nothing, whosever it is."""
    assert server.request("GET", f"{KEYS}?api_key=lwa.wrong", mine["key"]).status_code == 200


def test_s37_with_a_key_every_error_carries_the_rate_headers_and_counts(server: Server) -> None:
    """404, 405, 400, 415 and 422 are answers like any other to whoever has a key: counted, and with the headers."""
    key = server.key("Counting errors")["key"]
    remaining = []
    for method, path, body in (
        ("GET", "/v1/nothing", b""),
        ("PUT", KEYS, b""),
        ("POST", KEYS, b"{"),
        ("POST", KEYS, b'{"name": ""}'),
        ("GET", f"{KEYS}?limit=0", b""),
        ("DELETE", f"{KEYS}/key_000000000", b""),
    ):
        answer = _sent(server, method, path, key, body)
        assert answer.status >= 400
        assert all(name.lower() in answer.headers for name in RATE_HEADERS)
        remaining.append(int(answer.headers["x-ratelimit-remaining"]))

    assert remaining == [99, 98, 97, 96, 95, 94]


def _sent(server: Server, method: str, target: str, key: str, body: bytes = b"") -> Answer:
    """The target byte for byte: client libraries would tidy it."""
    lines = [b"X-API-Key: " + key.encode(), b"Content-Type: application/json"]
    answer = exchange(server.url, message(method.encode(), target.encode(), lines, body), method=method)
    assert answer is not None
    return answer
