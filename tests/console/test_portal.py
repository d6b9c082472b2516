"""The portal's pages: links, doors, tenancy, what they hold and what they do not; the operator's name and colour."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import httpx
import pytest

from console.desk import COOKIE, PORTAL_COOKIE, Desk, seen
from console.test_doors import SITES, filled
from console.test_edit import form_of
from console.test_pages import POLICY, links
from house.rules import SOURCE
from keywright import ManualClock, colour
from keywright.people import portals
from keywright.server.console import accent
from keywright.server.console.app import Console
from keywright.server.console.ask import Route
from keywright.stores.base import LastUse, UsageRow
from keywright.stores.people import Role
from people.staff import WHERE, cheap_passwords
from support.faces import Headers, InProcess
from support.installation import ME, Installation

KEYS = "/portal/api-keys"
DOOR = "/portal/open"
RETURN = "https://app.example.com/team?tab=keys&x=<y>"
_SECRET = re.compile(r'<span class="p">([^<]+)</span>(\w+)</output>')


def portal_routes(installation: Installation) -> tuple[Route, ...]:
    """Every way into the portal."""

    async def nothing(*_: object) -> None: ...

    return Console(nothing, installation.keywright).portal_routes


@pytest.fixture
def account_id(installation: Installation) -> str:
    """The customer's account."""
    return installation.account("Acme Robotics")


def opened(face: InProcess, account_id: str, **given: object) -> Desk:
    """Somebody who has opened a link."""
    made = face.keywright.portals.new_link(ME, {"account_id": account_id, **given})
    desk = Desk(face, cookie=PORTAL_COOKIE)
    answer = desk.post(DOOR, {"token": made.text})
    assert (answer.status_code, answer.headers["location"]) == (303, KEYS)
    return desk


@pytest.fixture
def jane(face: InProcess, account_id: str) -> Desk:
    """Somebody who manages the customer's keys."""
    return opened(face, account_id, actor="jane@example.com", return_url=RETURN)


@pytest.fixture
def reader(face: InProcess, account_id: str) -> Desk:
    """Somebody who looks at the customer's keys."""
    return opened(face, account_id, access="read")


def test_a_link_is_traded_for_a_cookie_of_its_own(face: InProcess, account_id: str) -> None:
    """The page that takes the token holds none; the token is traded by a form, once, for a cookie that scripts cannot
    read and other sites' requests do not carry; it lasts as long as the session."""
    made = face.keywright.portals.new_link(ME, {"account_id": account_id, "session_seconds": 900})
    desk = Desk(face, cookie=PORTAL_COOKIE)

    assert desk.get(DOOR).status_code == 200
    assert desk.get(KEYS).headers["location"] == DOOR
    answer = desk.post(DOOR, {"token": made.text})
    assert (answer.status_code, answer.headers["location"]) == (303, KEYS)
    cookie = answer.headers["set-cookie"]
    assert cookie.partition("=")[0] == PORTAL_COOKIE
    assert cookie.partition("; ")[2] == "Path=/; Max-Age=900; SameSite=Lax; HttpOnly"
    assert made.text not in cookie
    again = Desk(face, cookie=PORTAL_COOKIE).post(DOOR, {"token": made.text})
    assert again.status_code == 403
    assert "does not work" in seen(again)
    assert made.text not in again.text
    assert desk.get(KEYS).status_code == 200


@pytest.mark.parametrize("token", ["", "wrong", "x" * 43, "ü"])
def test_a_wrong_link_opens_nothing(face: InProcess, token: str) -> None:
    """Whatever is not a link is refused, sets no cookie and leaves the door open for the right one."""
    answer = Desk(face, cookie=PORTAL_COOKIE).post(DOOR, {"token": token})

    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


@pytest.fixture
def published(data_dir: Path, clock: ManualClock) -> Iterator[InProcess]:
    """An installation behind a proxy that speaks https, with the operator's name and colour."""
    settings = {
        "public_url": "https://keys.example.com",
        "portal_name": "Größe & Söhne",
        "portal_accent": "#e11d48",
        "portal_return_url": "https://groesse.example/",
        "portal_sample_url": "https://api.groesse.example/orders?page=1",
        "portal_variable": "GROESSE_API_KEY",
    }
    with Installation(data_dir, clock, **settings) as made:
        cheap_passwords(made.keywright)
        with InProcess(made.keywright) as face:
            face.account_id = made.account()
            yield face


def test_the_samples_are_the_operators(published: InProcess) -> None:
    """Beside a new key in the portal stands what asks the operator's own API, with a variable of their name."""
    made = published.keywright.portals.new_link(ME, {"account_id": published.account_id})
    headers = (("Host", "keys.example.com"), ("Origin", "https://keys.example.com"))
    desk = Desk(published, cookie="__Host-portal")
    desk.post(DOOR, {"token": made.text}, headers=headers)
    shown = seen(desk.post(KEYS, {"name": "Shop"}, headers=headers))

    assert 'curl "https://api.groesse.example/orders?page=1"' in shown
    assert "GROESSE_API_KEY=lwa.sk_live_" in shown
    for foreign in ("SALESWEBHOOKS", "/v1/account", "keys.example.com/v1"):
        assert foreign not in shown


def test_without_an_address_there_is_no_sample(jane: Desk) -> None:
    """Where the operator has not said what can be asked, the portal shows nothing that would be refused."""
    assert "curl" not in jane.get(KEYS).text
    answer = jane.post(KEYS, {"name": "Shop"})

    assert (answer.status_code, "curl" in answer.text) == (201, False)
    assert "It is sent in the header X-API-Key." in seen(answer)
    assert 'data-env="API_KEY"' in answer.text


def test_on_https_the_browser_watches_over_the_cookie(published: InProcess) -> None:
    """The cookie has the prefix that keeps other hosts and plain connections from setting it."""
    made = published.keywright.portals.new_link(ME, {"account_id": published.account_id})
    headers = (("Host", "keys.example.com"), ("Origin", "https://keys.example.com"))
    answer = Desk(published).post(DOOR, {"token": made.text}, headers=headers)

    assert answer.headers["set-cookie"].startswith("__Host-portal=")
    assert answer.headers["set-cookie"].endswith("; HttpOnly; Secure")


@pytest.mark.parametrize("name", ["none", "forged", "old", "a console's", "a link's"])
def test_a_stranger_reaches_nothing(
    installation: Installation, owner: Desk, account_id: str, jane: Desk, name: str
) -> None:
    """Who has no portal session is led to its door from every route that needs one, and changes nothing: a session of
    the console is none, nor is a link that was not opened."""
    key = installation.create("Production Server", account_id)
    waiting = installation.keywright.portals.new_link(ME, {"account_id": account_id}).text
    sessions = {"none": "", "forged": "x" * 43, "old": jane.session, "a console's": owner.session, "a link's": waiting}
    if name == "old":
        installation.clock.advance(portals.PORTAL_SESSION_SECONDS)
    desk = Desk(owner.face, sessions[name], PORTAL_COOKIE)
    count = 0
    for route in portal_routes(installation):
        if route.least is None:
            continue
        path = filled(route.path, key.row.id)
        answer = desk.get(path) if route.method == "GET" else desk.post(path, {"name": "x", "grace": "0"})
        assert (answer.status_code, answer.headers["location"]) == (303, DOOR), path
        assert "Production" not in answer.text
        count += 1
    assert count >= 13
    assert [each.row for each in installation.keywright.manager.keys(ME, account_id)] == [key.row]


def test_a_session_of_the_portal_is_none_of_the_console(
    installation: Installation, owner: Desk, jane: Desk, account_id: str
) -> None:
    """Every route of the console takes somebody from the portal for a stranger, under either cookie's name; and the
    owner's own session under both names opens the console as before."""
    key = installation.create("Production Server", account_id)
    routes = Console(lambda *_: None, installation.keywright).routes  # type: ignore[arg-type]
    asked = [each for each in routes if each.least is not None]
    assert len(asked) > 30
    for cookie, route in product((COOKIE, PORTAL_COOKIE), asked):
        desk = Desk(jane.face, jane.session, cookie)
        path = filled(route.path, key.row.id)
        answer = desk.get(path) if route.method == "GET" else desk.post(path, {"name": "x"})
        assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/sign-in"), path
    both = (("Cookie", f"{COOKIE}={owner.session}; {PORTAL_COOKIE}={jane.session}"),)
    assert "Operator" in Desk(owner.face).get("/settings/api-keys", *both).text
    assert "Acme Robotics" in Desk(owner.face).get(KEYS, *both).text
    assert [each.row for each in installation.keywright.manager.keys(ME, account_id)] == [key.row]


def test_another_accounts_key_is_unknown(installation: Installation, jane: Desk, account_id: str) -> None:
    """Each route with another account's key answers as with one that never was, and shows and changes nothing of it;
    the operator's own keys are another account's."""
    mine = installation.create("Mine", account_id)
    foreign = [installation.create("Their secret", installation.account()), installation.create("The operator's")]
    named = [route for route in portal_routes(installation) if "{key_id}" in route.path]
    assert len(named) >= 8
    for route in named:
        answers = []
        for key_id in (*(each.row.id for each in foreign), "key_123456789"):
            path = filled(route.path, key_id)
            fields: dict[str, str | list[str]] = {"grace": "0", "confirm": "Their secret"}
            answer = jane.get(path) if route.method == "GET" else jane.post(path, fields)
            answers.append(re.sub(r"[\w-]{22}(?=')|nonce=\"[\w-]+\"|req_\w+|key_\w+", "", answer.text))
            assert answer.status_code == 404, route.path
            assert "secret" not in answer.text
        assert len(set(answers)) == 1, route.path
    assert "secret" not in jane.get(KEYS).text
    assert "Nothing found" in seen(jane.get(f"{KEYS}?q=secret"))
    for each in (mine, *foreign):
        row = installation.keywright.manager.key(ME, each.row.account_id, each.row.id).row
        assert row == each.row


def test_who_may_only_look_reaches_no_write(installation: Installation, reader: Desk, account_id: str) -> None:
    """Read access reaches the list and the page of a key, with networks in the place of addresses; every other route is
    refused, and shows no button."""
    key = installation.create("Shop", account_id)
    use = LastUse(installation.clock.now(), "203.0.113.77", "curl")
    installation.keywright.usage_store.add([UsageRow(key.row.slot, account_id, use, ())], 0)
    refused = []
    writes = [each for each in portal_routes(installation) if each.method == "POST"]
    assert {each.path for each in writes if each.least is not Role.ADMIN} == {DOOR, "/portal/leave"}
    for route in portal_routes(installation):
        if route.least is Role.ADMIN:
            path = filled(route.path, key.row.id)
            answer = reader.get(path) if route.method == "GET" else reader.post(path, {"name": "x", "grace": "0"})
            assert answer.status_code == 403, path
            refused.append(path)
    assert len(refused) >= 9
    for path in (KEYS, f"{KEYS}/{key.row.id}"):
        text = reader.get(path).text
        assert "203.0.113.0/24" in text
        assert "Read only" in text
        for word in ("203.0.113.77", "Create API Key", "Delete", "Rotate", "/disable"):
            assert word not in text
    assert [each.row for each in installation.keywright.manager.keys(ME, account_id)] == [key.row]


@pytest.mark.parametrize(("headers", "allowed"), SITES)
def test_only_our_own_pages_may_send_forms(
    installation: Installation, jane: Desk, account_id: str, headers: Headers, *, allowed: bool
) -> None:
    """As in the console: a form is carried out only if the browser says that a page of this very origin has sent it."""
    answer = jane.post(KEYS, {"name": "Made"}, headers=headers)

    assert (answer.status_code == 201) == allowed
    assert answer.status_code in (201, 403)
    assert len(installation.keywright.manager.keys(ME, account_id)) == int(allowed)


def test_every_form_is_held_to_that(installation: Installation, jane: Desk) -> None:
    """No route that takes a form is left out, the one that opens a link among them."""
    for route in portal_routes(installation):
        if route.method == "POST":
            answer = jane.post(filled(route.path, "key_123456789"), headers=(("Sec-Fetch-Site", "cross-site"),))
            assert answer.status_code == 403, route.path
    assert jane.get(KEYS).status_code == 200


def test_nothing_is_changed_by_looking(installation: Installation, jane: Desk, account_id: str) -> None:
    """No page changes anything when it is only asked for, nor ends the session."""
    key = installation.create("Shop", account_id)
    for route in portal_routes(installation):
        if route.method == "GET":
            jane.get(filled(route.path, key.row.id))
    assert [each.row for each in installation.keywright.manager.keys(ME, account_id)] == [key.row]
    assert jane.get(KEYS).status_code == 200


def pages(installation: Installation, desk: Desk, account_id: str) -> list[httpx.Response]:
    """Every page there is."""
    key = installation.create("Shopify Integration", account_id)
    found = []
    for route in portal_routes(installation):
        if route.method == "GET":
            path = filled(route.path, key.row.id)
            found += [desk.get(path), desk.get(path, ("HX-Request", "true"))]
    return found


def test_every_page_has_the_headers(installation: Installation, jane: Desk, account_id: str) -> None:
    """Every answer of the portal, also an error, a redirect and the last page, has the strict policy and is kept
    nowhere."""
    answers = [*pages(installation, jane, account_id), jane.get("/portal/nothing"), jane.post(f"{KEYS}/x/delete")]
    answers += [jane.post(DOOR, {"token": "x"}), jane.post("/portal/leave"), jane.get(KEYS)]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        nonce = re.search(r"'nonce-([\w-]{22})'", policy)
        assert nonce
        assert policy.replace(nonce[1], "N") == POLICY
        assert answer.headers.get_list("cache-control") == ["no-store"]
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["x-frame-options"] == "DENY"
        for tag, _, attributes in links(answer):
            if tag == "script" or attributes.get("rel") == "stylesheet":
                assert attributes["nonce"] == nonce[1]


def test_no_link_leads_out_of_the_portal(installation: Installation, jane: Desk, account_id: str) -> None:
    """Whatever a page leads to is a page of the portal, a file, the switch of the theme, or the address that the
    operator gave; and there is no word of the rest of the console."""
    ways = [re.compile(re.sub(r"\{\w+\}", r"[\\w]+", route.path) + "$") for route in portal_routes(installation)]
    checked = set()
    for answer in [*pages(installation, jane, account_id), jane.get("/portal/nothing")]:
        for _, address, attributes in links(answer):
            path = address.partition("?")[0].partition("#")[0]
            if address == RETURN:
                assert attributes["rel"] == "noreferrer"
            elif path and path != "/theme" and not path.startswith("/static/"):
                assert any(each.match(path) for each in ways), address
            checked.add(address)
        for word in ("Members", "Audit log", "Overview", "/settings", "Sign out"):
            assert word not in answer.text, word
    assert RETURN in checked
    assert len(checked) > 15


def test_the_key_is_on_one_page_once(installation: Installation, jane: Desk, account_id: str) -> None:
    """S12: the answer to the form holds the key, and no page before or after does; it works, and is the account's."""
    made = jane.post(KEYS, {"name": "Shopify Integration"})
    key = "".join(_SECRET.findall(made.text)[0])
    record = installation.keywright.verify(key).record

    assert record
    assert (record.account_id, record.scopes) == (account_id, ("*",))
    assert made.text.count(key[-20:]) == 1
    for answer in [*pages(installation, jane, account_id), jane.get(f"{KEYS}?q={key}")]:
        assert key[-20:] not in answer.text


def test_everything_that_can_be_done_with_a_key(installation: Installation, jane: Desk, account_id: str) -> None:
    """Create, search, edit, disable, enable, rotate and delete do what they do in the console, in this account."""
    jane.post(KEYS, {"name": "Zapier"})
    row = installation.keywright.manager.keys(ME, account_id)[0].row
    one = f"{KEYS}/{row.id}"

    assert "Zapier" in seen(jane.get(f"{KEYS}?q=zap"))
    assert "Zapier" in seen(jane.get(one))
    assert jane.post(f"{one}/disable").headers["location"] == KEYS
    assert installation.keywright.manager.key(ME, account_id, row.id).row.disabled
    assert jane.post(f"{one}/enable", {"next": one}).headers["location"] == one
    edition = re.findall(r'name="edition" value="(\w+)"', jane.get(f"{one}/edit").text)[0]
    edited: dict[str, str | list[str]] = {
        "name": "Zapier 2", "access": "full", "expires": "keep", "edition": edition,
    }  # fmt: skip
    assert jane.post(f"{one}/edit", {**edited, "rate_limit": "none"}).status_code == 422
    assert jane.post(f"{one}/edit", edited).headers["location"] == one
    assert installation.keywright.manager.key(ME, account_id, row.id).row.name == "Zapier 2"
    assert jane.post(f"{one}/rotate", {"grace": "3600"}).status_code == 201
    assert jane.post(f"{one}/delete").headers["location"] == KEYS
    assert jane.get(one).status_code == 404
    assert len(installation.keywright.manager.keys(ME, account_id)) == 1


def test_only_what_may_be_given_is_offered(installation: Installation, face: InProcess, account_id: str) -> None:
    """The form offers no scope operator; where the link names scopes, it offers these and no full access, and what is
    left alone is all of them."""
    full = opened(face, account_id)
    assert 'value="operator"' not in full.get(f"{KEYS}/new").text
    some = opened(face, account_id, scopes=["orders:read", "keys:read"])
    page = some.get(f"{KEYS}/new").text
    assert sorted(re.findall(r'name="scope" value="([^"]+)"', page)) == ["keys:read", "orders:read"]
    assert "Full access" not in page
    assert some.post(KEYS, {"name": "All", "access": "full"}).status_code == 201
    assert some.post(KEYS, {"name": "One", "access": "chosen", "scope": ["orders:read"]}).status_code == 201
    refused = some.post(KEYS, {"name": "More", "access": "chosen", "scope": ["usage:read"]})
    assert refused.status_code == 422
    assert "usage:read" in seen(refused)
    rows = [each.row.scopes for each in installation.keywright.manager.keys(ME, account_id)]
    assert rows == [("keys:read", "orders:read"), ("orders:read",)]


def test_who_may_give_little_can_rename_a_key_with_more(
    installation: Installation, face: InProcess, account_id: str
) -> None:
    """A form that was not touched but for the name changes the name, also where the key may do more than somebody in
    the portal may give."""
    some = opened(face, account_id, scopes=["keys:read"])
    made = installation.keywright.manager.create(ME, account_id, {"name": "Before"})
    path = f"{KEYS}/{made.row.id}/edit"
    form = form_of(some.get(path))
    assert some.post(path, {**form, "name": ["After"]}).status_code == 303
    row = installation.keywright.manager.key(ME, account_id, made.row.id).row
    assert (row.name, row.scopes) == ("After", ("*",))


def test_a_limit_beyond_the_default_is_said_beside_the_field(jane: Desk) -> None:
    """Who asks for more requests than a key has by default is told how many there are."""
    answer = jane.post(KEYS, {"name": "More", "rate_limit": "5000/m"})

    assert answer.status_code == 422
    assert "rate_limit must not allow more than 100/15m" in seen(answer)


def test_what_the_operator_did_is_shown_without_who(installation: Installation, jane: Desk, account_id: str) -> None:
    """The page of a key tells what was done to it, and whom of the portal's people by; of the operator it shows neither
    ids nor names of accounts of the machine."""
    backend = installation.create("Backend", scopes=["operator"])
    key = installation.create("Shop", account_id)
    made = installation.keywright.portals.new_link(
        installation.actor(backend), {"account_id": account_id, "actor": "Jo"}
    )
    visitor, _ = installation.keywright.portals.open(made.text, WHERE)
    installation.keywright.manager.update(visitor.actor(WHERE), account_id, key.row.id, {"name": "Shop 2"})
    page = seen(jane.get(f"{KEYS}/{key.row.id}"))

    assert "Jo" in page
    assert "Library" in page
    for hidden in (backend.row.id, visitor.session.id, ME.id, "opened_by"):
        assert hidden not in page


def test_leaving_ends_the_session(jane: Desk) -> None:
    """After leaving the old cookie opens nothing, the browser is told to forget, and the page leads back."""
    old = jane.session
    answer = jane.post("/portal/leave")

    assert answer.status_code == 200
    assert "You have left" in seen(answer)
    assert any(address == RETURN for _, address, _ in links(answer))
    assert answer.headers["clear-site-data"] == '"storage"'
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert Desk(jane.face, old, PORTAL_COOKIE).get(KEYS).headers["location"] == DOOR
    assert Desk(jane.face, old, PORTAL_COOKIE).get("/portal/leave").status_code == 200


def test_a_second_link_takes_the_place_of_the_first(jane: Desk, account_id: str, face: InProcess) -> None:
    """Who opens another link in the same browser is in that session, and the one before has ended."""
    first = jane.session
    made = face.keywright.portals.new_link(ME, {"account_id": account_id, "actor": "jo@example.com"})
    jane.post(DOOR, {"token": made.text})

    assert "jo@example.com" in seen(jane.get(KEYS))
    assert Desk(face, first, PORTAL_COOKIE).get(KEYS).headers["location"] == DOOR


def test_a_link_of_another_account_asks_first(jane: Desk, installation: Installation) -> None:
    """Who is in the portal of one account and opens a link to another's stays until they press the button, which names
    it; the link was not used by asking. Nobody else is asked, and a link that does not work is refused as ever."""
    other = installation.account("Evil & Söhne")
    made = installation.keywright.portals.new_link(ME, {"account_id": other})
    for said in ({}, {"as": ""}, {"as": "acc_123456789"}, {"as": jane.session}):
        asked = jane.post(DOOR, {"token": f" {made.text}", **said})
        assert (asked.status_code, asked.headers.get("set-cookie")) == (200, None)
        assert "Go on as Evil & Söhne" in seen(asked)
        assert "Acme Robotics" in seen(jane.get(KEYS))
    fields = dict(re.findall(r'name="(token|as)" value="([^"]+)"', asked.text))
    assert {name: value.strip() for name, value in fields.items()} == {"token": made.text, "as": other}
    first = jane.session

    assert jane.post(DOOR, {**fields}).headers["location"] == KEYS
    assert "Evil & Söhne" in seen(jane.get(KEYS))
    assert Desk(jane.face, first, PORTAL_COOKIE).get(KEYS).headers["location"] == DOOR
    assert jane.post(DOOR, {**fields}).status_code == 403
    assert jane.post(DOOR, {"token": made.text}).status_code == 403


def test_nothing_is_done_in_an_account_that_the_page_does_not_show(
    jane: Desk, account_id: str, installation: Installation
) -> None:
    """Who has opened another account's link in another tab does nothing there from a page or a form of the first, over
    all routes; a form that was made there is taken."""
    other = installation.account("Evil & Söhne")
    made = installation.keywright.portals.new_link(ME, {"account_id": other})
    assert jane.post(DOOR, {"token": made.text, "as": other}).headers["location"] == KEYS
    key = installation.create("Theirs", other)
    shown = (("HX-Request", "true"), ("Keywright-Account", account_id))
    for route in portal_routes(installation):
        path = filled(route.path, key.row.id)
        if route.least is Role.ADMIN:
            fields: dict[str, str | list[str]] = {"name": "x", "grace": "0", "confirm": "Theirs"}
            stale = {**fields, "account_id": account_id}
            answer = jane.get(path, *shown) if route.method == "GET" else jane.post(path, stale)
            assert (answer.status_code, "Evil & Söhne" in seen(answer)) == (409, True), path
    assert [each.row for each in installation.keywright.manager.keys(ME, other)] == [key.row]
    form = form_of(jane.get(f"{KEYS}/new"))
    assert form["account_id"] == [other]
    assert jane.post(KEYS, {**form, "name": ["Made"]}).status_code == 201
    assert len(installation.keywright.manager.keys(ME, other)) == 2


# The operator's name and colour


def test_the_portal_has_the_operators_name_and_colour(published: InProcess) -> None:
    """Where the settings say so, the pages of the portal bear the operator's name and take their colour from a file of
    style of its own, which no page of the console loads; without, they bear our own."""
    host = ("Host", "keys.example.com")
    door, console = Desk(published).get(DOOR, host), Desk(published).get("/sign-in", host)
    style = next(address for _, address, _ in links(door) if address.endswith("/portal.css"))
    answer = Desk(published).get(style, host)

    assert "Größe & Söhne" in seen(door)
    assert "Keywright" not in seen(door)
    assert any(address == "https://groesse.example/" for _, address, _ in links(door))
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert "--accent: light-dark(#e11d48, #e11d48);" in answer.text
    assert "portal.css" not in console.text
    assert "Größe" not in console.text


def test_without_settings_it_is_ours(stranger: Desk) -> None:
    """Without a colour there is no file of it, and the name is Keywright's."""
    door = stranger.get(DOOR)

    assert "portal.css" not in door.text
    assert "Keywright" in seen(door)


CONSOLE_STYLE = (SOURCE / "server" / "console" / "static" / "app.css").read_text("utf-8")


def test_the_colours_behind_are_those_of_the_style() -> None:
    """What a colour is checked against is what it will stand on."""
    tokens = dict(re.findall(r"--([\w-]+):\s+light-dark\((#\w{6}, #\w{6})\);", CONSOLE_STYLE))
    for number, (theme, away) in enumerate((("light", "#000000"), ("dark", "#ffffff"))):
        behind = [tokens[name].split(", ")[number] for name in ("bg", "surface", "surface-2", "overlay")]
        assert colour.PAPER[theme] == min(behind, key=lambda each: colour.contrast(each, away))
        assert colour.POINTED[theme] == tokens["surface-3"].split(", ")[number]


ACCENTS = (
    "#2563eb",
    "#e11d48",
    "#16a34a",
    "#ea580c",
    "#635bff",
    "#0d9488, #5eead4",
    "#000000, #ffffff",
    "#713f12, #fde047",
)


@pytest.mark.parametrize("text", ACCENTS)
def test_whatever_colour_is_taken_can_be_read(text: str) -> None:
    """Words on the colour, and words of it on all that is behind them, have the contrast of WCAG AA in both themes."""
    css = accent.style(*colour.pair(text.split(",")))
    found = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\);", css)
    tokens = {name: {"light": light, "dark": dark} for name, light, dark in found}
    names = set(re.findall(r"--([\w-]+):", CONSOLE_STYLE))

    assert set(tokens) <= names
    assert css.count("light-dark") == len(tokens) == 7
    for theme in ("light", "dark"):
        at = {name: values[theme] for name, values in tokens.items()}
        for ground in (colour.PAPER[theme], colour.POINTED[theme], at["accent-soft"]):
            assert colour.contrast(at["accent-text"], ground) >= colour.TEXT_CONTRAST
        assert colour.contrast(at["accent"], colour.PAPER[theme]) >= colour.SHAPE_CONTRAST
        for ground in (at["accent"], at["accent-hover"]):
            assert colour.contrast(at["on-accent"], ground) >= colour.TEXT_CONTRAST


def test_contrast_is_that_of_the_standard() -> None:
    """Black on white is 21, a colour on itself 1, and a middle grey what the standard says."""
    assert colour.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert colour.contrast("#2563eb", "#2563eb") == 1
    assert colour.contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


def test_a_colour_that_does_not_stand_out_is_refused_with_one_that_does() -> None:
    """The sentence that refuses a colour names the theme, how little it stands out, and two that would do."""
    with pytest.raises(ValueError, match="from the dark pages: its contrast is 1") as refused:
        colour.pair(["#111827"])
    better = re.findall(r"#\w{6}", str(refused.value))[-2:]

    assert better[0] == "#111827"
    assert colour.pair(better) == tuple(better)
