"""The pages: their headers, what they hold and what they must not, words, templates, vendored files, sizes."""

from __future__ import annotations

import gzip
import hashlib
import html
import re
import tomllib
from html.parser import HTMLParser

import httpx
import pytest

from console.desk import ORIGIN, OWN, Desk, seen
from console.test_doors import filled, routes
from house.rules import SOURCE
from keywright.clock import parse_timestamp
from keywright.manage.values import KNOWN_SCOPES
from keywright.record import NEVER
from keywright.server.console import show
from keywright.server.console.words import Words
from keywright.stores.base import LastUse, UsageRow
from support.faces import InProcess
from support.installation import ME, Installation
from support.statements import counting

CONSOLE = SOURCE / "server" / "console"
TEMPLATES = sorted((CONSOLE / "templates").glob("*.j2"))
FIRST_LOAD_BYTES = 40_000
MAX_STATEMENTS = 40
POLICY = (
    "default-src 'none'; script-src 'nonce-N' 'strict-dynamic'; style-src 'nonce-N'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; object-src 'none'; "
    "require-trusted-types-for 'script'; trusted-types htmx"
)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        for name in ("href", "src", "action", "hx-get", "hx-post"):
            if name in values:
                self.found.append((tag, values[name], values))


def links(answer: httpx.Response) -> list[tuple[str, str, dict[str, str]]]:
    """Everything that a page leads to or loads: tag, address, attributes."""
    parser = _Links()
    parser.feed(answer.text)
    return parser.found


def pages(installation: Installation, desk: Desk) -> list[httpx.Response]:
    """Every page there is, for whoever sits at the desk."""
    key = installation.create("Shopify Integration")
    member = installation.keywright.directory.members(ME, installation.account_id)[0][0].id
    found = []
    for route in routes(installation):
        if route.method == "GET":
            path = filled(route.path.replace("{member_id}", member), key.row.id)
            found += [desk.get(path), desk.get(path, ("HX-Request", "true"))]
    return found


def test_every_page_has_the_headers(installation: Installation, owner: Desk) -> None:
    """Every answer of the console, also an error and a redirect, has the strict policy and is kept nowhere."""
    nonces = set()
    for answer in [*pages(installation, owner), owner.get("/settings/nothing"), owner.post("/theme", headers=())]:
        policy = answer.headers["content-security-policy"]
        nonce = re.search(r"'nonce-([\w-]{22})'", policy)
        assert nonce
        nonces.add(nonce[1])
        assert policy.replace(nonce[1], "N") == POLICY
        assert answer.headers.get_list("cache-control") == ["no-store"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "server" not in answer.headers
        for tag, _, attributes in links(answer):
            if tag == "script" or attributes.get("rel") == "stylesheet":
                assert attributes["nonce"] == nonce[1]
            if "hx-get" in attributes or "hx-post" in attributes:
                assert attributes["hx-nonce"] == nonce[1]
    assert len(nonces) > 20


def test_no_link_is_dead_and_none_leads_away(installation: Installation, owner: Desk) -> None:
    """Whatever any page leads to is there, and is ours."""
    ways = {(route.method, route.path) for route in routes(installation)}
    patterns = [(method, re.compile(re.sub(r"\{\w+\}", r"[\\w]+", path) + "$")) for method, path in ways]
    checked = set()
    for answer in pages(installation, owner):
        for tag, address, _ in links(answer):
            path = address.partition("?")[0].partition("#")[0]
            if path in checked or not path:
                continue
            checked.add(path)
            assert path.startswith("/"), address
            if path.startswith("/static/"):
                assert owner.get(path).status_code == 200, address
            else:
                method = "POST" if tag == "form" and path != "/settings/api-keys" else "GET"
                assert any(each.match(path) for kind, each in patterns if kind == method), (tag, address)
    assert len(checked) > 20


def test_the_key_is_on_one_page_once(installation: Installation, owner: Desk) -> None:
    """S12, S14: the answer to the form holds the key, and no page before or after does; the answer is kept nowhere."""
    made = owner.post("/settings/api-keys", {"name": "Shopify Integration"})
    key = "".join(re.findall(r'<span class="p">([^<]+)</span>(\w+)</output>', made.text)[0])

    assert installation.keywright.verify(key).record is not None
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    assert "content-encoding" not in made.headers
    tail = key[-20:]
    assert made.text.count(tail) == 1
    for answer in [*pages(installation, owner), owner.get(f"/settings/api-keys?q={key}")]:
        assert tail not in answer.text
        assert tail not in str(answer.headers)


def test_sending_the_same_form_again_makes_no_second_key(installation: Installation, owner: Desk) -> None:
    """Who reloads the page with the key is told that it cannot be shown again; there is still one key."""
    once = re.findall(r'name="once" value="(\w+)"', owner.get("/settings/api-keys/new").text)[0]
    first = owner.post("/settings/api-keys", {"name": "Once", "once": once})
    second = owner.post("/settings/api-keys", {"name": "Once", "once": once})

    assert (first.status_code, second.status_code) == (201, 409)
    [key] = installation.keywright.manager.keys(ME, installation.account_id)
    assert f"has made the key {key.row.id} already" in seen(second)
    again = re.findall(r'name="once" value="(\w+)"', second.text)[0]
    assert again != once
    assert owner.post("/settings/api-keys", {"name": "Twice", "once": again}).status_code == 201


def test_what_is_wrong_with_a_form_is_said_beside_it(owner: Desk) -> None:
    """A form that cannot be carried out comes back with what was typed, and says what is wrong."""
    wrong: tuple[tuple[dict[str, str | list[str]], str], ...] = (
        ({"name": "  "}, "name must not be blank"),
        ({"name": "x" * 256}, "name must be at most 255 characters"),
        ({"name": "Mine", "rate_limit": "many"}, "rate_limit"),
        ({"name": "Mine", "networks": "everywhere"}, "is not a network"),
        ({"name": "Mine", "format": "ss", "environment": "test"}, "Keys of the format ss"),
        ({"name": "Mine", "access": "chosen"}, "scopes must name at least one"),
        ({"name": "Mine", "expires": "date", "expires_on": "soon"}, "Choose the day"),
        ({"name": "Mine", "expires": "date", "expires_on": "2001-01-01"}, "must be in the future"),
    )
    for fields, text in wrong:
        answer = owner.post("/settings/api-keys", fields)
        assert answer.status_code == 422
        assert text in seen(answer)
        assert "x" * 20 not in seen(answer)
        if fields["name"] == "Mine":
            assert 'value="Mine"' in answer.text


def test_everything_beside_the_name_can_be_chosen(installation: Installation, owner: Desk) -> None:
    """Environment, format, scopes, expiry, limit and networks of the form end up in the key."""
    owner.post("/settings/api-keys", {
        "name": "All", "environment": "test", "format": "lwa", "access": "chosen", "scope": ["keys:read", "usage:read"],
        "expires": "30", "rate_limit": "5/m, 100/h", "networks": "203.0.113.0/24 2001:db8::/32",
    })  # fmt: skip
    row = installation.keywright.manager.keys(ME, installation.account_id)[0].row

    assert (row.environment, row.format, row.scopes) == ("test", "lwa", ("keys:read", "usage:read"))
    assert row.expires_at == installation.clock.now() + 30 * 86_400
    assert (row.limits, row.networks) == (("5/m", "100/h"), ("203.0.113.0/24", "2001:db8::/32"))


def test_a_key_in_use_is_deleted_by_its_name(installation: Installation, owner: Desk) -> None:
    """A key that was used lately asks for its name; one that was not is deleted by the button alone; gone is gone."""
    used, unused = installation.create("In use"), installation.create("Unused")
    use = LastUse(installation.clock.now(), "203.0.113.7", "curl")
    installation.keywright.usage_store.add([UsageRow(used.row.slot, installation.account_id, use, ())], 0)
    path = f"/settings/api-keys/{used.row.id}/delete"

    assert "203.0.113.7" in seen(owner.get(path))
    assert owner.post(path).status_code == 422
    assert owner.post(path, {"confirm": "in use"}).status_code == 422
    assert owner.post(path, {"confirm": "In use"}).status_code == 303
    assert owner.post(path, {"confirm": "In use"}).status_code == 404
    assert owner.post(f"/settings/api-keys/{unused.row.id}/delete").status_code == 303
    assert installation.keywright.manager.keys(ME, installation.account_id) == []
    assert installation.keywright.verify(used.key).reason  # type: ignore[union-attr]


def test_rotating_disabling_and_enabling(installation: Installation, owner: Desk) -> None:
    """The other icons do what they say, at once."""
    key = installation.create("Zapier")
    path = f"/settings/api-keys/{key.row.id}"

    assert owner.post(f"{path}/disable").status_code == 303
    assert installation.keywright.verify(key.key).reason == "disabled"  # type: ignore[union-attr]
    assert owner.post(f"{path}/enable").status_code == 303
    for grace in ("5", "", "03600", "٣٦٠٠", "9" * 5000):
        assert owner.post(f"{path}/rotate", {"grace": grace}).status_code == 422
    rotated = owner.post(f"{path}/rotate", {"grace": "3600"})
    assert rotated.status_code == 201
    installation.clock.advance(3601)
    assert installation.keywright.verify(key.key).reason == "expired"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("fields", "days"),
    [
        ({}, 7),
        ({"expires": "keep"}, 7),
        ({"expires": "90"}, 90),
        ({"expires": "never"}, None),
        ({"expires": "date", "expires_on": "2099-01-31"}, 0),
    ],
)
def test_rotating_asks_when_the_new_key_is_to_end(
    installation: Installation, owner: Desk, fields: dict[str, str], days: int | None
) -> None:
    """The dialog says when the old key ends and that the new one does as well, unless another end is chosen."""
    now = installation.clock.now()
    key = installation.create("Zapier", expires_in_seconds=7 * 86_400)
    path = f"/settings/api-keys/{key.row.id}/rotate"
    assert f"The old key ends on {show.day(now + 7 * 86_400)} in any case." in seen(owner.get(path))
    wrong = owner.post(path, {"grace": "0", "expires": "date", "expires_on": "x"})
    assert wrong.status_code == 422
    assert re.search(r'value="0" checked', wrong.text), "what was chosen is still chosen"

    assert owner.post(path, {"grace": "3600", **fields}).status_code == 201

    rows = [each.row for each in installation.keywright.manager.keys(ME, installation.account_id)]
    day = parse_timestamp("2099-01-31T23:59:59Z")
    assert rows[1].expires_at == (NEVER if days is None else now + days * 86_400 if days else day)
    endless = installation.create("Endless")
    assert "in any case" not in owner.get(f"/settings/api-keys/{endless.row.id}/rotate").text


@pytest.mark.parametrize(
    "scope", ["account:read", "keys:read", "subscriptions:read", "campaigns:read", "usage:read", "orders:read"]
)
def test_a_sample_works_with_its_key(face: InProcess, owner: Desk, scope: str) -> None:
    """What a new key can be tried with is answered when it is pasted; where nothing would be, that is said."""
    answer = owner.post("/settings/api-keys", {"name": "Narrow", "access": "chosen", "scope": [scope]})
    key = re.sub(r"</?span[^>]*>", "", re.findall(r'id="secret"[^>]*>(.*?)</output>', answer.text)[0])

    paths = re.findall(rf'curl "{ORIGIN}(/[^"]*)"', html.unescape(answer.text))
    assert [face.call("GET", path, key).status_code for path in paths] == ([] if scope == "orders:read" else [200])
    assert ("No sample:" in seen(answer)) is not bool(paths)


def test_a_disabled_account_is_seen_at_its_keys(installation: Installation, owner: Desk) -> None:
    """Keys of a disabled account look as they are, so the list, the page of one and what is shown once say it."""
    key = installation.create()
    paths = ("/settings/api-keys", f"/settings/api-keys/{key.row.id}")
    assert not any("This account is disabled." in seen(owner.get(path)) for path in paths)
    installation.keywright.manager.change_account(ME, installation.account_id, {"disabled": True})

    assert all("This account is disabled." in seen(owner.get(path)) for path in paths)
    assert "This account is disabled." in seen(owner.post("/settings/api-keys", {"name": "New"}))
    assert "This account is disabled." in seen(owner.post(f"{paths[1]}/rotate", {"grace": "0"}))


def test_the_limits_page_shows_what_the_keys_share(installation: Installation, owner: Desk) -> None:
    """What is laid upon the account stands beside what a key has by default."""
    shared = r"All keys together\s+{}\s"
    assert re.search(shared.format("no limit"), seen(owner.get("/settings/limits")))
    installation.keywright.manager.change_account(ME, installation.account_id, {"rate_limit": ["10/m", "99/h sliding"]})
    assert re.search(shared.format("10/m, 99/h sliding"), seen(owner.get("/settings/limits")))


def test_a_viewer_sees_networks_and_an_admin_addresses(installation: Installation, viewer: Desk, admin: Desk) -> None:
    """Who may only look learns the network that a key is used from, and not the address; and sees no buttons."""
    key = installation.create()
    use = LastUse(installation.clock.now(), "203.0.113.77", "curl")
    installation.keywright.usage_store.add([UsageRow(key.row.slot, installation.account_id, use, ())], 0)
    looked, managed = viewer.get("/settings/api-keys"), admin.get("/settings/api-keys")

    assert "203.0.113.77" in managed.text
    assert "203.0.113.77" not in looked.text
    assert "203.0.113.0/24" in looked.text
    assert "Create API Key" in managed.text
    for word in ("Create API Key", "Delete", "Rotate", "/disable"):
        assert word not in looked.text


def test_what_a_dialog_asks_for_by_itself_is_no_page(installation: Installation, owner: Desk) -> None:
    """The line that waits for a key's first use is part of a dialog. Whoever is led to its address, by signing in again
    for instance, gets to the key's page."""
    path = f"/settings/api-keys/{installation.create().row.id}"

    assert "first-use" in owner.get(f"{path}/first-use", ("HX-Request", "true")).text
    assert owner.get(f"{path}/first-use").headers["location"] == path


def test_what_a_viewer_of_another_account_may_not_see(installation: Installation, owner: Desk) -> None:
    """Keys of another account are not on any page, and their ids lead nowhere."""
    theirs = installation.create("Their secret project", installation.account())

    assert "Their secret project" not in owner.get("/settings/api-keys").text
    for act in ("delete", "rotate", "first-use"):
        assert owner.get(f"/settings/api-keys/{theirs.row.id}/{act}").status_code == 404
    for act in ("delete", "rotate", "disable", "enable"):
        assert owner.post(f"/settings/api-keys/{theirs.row.id}/{act}", {"grace": "0"}).status_code == 404


def test_a_name_is_text_and_never_markup(installation: Installation, owner: Desk) -> None:
    """Whatever a key, an account or a member is called, no page takes it for markup."""
    name = "<img src=x onerror=alert(1)>\"'&"
    key = installation.create(name)
    owner.post("/settings/general", {"name": name})
    for path in ("", f"/{key.row.id}/delete", f"/{key.row.id}/rotate", "?q=%3Cimg", "/new"):
        page = owner.get(f"/settings/api-keys{path}")
        assert "<img src=x" not in page.text
        assert page.text.count("&lt;img src=x onerror=alert(1)&gt;&#34;&#39;&amp;") >= 1


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_hold_no_code_and_no_text(template: object) -> None:
    """No template has inline script or style, an event handler, or words of its own: what is said is in one file."""
    assert faults_of(template.read_text("utf-8")) == []  # type: ignore[attr-defined]


def faults_of(text: str) -> list[str]:
    """What is wrong with a template."""
    plain = re.sub(r"\{#.*?#\}", "", text, flags=re.DOTALL)
    found = re.findall(r"""\son[a-z]+\s*=|\sstyle\s*=|<style|<script(?![^>]*\ssrc=)|hx-on|javascript:|\bjs:""", plain)
    found += [each for each in re.findall(r"\|\s*safe", plain) if "more|safe" not in plain]
    # A macro of attributes only stands outside of a tag; whoever calls it stands inside.
    plain = re.sub(r"\{% macro [^%]*%\}href=[^<]*?\{% endmacro %\}", "", plain)
    bare = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", plain, flags=re.DOTALL)
    shown = re.sub(r"<[^>]*>", "\n", bare)
    found += re.findall(r"[A-Za-z]{2,}[^\n]*", shown)
    said = re.findall(r"""(?:aria-label|title|placeholder|alt)="([^"]*[A-Za-z][^"]*)\"""", bare)
    return found + said


def test_the_template_rule_can_fail() -> None:
    """The lint sees what it forbids."""
    bad = (
        '<a onclick="x">',
        '<p style="x">',
        "<script>x</script>",
        "<p>Some words</p>",
        '<a title="Close">',
        "hx-on:x",
    )
    assert all(faults_of(each) for each in bad)
    assert faults_of("<p class='x'>{{ t('a.b') }}</p>{% if x %}…{% endif %}") == []


def test_every_word_is_there_and_every_word_is_used() -> None:
    """A text that a page names is in the catalogue, and nothing in it is left over."""
    words = Words()
    sources = "".join(path.read_text("utf-8") for path in [*TEMPLATES, *CONSOLE.glob("*.py")])
    named = set(re.findall(r"\bt(?:\.count|\.listed)?\('([\w.]+)'", sources)) | set(
        re.findall(r"words\(\"([\w.]+)\"", sources)
    )
    families = {each for each in named if each.endswith(".")}
    whole = named - families
    missing = [each for each in whole if not any(name == each or name.startswith(f"{each}.") for name in words.names())]
    assert missing == []
    assert [
        each for each in KNOWN_SCOPES if each != "*" and f"scope.{each.replace(':', '_')}" not in words.names()
    ] == []
    # Names that are put together in Python are not seen here; they are asked for by the tests of their pages.
    elsewhere = ("said.", "fault.", "nav.", "entry.", "help.", "created.", "general.", "create.")
    starts = tuple(each if each.endswith(".") else f"{each}." for each in named)
    unused = [name for name in words.names() - named if not name.startswith((*starts, *elsewhere))]
    assert unused == []


def test_vendored_files_are_what_they_were() -> None:
    """Every file made by others is named with its hash, and has not been changed."""
    static = CONSOLE / "static"
    named = tomllib.loads((static / "VENDOR.toml").read_text("utf-8"))
    others = {
        path.relative_to(static).as_posix()
        for path in static.rglob("*")
        if path.suffix in (".js", ".woff2", ".svg") and path.name not in ("app.js", "logo.svg")
    }

    assert set(named) == others
    for name, entry in named.items():
        assert hashlib.sha256((static / name).read_bytes()).hexdigest() == entry["sha256"], name


def test_files_are_kept_for_ever_under_a_name_that_changes(owner: Desk) -> None:
    """A browser asks for style and script once; what is sent to it compressed is what it is."""
    page = owner.get("/settings/api-keys")
    style = next(address for _, address, _ in links(page) if address.endswith("/app.css"))
    plain, zipped = owner.get(style), owner.get(style, ("Accept-Encoding", "gzip"))

    assert plain.headers.get_list("cache-control") == ["public, max-age=31536000, immutable"]
    assert zipped.headers["content-encoding"] == "gzip"
    assert zipped.content == plain.content
    assert int(zipped.headers["content-length"]) < len(plain.content) / 3
    for path in ("/static/x/nothing.js", "/static/x/../pages.py", "/static/", "/static/x/VENDOR.toml"):
        assert owner.get(path).status_code == 404


def test_the_first_load_is_small(installation: Installation, owner: Desk) -> None:
    """All that a browser loads for the first page, besides the fonts, is under 40 kB as it is sent."""
    for number in range(10):
        installation.create(f"Integration {number}")
    page = owner.get("/settings/api-keys", ("Accept-Encoding", "gzip"))
    sizes = {"page": int(page.headers["content-length"])}
    wanted = {address.partition("#")[0] for _, address, _ in links(page) if address.startswith("/static/")}
    for address in wanted:
        sizes[address] = int(owner.get(address, ("Accept-Encoding", "gzip")).headers["content-length"])

    assert len(sizes) > 5
    assert sum(sizes.values()) <= FIRST_LOAD_BYTES, sizes


def test_a_page_of_a_thousand_keys_asks_as_little_as_one_of_a_few(installation: Installation, owner: Desk) -> None:
    """However many keys an account has, used in each hour: a page of them is as many statements, and as many rows."""
    keywright, account_id = installation.keywright, installation.account_id
    counts = (("accepted", 50), ("rate_limited", 2))
    hour = int(installation.clock.now()) // 3600 * 3600
    asked = []
    for more in (50, 950):
        given = ({"name": f"Key {each}"} for each in range(more))
        made = list(keywright.manager.create_many(ME, account_id, given))
        for back in range(24):
            rows = [UsageRow(each.row.slot, account_id, None, counts) for each in made]
            keywright.usage_store.add(rows, hour - 3600 * back)
        with counting() as statements:
            page = owner.get("/settings/api-keys")
        assert page.status_code == 200
        asked.append((len(statements), page.text.count("<tr")))

    assert asked[0] == asked[1]
    assert asked[0][0] < MAX_STATEMENTS


def test_pages_are_compressed_unless_they_hold_a_secret(owner: Desk) -> None:
    """A page is sent small; the answer to a form, which may hold a key, is sent as it is."""
    page = owner.get("/settings/help", ("Accept-Encoding", "gzip"))
    assert page.headers["content-encoding"] == "gzip"
    assert len(gzip.compress(page.content)) < len(page.content)
    made = owner.post("/settings/api-keys", {"name": "x"}, headers=(*OWN, ("Accept-Encoding", "gzip")))
    assert "content-encoding" not in made.headers


def test_an_invitation_is_a_link_that_is_shown_once(owner: Desk, stranger: Desk) -> None:
    """The link is on the page that makes it, leads to this origin, and lets somebody join."""
    made = owner.post("/settings/members", {"email": "jo@example.com", "role": "viewer"})
    link = re.findall(r">(http[^<]+/join#[\w-]+)<", made.text)[0]

    assert link.startswith(f"{ORIGIN}/join#")
    assert link not in owner.get("/settings/members").text
    fields: dict[str, str | list[str]] = {
        "token": link.partition("#")[2], "name": "Jo", "password": "violet kettle marches",
    }  # fmt: skip
    assert stranger.post("/join", fields).status_code == 303
    assert "Jo" in seen(stranger.get("/settings/members"))


def test_errors_are_pages_and_the_api_keeps_its_own(owner: Desk) -> None:
    """An unknown page of the console is a page; an unknown path elsewhere is the API's JSON, as before."""
    assert "Not found" in seen(owner.get("/settings/nothing"))
    for path in ("/nothing", "/v1/nothing", "/favicon.ico"):
        assert owner.get(path).headers["content-type"].startswith("application/json")
    assert owner.get("/").headers["location"] == "/overview"
    assert owner.face.send("GET", "/", ()).json()["name"] == "Keywright"
