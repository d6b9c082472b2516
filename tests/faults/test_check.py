"""``keywright db check``: a healthy installation has nothing wrong, and each thing that can be wrong is found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keywright.build import LIMITS_FILE, MASTER_SECRET_FILE
from keywright.stores.check import RULES
from keywright.stores.sqlite import RECORDS_FILE, USAGE_FILE
from keywright.upkeep.manifest import MANIFEST_FILE
from support.backups import made, problems, problems_of_backup, query
from support.installation import ME, Installation
from support.servers import Server


@pytest.fixture
def used(installation: Installation) -> Path:
    """The data directory of an installation with keys that were made, rotated, changed and deleted."""
    manager, account = installation.keywright.manager, installation.account_id
    for _ in range(3):
        installation.create()
    together = [each.row.id for each in manager.create_many(ME, account, [{"name": "many"}] * 3)]
    manager.rotate(ME, account, installation.create().row.id)
    manager.delete(ME, account, installation.create().row.id)
    manager.delete(ME, account, together[0])
    manager.update(ME, account, together[1], {"disabled": True})
    installation.keywright.verify(installation.create().key)
    installation.keywright.usage.flush()
    return installation.keywright.settings.data_dir


def test_a_healthy_installation_has_nothing_wrong(used: Path, tmp_path: Path, installation: Installation) -> None:
    """What Keywright itself writes breaks none of the rules, in the data directory and in its backup."""
    assert problems(used) == []
    assert problems_of_backup(made(used, tmp_path / "backup", installation.clock)) == []


#: What is done to the database, by the rule that it breaks.
BROKEN = {
    "keys that are deleted as well": "UPDATE keys SET digest = (SELECT digest FROM tombstones) WHERE slot = 1",
    "keys without a line in the audit log of how they were made": (
        "DELETE FROM audit_log WHERE action = 'key.create_many'"
    ),
    "deleted keys without a line in the audit log of their deletion": (
        "DELETE FROM audit_log WHERE action = 'key.delete'"
    ),
    "slots that two keys have": "UPDATE tombstones SET slot = (SELECT max(slot) FROM keys) WHERE rowid = 1",
    "keys with slots that will be given again": "UPDATE sqlite_sequence SET seq = 2 WHERE name = 'keys'",
    "lines of the audit log with numbers that will be given again": (
        "UPDATE sqlite_sequence SET seq = 2 WHERE name = 'audit_log'"
    ),
    "the feed must have one row, but has so many": "DELETE FROM feed",
    "the newest change is not of the feed's version": "UPDATE feed SET version = version - 1",
    "changes after which one is missing in the feed": "DELETE FROM changes WHERE version = 2",
    "keys whose scopes cannot be read": "UPDATE keys SET scopes = '[\"keys:read\"' WHERE slot = 1",
    "keys whose limits cannot be read": "UPDATE keys SET limits = '{}' WHERE slot = 1",
    "keys whose networks cannot be read": "UPDATE keys SET networks = 'null' WHERE slot = 1",
    "keys whose metadata cannot be read": "UPDATE keys SET metadata = '[]' WHERE slot = 1",
    "lines of the audit log whose details cannot be read": "UPDATE audit_log SET details = 'x' WHERE number = 1",
}


@pytest.mark.parametrize("rule", RULES)
def test_each_contradiction_is_found(used: Path, rule: str) -> None:
    """A database that breaks a rule is said to break that rule, and no other of ours."""
    query(used / RECORDS_FILE, BROKEN[rule])

    (found,) = problems(used)

    assert found.startswith(f"{RECORDS_FILE}: {rule}: ")


def test_a_key_of_no_account_is_found(used: Path) -> None:
    """A key whose account is not there is found, though nothing of ours could have made it."""
    query(used / RECORDS_FILE, "UPDATE keys SET account_id = 'acc_nowhere' WHERE slot = 1")

    assert problems(used) == [f"{RECORDS_FILE}: row 1 of keys refers to a row of accounts that is not there"]


def test_a_damaged_index_is_found(used: Path) -> None:
    """A page that was not written whole is found by SQLite, also where the rows can still be read."""
    query(used / RECORDS_FILE, "PRAGMA wal_checkpoint(TRUNCATE)")
    ((root,),) = query(used / RECORDS_FILE, "SELECT rootpage FROM sqlite_schema WHERE name = 'keys_of_account'")
    with (used / RECORDS_FILE).open("r+b") as file:
        file.seek((root - 1) * 4096 + 3)
        file.write(b"\x00\x01")

    assert any(RECORDS_FILE in each for each in problems(used))


@pytest.mark.parametrize("name", [RECORDS_FILE, USAGE_FILE, LIMITS_FILE])
def test_each_file_is_looked_at(used: Path, installation: Installation, name: str) -> None:
    """Nonsense in the place of any file is found, and so is its absence."""
    installation.keywright.close()
    for ending in ("", "-wal", "-shm"):
        (used / (name + ending)).unlink(missing_ok=True)
    assert any(each.startswith(f"{name}: it is missing") for each in problems(used))
    (used / name).write_bytes(b"nonsense, but long enough to be read as something" * 100)

    assert [each for each in problems(used) if each.startswith(name)]


def test_a_secret_of_another_installation_is_found(used: Path, installation: Installation) -> None:
    """The check notices the wrong master secret before a start does."""
    installation.keywright.close()
    (used / MASTER_SECRET_FILE).write_text("1:" + "0" * 64 + "\n")

    assert problems(used) == [f"{RECORDS_FILE}: generation 1 of the master secret does not belong to it"]


def test_what_is_wrong_with_a_backup_is_found(used: Path, tmp_path: Path, installation: Installation) -> None:
    """Every difference between a backup and its manifest is found."""
    backup = made(used, tmp_path / "backup", installation.clock)
    manifest = json.loads((backup / MANIFEST_FILE).read_text())
    wrong = {**manifest, "secret": {"1": "0"}, "feed_version": 99}
    (backup / MANIFEST_FILE).write_text(json.dumps(wrong))
    assert problems_of_backup(backup) == [
        f"{RECORDS_FILE}: the manifest tells of another master secret",
        f"{RECORDS_FILE}: the manifest tells of another version of the feed",
    ]
    (backup / MANIFEST_FILE).write_text(json.dumps(manifest))
    (backup / USAGE_FILE).write_bytes(b"")
    assert problems_of_backup(backup)[0] == f"{USAGE_FILE}: it is not the file that the manifest tells of"
    (backup / RECORDS_FILE).unlink()
    assert any(each.startswith(RECORDS_FILE) for each in problems_of_backup(backup))


def test_the_command_has_a_line_for_each_thing(server: Server, tmp_path: Path) -> None:
    """``keywright db check`` ends with 0 beside a running server, and with 1 where something is wrong; it leaves a
    backup as it was."""
    assert server.command("db", "check").returncode == 0
    backup = tmp_path / "backup"
    assert server.command("db", "backup", str(backup)).returncode == 0
    assert server.command("db", "check", str(backup)).returncode == 0
    assert sorted(each.name for each in backup.iterdir()) == [
        RECORDS_FILE, MANIFEST_FILE, "resources.db", USAGE_FILE,
    ]  # fmt: skip
    query(backup / RECORDS_FILE, "UPDATE feed SET version = 99")

    done = server.command("db", "check", str(backup), "--json")

    assert done.returncode == 1
    assert len(json.loads(done.stdout)["problems"]) >= 2
    assert server.command("db", "check", str(tmp_path / "nowhere")).returncode == 3
