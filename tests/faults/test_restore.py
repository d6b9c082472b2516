"""Restoring a backup: nothing that was taken away since comes back, and whoever is running notices at once."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from keywright import Accepted, ManualClock, Reason, Refused, Request
from keywright.audit import AuditEvent
from keywright.build import LIMITS_FILE, MASTER_SECRET_FILE
from keywright.errors import Conflict, Misconfigured, NotFound
from keywright.manage.manager import Created
from keywright.reference import campaigns, storage
from keywright.stores.restore import restore_records
from keywright.stores.sqlite import RECORDS_FILE, USAGE_FILE
from keywright.upkeep.manifest import MANIFEST_FILE
from keywright.upkeep.parts import RECORDS
from keywright.upkeep.restore import Report
from support.backups import made, problems, query, restored
from support.installation import ME, Installation
from support.mutants import assert_caught, with_long_form

MANY = 100
HERE = "tests/faults/test_restore.py"


class Restorable:
    """An installation, and a backup of it."""

    def __init__(self, installation: Installation, place: Path) -> None:
        self.installation = installation
        self.data_dir = installation.keywright.settings.data_dir
        self.backup = place / "backup"

    def back_up(self) -> None:
        """Make the backup, or make it anew."""
        shutil.rmtree(self.backup, ignore_errors=True)
        made(self.data_dir, self.backup, self.installation.clock)

    def restore(self, *, lose: bool = False) -> Report:
        """Put it back."""
        return restored(self.data_dir, self.backup, self.installation.clock, lose=lose)

    def delete(self, created: Created) -> None:
        """Delete a key."""
        self.installation.keywright.manager.delete(ME, created.row.account_id, created.row.id)

    def change(self, created: Created, **given: object) -> None:
        """Change a key."""
        self.installation.keywright.manager.update(ME, created.row.account_id, created.row.id, given)

    def shown(self, created: Created) -> dict[str, Any]:
        """What a key may do now."""
        row = self.installation.keywright.manager.key(ME, created.row.account_id, created.row.id).row
        return {name: getattr(row, name) for name in ("disabled", "expires_at", "scopes", "networks", "limits")}

    def accepted(self, created: Created) -> bool:
        """Whether a key is accepted."""
        return isinstance(self.installation.keywright.verify(created.key), Accepted)


@pytest.fixture
def here(installation: Installation, tmp_path: Path) -> Restorable:
    """An installation that can be backed up and restored."""
    return Restorable(installation, tmp_path)


def test_deleted_keys_stay_deleted(here: Restorable) -> None:
    """S55: none of many keys that were deleted after the backup is accepted after it was restored."""
    kept, *gone = [here.installation.create() for _ in range(MANY + 1)]
    here.back_up()
    for each in gone:
        here.delete(each)

    report = here.restore()

    assert (report.restored.keys, report.restored.deleted) == (1, MANY)
    assert here.accepted(kept)
    assert sum(here.accepted(each) for each in gone) == 0
    assert problems(here.data_dir) == []


def test_deleted_keys_stay_deleted_over_several_restores(here: Restorable) -> None:
    """A tombstone that stands in one of two backups only is never lost, whichever is restored last."""
    first, second = here.installation.create(), here.installation.create()
    here.back_up()
    here.delete(first)
    here.restore()
    here.delete(second)
    for _ in range(2):
        here.restore()
        assert not here.accepted(first)
        assert not here.accepted(second)


def test_a_running_process_notices_at_once(here: Restorable) -> None:
    """A process that remembers keys from before the restore believes none of it afterwards."""
    old, gone = here.installation.create(rate_limit=None), here.installation.create()
    here.back_up()
    new = here.installation.create()
    here.delete(gone)
    assert (here.accepted(old), here.accepted(new), here.accepted(gone)) == (True, True, False)

    with asking(here, old):
        report = here.restore()

    assert (here.accepted(old), here.accepted(new), here.accepted(gone)) == (True, False, False)
    assert report.restored.gone == 1


@contextmanager
def asking(here: Restorable, created: Created) -> Iterator[None]:
    """A thread verifies all the while: what it remembers is never older than a moment."""
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            here.accepted(created)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_restore_that_fails_at_its_end_changes_nothing(here: Restorable) -> None:
    """All that a restore does to the keys' database is one transaction."""
    gone = here.installation.create()
    here.back_up()
    here.delete(gone)
    here.installation.create()
    before = query(here.data_dir / RECORDS_FILE, "SELECT * FROM keys, feed, sqlite_sequence")

    def fail(_: object) -> AuditEvent:
        raise LookupError

    with closing(RECORDS.opened(here.data_dir)) as file, pytest.raises(LookupError):
        restore_records(file, here.backup / RECORDS_FILE, here.installation.keywright.policy, 0, fail, lambda: None)

    assert query(here.data_dir / RECORDS_FILE, "SELECT * FROM keys, feed, sqlite_sequence") == before


SOON, LATER = 3_600, 7_200

#: What a key was made with, how it was changed after the backup, and what it can do after the restore.
NARROWED: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "disabled": ({}, {"disabled": True}, {"disabled": True}),
    "an earlier expiry": ({"expires_in_seconds": LATER}, {"expires_in_seconds": SOON}, {"expires_at": SOON}),
    "an expiry": ({}, {"expires_in_seconds": SOON}, {"expires_at": SOON}),
    "fewer scopes": ({}, {"scopes": ["keys:read"]}, {"scopes": ("keys:read",)}),
    "other scopes": (
        {"scopes": ["keys:read", "usage:read"]},
        {"scopes": ["keys:write", "keys:read"]},
        {"scopes": ("keys:read",)},
    ),
    "a network": ({}, {"networks": ["10.0.0.0/8"]}, {"networks": ("10.0.0.0/8",)}),
    "a smaller network": (
        {"networks": ["10.0.0.0/8", "192.0.2.0/24"]},
        {"networks": ["10.1.0.0/16", "fd00::/8"]},
        {"networks": ("10.1.0.0/16",)},
    ),
    "another network": (
        {"networks": ["10.0.0.0/8"]}, {"networks": ["192.0.2.0/24"]}, {"networks": ("192.0.2.0/24",)},
    ),
    "a lower limit": ({}, {"rate_limit": "5/15m"}, {"limits": ("5/15m",)}),
    "a limit at last": ({"rate_limit": None}, {"rate_limit": "5/15m"}, {"limits": ("5/15m",)}),
}  # fmt: skip


@pytest.mark.parametrize("case", NARROWED)
def test_narrowed_keys_stay_narrowed(here: Restorable, case: str) -> None:
    """What was taken from a key after the backup is not given back to it."""
    given, changed, expected = NARROWED[case]
    created = here.installation.create(**given)
    here.back_up()
    here.change(created, **changed)

    report = here.restore()

    found = here.shown(created)
    wanted = dict(expected)
    if "expires_at" in wanted:
        wanted["expires_at"] = here.installation.clock.now() + SOON
    assert {name: found[name] for name in wanted} == wanted
    assert report.restored.narrowed == 1


@pytest.mark.parametrize("case", NARROWED)
def test_widened_keys_are_narrow_again(here: Restorable, case: str) -> None:
    """What was given to a key after the backup is taken back with everything else."""
    if case in ("other scopes", "a smaller network", "another network"):
        return
    changed, given, _ = NARROWED[case]
    created = here.installation.create(**{name: value for name, value in given.items() if name != "disabled"})
    if "disabled" in given:
        here.change(created, disabled=True)
    before = here.shown(created)
    here.back_up()
    widest = {"disabled": False, "expires_at": None, "scopes": ["*"], "networks": [], "rate_limit": None}
    names = {"expires_in_seconds": "expires_at"}
    here.change(created, **{names.get(each, each): widest[names.get(each, each)] for each in {**given, **changed}})
    assert here.shown(created) != before

    report = here.restore()

    assert here.shown(created) == before
    assert report.restored.narrowed == 0


def test_the_terms_of_an_account_stay_narrow(here: Restorable) -> None:
    """S55: an account that was stopped or narrowed since stays so; one that was widened since is what it was."""
    manager = here.installation.keywright.manager
    stopped, narrowed, widened = (here.installation.account(name) for name in ("Stopped", "Narrowed", "Widened"))
    manager.change_account(ME, widened, {"disabled": True, "rate_limit": "5/h"})
    created = here.installation.create(account_id=stopped)
    here.back_up()
    manager.change_account(ME, stopped, {"disabled": True})
    manager.change_account(ME, narrowed, {"rate_limit": "9/h sliding"})
    manager.change_account(ME, widened, {"disabled": False, "rate_limit": None})

    here.restore()

    found = {each.id: (each.terms.disabled, each.terms.limits) for each in manager.accounts(ME)}
    assert [found[each] for each in (stopped, narrowed, widened)] == [
        (True, ()),
        (False, ("9/h sliding",)),
        (True, ("5/h",)),
    ]
    assert not here.accepted(created)


def test_no_number_is_given_again(here: Restorable) -> None:
    """A key made after a restore gets no slot of a key that the restore took away: it would get its counters too."""
    here.installation.create()
    here.back_up()
    gone = [here.installation.create(rate_limit="1/1h") for _ in range(3)]
    assert all(here.accepted(each) for each in gone)

    here.restore()
    new = [here.installation.create(rate_limit="1/1h") for _ in range(3)]

    assert min(each.row.slot for each in new) > max(each.row.slot for each in gone)
    assert all(here.accepted(each) for each in new)


def test_nothing_is_lost_from_the_audit_log(here: Restorable) -> None:
    """The log tells what happened after the backup, also to keys that are gone, and of the restore itself."""
    here.back_up()
    gone = here.installation.create()
    before = query(here.data_dir / RECORDS_FILE, "SELECT * FROM audit_log")

    here.restore()

    after = query(here.data_dir / RECORDS_FILE, "SELECT * FROM audit_log ORDER BY number")
    assert after[:-1] == before
    assert gone.row.id in str(before)
    assert after[-1][7:9] == ("database.restore", RECORDS_FILE)
    assert json.loads(after[-1][9])["gone"] == 1


def test_usage_and_resources_come_back(here: Restorable) -> None:
    """Subscriptions and campaigns are those of the backup; last uses, counts, addresses and refusals are never fewer
    than they were."""
    used = here.installation.create()
    lost, kept, clock = "198.51.100.1", "198.51.100.2", here.installation.clock
    verify = here.installation.keywright.verify
    with closing(storage.Resources(here.data_dir, here.installation.clock)) as resources:
        campaigns.ensure_sample(resources, here.installation.account_id)
        here.accepted(used)
        verify(used.key, Request(address=lost, environment="test"))
        first_at = clock.now()
        here.installation.keywright.usage.flush()
        here.back_up()
        clock.advance(60)
        here.accepted(used)
        here.installation.keywright.usage_store.forget([used.row.slot])
        for address in (lost, kept):
            verify(used.key, Request(address=address, environment="test"))
        here.installation.keywright.usage.flush()
        with resources.transaction() as connection:
            connection.execute(storage.campaigns.delete())

        here.restore()

        assert len(campaigns.list_campaigns(resources, here.installation.account_id)) == 1
    assert query(here.data_dir / USAGE_FILE, "SELECT sum(count) FROM hourly") == [(5,)]
    usage = here.installation.keywright.usage_store
    assert {each.address: each.first_at for each in usage.sightings(used.row.slot)} == {
        lost: first_at,
        kept: clock.now(),
    }
    refused = sorted((each.at, each.address) for each in usage.refusals(used.row.slot))
    assert refused == [(first_at, lost), (clock.now(), lost), (clock.now(), kept)]


def test_a_rotation_since_does_not_strand_the_key(here: Restorable) -> None:
    """A key whose successor was made after the backup ends when it would have, and can be rotated again until then."""
    created = here.installation.create()
    here.back_up()
    here.installation.keywright.manager.rotate(ME, created.row.account_id, created.row.id, SOON)

    here.restore()

    assert here.shown(created)["expires_at"] == here.installation.clock.now() + SOON
    assert here.installation.keywright.manager.rotate(ME, created.row.account_id, created.row.id)


def _other_secret(here: Restorable) -> None:
    digits = "1:" + "0" * 64 + "\n"
    for name in (RECORDS_FILE, USAGE_FILE, LIMITS_FILE):
        (here.data_dir / name).unlink()
    (here.data_dir / MASTER_SECRET_FILE).write_text(digits)


def _newer(here: Restorable) -> None:
    query(here.backup / RECORDS_FILE, "UPDATE alembic_version SET version_num = '9999'")
    _rewrite_digests(here)


def _rewrite_digests(here: Restorable) -> None:
    from keywright.upkeep.manifest import sha256_of

    manifest = json.loads((here.backup / MANIFEST_FILE).read_text())
    for name, each in manifest["files"].items():
        each["sha256"] = sha256_of(here.backup / name)
    (here.backup / MANIFEST_FILE).write_text(json.dumps(manifest))


def _edited(here: Restorable) -> None:
    query(here.backup / RECORDS_FILE, "UPDATE keys SET name = 'edited'")


def _lost_file(here: Restorable) -> None:
    (here.backup / USAGE_FILE).unlink()


def _newer_form(here: Restorable) -> None:
    manifest = json.loads((here.backup / MANIFEST_FILE).read_text())
    (here.backup / MANIFEST_FILE).write_text(json.dumps({**manifest, "format": 2}))


def _no_manifest(here: Restorable) -> None:
    (here.backup / MANIFEST_FILE).unlink()


def _broken_manifest(here: Restorable) -> None:
    (here.backup / MANIFEST_FILE).write_text('{"format": 1}')


UNUSABLE: dict[str, tuple[Callable[[Restorable], None], type[Exception]]] = {
    "made with another secret": (_other_secret, Misconfigured),
    "of a newer version": (_newer, Misconfigured),
    "edited": (_edited, Misconfigured),
    "incomplete": (_lost_file, Misconfigured),
    "of a newer form": (_newer_form, Misconfigured),
    "without a manifest": (_no_manifest, NotFound),
    "with a manifest of something else": (_broken_manifest, Misconfigured),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_a_backup_that_cannot_be_right_changes_nothing(here: Restorable, case: str) -> None:
    """A backup that was damaged, is too new or belongs to another master secret is refused before anything is done."""
    spoil, error = UNUSABLE[case]
    here.installation.create()
    here.back_up()
    here.installation.create()
    here.installation.keywright.close()
    spoil(here)
    before = {each.name: each.read_bytes() for each in here.data_dir.iterdir()}

    with pytest.raises(error):
        here.restore()

    assert {each.name: each.read_bytes() for each in here.data_dir.iterdir()} == before


def test_a_foreign_history_is_refused(here: Restorable, tmp_path: Path, clock: ManualClock) -> None:
    """Where both the database and the backup have given the same number to different keys, neither is the other's
    past."""
    here.installation.create()
    here.back_up()
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    shutil.copy(here.data_dir / MASTER_SECRET_FILE, other)
    with Installation(other, clock) as foreign:
        created = foreign.create()
        with pytest.raises(Conflict, match="on their own"):
            restored(other, here.backup, clock)
        assert isinstance(foreign.keywright.verify(created.key), Accepted)


def _damage(file: Path) -> None:
    with file.open("r+b") as damaged:
        damaged.seek(4096)
        damaged.write(os.urandom(4096 * 6))


def _cut(file: Path) -> None:
    os.truncate(file, 3000)


def _nonsense(file: Path) -> None:
    file.write_bytes(os.urandom(10_000))


def _empty(file: Path) -> None:
    file.write_bytes(b"")


BREAKS = (_damage, _cut, _nonsense, _empty, Path.unlink)


@pytest.mark.parametrize("breaks", BREAKS, ids=lambda each: each.__name__.strip("_"))
def test_where_nothing_tells_what_was_deleted_one_must_say_so(
    here: Restorable, breaks: Callable[[Path], None], clock: ManualClock
) -> None:
    """Over a database that cannot be read a backup is restored only on demand; what was there is kept, and no new key
    gets another's counters."""
    kept = here.installation.create()
    here.back_up()
    late = here.installation.create(rate_limit="1/1h")
    assert here.accepted(late)
    here.installation.keywright.close()
    for name in (RECORDS_FILE, USAGE_FILE):
        breaks(here.data_dir / name)
    there = {each.name for each in here.data_dir.iterdir()}
    remains = (here.data_dir / RECORDS_FILE).read_bytes() if RECORDS_FILE in there else None

    with pytest.raises(Conflict, match="--lose-later-deletions"):
        here.restore()
    assert {each.name.removesuffix("-wal").removesuffix("-shm") for each in here.data_dir.iterdir()} <= there
    report = here.restore(lose=True)

    assert report.later_deletions_lost
    assert problems(here.data_dir) == []
    if remains is not None:
        assert report.moved_aside is not None
        assert (report.moved_aside / RECORDS_FILE).read_bytes() == remains
    with Installation(here.data_dir, clock) as again:
        assert isinstance(again.keywright.verify(kept.key), Accepted)
        new = again.create(rate_limit="1/1h")
        assert new.row.slot > late.row.slot
        assert isinstance(again.keywright.verify(new.key), Accepted)


@pytest.mark.parametrize("name", [USAGE_FILE, storage.RESOURCES_FILE])
def test_other_databases_that_cannot_be_read_are_kept_aside(here: Restorable, name: str, clock: ManualClock) -> None:
    """Damaged usage or resources do not stop a restore, and are not destroyed by it."""
    created = here.installation.create()
    with closing(storage.Resources(here.data_dir, clock)) as resources:
        campaigns.ensure_sample(resources, here.installation.account_id)
    here.back_up()
    here.installation.keywright.close()
    _nonsense(here.data_dir / name)
    remains = (here.data_dir / name).read_bytes()

    report = here.restore()

    assert not report.later_deletions_lost
    assert report.moved_aside is not None
    assert (report.moved_aside / name).read_bytes() == remains
    assert problems(here.data_dir) == []
    with Installation(here.data_dir, clock) as again:
        assert isinstance(again.keywright.verify(created.key), Accepted)


def test_a_new_machine_needs_the_secret_and_the_backup(here: Restorable, tmp_path: Path, clock: ManualClock) -> None:
    """In a new directory that holds nothing but the master secret, every key of the backup works as before."""
    keys = [here.installation.create() for _ in range(3)]
    here.back_up()
    new = tmp_path / "new"
    new.mkdir(mode=0o700)
    with pytest.raises(Misconfigured, match="master secret"):
        restored(new, here.backup, clock)
    shutil.copy(here.data_dir / MASTER_SECRET_FILE, new)

    assert restored(new, here.backup, clock).restored.keys == 3

    with Installation(new, clock) as moved:
        assert all(isinstance(moved.keywright.verify(each.key), Accepted) for each in keys)
        moved.keywright.manager.delete(ME, keys[0].row.account_id, keys[0].row.id)
        assert moved.keywright.verify(keys[0].key) == Refused(Reason.UNKNOWN)
        assert moved.create().row.slot > max(each.row.slot for each in keys)
    assert problems(new) == [] or problems(new)[0].startswith(LIMITS_FILE)


MUTANTS = {
    "tombstones are replaced": (
        "stores/restore.py",
        "        deleted = _bury(connection)\n",
        "        deleted = 0\n",
        "test_deleted_keys_stay_deleted",
    ),
    "the feed goes on": (
        "stores/restore.py",
        "        _break_feed(connection)\n        restored = Restored(_count(connection, select(tables.keys.c.id)), d",
        "        restored = Restored(_count(connection, select(tables.keys.c.id)), d",
        "test_a_running_process_notices_at_once",
    ),
    "nobody is told": (
        "upkeep/restore.py",
        "policy, least_slot, event, nonce.renew)",
        "policy, least_slot, event, nonce.replaced)",
        "test_a_running_process_notices_at_once",
    ),
    "a disabled key comes back": (
        "stores/restore.py",
        "now.disabled or then.disabled",
        "then.disabled",
        "test_narrowed_keys_stay_narrowed[disabled]",
    ),
    "a restore is two transactions": (
        "stores/restore.py",
        "        _replace_notes(connection)\n",
        '        connection.exec_driver_sql("COMMIT")\n        connection.exec_driver_sql("BEGIN")\n',
        "test_a_restore_that_fails_at_its_end_changes_nothing",
    ),
    "numbers begin where the backup ended": (
        "stores/restore.py",
        'for schema in ("main", BESIDE) if beside else ("main",):',
        "for schema in (BESIDE,) if beside else (BESIDE,):",
        "test_no_number_is_given_again",
    ),
    "counters are inherited": (
        "upkeep/restore.py",
        "// ENTRY_BYTES)",
        "* 0)",
        "test_where_nothing_tells_what_was_deleted_one_must_say_so[nonsense]",
    ),
    "a changed backup is believed": (
        "upkeep/restore.py",
        "if digest != manifest",
        "if not digest and manifest",
        "test_a_backup_that_cannot_be_right_changes_nothing[edited]",
    ),
    "a lost database is no reason to stop": (
        "upkeep/restore.py",
        "if lost and not lose_later_deletions and any",
        "if not lost and any",
        "test_where_nothing_tells_what_was_deleted_one_must_say_so[unlink]",
    ),
}


#: Caught in the long run only: the others show that the tests can fail, these that they fail at each of their lines.
LONG = {
    "the feed goes on",
    "numbers begin where the backup ended",
    "a changed backup is believed",
    "a lost database is no reason to stop",
}


@pytest.mark.parametrize("mutant", with_long_form(MUTANTS, LONG))
def test_the_tests_catch(mutant: str, tmp_path: Path) -> None:
    """Each of these faults, planted in a copy of the source, makes the named test fail."""
    file, old, new, test = MUTANTS[mutant]
    assert_caught(tmp_path, file, old, new, f"{HERE}::{test}")
