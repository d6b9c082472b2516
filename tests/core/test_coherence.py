"""S55: a change is in force when it has been acknowledged, in every process, whatever they remember."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pysqlite3 import dbapi2

from core.watched import Watching
from keywright import Accepted, ManualClock, Outcome, Reason, Refused, Request, Unavailable
from keywright.errors import NotFound
from keywright.manage.manager import Created
from keywright.stores.sqlite import RECORDS_FILE
from support.installation import ME, Installation

FROM_HOME = Request(scopes=("keys:read",), address="203.0.113.9")

VERIFY = """
import sys
from keywright import Keywright, Request
with Keywright.open(sys.argv[1]) as keywright:
    for line in sys.stdin:
        outcome = keywright.verify(line.strip(), Request(scopes=("keys:read",), address="203.0.113.9"))
        print(getattr(outcome, "reason", "accepted"), flush=True)
"""

#: Change → why the key is refused when it has been made.
CHANGES: dict[str, tuple[Callable[[Installation, Created], object], Reason]] = {
    "delete": (lambda at, key: at.keywright.manager.delete(ME, at.account_id, key.row.id), Reason.UNKNOWN),
    "disable": (lambda at, key: change(at, key, disabled=True), Reason.DISABLED),
    "scopes": (lambda at, key: change(at, key, scopes=["keys:write"]), Reason.SCOPE),
    "networks": (lambda at, key: change(at, key, networks=["198.51.100.0/24"]), Reason.NETWORK),
    "limit": (lambda at, key: change(at, key, rate_limit="1/15m"), Reason.RATE_LIMITED),
    "rotate": (lambda at, key: at.keywright.manager.rotate(ME, at.account_id, key.row.id, 0), Reason.EXPIRED),
}


def change(installation: Installation, created: Created, **given: object) -> None:
    """Change a key's values."""
    installation.keywright.manager.update(ME, installation.account_id, created.row.id, given)


def verdict(outcome: Outcome) -> str:
    """The reason of a refusal, or that there was none."""
    return str(outcome.reason) if isinstance(outcome, Refused) else "accepted"


@pytest.fixture
def other(installation: Installation, data_dir: Path, clock: ManualClock) -> Iterator[Installation]:
    """What another process would have: its own memory over the same directory."""
    with Installation(data_dir, clock) as opened:
        yield opened


@pytest.mark.parametrize("name", CHANGES)
def test_s55_a_change_is_in_force_everywhere_at_once(
    installation: Installation, other: Installation, name: str
) -> None:
    """S55: whoever remembers a key learns of every change before the next request with it."""
    act, reason = CHANGES[name]
    created = installation.create()
    everywhere = (installation.keywright, other.keywright)
    assert [verdict(each.verify(created.key, FROM_HOME)) for each in everywhere] == ["accepted"] * 2
    act(installation, created)
    assert [verdict(each.verify(created.key, FROM_HOME)) for each in everywhere] == [reason] * 2


def test_s55_a_change_is_in_force_in_another_process(installation: Installation, data_dir: Path) -> None:
    """S55: the same holds for a process that shares nothing with this one but the directory."""
    command = [sys.executable, "-c", VERIFY, str(data_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        for name in ("delete", "disable", "scopes", "networks"):
            act, reason = CHANGES[name]
            created = installation.create()
            answers = [_ask(process, created.key), _ask(process, created.key)]
            act(installation, created)
            answers.append(_ask(process, created.key))
            assert answers == ["accepted", "accepted", reason]
        process.communicate()
        assert process.returncode == 0


def _ask(process: subprocess.Popen[str], key: str) -> str:
    """What the other process says of a key."""
    assert process.stdin
    assert process.stdout
    process.stdin.write(f"{key}\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def test_a_change_can_be_taken_back(installation: Installation, other: Installation) -> None:
    """A key that was disabled and enabled again is good again, in every process."""
    created = installation.create()
    for disabled in (True, False, True, False):
        change(installation, created, disabled=disabled)
        found = [verdict(each.keywright.verify(created.key)) for each in (installation, other)]
        assert found == ["disabled" if disabled else "accepted"] * 2


def test_s57_a_change_of_one_key_forgets_no_other(installation: Installation) -> None:
    """S57: deleting a key neither touches another one nor costs it a look-up."""
    watching = Watching(installation)
    kept, gone = installation.create(), installation.create()
    assert watching.reads(kept.key, gone.key) == 2
    installation.keywright.manager.delete(ME, installation.account_id, gone.row.id)
    assert watching.reads(kept.key) == 0
    assert isinstance(watching.verifier.verify(kept.key), Accepted)


def test_a_slow_read_does_not_bring_a_deleted_key_back(installation: Installation) -> None:
    """What was read before a delete and arrives after it is not remembered, though others have caught up meanwhile."""
    watching = Watching(installation)
    created = installation.create()

    def meanwhile() -> None:
        watching.store.afterwards.clear()
        installation.keywright.manager.delete(ME, installation.account_id, created.row.id)
        watching.cache.catch_up()  # as the request of any other thread does

    watching.cache.catch_up()
    watching.store.afterwards["find"] = meanwhile
    began_before = watching.verifier.verify(created.key)
    assert isinstance(began_before, Accepted), "it began before the delete"
    assert watching.verifier.verify(created.key) == Refused(Reason.UNKNOWN)


@pytest.mark.parametrize("method", ["changes_since", "find"])
def test_what_cannot_be_read_is_not_believed(installation: Installation, method: str) -> None:
    """While the changes cannot be read, no answer is given: neither a stale yes nor a wrong no."""
    watching = Watching(installation)
    created = installation.create()
    assert watching.reads(created.key) == 1
    installation.keywright.manager.delete(ME, installation.account_id, created.row.id)
    watching.store.unreachable.add(method)
    for _ in range(3):
        with pytest.raises(Unavailable):
            watching.verifier.verify(created.key)
    watching.store.unreachable.clear()
    assert watching.verifier.verify(created.key) == Refused(Reason.UNKNOWN)


def test_a_verifier_that_never_rests_believes_nothing_too_early(
    installation: Installation, other: Installation
) -> None:
    """However often a process looks for changes while one is being committed, it has it when it is acknowledged."""
    resting = threading.Event()
    keys = [installation.create(rate_limit=None) for _ in range(15)]

    def look() -> None:
        while not resting.is_set():
            for created in keys:
                other.keywright.verify(created.key)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        verdicts = []
        for created in list(keys):
            assert isinstance(other.keywright.verify(created.key), Accepted)
            installation.keywright.manager.delete(ME, installation.account_id, created.row.id)
            verdicts.append(verdict(other.keywright.verify(created.key)))
    finally:
        resting.set()
        thread.join()
    assert verdicts == [Reason.UNKNOWN] * len(keys)


def test_a_second_delete_tells_everybody(installation: Installation, other: Installation, data_dir: Path) -> None:
    """Whoever hears that a key is gone may rely on it, even where the one who deleted it was killed before it could
    tell the others."""
    created = installation.create()
    assert isinstance(other.keywright.verify(created.key), Accepted)
    with closing(dbapi2.connect(data_dir / RECORDS_FILE)) as killed:
        killed.execute("INSERT INTO tombstones SELECT digest, id, slot, account_id, name, 0 FROM keys")
        killed.execute("DELETE FROM keys")
        killed.execute("UPDATE feed SET version = version + 1")
        killed.execute("INSERT INTO changes (version, key_id) SELECT version, ? FROM feed", (created.row.id,))
        killed.commit()
    with pytest.raises(NotFound):
        installation.keywright.manager.delete(ME, installation.account_id, created.row.id)
    assert other.keywright.verify(created.key) == Refused(Reason.UNKNOWN)


def test_a_process_remembers_no_more_than_it_may(data_dir: Path, clock: ManualClock) -> None:
    """However many keys are used, memory holds as many as the setting says, and all of them are good."""
    with Installation(data_dir, clock, cache_max_keys=10) as small:
        keys = [small.create(f"Key {number}") for number in range(40)]
        for created in keys * 2:
            assert isinstance(small.keywright.verify(created.key), Accepted)
            assert len(small.keywright.cache) <= 10
        small.keywright.manager.delete(ME, small.account_id, keys[-1].row.id)
        assert small.keywright.verify(keys[-1].key) == Refused(Reason.UNKNOWN)


def test_s72_forgotten_tombstones_are_read_again(installation: Installation) -> None:
    """S72: the deleted keys that are remembered are bounded, and a forgotten one is still refused."""
    watching = Watching(installation)
    created = installation.create()
    installation.keywright.manager.delete(ME, installation.account_id, created.row.id)
    assert watching.reads(created.key, created.key) == 1
    for number in range(70_000):
        watching.cache.bury(number.to_bytes(16))
    assert watching.reads(created.key) == 1
    assert watching.verifier.verify(created.key) == Refused(Reason.UNKNOWN)
