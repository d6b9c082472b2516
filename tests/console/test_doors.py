"""Who gets in: strangers, other sites' requests, roles, cookies, and where people are led."""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from console.desk import COOKIE, HOST, ORIGIN, OWN, Desk, seen
from keywright import ManualClock
from keywright.server.console.app import Console
from keywright.server.console.ask import Route
from keywright.server.console.origin import own_path
from keywright.stores.people import Role
from people.staff import PASSWORD, WHERE, cheap_passwords, claimed, signed_in
from support.faces import Headers, InProcess
from support.installation import ME, Installation

ENTRY = {"email": "maya@example.com", "password": PASSWORD}


def routes(installation: Installation) -> tuple[Route, ...]:
    """Every way into the console."""

    async def nothing(*_: object) -> None: ...

    return Console(nothing, installation.keywright).routes


def filled(path: str, key_id: str) -> str:
    """The path of a route with an id where it has a name."""
    for name in ("{key_id}", "{member_id}", "{session_id}", "{token_id}", "{passkey_id}"):
        path = path.replace(name, key_id)
    return path


@pytest.mark.parametrize("name", ["none", "forged", "old"])
def test_a_stranger_reaches_nothing(installation: Installation, owner: Desk, name: str) -> None:
    """Who has not signed in is led to the sign-in page from every route that needs somebody, and changes nothing."""
    key = installation.create()
    session = {"none": "", "forged": "x" * 43, "old": owner.session}[name]
    if name == "old":
        installation.clock.advance(13 * 3600)
    desk = Desk(owner.face, session)
    for route in routes(installation):
        if route.least is None:
            continue
        path = filled(route.path, key.row.id)
        answer = desk.get(path) if route.method == "GET" else desk.post(path, {"name": "x"})
        assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/sign-in"), path
        assert "Production" not in answer.text
    assert installation.keywright.manager.keys(ME, installation.account_id)[0].row == key.row


@pytest.mark.parametrize("role", ["viewer", "admin"])
def test_a_role_reaches_no_route_that_is_above_it(
    installation: Installation, request: pytest.FixtureRequest, role: str
) -> None:
    """A viewer reaches no write, and an admin none about people: 403, and nothing has changed; over all routes."""
    desk: Desk = request.getfixturevalue(role)
    key = installation.create()
    mine = Role(role)
    refused = []
    for route in routes(installation):
        if route.least is None or mine.covers(route.least):
            continue
        path = filled(route.path, key.row.id)
        fields: dict[str, str | list[str]] = {"name": "x", "grace": "0", "role": "owner", "email": "x@example.com"}
        answer = desk.get(path) if route.method == "GET" else desk.post(path, fields)
        assert answer.status_code == 403, path
        refused.append(path)
    assert len(refused) == {"viewer": 19, "admin": 6}[role]
    assert [each.row for each in installation.keywright.manager.keys(ME, installation.account_id)] == [key.row]
    assert installation.keywright.directory.invitations(ME, installation.account_id) == []


def test_nothing_is_done_in_an_account_that_the_page_does_not_show(installation: Installation, owner: Desk) -> None:
    """Who has gone to another account in one tab does nothing there from another tab that still shows the first, over
    all routes; the answer names the account that they are in. What is made there is made there."""
    here, there = installation.account_id, installation.account()
    me = installation.keywright.entry.visitor(owner.session)
    assert me
    installation.keywright.directory.join_as(
        me, installation.keywright.directory.invite(ME, there, "maya@example.com", Role.OWNER), WHERE
    )
    key = installation.create("Theirs", there)
    owner.post("/account/switch", {"account": there})
    before = belongings(installation, there)
    for route in routes(installation):
        path = filled(route.path.replace("{member_id}", me.member.id), key.row.id)
        shown = (("HX-Request", "true"), ("Keywright-Account", here))
        if route.least in (Role.ADMIN, Role.OWNER):
            fields: dict[str, str | list[str]] = {**PLAUSIBLE, "account_id": here}
            answers = [owner.get(path, *shown)] if route.method == "GET" else [
                owner.post(path, fields), owner.post(path, dict(PLAUSIBLE), headers=(*OWN, *shown)),
            ]  # fmt: skip
            assert [each.status_code for each in answers] == [409] * len(answers), path
            assert all("Another Company" in seen(each) for each in answers), path
    assert belongings(installation, there) == before
    assert owner.post("/settings/api-keys", {"name": "Made", "account_id": there}).status_code == 201
    assert len(belongings(installation, there)[0]) == 2


#: What fills any form so far that something might come of it.
PLAUSIBLE = {"name": "x", "grace": "0", "role": "viewer", "email": "x@example.com", "confirm": "Theirs", "as": "csv"}


def belongings(installation: Installation, account_id: str) -> tuple[list[object], ...]:
    """What an account has: keys, members, invitations, and its name."""
    keywright = installation.keywright
    return (
        [each.row for each in keywright.manager.keys(ME, account_id)],
        [*keywright.directory.members(ME, account_id)],
        [*keywright.directory.invitations(ME, account_id)],
        [keywright.manager.summary(ME, account_id).account],
    )


def test_every_write_that_a_viewer_may_do_is_their_own(installation: Installation) -> None:
    """What a viewer may send changes nobody's but their own things: the list is short, and known."""
    writes = {route.path for route in routes(installation) if route.method == "POST" and route.least is Role.VIEWER}

    assert writes == {
        "/sign-out", "/account/switch", "/profile/password", "/profile/second-factor", "/profile/second-factor/remove",
        "/profile/second-factor/codes", "/profile/passkeys", "/profile/passkeys/options",
        "/profile/passkeys/{passkey_id}/remove", "/confirm", "/confirm/options", "/profile/sessions/others/end",
        "/profile/sessions/{session_id}/end",
    }  # fmt: skip


#: Headers of a request → whether it may change something.
SITES: tuple[tuple[Headers, bool], ...] = (
    (OWN, True),
    ((("Sec-Fetch-Site", "same-origin"),), True),
    ((("Origin", ORIGIN),), True),
    ((), False),
    ((("Sec-Fetch-Site", "cross-site"),), False),
    ((("Sec-Fetch-Site", "same-site"),), False),
    ((("Sec-Fetch-Site", "none"),), False),
    ((("Sec-Fetch-Site", "cross-site"), ("Origin", ORIGIN)), False),
    ((("Sec-Fetch-Site", "same-origin"), ("Origin", "https://evil.example")), False),
    ((("Origin", "https://evil.example"),), False),
    ((("Origin", "null"),), False),
    ((("Origin", f"https://{HOST}"),), False),
    ((("Origin", "http://127.0.0.1:9999"),), False),
    ((("Origin", f"{ORIGIN}.evil.example"),), False),
    ((("Origin", ORIGIN), ("Origin", "https://evil.example")), False),
    ((("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")), False),
    ((("Referer", f"{ORIGIN}/settings/api-keys"),), False),
)


@pytest.mark.parametrize(("headers", "allowed"), SITES)
def test_only_our_own_pages_may_send_forms(
    installation: Installation, owner: Desk, headers: Headers, *, allowed: bool
) -> None:
    """A form is carried out only if the browser says that a page of this very origin has sent it."""
    answer = owner.post("/settings/api-keys", {"name": "Made"}, headers=headers)

    assert (answer.status_code == 201) == allowed
    assert answer.status_code in (201, 403)
    assert len(installation.keywright.manager.keys(ME, installation.account_id)) == int(allowed)


def test_every_form_is_held_to_that(installation: Installation, owner: Desk) -> None:
    """No route that takes a form is left out, signed in or not, also where a stranger may come."""
    for route in routes(installation):
        if route.method == "POST":
            answer = owner.post(filled(route.path, "key_123456789"), headers=(("Sec-Fetch-Site", "cross-site"),))
            assert answer.status_code == 403, route.path


def test_a_form_is_a_form(owner: Desk) -> None:
    """Another kind of body, and another method, are refused before anything is looked at."""
    for kind in ("application/json", "text/plain", "multipart/form-data; boundary=x"):
        headers = (("Host", HOST), ("Cookie", f"{COOKIE}={owner.session}"), *OWN, ("Content-Type", kind))
        assert owner.face.send("POST", "/settings/api-keys", headers, b'{"name": "x"}').status_code == 415
    answer = owner.face.send("PUT", "/settings/api-keys", (("Host", HOST), *OWN))
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")


def test_nothing_is_changed_by_looking(installation: Installation, owner: Desk) -> None:
    """No page changes anything when it is only asked for: prefetchers and crawlers do no harm."""
    key = installation.create()
    for route in routes(installation):
        if route.method == "GET":
            owner.get(filled(route.path, key.row.id))
    assert [each.row for each in installation.keywright.manager.keys(ME, installation.account_id)] == [key.row]
    assert installation.keywright.entry.visitor(owner.session)


def test_the_cookie_on_plain_http_and_on_https(installation: Installation, stranger: Desk) -> None:
    """On https the cookie has the prefix and the flags that browsers watch over; on this machine's http it cannot."""
    claimed(installation)
    plain = stranger.post("/sign-in", dict(ENTRY)).headers["set-cookie"]

    assert plain.startswith(f"{COOKIE}=")
    assert plain.partition("; ")[2] == "Path=/; Max-Age=604800; SameSite=Lax; HttpOnly"


@pytest.fixture
def published(data_dir: Path, clock: ManualClock) -> Iterator[tuple[Installation, Desk]]:
    """An installation behind a proxy that speaks https."""
    with Installation(data_dir, clock, public_url="https://keys.example.com") as made:
        cheap_passwords(made.keywright)
        claimed(made)
        with InProcess(made.keywright) as face:
            yield made, Desk(face)


def test_behind_a_proxy_the_public_address_counts(published: tuple[Installation, Desk]) -> None:
    """With public_url the cookie is secure, forms must come from there, and the browser is told to stay on https."""
    host = ("Host", "keys.example.com")
    desk = published[1]
    from_there = desk.post("/sign-in", dict(ENTRY), headers=(host, ("Origin", "https://keys.example.com")))

    assert from_there.headers["set-cookie"].startswith("__Host-keywright=")
    assert from_there.headers["set-cookie"].endswith("; HttpOnly; Secure")
    assert from_there.headers["strict-transport-security"] == "max-age=31536000"
    elsewhere = desk.post("/sign-in", dict(ENTRY), headers=(host, ("Origin", "http://keys.example.com")))
    assert elsewhere.status_code == 403
    assert desk.get("/sign-in", ("Host", "other.example")).status_code == 403


#: A Host that is not that of public_url → what of it is told. A server that is reached past its proxy is one of them.
ELSEWHERE = {
    "127.0.0.1:8460": "127.0.0.1:8460",
    "keywright": "keywright",
    "<b>evil</b>": "<b>evil</b>",
    "host." * 1000: "host." * 40 + ",",
    "lwa." + "sk_live_" + "A" * 32: "lwa.sk_live_[redacted]",
}


@pytest.mark.parametrize("host", ELSEWHERE, ids=lambda host: host[:12])
def test_a_proxy_that_replaces_host_is_told_of(
    published: tuple[Installation, Desk], host: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A form that comes under another name than public_url's is refused, and page and log say both names; of what came
    a bounded part, as text, without keys. That its page is one of public_url makes no difference."""
    headers = (("Host", host), ("Origin", "https://keys.example.com"), ("Sec-Fetch-Site", "same-origin"))
    answer = published[1].post("/sign-in", dict(ENTRY), headers=headers)

    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert f"came to {ELSEWHERE[host]}" in html.unescape(answer.text)
    assert "public_url says https://keys.example.com." in answer.text
    assert "<b>evil" not in answer.text
    [line] = [each.getMessage() for each in caplog.records if "public_url" in each.getMessage()]
    assert ELSEWHERE[host].rstrip(",") in line
    assert len(line) < 400


@pytest.mark.parametrize("host", ["keys.example.com", "192.168.1.7:8460", "0", "", "127.0.0.1.evil.example"])
def test_no_password_is_taken_in_the_clear(stranger: Desk, host: str) -> None:
    """On plain http from another machine there is no form to type a password into, unless the operator says so."""
    answer = stranger.get("/sign-in", ("Host", host))

    assert answer.status_code == 403
    assert "<input" not in answer.text.replace('<input type="hidden"', "")


@pytest.mark.parametrize("host", ["localhost:8460", "127.0.0.1", "127.9.9.9:1", "[::1]:8460", "LOCALHOST"])
def test_on_the_machine_itself_http_will_do(stranger: Desk, host: str) -> None:
    """What does not leave the machine needs no TLS."""
    assert stranger.get("/sign-in", ("Host", host)).status_code == 200


OFF_SITE = (
    "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "evil.example",
    "javascript:alert(1)", " /x", "\t//evil.example", "/\t/evil.example", "/\n/evil.example", "http:/evil.example",
    "/ü", "/%0d%0aSet-Cookie:x\r\n", "data:text/html,x", "", "..//evil.example", "?next=/", "#x", "/\x00",
    "HTTPS:evil.example", "//evil.example/settings", "/x\\..\\evil", "\x00/x", "vbscript:x",
)  # fmt: skip


@pytest.mark.parametrize("path", OFF_SITE)
def test_nobody_is_led_to_another_site(installation: Installation, stranger: Desk, path: str) -> None:
    """Whatever a link says, signing in and changing the theme lead to a page of ours."""
    claimed(installation)
    assert own_path(path, "/home") == "/home"
    for answer in (
        stranger.post("/theme", {"theme": "dark", "next": path}),
        stranger.post("/sign-in", {**ENTRY, "next": path}),
    ):
        assert answer.headers["location"] == "/overview"


def test_where_somebody_wanted_to_go_they_come(installation: Installation, stranger: Desk) -> None:
    """Signing in leads on to the page that was asked for."""
    claimed(installation)
    location = stranger.get("/settings/members").headers["location"]

    assert location == "/sign-in?next=/settings/members"
    assert 'value="/settings/members"' in stranger.get(location).text
    answer = stranger.post("/sign-in", {**ENTRY, "next": "/settings/members"})
    assert answer.headers["location"] == "/settings/members"


def test_whatever_was_sent_its_page_is_come_back_to(installation: Installation, owner: Desk) -> None:
    """Over all routes: whose session has ended is led, after signing in, to a page that answers; for what was sent, to
    the one where its form stands. The button for light and dark of each page leads to one as well."""
    key = installation.create()
    me = installation.keywright.entry.visitor(owner.session)
    assert me
    away = Desk(owner.face)
    for route in routes(installation):
        path = filled(route.path.replace("{member_id}", me.member.id), key.row.id)
        if route.least is not None:
            answer = away.get(path) if route.method == "GET" else away.post(path)
            led = dict(parse_qsl(urlsplit(answer.headers["location"]).query)).get("next", "/overview")
            assert owner.get(led).status_code in (200, 303), (path, led)
    wrong = owner.post("/profile/password", {"old": "wrong", "new": "copper lantern drifts"})
    assert 'name="next" value="/profile"' in wrong.text


#: Where somebody without a session asks, or what they send → where they come to be.
LED_BACK = (
    ("GET", "/audit-log?action=key.created&since=", "/audit-log?action=key.created"),
    ("GET", "/settings/api-keys?q=Shop+1&env=live", "/settings/api-keys?q=Shop+1&env=live"),
    ("GET", "/settings/api-keys?q=lwa.sk_live_" + "A" * 32, "/settings/api-keys"),
    ("GET", "/settings/api-keys?x=" + "y" * 600, "/settings/api-keys"),
    ("POST", "/settings/api-keys", "/settings/api-keys"),
    ("POST", "/settings/api-keys/export", "/settings/api-keys"),
    ("POST", "/settings/api-keys/key_1/disable", "/settings/api-keys/key_1"),
    ("POST", "/settings/api-keys/key_1/delete", "/settings/api-keys/key_1/delete"),
    ("POST", "/settings/members/mem_1/role", "/settings/members"),
    ("POST", "/settings/invitations/tok_1/withdraw", "/settings/members"),
    ("POST", "/audit-log/export", "/audit-log"),
    ("POST", "/sign-out", "/overview"),
)


@pytest.mark.parametrize(("method", "path", "page"), LED_BACK)
def test_the_page_where_a_button_stood(stranger: Desk, method: str, path: str, page: str) -> None:
    """A form leads back to the page that it stands on, and a page to itself with what was filtered for; a whole key
    goes into no other address."""
    answer = stranger.get(path) if method == "GET" else stranger.post(path)
    led = dict(parse_qsl(urlsplit(answer.headers["location"]).query)).get("next", "/overview")
    assert led == page


def test_the_way_on_is_kept_by_the_button_for_light_and_dark(installation: Installation, stranger: Desk) -> None:
    """Light and dark lead back to the sign-in page with where it was to lead, and with nothing else of its address."""
    claimed(installation)
    page = html.unescape(stranger.get("/sign-in?next=/audit-log?action%3Dx&code=secret").text)

    assert 'name="next" value="/sign-in?next=%2Faudit-log%3Faction%3Dx"' in page
    assert "secret" not in page


def test_setting_up_over_the_page(installation: Installation, stranger: Desk) -> None:
    """The setup page takes the token from the form, refuses a wrong one, and is gone for good afterwards."""
    token = installation.keywright.entry.new_setup_token(ME)
    fields: dict[str, str | list[str]] = {"name": "Maya", "email": "maya@example.com", "password": PASSWORD}

    assert stranger.get("/setup").status_code == 200
    assert token not in stranger.get("/setup").text
    assert stranger.post("/setup", {**fields, "token": "wrong"}).status_code == 403
    short = stranger.post("/setup", {**fields, "token": token, "password": "short"})
    assert short.status_code == 422
    assert "short" not in seen(short)
    assert stranger.post("/setup", {**fields, "token": token}).status_code == 303
    assert stranger.get("/settings/api-keys").status_code == 200
    later = Desk(stranger.face)
    assert later.get("/setup").status_code == 404
    assert later.post("/setup", {**fields, "token": token}).status_code == 404


def test_the_same_answer_whoever_is_wrong(installation: Installation, stranger: Desk) -> None:
    """The page does not tell whether the address or the password was wrong, nor whether there is such a person."""
    claimed(installation)
    pages = []
    for address in ("maya@example.com", "nobody@example.com"):
        answer = stranger.post("/sign-in", {"email": address, "password": "wrong password"})
        text = answer.text.replace(address, "")
        for nonce in (answer.headers["content-security-policy"].partition("nonce-")[2][:22],):
            text = text.replace(nonce, "")
        pages.append((answer.status_code, text))

    assert pages[0] == pages[1]
    assert pages[0][0] == 403


def test_signing_out_ends_the_session(owner: Desk) -> None:
    """After signing out the old cookie opens nothing, and the browser is told to forget."""
    old = owner.session
    answer = owner.post("/sign-out")

    assert answer.headers["clear-site-data"] == '"storage"'
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert Desk(owner.face, old).get("/settings/api-keys").status_code == 303


def test_signing_in_begins_a_new_session(installation: Installation, owner: Desk) -> None:
    """A session that somebody planted in the browser before is not the one that is signed in."""
    planted = "planted" * 6
    desk = Desk(owner.face, planted)
    desk.post("/sign-in", dict(ENTRY))

    assert desk.session != planted
    assert installation.keywright.entry.visitor(planted) is None
    assert signed_in(installation) != desk.session
