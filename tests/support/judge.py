"""Whether a data directory keeps what `support.workload` was promised, after whatever was done to it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

from pysqlite3 import dbapi2

from keywright import Accepted, Keywright, KeywrightError, Outcome, Reason, Refused, Request
from keywright.audit import Action
from keywright.settings import load
from keywright.stores.sqlite import RECORDS_FILE, USAGE_FILE
from support.workload import LATER, ME, shown

#: Twice what a start may take: two cores that are both busy count more of it than one that is not.
START_SECONDS = 4.0
#: What of an audit line's details tells what was done.
TELLING = {
    Action.ACCOUNT_CREATE: "name",
    Action.KEY_CREATE: "name",
    Action.KEY_CREATE_MANY: "count",
    Action.KEY_UPDATE: "changed",
    Action.KEY_ROTATE: "successor",
    Action.KEY_DELETE: "name",
}
#: Action, target, and what tells of it.
Entry: TypeAlias = tuple[str, str, Any]
Announced: TypeAlias = dict[str, Any]


class Broken(AssertionError):
    """A promise was not kept."""


@dataclass
class Heard:
    """What the processes that worked on a directory have said, up to some moment.

    Attributes:
        pending: of each process the acts that were begun and not acknowledged. Since the last that was, at most one can
            have happened, because each later one would have been written in its place.
        failed: what processes were told when an act failed.
        acknowledged: how many acts were.
    """

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    dead: dict[str, str] = field(default_factory=dict)
    accounts: set[str] = field(default_factory=set)
    entries: list[Entry] = field(default_factory=list)
    pending: dict[int, list[Announced]] = field(default_factory=dict)
    uses: dict[str, int] = field(default_factory=dict)
    flushed: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    acknowledged: int = 0

    def hear(self, lines: bytes) -> None:
        """Take in whole lines; what follows the last line break was cut off, and never said."""
        for line in lines.split(b"\n")[:-1]:
            self._take(json.loads(line))

    def _take(self, said: dict[str, Any]) -> None:
        process: int = said.pop("who")
        match said:
            case {"begin": announced}:
                self.pending.setdefault(process, []).append(announced)
            case {"end": done}:
                self._acknowledge(done)
                self.pending[process] = []
            case {"failed": why}:
                self.failed.append(why)
            case {"uses": count, "account": account_id}:
                self.uses[account_id] = count
            case {"flushed": count, "account": account_id}:
                self.flushed[account_id] = count

    def _acknowledge(self, done: dict[str, Any]) -> None:
        self.acknowledged += 1
        self.rows |= done.get("rows", {})
        self.texts |= done.get("texts", {})
        for key_id in done.get("gone", ()):
            self.rows.pop(key_id)
            self.dead[key_id] = self.texts.pop(key_id)
        self.accounts |= set(done.get("accounts", ()))
        new = set(done.get("rows", {})) | set(done.get("accounts", ()))
        entry = _resolved(_entry(done["entry"]), done, new)
        # Of processes that start together one makes the operator's account, and all are told of it.
        if entry[0] != Action.ACCOUNT_CREATE or entry not in self.entries:
            self.entries.append(entry)

    def settle(self, found: Found) -> None:
        """Take what was found for what was said, before somebody goes on working on it."""
        self.rows, self.accounts, self.entries = found.rows, found.accounts, found.entries
        self.uses, self.flushed = dict(found.uses), dict(found.uses)
        for key_id in self.texts.keys() - self.rows.keys():
            self.dead[key_id] = self.texts.pop(key_id)
        self.pending.clear()


@dataclass
class Found:
    """What stands in a data directory.

    Attributes:
        uses: how many uses are counted for each account, those of the judge among them.
        start_seconds: how long the start took by the clock.
    """

    rows: dict[str, dict[str, Any]]
    accounts: set[str]
    entries: list[Entry]
    uses: dict[str, int] = field(default_factory=dict)
    start_seconds: float = 0.0


def judge(data_dir: Path, heard: Heard) -> Found:
    """Open the directory with the product and see that all that was acknowledged holds, and all else is whole or
    absent, with exactly one line of the audit log for each change.

    Raises:
        Broken: says what does not hold.
    """
    started, worked = time.perf_counter(), time.process_time()
    try:
        keywright = Keywright(load({"data_dir": str(data_dir)}, environment={}))
    except KeywrightError as error:
        raise Broken(f"it does not start: {error}") from error
    with keywright:
        # What the processor did: whatever else runs on the machine may make any single start slow by the clock.
        _see(time.process_time() - worked <= START_SECONDS, f"the start took {time.process_time() - worked:.1f} s")
        found = _look(keywright, data_dir)
        found.start_seconds = time.perf_counter() - started
        _see_a_story(heard, found)
        _see_usage(keywright, heard)
        _see_verdicts(keywright, heard, found)
        keywright.usage.flush()
        found.uses = {account_id: _uses(keywright, account_id) for account_id in found.accounts}
    for name in (RECORDS_FILE, USAGE_FILE):
        _see_integrity(data_dir / name)
    return found


def _see(true: bool, sentence: str) -> None:
    if not true:
        raise Broken(sentence)


def _look(keywright: Keywright, data_dir: Path) -> Found:
    accounts = {each.id for each in keywright.manager.accounts(ME)}
    listed = [each for account_id in accounts for each in keywright.manager.keys(ME, account_id)]
    with closing(dbapi2.connect(data_dir / RECORDS_FILE, isolation_level=None)) as connection:
        lines = connection.execute("SELECT action, target, details FROM audit_log ORDER BY number").fetchall()
    entries = [_entry((action, target, json.loads(details))) for action, target, details in lines]
    return Found({each.row.id: shown(each.row) for each in listed}, accounts, entries)


def _entry(told: Iterable[Any]) -> Entry:
    action, target, details = told
    telling = details[TELLING[Action(action)]]
    return action, target, tuple(telling) if isinstance(telling, list) else telling


def _resolved(entry: Entry, done: dict[str, Any], new: set[str]) -> Entry:
    action, target, telling = entry
    if telling == LATER:
        return action, target, done["rows"][target]["successor_id"]
    return (action, next(iter(new)), telling) if target == LATER else entry


def _see_a_story(heard: Heard, found: Found) -> None:
    stories = list(product(*([None, *announced] for announced in heard.pending.values())))
    told = [_differences(heard, found, [each for each in story if each]) for story in stories]
    _see([] in told, "; or: ".join(" and ".join(each[:3]) for each in told))


def _differences(heard: Heard, found: Found, happened: list[Announced]) -> list[str]:
    """How the directory differs from one in which all that was acknowledged was done, and these acts besides."""
    expected = {key_id: row for key_id, row in heard.rows.items() if not _is_gone(key_id, happened)}
    new = found.rows.keys() - expected.keys() | found.accounts - heard.accounts
    made = sum(each.get("made", 0) + each.get("accounts", 0) for each in happened)
    wrong = [f"{key_id} is lost" for key_id in expected.keys() - found.rows.keys()]
    wrong += [f"account {account_id} is lost" for account_id in heard.accounts - found.accounts]
    if len(new) != made:
        wrong.append(f"{len(new)} new ones instead of {made}: {new}")
    for key_id in expected.keys() & found.rows.keys():
        changes = {name: value for each in happened for name, value in each.get("changes", {}).get(key_id, {}).items()}
        wrong += _row_differences(key_id, expected[key_id], changes, found.rows[key_id], new)
    return wrong + list(_audit_differences(heard, found, happened, new))


def _is_gone(key_id: str, happened: list[Announced]) -> bool:
    return any(key_id in each.get("gone", ()) for each in happened)


def _row_differences(
    key_id: str, before: dict[str, Any], changes: dict[str, Any], found: dict[str, Any], new: set[str]
) -> Iterator[str]:
    for name, old in before.items():
        wanted = changes.get(name, old)
        right = found[name] == wanted
        if wanted == LATER:
            right = found[name] in new if name == "successor_id" else found[name] != old
        if not right:
            yield f"{key_id} has {name} {found[name]!r}, not {wanted!r}"


def _audit_differences(heard: Heard, found: Found, happened: list[Announced], new: set[str]) -> Iterator[str]:
    left = list(found.entries)
    for wanted in [*heard.entries, *(_entry(each["entry"]) for each in happened)]:
        fitting = next((each for each in left if _fits(each, wanted, new)), None)
        if fitting is None:
            yield f"there is no audit line {wanted}"
        else:
            left.remove(fitting)
    yield from (f"there is an audit line too many: {each}" for each in left)


def _fits(found: Entry, wanted: Entry, new: set[str]) -> bool:
    return all(one == other or (other == LATER and one in new) for one, other in zip(found, wanted, strict=True))


def _see_verdicts(keywright: Keywright, heard: Heard, found: Found) -> None:
    for key_id, text in heard.texts.items():
        row = found.rows.get(key_id)
        request = Request(tuple(row["scopes"]) if row and row["scopes"] != ["*"] else (), address="192.0.2.7")
        outcome = keywright.verify(text, request)
        _see(_is_right(outcome, row, keywright.clock.now()), f"{key_id} is {outcome}, and stored as {row}")
    for key_id, text in heard.dead.items():
        _see(keywright.verify(text) == Refused(Reason.UNKNOWN), f"{key_id} was deleted and is back")


def _is_right(outcome: Outcome, row: dict[str, Any] | None, now: float) -> bool:
    if row is None:
        return outcome == Refused(Reason.UNKNOWN)
    if row["disabled"] or (row["expires_at"] is not None and row["expires_at"] <= now):
        return isinstance(outcome, Refused) and outcome.reason in {Reason.DISABLED, Reason.EXPIRED}
    return isinstance(outcome, Accepted) and outcome.record.scopes == tuple(row["scopes"])


def _see_usage(keywright: Keywright, heard: Heard) -> None:
    for account_id, most in heard.uses.items():
        counted, least = _uses(keywright, account_id), heard.flushed.get(account_id, 0)
        _see(least <= counted <= most, f"{counted} uses were counted, of {most}, and {least} were written")


def _uses(keywright: Keywright, account_id: str) -> int:
    return sum(each.count for each in keywright.usage_store.hourly(account_id, 0, 2.0**40, None))


def _see_integrity(database: Path) -> None:
    with closing(dbapi2.connect(database, isolation_level=None)) as connection:
        found = connection.execute("PRAGMA integrity_check").fetchall()
        found += connection.execute("PRAGMA foreign_key_check").fetchall()
    _see(found == [("ok",)], f"{database.name}: {found}")
