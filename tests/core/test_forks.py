"""An application server that loads everything and then forks: each child is an ordinary process of its own."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from keywright import Accepted, ManualClock, Reason, Refused
from keywright.limits.conformance import in_children
from support.installation import ME, Installation


def test_parent_and_children_change_and_verify(installation: Installation) -> None:
    """Parent and children make, delete and verify keys at once, each sees the others' changes, and the database is
    whole."""
    keywright, account = installation.keywright, installation.account_id
    keys = [installation.create(rate_limit=None) for _ in range(8)]
    for created in keys:
        assert isinstance(keywright.verify(created.key), Accepted)

    def work() -> int:
        made = installation.create()
        keywright.manager.delete(ME, account, made.row.id)
        refused = keywright.verify(made.key) == Refused(Reason.UNKNOWN)
        return int(refused and all(isinstance(keywright.verify(each.key), Accepted) for each in keys[1:]))

    def meanwhile() -> int:
        keywright.manager.delete(ME, account, keys[0].row.id)
        return int(keywright.verify(keys[0].key) == Refused(Reason.UNKNOWN))

    assert in_children(work, 3, meanwhile) == [1, 1, 1, 1]
    assert keywright.store.integrity() == "ok"
    assert len(keywright.manager.keys(ME, account)) == 7


PREFORK = """
import os, sys
from keywright import Actor, ActorKind, Keywright
keywright = Keywright.open(sys.argv[1])
keywright.verify(sys.argv[2])
if os.fork():
    os._exit(0)
keywright.verify(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
account = keywright.manager.operator_account().id
keywright.manager.delete(Actor(ActorKind.LIBRARY, "child"), account, sys.argv[3])
print(keywright.verify(sys.argv[2]).reason, flush=True)
os._exit(0)
"""


def test_children_outlive_their_parent(data_dir: Path, clock: ManualClock) -> None:
    """Where the process that forked is gone and others come and go, its children's changes reach everybody, and the
    database is whole."""
    with Installation(data_dir, clock) as before:
        gone, kept = before.create(), before.create()
    command = [sys.executable, "-W", "ignore", "-c", PREFORK, str(data_dir), gone.key, gone.row.id]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdin
        assert parent.stdout
        assert parent.stdout.readline() == "ready\n"
        assert parent.wait(timeout=20) == 0
        with Installation(data_dir, clock) as passing:
            assert isinstance(passing.keywright.verify(gone.key), Accepted)
            passing.create()
        parent.stdin.write("\n")
        parent.stdin.flush()
        assert parent.stdout.readline() == "unknown\n"
    with Installation(data_dir, clock) as after:
        assert after.keywright.verify(gone.key) == Refused(Reason.UNKNOWN)
        assert isinstance(after.keywright.verify(kept.key), Accepted)
        assert after.keywright.store.integrity() == "ok"


def test_a_child_learns_what_its_parent_changes(installation: Installation) -> None:
    """What a child remembers was never its parent's memory: it sees what has changed since."""
    created = installation.create()
    assert isinstance(installation.keywright.verify(created.key), Accepted)

    def work() -> int:
        installation.keywright.manager.delete(ME, installation.account_id, created.row.id)
        return 1

    assert in_children(work, 1) == [1]
    assert installation.keywright.verify(created.key) == Refused(Reason.UNKNOWN)

    def look() -> int:
        return int(installation.keywright.verify(created.key) == Refused(Reason.UNKNOWN))

    assert in_children(look, 2) == [1, 1]


def test_limits_stay_exact_over_a_fork(installation: Installation) -> None:
    """S71: parent and children together get one allowance."""
    created = installation.create()
    installation.keywright.verify(created.key)

    def work() -> int:
        return sum(isinstance(installation.keywright.verify(created.key), Accepted) for _ in range(60))

    assert sum(in_children(work, 2, work)) == 99


def test_a_fork_in_the_middle_of_everything_hangs_nobody(installation: Installation) -> None:
    """A child forked while other threads hold every lock there is works as any other process."""
    keys = [installation.create(rate_limit=None) for _ in range(4)]
    resting = threading.Event()

    def busy() -> None:
        while not resting.is_set():
            for created in keys:
                installation.keywright.verify(created.key)
            installation.create()
            installation.keywright.usage.flush()

    def work() -> int:
        installation.create()
        installation.keywright.usage.flush()
        return sum(isinstance(installation.keywright.verify(each.key), Accepted) for each in keys)

    threads = [threading.Thread(target=busy) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        results = [in_children(work, 1) for _ in range(5)]
    finally:
        resting.set()
        for thread in threads:
            thread.join()
    assert results == [[4]] * 5
