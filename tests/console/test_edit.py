"""Changing a key in the console: what may be changed, what is said of what may not, and two who change at once."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from console.desk import Desk, seen
from keywright.manage.values import edition
from keywright.record import NEVER, KeyRow, Request
from support.installation import ME, Installation
from support.mutants import assert_caught, with_long_form

KEYS = "/settings/api-keys"
DAY = 86_400
HERE = "tests/console/test_edit.py::"
Fields = dict[str, str | list[str]]


def row_of(installation: Installation, key_id: str) -> KeyRow:
    """The key as it is stored."""
    return installation.keywright.manager.key(ME, installation.account_id, key_id).row


def form_of(page: httpx.Response) -> Fields:
    """The fields of the form on a page, as a browser would send them untouched."""
    fields: dict[str, list[str]] = {}
    for tag in re.findall(r"<input[^>]*>", page.text):
        found = {name: html.unescape(value) for name, value in re.findall(r'([\w-]+)="([^"]*)"', tag)}
        sent = found.get("type") not in ("checkbox", "radio") or " checked" in tag
        if sent and found.get("name") not in (None, "next"):
            fields.setdefault(found["name"], []).append(found.get("value", ""))
    for name, inner in re.findall(r'<select[^>]* name="(\w+)".*?>(.*?)</select>', page.text, re.DOTALL):
        fields[name] = re.findall(r'value="(\w*)" selected', inner)
    for name, text in re.findall(r'<textarea[^>]* name="(\w+)".*?>(.*?)</textarea>', page.text, re.DOTALL):
        fields[name] = [html.unescape(text)]
    return dict(fields)


def opened(desk: Desk, key_id: str, **typed: str | list[str]) -> Fields:
    """The form of a key as it is opened, with something else typed into some of its fields."""
    return {**form_of(desk.get(f"{KEYS}/{key_id}/edit", ("HX-Request", "true"))), **typed}


def test_what_is_not_touched_is_not_changed(installation: Installation, owner: Desk) -> None:
    """A form that is sent as it was opened changes nothing and leaves no line, whatever the key is."""
    some: dict[str, Any] = {
        "scopes": ["keys:read", "orders:refund"],
        "networks": ["203.0.113.0/24"],
        "rate_limit": ["5/m", "100/h"],
    }
    keys = [
        installation.create("Plain"),
        installation.create("Some", **some, metadata={"b": 1, "a": [1.5, "<x>"]}, expires_in_seconds=DAY),
        installation.create("Reader", scopes=[
            "account:read", "campaigns:read", "keys:read", "subscriptions:read", "usage:read",
        ]),
        installation.create("Endless", rate_limit=None, scopes=["*", "operator"]),
    ]  # fmt: skip
    for key in keys:
        answer = owner.post(f"{KEYS}/{key.row.id}/edit", opened(owner, key.row.id))
        assert (answer.status_code, answer.headers["location"]) == (303, f"{KEYS}/{key.row.id}")
        assert row_of(installation, key.row.id) == key.row
        assert "Key changed" not in seen(owner.get(f"{KEYS}/{key.row.id}"))


def test_everything_that_can_be_changed(installation: Installation, owner: Desk) -> None:
    """Name, access, end, limit, networks and metadata of the form end up in the key at once; the line that tells of it
    stands on the key's page and names what was changed, and no more."""
    key = installation.create("Before")
    typed: Fields = {
        "name": "After", "access": "chosen", "scope": ["keys:read"], "other_scopes": "orders:read, orders:refund",
        "expires": "30", "rate_limit": "5/m, 100/h", "networks": "203.0.113.0/24 2001:db8::/32",
        "metadata": '{"team": "billing"}',
    }  # fmt: skip
    assert owner.post(f"{KEYS}/{key.row.id}/edit", opened(owner, key.row.id, **typed)).status_code == 303
    row = row_of(installation, key.row.id)

    assert (row.name, row.scopes) == ("After", ("keys:read", "orders:read", "orders:refund"))
    assert row.expires_at == installation.clock.now() + 30 * DAY
    assert (row.limits, row.networks) == (("5/m", "100/h"), ("203.0.113.0/24", "2001:db8::/32"))
    assert row.metadata_object == {"team": "billing"}
    page = seen(owner.get(f"{KEYS}/{key.row.id}"))
    assert "Key changed" in page
    assert "expires_in_seconds, metadata, name, networks, rate_limit, scopes" in page
    refused = installation.keywright.verify(key.key, Request(address="198.51.100.1"))
    assert refused.reason == "network"  # type: ignore[union-attr]

    owner.post(f"{KEYS}/{key.row.id}/edit", opened(owner, key.row.id, access="full", expires="never", networks=""))
    row = row_of(installation, key.row.id)
    assert (row.scopes, row.expires_at, row.networks) == (("*",), NEVER, ())
    owner.post(f"{KEYS}/{key.row.id}/edit", opened(owner, key.row.id, rate_limit="none", access="read"))
    row = row_of(installation, key.row.id)
    assert row.limits == ()
    assert row.scopes == ("account:read", "campaigns:read", "keys:read", "subscriptions:read", "usage:read")


@pytest.mark.parametrize(
    ("typed", "field", "text"),
    [
        ({"name": " "}, "name", "name must not be blank"),
        ({"rate_limit": "many"}, "rate_limit", "is not a limit"),
        ({"rate_limit": ""}, "rate_limit", "Write a limit such as 100/15m"),
        ({"networks": "everywhere"}, "networks", "is not a network"),
        ({"metadata": "[1]"}, "metadata", "metadata must be an object"),
        ({"metadata": '{"a": 1, "a": 2}'}, "metadata", "Write a JSON object"),
        ({"metadata": "[" * 9_000}, "metadata", "Write a JSON object"),
        ({"access": "chosen", "scope": []}, "", "scopes must name at least one"),
        ({"access": "chosen", "scope": [], "other_scopes": "Not A Scope!"}, "", "is not a scope"),
        ({"expires": "date", "expires_on": "soon"}, "expires", "Choose the day"),
        ({"expires": "date", "expires_on": "2001-01-01"}, "expires", "must be in the future"),
    ],
)
def test_what_is_wrong_is_said_beside_the_field(
    installation: Installation, owner: Desk, typed: Fields, field: str, text: str
) -> None:
    """A value that cannot be is refused with the core's own words beside its field; what was typed is still there, and
    nothing of it was saved."""
    key = installation.create("Mine", rate_limit="5/m")
    fields = opened(owner, key.row.id, **{"name": "Typed", "networks": "203.0.113.9", **typed})
    answer = owner.post(f"{KEYS}/{key.row.id}/edit", fields)

    assert answer.status_code == 422
    assert text in (hint(answer, field) if field else seen(answer))
    again = form_of(answer)
    for name, value in fields.items():
        assert again.get(name, []) == ([value] if isinstance(value, str) else value), name
    assert row_of(installation, key.row.id) == key.row


def hint(answer: httpx.Response, field: str) -> str:
    """What stands beside a field, as what describes it."""
    found = re.findall(rf'<span class="hint bad-t" id="h-{field}">(.*?)</span>', answer.text)
    return html.unescape(found[0]) if found else ""


def test_two_who_change_at_once(installation: Installation, owner: Desk, admin: Desk) -> None:
    """Whoever saves second is told what the key is now beside what they typed, nothing of theirs is saved, and nothing
    of the first one's is lost; saving again is then deliberate."""
    key = installation.create("Before", scopes=["keys:read", "keys:write"])
    path = f"{KEYS}/{key.row.id}/edit"
    mine, theirs = opened(owner, key.row.id, name="Mine"), opened(admin, key.row.id, scope=["keys:read"])
    assert admin.post(path, theirs).status_code == 303
    refused = owner.post(path, mine)

    assert refused.status_code == 409
    assert "Somebody has changed this key" in seen(refused)
    assert re.search(r"Is now:\s+keys:read\s", seen(refused))
    assert form_of(refused)["name"] == ["Mine"]
    row = row_of(installation, key.row.id)
    assert (row.name, row.scopes) == ("Before", ("keys:read",))
    assert owner.post(path, {**mine, "edition": "", "name": "By hand"}).status_code == 409
    assert owner.post(path, {**form_of(refused), "scope": ["keys:read"]}).status_code == 303
    row = row_of(installation, key.row.id)
    assert (row.name, row.scopes) == ("Mine", ("keys:read",))


def test_only_what_others_changed_is_told(installation: Installation, owner: Desk, admin: Desk) -> None:
    """Beside a field stands what the key is now only where that is not what was meant, however it is written: full
    access is no list, and a browser breaks lines in its own way."""
    key = installation.create("Before", metadata={"a": 1, "b": [1, 2]})
    path = f"{KEYS}/{key.row.id}/edit"
    fields = opened(owner, key.row.id, metadata='{"b": [1, 2],\r\n "a": 1}')
    assert admin.post(path, opened(admin, key.row.id, name="Theirs")).status_code == 303
    refused = owner.post(path, fields)

    assert refused.status_code == 409
    assert re.findall(r"Is now:\s+(\S+)", seen(refused)) == ["Theirs"]


def test_true_is_not_one(installation: Installation, owner: Desk) -> None:
    """A value of metadata that only changes its type is changed."""
    key = installation.create("Mine", metadata={"active": 1})
    fields = opened(owner, key.row.id, metadata='{"active": true}')
    assert owner.post(f"{KEYS}/{key.row.id}/edit", fields).status_code == 303
    assert row_of(installation, key.row.id).metadata == '{"active":true}'


def test_an_error_does_not_make_an_old_form_new(installation: Installation, owner: Desk) -> None:
    """Who mends a typing error in a form that has grown old meanwhile does not write over the other's change."""
    key = installation.create("Before")
    path = f"{KEYS}/{key.row.id}/edit"
    typed = opened(owner, key.row.id, name="Mine", networks="everywhere")
    installation.keywright.manager.update(ME, installation.account_id, key.row.id, {"disabled": True})
    wrong = owner.post(path, typed)
    assert wrong.status_code == 422

    assert owner.post(path, {**form_of(wrong), "networks": ""}).status_code == 409
    assert row_of(installation, key.row.id).name == "Before"


@pytest.mark.parametrize("change", [
    {"name": "Other"}, {"scopes": ["keys:read"]}, {"networks": ["203.0.113.0/24"]}, {"rate_limit": "1/m"},
    {"metadata": {"a": 1}}, {"expires_in_seconds": 60}, {"disabled": True},
])  # fmt: skip
def test_each_change_makes_another_edition(installation: Installation, change: dict[str, object]) -> None:
    """Whatever is changed of a key, the edition that somebody has looked at is an old one then; a look makes none."""
    key = installation.create()
    before = edition(row_of(installation, key.row.id))
    assert edition(row_of(installation, key.row.id)) == before
    installation.keywright.manager.update(ME, installation.account_id, key.row.id, change)
    assert edition(row_of(installation, key.row.id)) != before


def test_ended_life_is_not_given_back(installation: Installation, owner: Desk) -> None:
    """A key that has expired may be renamed, and not be given more time: the form says why."""
    key = installation.create(expires_in_seconds=60)
    installation.clock.advance(61)
    path = f"{KEYS}/{key.row.id}/edit"
    longer = owner.post(path, opened(owner, key.row.id, expires="30"))

    assert longer.status_code == 409
    assert "its life cannot be made longer" in seen(longer)
    assert "Somebody has changed" not in seen(longer)
    assert owner.post(path, opened(owner, key.row.id, name="Gone")).status_code == 303
    assert row_of(installation, key.row.id).name == "Gone"


def test_nobody_gives_more_than_they_may(installation: Installation, owner: Desk, admin: Desk, viewer: Desk) -> None:
    """An admin cannot make a key reach beyond the account, and is not offered to; an owner can. A viewer sees no
    button and no form."""
    key = installation.create()
    path = f"{KEYS}/{key.row.id}"
    assert 'value="operator"' not in admin.get(f"{path}/edit").text
    beyond: Fields = {"access": "chosen", "scope": ["keys:read"], "other_scopes": "operator"}
    assert admin.post(f"{path}/edit", opened(admin, key.row.id, **beyond)).status_code == 422
    assert owner.post(f"{path}/edit", opened(owner, key.row.id, **beyond)).status_code == 303
    assert admin.post(f"{path}/edit", opened(admin, key.row.id, name="Renamed")).status_code == 303
    assert row_of(installation, key.row.id).scopes == ("keys:read", "operator")
    assert (viewer.get(f"{path}/edit").status_code, viewer.post(f"{path}/edit").status_code) == (403, 403)
    assert f"{path}/edit" not in viewer.get(path).text
    assert f"{path}/edit" in admin.get(path).text


#: What goes wrong: file, what stands there, what stands there then, who notices.
MUTANTS = {
    "who saves last wins": (
        "manage/manager.py",
        "            _require_edition(row, edition)\n",
        "",
        "test_two_who_change_at_once",
    ),
    "a form that came back with an error is a new one": (
        "server/console/edit_pages.py",
        "edition(row) if changed else ask.field(_EDITION) or edition(row)",
        "edition(row)",
        "test_an_error_does_not_make_an_old_form_new",
    ),
    "the form is open to viewers": (
        "server/console/edit_pages.py",
        'Route("POST", path, made.change, Role.ADMIN)',
        'Route("POST", path, made.change)',
        "test_nobody_gives_more_than_they_may",
    ),
}

#: Caught in the long form only: each takes several seconds.
LONG = {
    "a form that came back with an error is a new one",
}


@pytest.mark.parametrize("fault", with_long_form(MUTANTS, LONG))
def test_a_fault_is_caught(tmp_path: Path, fault: str) -> None:
    """Mutants: changes that write over others', and rights."""
    file, old, new, test = MUTANTS[fault]
    assert_caught(tmp_path, file, old, new, HERE + test)
