"""The pages that look closely: one key, the overview, the audit log and its exports. Who sees what, what files hold."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from console.desk import Desk, seen
from keywright import Actor, ActorKind
from keywright.audit import Action, AuditEvent
from keywright.errors import CallerRefused, Forbidden, NotFound
from keywright.manage.insight import OUTCOMES, SPANS, Step
from keywright.manage.ledger import EXPORT_LINES, PAGE_LINES, Wanted
from keywright.record import Request
from keywright.server.console.charts import HEIGHT, ceiling, chart
from keywright.server.console.exports import cell
from keywright.server.console.words import Words
from keywright.stores.base import LastUse, UsageRow
from keywright.stores.people import Role
from people.staff import WHERE, claimed, member, signed_in
from support.installation import ME, Installation
from support.mutants import assert_caught, with_long_form

KEYS = "/settings/api-keys"
HOUR = 3600
DAY = 86_400
HERE = "tests/console/test_insight.py::"
HOSTILE = (
    "<img src=x onerror=alert(1)>\"'&",
    '"><svg onload=alert(1)>',
    "=HYPERLINK(1)",
    "{{7*7}}",
    "</title><b>",
    "W" * 255,
)


def used(installation: Installation, slot: int, ago: float, *counts: tuple[str, int], account_id: str = "") -> None:
    """Write that a key was used."""
    at = installation.clock.now() - ago
    row = UsageRow(slot, account_id or installation.account_id, LastUse(at, "203.0.113.77", "curl/8"), counts)
    installation.keywright.usage_store.add([row], int(at) // HOUR * HOUR)


def table(page: str) -> list[list[str]]:
    """The numbers under a chart, row by row."""
    rows = re.findall(r'<tr><th scope="row">(.*?)</tr>', page)
    return [re.findall(r"[\w:, ]+", re.sub(r"<[^>]*>", "|", row)) for row in rows]


def wrote(installation: Installation, count: int, account_id: str = "") -> None:
    """Write lines of the audit log, a second apart."""
    with installation.keywright.store.transaction() as tx:
        for number in range(count):
            at = installation.clock.now() + number
            actor = Actor(ActorKind.KEY, "key_robot0000", address="198.51.100.7")
            event = AuditEvent(at, actor, account_id or installation.account_id, Action.KEY_UPDATE, f"key_{number}", {})
            tx.audit(event)


# One key


def test_requests_by_outcome_over_each_span(installation: Installation, owner: Desk) -> None:
    """The chart's numbers are what was counted, in hours and in days, and nothing from before the span is in them."""
    slot, key_id = (row := installation.create().row).slot, row.id
    used(installation, slot, 0, ("accepted", 1200), ("rate_limited", 3))
    used(installation, slot, 5 * HOUR, ("forbidden", 7))
    used(installation, slot, 2 * DAY, ("refused", 11))
    used(installation, slot, 20 * DAY, ("accepted", 13))
    used(installation, slot, 80 * DAY, ("accepted", 17))
    used(installation, slot, 95 * DAY, ("accepted", 999_999))
    totals = {"24h": (1200, 3, 7, 0), "3d": (1200, 3, 7, 11), "30d": (1213, 3, 7, 11), "90d": (1230, 3, 7, 11)}
    for span, wanted in totals.items():
        for path in (f"{KEYS}/{key_id}", "/overview"):
            page = owner.get(f"{path}?span={span}").text
            assert (
                tuple(int(each.replace(",", "")) for each in re.findall(r"<li class=\"o-.*?<b>([\d,]+)</b>", page))
                == wanted
            )
            counted = [[int(cell.replace(",", "")) for cell in row[1:]] for row in table(page)]
            assert tuple(map(sum, zip(*counted, strict=True))) == wanted
    assert f'{KEYS}/{key_id}?span=24h" aria-current="true"' in owner.get(f"{KEYS}/{key_id}?span=nonsense").text


def test_refused_requests_are_told_by_the_hour(installation: Installation, owner: Desk) -> None:
    """What was refused stands there with its hour and why, the newest first; what was accepted does not."""
    row = installation.create().row
    used(installation, row.slot, 3 * HOUR, ("forbidden", 7), ("accepted", 5))
    used(installation, row.slot, HOUR, ("rate_limited", 4))
    page = seen(owner.get(f"{KEYS}/{row.id}"))
    section = page[page.index("Refused requests") : page.index("What was done to it")]

    assert re.findall(r"(Rate limited|Forbidden|Refused|Allowed)\s+\d{3}:", section) == ["Rate limited", "Forbidden"]
    assert section.index("429") < section.index("403")
    quiet = installation.create("Quiet").row
    assert "None in this time" in seen(owner.get(f"{KEYS}/{quiet.id}"))


def test_looking_at_headroom_spends_nothing(installation: Installation, owner: Desk) -> None:
    """What is left of each limit stands on the page, is what the next request finds, and looking takes none of it."""
    key = installation.create(rate_limit=["5/15m", "100/h sliding"])
    for _ in range(2):
        installation.keywright.verify(key.key, Request())
    pages = [seen(owner.get(f"{KEYS}/{key.row.id}")) for _ in range(20)]

    assert all(re.search(r"3\s+of 5 left · 5/15m", page) and re.search(r"98\s+of 100 left", page) for page in pages)
    outcome = installation.keywright.verify(key.key, Request())
    assert outcome.decision
    assert [state.remaining for state in outcome.decision.states] == [2, 97]


def test_a_key_without_anything_teaches(installation: Installation, owner: Desk) -> None:
    """A key that was never used says so, what will show there, and offers what can be done; every button acts."""
    row = installation.create().row
    page = owner.get(f"{KEYS}/{row.id}")

    for text in (
        "No requests in this time",
        "Never used",
        "Key created",
        "Full access",
        "the default",
        "From anywhere",
    ):
        assert text in seen(page)
    done = owner.post(f"{KEYS}/{row.id}/disable", {"next": f"{KEYS}/{row.id}"})
    assert (done.status_code, done.headers["location"]) == (303, f"{KEYS}/{row.id}")
    assert "Enable" in seen(owner.get(f"{KEYS}/{row.id}"))
    away = owner.post(f"{KEYS}/{row.id}/enable", {"next": "//evil.example"})
    assert away.headers["location"] == KEYS


def test_a_viewer_sees_no_address_and_no_button(installation: Installation, viewer: Desk, admin: Desk) -> None:
    """A viewer sees the network in place of the address, on the key's page and in the log, and nothing to press."""
    row = installation.create().row
    used(installation, row.slot, 60, ("accepted", 1))
    wrote(installation, 1)
    for path, address, network, button in (
        (f"{KEYS}/{row.id}", "203.0.113.77", "203.0.113.0/24", "/delete"),
        ("/audit-log", "198.51.100.7", "198.51.100.0/24", "/export"),
    ):
        looked, managed = viewer.get(path).text, admin.get(path).text
        assert (address in looked, network in looked, button in looked) == (False, True, False)
        assert (address in managed, button in managed) == (True, True)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text_in_every_view(installation: Installation, owner: Desk, name: str) -> None:
    """Whatever a key is called, each page shows it as text and holds none of it as markup."""
    row = installation.create(name).row
    for path in (f"{KEYS}/{row.id}", "/overview", "/audit-log"):
        answer = owner.get(path)
        assert name in seen(answer)
        assert "<" not in name or name not in answer.text


# Overview


def test_what_wants_tidying_up(installation: Installation, owner: Desk) -> None:
    """Each sort holds the keys it is for, counts all of them, and leads to their pages; a key that is disabled,
    expired or being rotated is in none."""
    scoped: dict[str, Any] = {"scopes": ["keys:read"], "expires_in_seconds": 300 * DAY}
    made = {
        "unused": installation.create("Nobody", **scoped),
        "stale": installation.create("Forgotten", **scoped),
        "expiring": installation.create("Ending", **{**scoped, "expires_in_seconds": 5 * DAY}),
        "unbounded": installation.create("Endless"),
        "": installation.create("Fine", **scoped),
    }
    for name, ago in (("stale", 91 * DAY), ("expiring", 60), ("unbounded", 60), ("", 60)):
        used(installation, made[name].row.slot, ago)
    off = installation.create("Off").row
    installation.keywright.manager.update(ME, installation.account_id, off.id, {"disabled": True})
    installation.keywright.manager.rotate(ME, installation.account_id, installation.create("Old").row.id, DAY)
    tidy = installation.keywright.insight.account(ME, installation.account_id, SPANS["24h"]).tidy
    names = {sort: [row.name for row, _ in each.keys] for sort, each in tidy.items()}

    # The successor of the rotated key is new, has full access and no end.
    assert names == {
        "unused": ["Nobody", "Old"],
        "stale": ["Forgotten"],
        "expiring": ["Ending"],
        "unbounded": ["Endless", "Old"],
    }
    assert {sort: each.count for sort, each in tidy.items()} == {"unused": 2, "stale": 1, "expiring": 1, "unbounded": 2}
    page = owner.get("/overview").text
    for sort in ("unused", "stale", "expiring", "unbounded"):
        assert f'href="{KEYS}/{made[sort].row.id}"' in page
    assert made[""].row.id not in page
    assert off.id not in page


def test_an_empty_account_is_told_how_to_begin(owner: Desk) -> None:
    """Without keys the overview says what to do, and has no empty lists."""
    page = seen(owner.get("/overview"))

    assert "No keys yet" in page
    assert "Tidying up" not in page


# The audit log


def test_the_log_is_paged_both_ways(installation: Installation, owner: Desk) -> None:
    """Following Older to the end and Newer back shows every line once, in the same pages."""
    wrote(installation, 3 * PAGE_LINES - 20)
    forth, back = [], []
    path: str | None = "/audit-log?action=key.update"
    while path:
        page = owner.get(path).text
        forth.append(re.findall(r'class="l-target"><a[^>]*>(key_\d+)<', page))
        last, path = path, link(page, "below")
    path = last
    while path:
        page = owner.get(path).text
        back.append(re.findall(r'class="l-target"><a[^>]*>(key_\d+)<', page))
        path = link(page, "above")

    assert [len(page) for page in forth] == [PAGE_LINES, PAGE_LINES, PAGE_LINES - 20]
    assert [each for page in forth for each in page] == [f"key_{n}" for n in reversed(range(3 * PAGE_LINES - 20))]
    assert back[::-1] == forth


def link(page: str, way: str) -> str | None:
    """Where Older or Newer leads; None where there is none."""
    found = re.findall(rf'href="(/audit-log[^"]*{way}=\d+[^"]*)"', page)
    return found[0].replace("&amp;", "&") if found else None


def test_the_log_is_filtered(installation: Installation, owner: Desk) -> None:
    """By actor (name, address, id, kind), action, target (name, id) and day, one and together; the page keeps what was
    asked for, and says so where nothing is like that."""
    manager, account_id = installation.keywright.manager, installation.account_id
    maya = installation.keywright.directory.members(ME, account_id)[0][0]
    key = manager.create(Actor(ActorKind.MEMBER, maya.id, account_id), account_id, {"name": "Shopify"}).row
    installation.clock.advance(3 * DAY)
    manager.update(ME, account_id, key.id, {"disabled": True})
    manager.delete(ME, account_id, key.id)
    wanted = {
        "actor=Maya Chen&target=Shopify": ["Key created"],
        "actor=MAYA@example.com&action=key.create": ["Key created"],
        f"actor={maya.id}&target={key.id}": ["Key created"],
        "actor=library&target=Shopify": ["Key deleted", "Key changed"],
        "target=Shopify&until=2025-01-20": ["Key created"],
        "target=Shopify&since=2025-01-21&until=2025-01-23": ["Key deleted", "Key changed"],
        "target=Shopify&action=member.join": [],
        "target=shopif_": [],
    }
    # Three days are more than a session lasts.
    desk = Desk(owner.face, signed_in(installation))
    for query, lines in wanted.items():
        page = desk.get(f"/audit-log?{query.replace(' ', '+')}").text
        assert re.findall(r'class="l-what"><b>([^<]+)</b>', page) == lines, query
        assert bool(lines) != ("Nothing found" in page)
    for query in ("action=nonsense", "since=yesterday", "until=2025-13-01"):
        assert desk.get(f"/audit-log?{query}").status_code == 422


@pytest.mark.parametrize("role", [None, *Role])
def test_who_takes_the_log_along(installation: Installation, owner: Desk, role: Role | None) -> None:
    """Admins and owners get the file, a viewer and a stranger do not; each file that was handed out is a line of the
    log, and no refusal is."""
    session = ""
    if role:
        member(installation, "jo@example.com", role)
        session = signed_in(installation, "jo@example.com")
    answer = Desk(owner.face, session).post("/audit-log/export", {"as": "csv"})
    exports = installation.keywright.ledger.page(ME, installation.account_id, Wanted(action="audit.export")).lines

    assert answer.status_code == {None: 303, Role.VIEWER: 403}.get(role, 200)
    assert len(exports) == (role in (Role.ADMIN, Role.OWNER))
    assert owner.get("/audit-log/export").status_code == 405
    assert owner.post("/audit-log/export", {"as": "xml"}).status_code == 422


def test_an_export_is_all_of_what_was_filtered(installation: Installation, owner: Desk) -> None:
    """Both files hold every wanted line once, the newest first, across the parts in which they are read."""
    wrote(installation, EXPORT_LINES + 5)
    fields: dict[str, str | list[str]] = {"as": "csv", "action": "key.update"}
    answer = owner.post("/audit-log/export", fields)
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    lines = [json.loads(each) for each in owner.post("/audit-log/export", {**fields, "as": "ndjson"}).text.splitlines()]

    wanted = [f"key_{number}" for number in reversed(range(EXPORT_LINES + 5))]
    assert [row["target"] for row in rows] == wanted
    assert [{**line, "details": json.dumps(line["details"])} for line in lines] == rows
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert re.fullmatch(r'attachment; filename="audit-log-\d{4}-\d\d-\d\d\.csv"', answer.headers["content-disposition"])
    assert answer.headers["cache-control"] == "no-store"


FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "\uff1d1", "=cmd|' /C calc'!A0")


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_is_a_formula(text: str) -> None:
    """What a spreadsheet would carry out begins with an apostrophe, and is otherwise what it was."""
    assert next(csv.reader(io.StringIO(cell(text), newline=""))) == ["'" + text]


@pytest.mark.parametrize("text", ["", "plain", 'a "quoted", one', "a=b", "two\nlines", "x\r\ny", "Käufer 🔑"])
def test_every_other_cell_is_quoted_and_whole(text: str) -> None:
    """Quotes, commas and line ends stay within their cell."""
    assert cell(text).startswith('"')
    assert next(csv.reader(io.StringIO(cell(text), newline=""))) == [text]


def test_names_in_an_export_are_no_formulas(installation: Installation, owner: Desk) -> None:
    """A key that is called like a formula is text in the file that somebody else opens."""
    installation.create('=HYPERLINK("http://evil.example")')
    text = owner.post("/audit-log/export", {"as": "csv"}).text
    cells = [each for row in csv.reader(io.StringIO(text, newline="")) for each in row]

    assert '\'=HYPERLINK("http://evil.example")' in cells
    assert not any(each.startswith(("=", "+", "-", "@", "\t", "\r")) for each in cells)


# Tenancy


def test_nothing_of_another_account_is_seen(installation: Installation, owner: Desk) -> None:
    """An owner of one account finds no key, number, name or line of another on any page or in any file, whatever they
    name; and what they name does not exist for them."""
    theirs = installation.account("Their company")
    key = installation.create("Secret project", theirs).row
    used(installation, key.slot, 60, ("accepted", 4_711), account_id=theirs)
    spy = member(installation, "spy@example.com", Role.OWNER, theirs)
    mine = installation.create("Mine").row
    secrets = ("Secret project", key.id, "4,711", "Their company", "spy@example.com", spy.member.id)
    asked = (key.id, "Secret project", "spy@example.com", spy.member.id, theirs)
    paths = ["/overview?span=90d", "/audit-log", f"{KEYS}/{mine.id}", KEYS]
    paths += [f"/audit-log?{field}={each}" for field in ("actor", "target") for each in asked]
    assert owner.get(f"{KEYS}/{key.id}").status_code == 404
    for path in paths:
        page = owner.get(path)
        assert page.status_code == 200
        # What they typed themselves is shown to them again; the log is not.
        text = re.sub(r'value="[^"]*"', "", page.text) if "=" in path else page.text
        text = re.sub(r'href="[^"]*"', "", text)
        assert [each for each in secrets if each in text] == [], path
    for form in ("csv", "ndjson"):
        for target in ("", *asked):
            lines = owner.post("/audit-log/export", {"as": form, "target": target, "action": "key.create"}).text
            assert [each for each in secrets if each in lines] == []


def test_every_look_is_authorised_by_itself(installation: Installation) -> None:
    """The library refuses what the pages refuse: a foreign account, a role that may not, somebody who has gone; also in
    the middle of an export."""
    claimed(installation)
    keywright, account_id = installation.keywright, installation.account_id
    key = installation.create().row
    eve = member(installation, "eve@example.com", Role.OWNER, installation.account()).actor(WHERE)
    jo = member(installation, "jo@example.com", Role.ADMIN)
    viewer = member(installation, "vic@example.com", Role.VIEWER).actor(WHERE)
    for look in (
        lambda actor: keywright.ledger.page(actor, account_id, Wanted()),
        lambda actor: keywright.ledger.of_key(actor, account_id, key.id, 5),
        lambda actor: keywright.ledger.export(actor, account_id, Wanted(), "csv"),
        lambda actor: keywright.insight.key(actor, account_id, key.id, SPANS["24h"]),
        lambda actor: keywright.insight.account(actor, account_id, SPANS["24h"]),
    ):
        with pytest.raises(NotFound):
            look(eve)
    with pytest.raises(Forbidden):
        keywright.ledger.export(viewer, account_id, Wanted(), "csv")
    wrote(installation, 2 * EXPORT_LINES)
    lines = keywright.ledger.export(jo.actor(WHERE), account_id, Wanted(), "csv")
    next(lines)
    keywright.directory.remove(ME, account_id, jo.member.id)
    with pytest.raises(CallerRefused):
        list(lines)


def test_names_are_those_of_the_account(installation: Installation) -> None:
    """A line that names another account's key shows its id and no more."""
    theirs = installation.create("Secret project", installation.account()).row
    with installation.keywright.store.transaction() as tx:
        actor = Actor(ActorKind.KEY, theirs.id, theirs.account_id)
        tx.audit(AuditEvent(0.0, actor, installation.account_id, Action.KEY_UPDATE, theirs.id, {}))
    found = installation.keywright.ledger.page(ME, installation.account_id, Wanted(action="key.update")).lines

    assert [(each.line.actor_id, each.actor_name, each.target_name) for each in found] == [(theirs.id, "", "")]


# Charts and words


def test_charts_add_up() -> None:
    """The edge of a chart is a round number that nothing exceeds; bars lie one on the other and within the picture."""
    for most in (0, 1, 3, 4, 5, 99, 100, 101, 2_499, 10**6 + 1):
        top = ceiling(most)
        assert top >= max(most, 4)
        assert top % 4 == 0
        assert top <= max(4, 2.6 * most)
    history = tuple(Step(hour * HOUR, (hour * 100, 1, 0, hour % 2)) for hour in range(24))
    drawn = chart(history)
    for _, path in drawn.paths:
        for base, height in re.findall(r"M[\d.]+ ([\d.]+)v-([\d.]+)", path):
            assert float(base) - float(height) > -0.11
            assert float(base) <= HEIGHT
    assert drawn.total == sum(sum(step.counts) for step in history)
    assert len(drawn.labels) == 7


def test_everything_that_leaves_a_trace_has_its_words() -> None:
    """Each action, kind of actor, outcome and span is called by a word of the catalogue."""
    words = Words()
    names = [f"audit.action.{each}" for each in Action] + [f"audit.kind.{each}" for each in ActorKind]
    names += [f"outcome.{each}" for each in OUTCOMES] + [f"outcome_text.{each}" for each in OUTCOMES]
    assert [each for each in [*names, *(f"chart.spans.{span}" for span in SPANS)] if not words.has(each)] == []


#: What goes wrong: file, what stands there, what stands there then, who notices.
MUTANTS = {
    "the log is everybody's": (
        "stores/survey_sql.py",
        "select(tables.audit_log).where(log.account_id == account_id, *_wanted(wanted))",
        "select(tables.audit_log).where(*_wanted(wanted))",
        "test_nothing_of_another_account_is_seen",
    ),
    "names are everybody's": (
        "stores/survey_sql.py",
        "select(keys.id, keys.name).where(keys.account_id == account_id, keys.id.in_(ids))",
        "select(keys.id, keys.name).where(keys.id.in_(ids))",
        "test_names_are_those_of_the_account",
    ),
    "an export asks for a reader only": (
        "manage/ledger.py",
        '_EXPORT = "audit:export"',
        '_EXPORT = "audit:read"',
        "test_every_look_is_authorised_by_itself",
    ),
    "a later part of an export is not authorised": (
        "manage/ledger.py",
        "                authorise(reads, actor, _EXPORT, self._policy, self._clock.now(), account_id)\n",
        "",
        "test_every_look_is_authorised_by_itself",
    ),
    "the overview asks nobody": (
        "manage/insight.py",
        "                authorise(reads, actor, scope, self._policy, now, account_id)\n",
        "                pass\n",
        "test_every_look_is_authorised_by_itself",
    ),
    "a formula is a formula": (
        "server/console/exports.py",
        '        text = "\'" + text\n',
        "        pass\n",
        "test_names_in_an_export_are_no_formulas",
    ),
    "looking spends": (
        "manage/insight.py",
        "self._limiter.peek(record.slot, record.limits, now, record.account_limits)",
        "self._limiter.take(record.slot, record.limits, 1, now, record.account_limits)",
        "test_looking_at_headroom_spends_nothing",
    ),
}


#: One of each kind; the others in the long run.
_QUICK = {
    "the log is everybody's",
    "a later part of an export is not authorised",
    "a formula is a formula",
    "looking spends",
}


@pytest.mark.parametrize("fault", with_long_form(MUTANTS, MUTANTS.keys() - _QUICK))
def test_a_fault_is_caught(tmp_path: Path, fault: str) -> None:
    """Mutants: rights, tenancy, formulas, limits."""
    file, old, new, test = MUTANTS[fault]
    assert_caught(tmp_path, file, old, new, HERE + test)
