"""Starts that make or change the schema, cut short at every write: the next start ends what was begun, on all rows."""

from __future__ import annotations

import random
import shutil
import signal
from pathlib import Path

import pytest

from house.test_schema import migrations
from keywright.stores.schema import HEADS
from support.crashes import cut, kill, recorded, said
from support.judge import Heard, judge
from support.mutants import assert_caught
from support.recording import Recording, failing
from support.snapshots import SNAPSHOTS, restore, revision
from support.workload import environment, program

SEED = 20_261_122
CASES = sorted(path.name for path in SNAPSHOTS.iterdir())
#: The first start writes the database so often, about.
WRITES = 90


def starting(recording: Recording) -> range:
    """Every moment until a directory was open, and somewhat beyond."""
    return range(said(recording, b'"end"')[0] + 1)


@pytest.mark.parametrize("line", HEADS)
def test_there_is_a_snapshot_of_every_earlier_version(line: str) -> None:
    """Each migration is tried on what the version before it really left behind."""
    earlier = {path.name[:4] for path in migrations(line)[:-1]}
    missing = earlier - {revision(each, line) for each in SNAPSHOTS.iterdir()}
    assert not missing, "support/snapshots.py says how to make it, by the commit before the migration"


def test_a_first_start_killed_at_every_write_is_finished_by_the_next(first_start: Recording, quick_disk: Path) -> None:
    """Wherever the making of the tables is cut short, they are there, whole, after the next start."""
    assert kill(first_start, starting(first_start), quick_disk) == ""


@pytest.mark.parametrize("case", CASES)
def test_an_upgrade_cut_short_at_every_write_loses_nothing(case: str, quick_disk: Path) -> None:
    """Wherever an upgrade is killed or loses power, the next start ends it, and every key, deletion and audit line of
    the version before is there."""
    world = quick_disk / case
    world.mkdir()
    restore(SNAPSHOTS / case, world / "data")
    recording = recorded(world, 0, 2)
    chance = random.Random(SEED)  # noqa: S311 - a cut must be the same the next time
    positions = starting(recording)
    assert kill(recording, positions, quick_disk, told(case, quick_disk)) == ""
    some = [chance.choice(positions) for _ in range(40)]
    assert cut(recording, some, chance, quick_disk, told(case, quick_disk)) == ""


def told(case: str, scratch: Path) -> Heard:
    """What the version before had said."""
    heard = restore(SNAPSHOTS / case, scratch / "again")
    shutil.rmtree(scratch / "again")
    return heard


@pytest.mark.parametrize("write", [9, 31, *(pytest.param(each, marks=pytest.mark.full) for each in range(1, WRITES))])
def test_a_start_that_was_really_killed_is_finished_by_the_next(write: int, quick_disk: Path) -> None:
    """The same with a process that the operating system kills while it writes."""
    data_dir = quick_disk / f"write {write}" / "data"
    killed = failing(f"pwrite64:signal=SIGKILL:when={write}", program(data_dir, 1, 0), environment())
    assert killed.returncode == -signal.SIGKILL
    heard = Heard()
    heard.hear(killed.stdout)
    judge(data_dir, heard)


def test_the_kills_catch_a_migration_in_pieces(tmp_path: Path) -> None:
    """Mutant: each statement of a migration is a transaction of its own."""
    assert_caught(
        tmp_path,
        "stores/sqlite_file.py",
        '"BEGIN IMMEDIATE" if writes else "BEGIN"',
        '"SELECT 1"',
        "tests/faults/test_migrations_killed.py::test_a_first_start_killed_at_every_write_is_finished_by_the_next",
    )
