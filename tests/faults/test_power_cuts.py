"""Power cuts and kills at any moment: what was acknowledged holds, what was not is whole or absent."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from keywright.audit import Action
from support.crashes import cut, kill, recorded, said
from support.judge import TELLING, Heard, judge
from support.mutants import assert_caught, with_long_form
from support.power import LOSSES, Synced
from support.recording import Recording

SEED = 20_261_122
#: Enough for the log of the database to be long enough to be copied into it while the work goes on.
ACTS = 140


@pytest.fixture(scope="module")
def recording(quick_disk: Path) -> Recording:
    """The first start on nothing, some work, the end."""
    return recorded(quick_disk / "world", ACTS, SEED)


def is_database(path: Path) -> bool:
    """Whether it is a database, and not one of the files beside it."""
    return path.suffix == ".db"


def checkpoints(recording: Recording) -> list[int]:
    """When a database's log had been copied into it."""
    return [at for at, event in enumerate(recording.events) if isinstance(event, Synced) and is_database(event.path)]


def choose(recording: Recording, count: int, chance: random.Random) -> list[int]:
    """So many moments, one in three of them around a checkpoint."""
    last, copied = len(recording.events), checkpoints(recording)
    near = [min(last, max(0, chance.choice(copied) + chance.randint(-20, 20))) for _ in range(count // 3)]
    return near + [chance.randint(0, last) for _ in range(count - count // 3)]


def test_the_recording_holds_what_is_to_be_cut(recording: Recording) -> None:
    """The work recorded is long enough: a checkpoint while the work goes on, another one at the end."""
    closing = said(recording, b'"closing"')[0]
    ends = said(recording, b'"end"')
    while_working = [at for at in checkpoints(recording) if ends[0] < at < closing]
    assert while_working
    assert [at for at in checkpoints(recording) if at > closing]
    assert len(ends) > ACTS


def test_the_work_is_of_every_kind(recording: Recording) -> None:
    """Each kind of change that leaves a line in the audit log is among what is cut: whoever adds a kind adds it to
    `support.workload` and `support.judge`."""
    heard = Heard()
    for _, _, lines in recording.moments([len(recording.events)]):
        heard.hear(lines)
    # A restore is killed by tests of its own; what people do, and an account's limits, are written by the same
    # transactions. An export changes nothing.
    kinds = {each for each in Action if each.startswith("key.")} - {Action.KEY_EXPORT} | {Action.ACCOUNT_CREATE}
    assert {action for action, _, _ in heard.entries} == kinds
    assert set(TELLING) == kinds


def test_a_power_cut_in_the_first_start_leaves_what_can_be_started(first_start: Recording, quick_disk: Path) -> None:
    """Whatever is left of a first start, the next one goes on from it, and once a key was acknowledged its directory,
    its database and the secret it was made with are all there."""
    chance = random.Random(SEED)  # noqa: S311 - a cut must be the same the next time
    positions = [chance.randint(0, len(first_start.events)) for _ in range(100)]
    assert cut(first_start, positions, chance, quick_disk) == ""


def test_a_power_cut_loses_nothing_that_was_acknowledged(recording: Recording, quick_disk: Path) -> None:
    """Whenever the power goes, and whatever the disk makes of what was not synced: no key that was acknowledged is
    lost, no deleted one is back, no change is half, and its audit line stands or falls with it."""
    chance = random.Random(SEED)  # noqa: S311 - a cut must be the same the next time
    assert cut(recording, choose(recording, 120, chance), chance, quick_disk) == ""


def test_a_kill_after_any_sync_leaves_whole_changes(recording: Recording, quick_disk: Path) -> None:
    """Killed between a commit and its acknowledgement, everything stands with its audit line, or nothing does."""
    synced = [at + 1 for at, event in enumerate(recording.events) if isinstance(event, Synced)]
    assert kill(recording, synced[:90], quick_disk) == ""


@pytest.mark.full
def test_1000_power_cuts(quick_disk: Path) -> None:
    """One process, and several that work and copy each other's log at once; each recording is another one."""
    chance = random.Random(SEED)  # noqa: S311 - a cut must be the same the next time
    for number, seeds in enumerate([(1,), (2, 3), (4,), (5, 6, 7)] * 2):
        done = recorded(quick_disk / f"world {number}", ACTS + 100 // len(seeds), *seeds)
        assert cut(done, choose(done, 125, chance), chance, quick_disk) == "", (number, seeds)


@pytest.mark.full
def test_a_cut_after_a_cut(quick_disk: Path) -> None:
    """What goes on after a power cut is as safe in the next one: also while the first is being recovered from."""
    chance = random.Random(SEED)  # noqa: S311 - a cut must be the same the next time
    for number in range(6):
        first = recorded(quick_disk / f"before {number}", 30, 1)
        world = quick_disk / f"after {number}"
        world.mkdir()
        ((_, disk, lines),) = first.moments([chance.randint(0, len(first.events))])
        disk.cut(world, LOSSES["sectors are lost"], chance)
        heard = Heard()
        heard.hear(lines)
        shutil.copytree(world, quick_disk / f"looked at {number}")
        heard.settle(judge(quick_disk / f"looked at {number}" / "data", heard))
        heard.uses, heard.flushed = {}, {}  # the judge's own uses are in the copy alone
        again = recorded(world, 30, 2)
        positions = [chance.randint(0, len(again.events)) for _ in range(50)]
        assert cut(again, positions, chance, quick_disk, heard) == "", number


@pytest.mark.full
def test_a_kill_at_every_moment(recording: Recording, quick_disk: Path) -> None:
    """After every single call that the driver makes."""
    assert kill(recording, range(len(recording.events) + 1), quick_disk) == ""


WHOLE = "test_a_power_cut_loses_nothing_that_was_acknowledged"
START = "test_a_power_cut_in_the_first_start_leaves_what_can_be_started"
KILL = "test_a_kill_after_any_sync_leaves_whole_changes"
MUTANTS = {
    "commits are not synced": ("stores/sqlite_file.py", "synchronous=FULL", "synchronous=NORMAL", WHOLE),
    "the audit line has a transaction of its own": (
        "stores/sql.py",
        "        self._connection.execute(insert(tables.audit_log), values)",
        """        self._connection.exec_driver_sql("COMMIT")
        self._connection.exec_driver_sql("BEGIN IMMEDIATE")
        self._connection.execute(insert(tables.audit_log), values)""",
        KILL,
    ),
    "the secret is not synced": ("master.py", ".encode())\n        os.fsync(descriptor)", ".encode())", START),
    "the data directory's name is not synced": (
        "build.py",
        "            _sync_names(path.resolve())",
        "            pass",
        START,
    ),
}

#: Caught in the long form only: each takes several seconds.
LONG = {
    "the data directory's name is not synced",
}


@pytest.mark.parametrize("fault", with_long_form(MUTANTS, LONG))
def test_the_cuts_catch(fault: str, tmp_path: Path) -> None:
    """Each of these faults, planted in a copy of the source, is found by the cuts."""
    file, old, new, test = MUTANTS[fault]
    assert_caught(tmp_path, file, old, new, f"tests/faults/test_power_cuts.py::{test}")
