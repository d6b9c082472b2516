"""The list of keys: every order and every filter, page by page and back; figures; and the list as a file."""

from __future__ import annotations

import csv
import html
import io
import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from console.desk import Desk, seen
from keywright.errors import CallerRefused, Forbidden, NotFound
from keywright.manage.browse import EXPORT_KEYS, PAGE_KEYS, KeyQuery, Sort, State
from keywright.record import NEVER
from keywright.stores.base import LastUse, UsageRow
from keywright.stores.people import Role
from people.staff import WHERE, claimed, member
from support.installation import ME, Installation
from support.mutants import assert_caught, with_long_form

KEYS = "/settings/api-keys"
DAY = 86_400
HERE = "tests/console/test_list.py::"
NAMES = ("zapier", "Zapier", "ZAPIER", "alpha", "Ünter", "über", "100%", "a~b", "<b>", "Shop ify", "shop_ify", "🔑")


def use(installation: Installation, slot: int, ago: float, *counts: tuple[str, int]) -> None:
    """Write that a key was used."""
    at = installation.clock.now() - ago
    row = UsageRow(slot, installation.account_id, LastUse(at, "203.0.113.77", "curl/8"), counts)
    installation.keywright.usage_store.add([row], int(at) // 3600 * 3600)


def furnished(installation: Installation, count: int) -> dict[str, tuple[Any, float]]:
    """Keys that are alike in names, ends and uses, in every state: by id, with when they were used (0 for never)."""
    keywright, account_id = installation.keywright, installation.account_id
    made: dict[str, tuple[Any, float]] = {}
    for number in range(count):
        more: dict[str, Any] = {"environment": ("live", "test")[number % 2], "format": "lwa"}
        if number % 3:
            more["expires_in_seconds"] = (5, 5, 40, 400)[number % 4] * DAY
        row = installation.create(NAMES[number % len(NAMES)], **more).row
        ago = (0, 3, 3, 91, 120)[number % 5] * DAY
        if ago:
            use(installation, row.slot, ago)
        if number % 11 == 0:
            keywright.manager.update(ME, account_id, row.id, {"disabled": True})
        row = keywright.manager.key(ME, account_id, row.id).row
        made[row.id] = (row, installation.clock.now() - ago if ago else 0.0)
    return made


def expected(made: dict[str, tuple[Any, float]], query: KeyQuery, now: float) -> list[str]:
    """The ids in the order and with the filter that are asked for, worked out apart from the code."""

    def fits(row: Any, used: float) -> bool:
        good = not row.disabled and row.expires_at > now
        return (query.environment in ("", row.environment)) and {
            None: True,
            State.ACTIVE: good,
            State.EXPIRING: good and row.expires_at <= now + 14 * DAY,
            State.UNUSED: good and not used,
            State.STALE: good and used > 0 and now - used > 90 * DAY,
            State.ROTATING: False,
            State.DISABLED: row.disabled,
            State.EXPIRED: not row.disabled and row.expires_at <= now,
        }[query.state]

    def key(row: Any, used: float) -> tuple[Any, int]:
        small = "".join(each.lower() if each.isascii() else each for each in row.name)
        values = {Sort.CREATED: 0, Sort.NAME: small, Sort.LAST_USED: used, Sort.EXPIRES: row.expires_at}
        return values[query.sort], row.slot

    chosen = [(row, used) for row, used in made.values() if fits(row, used)]
    return [row.id for row, used in sorted(chosen, key=lambda each: key(*each), reverse=query.descending)]


def test_every_order_and_filter_page_by_page(installation: Installation) -> None:
    """In each order, each way, with each filter: the pages on to the end hold every wanted key once, in order, and keys
    that are alike by age; and the pages back are the same ones."""
    made = furnished(installation, 2 * PAGE_KEYS + 20)
    browser, now = installation.keywright.browser, installation.clock.now()
    for sort, descending, state, environment in product(
        Sort, (False, True), (None, State.ACTIVE, State.UNUSED, State.STALE, State.EXPIRING), ("", "test")
    ):
        query = KeyQuery("", environment, state, sort, descending)
        forth, back = [], []
        after = before = None
        while True:
            page = browser.page(ME, installation.account_id, query, after=after)
            forth.append([each.listed.row.id for each in page.keys])
            last, after = page, page.after
            if after is None:
                break
        before = last.before
        while before is not None:
            page = browser.page(ME, installation.account_id, query, before=before)
            back.append([each.listed.row.id for each in page.keys])
            before = page.before
        assert [each for page in forth for each in page] == expected(made, query, now), query
        assert [*back[::-1], forth[-1]] == forth, query
        tally = browser.page(ME, installation.account_id, query).tally
        if state and not environment:
            assert tally[state] == sum(map(len, forth)), query


@pytest.mark.parametrize("sort", Sort)
def test_what_happens_between_two_pages_loses_nothing(installation: Installation, sort: Sort) -> None:
    """The key at which a page ends is deleted, renamed or used before the next one is asked for: every other key that
    has stayed where it was is still shown, once."""
    made = furnished(installation, PAGE_KEYS + 12)
    keywright, account_id = installation.keywright, installation.account_id
    query = KeyQuery(sort=sort, descending=False)
    first = keywright.browser.page(ME, account_id, query)
    last = first.keys[-1].listed.row
    keywright.manager.delete(ME, account_id, last.id)
    second = keywright.browser.page(ME, account_id, query, after=first.after)

    found = [each.listed.row.id for page in (first, second) for each in page.keys]
    assert found == expected(made, query, installation.clock.now())


def test_the_pages_lead_to_each_other(installation: Installation, owner: Desk) -> None:
    """In the browser: headings turn the order, Next and Previous keep order and filter, and whatever else stands in an
    address is the first page."""
    furnished(installation, PAGE_KEYS + 12)
    page = owner.get(f"{KEYS}?sort=name&q=&env=").text
    assert 'aria-sort="ascending"' in page
    assert f'href="{KEYS}?sort=-name"' in page
    onward = re.findall(rf'href="({KEYS}\?sort=name&amp;after=[^"]+)"', page)[0].replace("&amp;", "&")
    second = owner.get(onward).text
    assert second.count('class="c-name"') == 12
    backward = re.findall(rf'href="({KEYS}\?sort=name&amp;before=[^"]+)"', second)[0].replace("&amp;", "&")
    names = re.findall(r"<b dir=\"auto\">(.*?)</b>", page)
    assert re.findall(r"<b dir=\"auto\">(.*?)</b>", owner.get(backward).text) == names
    for odd in ("sort=nonsense", "sort=-expires&after=1~soon", "sort=last_used&after=1~nan", "after=x", "after=9" * 30,
                "env=other&show=nothing", "sort=--name", "sort=name&after=~", "sort=expires&after=1~inf"):  # fmt: skip
        assert owner.get(f"{KEYS}?{odd}").status_code == 200


def test_the_figures_are_those_of_the_account(installation: Installation, owner: Desk) -> None:
    """The numbers above the list are what was counted in the last 24 hours and what there is, of all keys, whatever is
    searched for; an account without keys has none."""
    assert "Requests, 24 h" not in seen(owner.get(KEYS))
    rows = [installation.create(name).row for name in ("One", "Two", "Three")]
    use(installation, rows[0].slot, 0, ("accepted", 1_500), ("rate_limited", 20))
    use(installation, rows[1].slot, 95 * DAY, ("accepted", 77_777))
    installation.create("Soon", expires_in_seconds=DAY)
    for query in ("", "?q=Two&show=unused"):
        text = re.sub(r"\s+", " ", seen(owner.get(KEYS + query)))
        assert "Requests, 24 h 1,520 over all keys" in text
        assert "Refused, 24 h 20 1.3 % of requests" in text
        assert "Active keys 4 3 with full access and no end" in text
        assert "Expiring within 14 days 1 2 never used · 1 stale" in text


def test_each_filter_that_finds_nothing_teaches(installation: Installation, owner: Desk) -> None:
    """An empty list says what would stand in it; the way back to all keys is there."""
    installation.create("One")
    use(installation, installation.keywright.manager.keys(ME, installation.account_id)[0].row.slot, 5)
    for state in State:
        text = seen(owner.get(f"{KEYS}?show={state}"))
        assert ("Nothing found" in text) == (state is not State.ACTIVE), state
        if state is not State.ACTIVE:
            assert "Show all keys" in text


def exported(desk: Desk, **fields: str | list[str]) -> list[dict[str, str]]:
    """The rows of the file."""
    answer = desk.post(f"{KEYS}/export", fields)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert re.fullmatch(r'attachment; filename="api-keys-\d{4}-\d\d-\d\d\.csv"', answer.headers["content-disposition"])
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def test_the_file_is_the_list_as_filtered(installation: Installation, owner: Desk) -> None:
    """The file holds every wanted key once, the newest first, with what it may do and has done; and nothing that could
    be used as a key."""
    made = furnished(installation, 30)
    now = installation.clock.now()
    for query in (KeyQuery(), KeyQuery(environment="test", state=State.STALE), KeyQuery(state=State.DISABLED)):
        fields = {"env": query.environment, "show": str(query.state or ""), "sort": "name"}
        assert [row["id"] for row in exported(owner, **fields)] == expected(made, query, now)
    assert len(exported(owner, q="zapier")) == 9
    key = installation.create("Full", scopes=["keys:read", "usage:read"], rate_limit=["5/m", "100/h"])
    use(installation, key.row.slot, 60, ("accepted", 7), ("forbidden", 2))
    row = exported(owner)[0]
    assert row["name"] == "Full"
    assert (row["scopes"], row["rate_limit"], row["expires_at"]) == ("keys:read usage:read", "5/m 100/h", "")
    assert (row["accepted_24h"], row["refused_24h"], row["last_used_from"]) == ("7", "2", "203.0.113.77")
    assert key.key not in str(row)
    assert key.row.digest.hex() not in str(row)
    assert row["hint"] == key.key[-4:]
    assert key.row.expires_at == NEVER


def test_names_in_the_file_are_no_formulas(installation: Installation, owner: Desk) -> None:
    """What a spreadsheet would carry out is text in the file, in every cell."""
    for name in ("=1+1", "+1", "-1", "@SUM(A1)", "\uff1d1", "=cmd|' /C calc'!A0"):
        installation.create(name, metadata={"=a": "=b"})
    cells = [cell for row in exported(owner) for cell in row.values()]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\uff1d"))]
    assert "'=1+1" in cells


def test_who_takes_the_list_along(installation: Installation, owner: Desk, viewer: Desk) -> None:
    """An owner or admin gets the file and leaves a line in the log that says what was asked for; a viewer gets neither
    the file nor the button, also from the library; and nobody gets another account's keys."""
    installation.create("Mine")
    installation.create("Their secret", installation.account("Theirs"))
    assert [row["name"] for row in exported(owner, env="live")] == ["Mine"]
    log = seen(owner.get("/audit-log?action=key.export"))
    assert re.search(r"List of keys taken along\s+environment\s+live", log)
    assert viewer.post(f"{KEYS}/export").status_code == 403
    assert "/export" not in viewer.get(KEYS).text
    browser, account_id = installation.keywright.browser, installation.account_id
    vic = member(installation, "vic2@example.com", Role.VIEWER).actor(WHERE)
    eve = member(installation, "eve@example.com", Role.OWNER, installation.account()).actor(WHERE)
    with pytest.raises(Forbidden):
        browser.export(vic, account_id, KeyQuery())
    with pytest.raises(NotFound):
        browser.export(eve, account_id, KeyQuery())


def test_a_long_file_is_read_in_parts(installation: Installation) -> None:
    """The file of a large account is read part by part, each with the right to read it: who is removed meanwhile gets
    no further, and no key is left out or told twice where parts meet."""
    claimed(installation)
    keywright, account_id = installation.keywright, installation.account_id
    given = ({"name": f"Key {each}"} for each in range(2 * EXPORT_KEYS + 5))
    made = [each.row.id for each in keywright.manager.create_many(ME, account_id, given)]
    assert [each.listed.row.id for each in keywright.browser.export(ME, account_id, KeyQuery())] == made[::-1]
    jo = member(installation, "jo@example.com", Role.ADMIN)
    keys = keywright.browser.export(jo.actor(WHERE), account_id, KeyQuery())
    next(keys)
    keywright.directory.remove(ME, account_id, jo.member.id)
    # The part that was read while they were a member, and nothing of the next one.
    assert len([next(keys) for _ in range(EXPORT_KEYS - 1)]) == EXPORT_KEYS - 1
    with pytest.raises(CallerRefused):
        next(keys)


#: What goes wrong: file, what stands there, what stands there then, who notices.
MUTANTS = {
    "keys that are alike are lost between pages": (
        "stores/search_sql.py",
        "return or_(value < there if falling else value > there, and_(value == there, further))",
        "return value < there if falling else value > there",
        "test_every_order_and_filter_page_by_page",
    ),
    "a viewer takes the list along": (
        "manage/browse.py",
        '_EXPORT = "keys:write"',
        '_EXPORT = "keys:read"',
        "test_who_takes_the_list_along",
    ),
    "a later part of the file is not authorised": (
        "manage/browse.py",
        "                authorise(reads, actor, _EXPORT, self._policy, self._clock.now(), account_id)\n",
        "",
        "test_a_long_file_is_read_in_parts",
    ),
}

#: Caught in the long form only: each takes several seconds.
LONG = {
    "keys that are alike are lost between pages",
}


@pytest.mark.parametrize("fault", with_long_form(MUTANTS, LONG))
def test_a_fault_is_caught(tmp_path: Path, fault: str) -> None:
    """Mutants: paging, rights."""
    file, old, new, test = MUTANTS[fault]
    assert_caught(tmp_path, file, old, new, HERE + test)


@pytest.mark.parametrize("headers", [(), (("HX-Request", "true"),)])
def test_what_was_filtered_for_stays_when_a_key_is_switched_off(
    installation: Installation, owner: Desk, headers: tuple[tuple[str, str], ...]
) -> None:
    """Switching a key off and on in the list leads back to the list as it was searched and filtered."""
    here, path = f"{KEYS}?q=Shop&env=live&sort=name", f"{KEYS}/{installation.create('Shop').row.id}"
    for act in ("disable", "enable"):
        page = html.unescape(owner.get(here, *headers).text)
        form = page.partition(f'action="{path}/{act}"')[2].partition("</form>")[0]
        following = re.findall(r'name="next" value="([^"]*)"', form)
        assert following == [here]
        assert owner.post(f"{path}/{act}", {"next": following[0]}).headers["location"] == here
