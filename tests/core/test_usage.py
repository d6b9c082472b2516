"""S47 to S51: when a key was last used, and how its requests ended, written behind and lost nowhere."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from core.watched import Watched, Watching
from keywright import Accepted, Keywright, ManualClock, Reason, Request, SystemClock, Unavailable, settings
from keywright.limits.conformance import in_children
from keywright.manage.manager import Created
from keywright.record import record_of
from keywright.stores.base import LastUse
from keywright.usage import BATCH_KEYS, MAX_UNWRITTEN_HOURS, VISIBLE_WITHIN_SECONDS, UsageOutcome, UsageRecorder
from keywright.values import replace
from support.installation import ME, Installation
from support.mutants import assert_caught
from support.waiting import eventually

FROM_HOME = Request(address="192.0.2.1", user_agent="client/1")


def counts(installation: Installation, key_id: str | None = None) -> Counter[str]:
    """How many requests ended how, over all hours; of one key or of all."""
    start = installation.clock.now() - 86_400
    hours = installation.keywright.manager.report(
        ME, installation.account_id, start, start + 172_800, key_id=key_id, daily=False
    )
    total: Counter[str] = Counter()
    for each in hours:
        total[each.outcome] += each.count
    return total


def last_use(installation: Installation, created: Created) -> LastUse | None:
    """What the list says of a key."""
    return installation.keywright.manager.key(ME, installation.account_id, created.row.id).last_use


def test_s47_a_use_shows_after_a_flush(installation: Installation, clock: ManualClock) -> None:
    """S42, S47: the list tells when, from where and by what a key was last used; never for one that was not."""
    used, unused = installation.create(), installation.create()
    installation.keywright.verify(used.key)
    clock.advance(5)
    installation.keywright.verify(used.key, FROM_HOME)
    assert installation.keywright.usage.flush() == 1
    assert last_use(installation, used) == LastUse(clock.now(), "192.0.2.1", "client/1")
    assert last_use(installation, unused) is None
    assert installation.keywright.usage.flush() == 0


@pytest.mark.parametrize(
    ("given", "request_", "outcome", "moves"),
    [
        ({}, Request(), "accepted", True),
        ({"scopes": ["a"]}, Request(scopes=("b",)), "forbidden", True),
        ({"networks": ["192.0.2.0/24"]}, Request(), "forbidden", True),
        ({"rate_limit": "1/15m"}, Request(cost=2), "rate_limited", True),
        ({"expires_in_seconds": 1}, Request(), "refused", False),
    ],
)
def test_s47_s51_only_an_authenticated_request_is_a_use(
    installation: Installation, clock: ManualClock, given: dict[str, Any], request_: Request, outcome: str, moves: bool
) -> None:
    """S47 to S51: any request with a good key is its last use, whatever became of it; a failed authentication is not,
    and every request is counted as what it was."""
    created = installation.create(**given)
    clock.advance(10)
    installation.keywright.verify(created.key, request_)
    installation.keywright.usage.flush()
    assert (last_use(installation, created) is not None) is moves
    assert counts(installation, created.row.id) == {outcome: 1}


def test_a_wrong_key_is_nobodys_use(installation: Installation) -> None:
    """S72: requests without a known key are counted nowhere."""
    created = installation.create()
    for text in (created.key[:-1], installation.keywright.formats.mint("lwa", "live"), ""):
        installation.keywright.verify(text)
    assert installation.keywright.usage.flush() == 0


def test_last_use_never_moves_back(installation: Installation, clock: ManualClock) -> None:
    """S51: a process with a later flush of an earlier use, or whose clock was set back, does not move it back."""
    watching = Watching(installation)
    created = installation.create()
    watching.verifier.verify(created.key)
    clock.advance(60)
    latest = clock.now()
    installation.keywright.verify(created.key, FROM_HOME)
    installation.keywright.verifier.verify(created.key, now=latest - 30)
    installation.keywright.usage.flush()
    watching.usage.flush()
    assert last_use(installation, created) == LastUse(latest, "192.0.2.1", "client/1")


def test_long_texts_of_clients_are_cut(installation: Installation) -> None:
    """A client that sends a book as its name fills nobody's disk, and its use is still written."""
    created = installation.create()
    installation.keywright.verify(created.key, Request(address="a" * 1_000, user_agent="é" * 100_000))
    installation.keywright.usage.flush()
    found = last_use(installation, created)
    assert found
    assert (len(found.address), len(found.user_agent)) == (64, 255)


def test_a_failed_flush_loses_nothing(installation: Installation, clock: ManualClock) -> None:
    """What could not be written is kept, joined with what came after, and written by the next flush, once."""
    watching = Watching(installation)
    created, quiet = installation.create(), installation.create()
    watching.verifier.verify(quiet.key)
    watching.verifier.verify(created.key, FROM_HOME)
    watching.usage_store.unreachable.add("add")
    for _ in range(2):
        with pytest.raises(Unavailable):
            watching.usage.flush()
    watching.verifier.verify(created.key, now=clock.now() - 30)
    watching.usage_store.unreachable.clear()
    assert watching.usage.flush() == 2
    assert watching.usage.flush() == 0
    assert counts(installation, created.row.id) == {"accepted": 2}
    assert counts(installation, quiet.row.id) == {"accepted": 1}
    assert last_use(installation, created) == LastUse(clock.now(), "192.0.2.1", "client/1")


def test_a_flush_that_fails_makes_no_request_wait(installation: Installation, clock: ManualClock) -> None:
    """While what could not be written is taken back, no request can be noted: that takes as long as what came since
    is much, and not as long as all that waits."""
    watching = Watching(installation)
    record = record_of(installation.create().row, installation.keywright.policy)
    records = [replace(record, slot=slot) for slot in range(50_000)]
    began = SystemClock.elapsed()
    for each in records:
        watching.usage.note(each, FROM_HOME, UsageOutcome.ACCEPTED, clock.now())
    noting = SystemClock.elapsed() - began
    watching.usage_store.unreachable.add("add")

    times = []
    for _ in range(5):
        began = SystemClock.elapsed()
        with pytest.raises(Unavailable):
            watching.usage.flush()
        times.append(SystemClock.elapsed() - began)

    assert min(times) < noting / 5


def test_a_flush_that_fails_halfway_counts_nothing_twice(installation: Installation) -> None:
    """Where the first of several batches was written and the next was not, only the rest is written again."""
    watching = Watching(installation)
    record = record_of(installation.create().row, installation.keywright.policy)
    for slot in range(BATCH_KEYS * 2 + 500):
        watching.usage.note(replace(record, slot=slot), FROM_HOME, UsageOutcome.ACCEPTED, 1.0)
    watching.usage_store.afterwards["add"] = lambda: watching.usage_store.unreachable.add("add")
    with pytest.raises(Unavailable):
        watching.usage.flush()
    watching.usage_store.afterwards.clear()
    watching.usage_store.unreachable.clear()
    assert watching.usage.flush() == BATCH_KEYS + 500
    assert counts(installation) == {"accepted": BATCH_KEYS * 2 + 500}


def test_what_the_handler_found_out_replaces_what_was_noted(installation: Installation) -> None:
    """A request that a handler refuses for a lacking right is counted as that, before a flush and after it."""
    created = installation.create()
    for flush_between in (False, True):
        outcome = installation.keywright.verify(created.key)
        assert isinstance(outcome, Accepted)
        if flush_between:
            installation.keywright.usage.flush()
        installation.keywright.usage.reclassify(outcome.record, "", Reason.SCOPE)
    installation.keywright.usage.flush()
    assert {name: count for name, count in counts(installation).items() if count} == {"forbidden": 2}


def test_counts_are_exact_among_threads_and_flushes(installation: Installation) -> None:
    """However requests and flushes interleave, every request is counted once."""
    keys = [installation.create(rate_limit=None) for _ in range(3)]
    done = threading.Event()

    def work() -> None:
        for number in range(3_000):
            installation.keywright.verify(keys[number % 3].key)

    def flush() -> None:
        while not done.is_set():
            installation.keywright.usage.flush()

    workers = [threading.Thread(target=work) for _ in range(4)]
    flushers = [threading.Thread(target=flush) for _ in range(2)]
    for thread in (*workers, *flushers):
        thread.start()
    for thread in workers:
        thread.join()
    done.set()
    for thread in flushers:
        thread.join()
    installation.keywright.usage.flush()
    assert counts(installation) == {"accepted": 12_000}


def test_what_the_parent_noted_the_parent_writes(installation: Installation) -> None:
    """A forked child writes its own requests, and not once more those of its parent."""
    created = installation.create(rate_limit=None)
    for _ in range(5):
        installation.keywright.verify(created.key)

    def work() -> int:
        for _ in range(7):
            installation.keywright.verify(created.key)
        return installation.keywright.usage.flush()

    assert in_children(work, 3) == [1, 1, 1]
    installation.keywright.usage.flush()
    assert counts(installation) == {"accepted": 26}


def test_closing_loses_nothing(data_dir: Path, clock: ManualClock) -> None:
    """A process that is stopped properly has written everything."""
    with Installation(data_dir, clock) as before:
        created = before.create()
        before.keywright.verify(created.key)
    with Installation(data_dir, clock) as after:
        assert last_use(after, created) == LastUse(clock.now(), "", "")
        assert counts(after) == {"accepted": 1}


def test_closing_says_what_it_could_not_write(installation: Installation, clock: ManualClock) -> None:
    """Where the last counts cannot be written, closing does not pretend that they were."""
    store = Watched(installation.keywright.usage_store)
    recorder = UsageRecorder(store, clock)
    record = record_of(installation.create().row, installation.keywright.policy)
    recorder.note(record, FROM_HOME, UsageOutcome.ACCEPTED, clock.now())
    store.unreachable.add("add")
    with pytest.raises(Unavailable):
        recorder.close()


def test_s51_a_use_is_visible_within_two_seconds(data_dir: Path) -> None:
    """S51: without anybody doing anything, a use shows in the list within two seconds."""
    with Keywright(settings.load({"data_dir": str(data_dir)}, environment={}), SystemClock()) as opened:
        opened.usage.start()
        account = opened.manager.operator_account().id
        created = opened.manager.create(ME, account, {"name": "Mine"})
        opened.verify(created.key)
        assert eventually(lambda: opened.manager.key(ME, account, created.row.id).last_use, VISIBLE_WITHIN_SECONDS)


def test_reports_are_by_hour_and_day(installation: Installation, clock: ManualClock) -> None:
    """A report sums by hour or by day, also for a key that is deleted by now, and for no account but its own."""
    created = installation.create()
    clock.advance(86_400 - clock.now() % 86_400)
    midnight = clock.now()
    for _ in range(26):
        installation.keywright.verify(created.key)
        installation.keywright.usage.flush()
        clock.advance(3_600)
    manager = installation.keywright.manager
    manager.delete(ME, installation.account_id, created.row.id)
    hours = manager.report(ME, installation.account_id, midnight, clock.now(), key_id=created.row.id, daily=False)
    days = manager.report(ME, installation.account_id, midnight, clock.now(), key_id=None, daily=True)
    assert [(each.start - midnight, each.count) for each in hours] == [(hour * 3_600, 1) for hour in range(26)]
    assert [(each.start - midnight, each.count) for each in days] == [(0, 24), (86_400, 2)]
    assert manager.report(ME, installation.account(), midnight, clock.now(), key_id=None, daily=True) == []


def test_a_request_is_not_a_use_of_a_disabled_key(installation: Installation) -> None:
    """S48: while a key is disabled its last use stays where it was."""
    created = installation.create()
    installation.keywright.manager.update(ME, installation.account_id, created.row.id, {"disabled": True})
    outcome = installation.keywright.verify(created.key)
    installation.keywright.usage.flush()
    assert getattr(outcome, "reason", None) is Reason.DISABLED
    assert last_use(installation, created) is None


def test_a_text_that_cannot_be_stored_is_stored_otherwise(installation: Installation) -> None:
    """Half a surrogate pair or a NUL in what a client says it is costs nobody's counts."""
    created = installation.create()
    installation.keywright.verify(created.key, Request(address="\ud800", user_agent="a\udcff\0b"))
    assert installation.keywright.usage.flush() == 1
    found = last_use(installation, created)
    assert found
    assert (found.address, found.user_agent) == ("?", "a??b")


def test_a_row_that_can_never_be_stored_holds_up_no_other(
    installation: Installation, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """What the store cannot take is dropped and told of; everything beside it is written."""
    created = installation.create()
    usage, record = installation.keywright.usage, record_of(installation.create().row, installation.keywright.policy)
    usage.note(replace(record, slot=2**70), FROM_HOME, UsageOutcome.ACCEPTED, clock.now())
    installation.keywright.verify(created.key)
    usage.flush()
    assert usage.flush() == 0
    assert counts(installation, created.row.id) == {"accepted": 1}
    assert [each.name for each in caplog.records] == ["keywright.usage"]


def test_the_thread_outlives_every_fault(installation: Installation, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a flush raises, the next one comes, and a long fault is one line in the log, as is its end."""
    watching = Watching(installation)
    created = installation.create()
    watching.verifier.verify(created.key)

    watching.usage_store.unreachable.add("add")
    watching.usage.start()
    assert eventually(lambda: not watching.usage.writable)
    watching.usage_store.unreachable.clear()
    assert eventually(lambda: watching.usage.writable)
    watching.usage.close()
    assert counts(installation, created.row.id) == {"accepted": 1}
    assert [each.name for each in caplog.records] == ["keywright.usage"] * 2


def test_what_cannot_be_written_for_days_fills_no_memory(installation: Installation, clock: ManualClock) -> None:
    """However long nothing can be written, the hours that are kept are few, and no request is lost."""
    watching = Watching(installation)
    created = installation.create(rate_limit=None)
    started_at = clock.now()
    watching.usage_store.unreachable.add("add")
    for _ in range(MAX_UNWRITTEN_HOURS + 20):
        watching.verifier.verify(created.key)
        with pytest.raises(Unavailable):
            watching.usage.flush()
        clock.advance(3600)
    watching.usage_store.unreachable.clear()
    watching.usage.flush()
    hours = installation.keywright.manager.report(
        ME, installation.account_id, started_at - 3600, clock.now() + 3600, key_id=created.row.id, daily=False
    )
    assert len(hours) == MAX_UNWRITTEN_HOURS
    assert [each.count for each in hours] == [21, *[1] * (MAX_UNWRITTEN_HOURS - 1)]


def test_a_clock_that_is_set_back_loses_no_use(installation: Installation, clock: ManualClock) -> None:
    """Also where nothing could be written for days, and the hour that is now is the oldest of all."""
    watching = Watching(installation)
    created = installation.create(rate_limit=None)
    watching.usage_store.unreachable.add("add")
    for hours in [1] * MAX_UNWRITTEN_HOURS + [-100, 0, 0]:
        watching.verifier.verify(created.key)
        with pytest.raises(Unavailable):
            watching.usage.flush()
        clock.advance(hours * 3600)
    watching.verifier.verify(created.key)
    watching.usage_store.unreachable.clear()
    watching.usage.flush()
    now = clock.now()
    hourly = installation.keywright.manager.report(
        ME, installation.account_id, now - 400_000, now + 800_000, key_id=created.row.id, daily=False
    )
    assert sum(each.count for each in hourly) == MAX_UNWRITTEN_HOURS + 4


def test_hours_without_end_are_caught(tmp_path: Path) -> None:
    """The check of unwritten hours fails where all of them are kept."""
    test = "tests/core/test_usage.py::test_what_cannot_be_written_for_days_fills_no_memory"
    assert_caught(tmp_path, "usage.py", "while len(self._tables) > MAX_UNWRITTEN_HOURS:", "while False:", test)


def test_counts_belong_to_the_hour_of_the_request(installation: Installation, clock: ManualClock) -> None:
    """What could not be written for hours is counted where it happened, once it is written."""
    watching = Watching(installation)
    created = installation.create(rate_limit=None)
    clock.advance(3_600 - clock.now() % 3_600)
    first = clock.now()
    watching.usage_store.unreachable.add("add")
    for hour in range(3):
        for _ in range(hour + 1):
            watching.verifier.verify(created.key)
        with pytest.raises(Unavailable):
            watching.usage.flush()
        clock.advance(3_600)
    watching.verifier.verify(created.key)
    watching.usage_store.unreachable.clear()
    watching.usage.flush()
    found = installation.keywright.manager.report(
        ME, installation.account_id, first, first + 86_400, key_id=created.row.id, daily=False
    )
    assert [(each.start - first, each.count) for each in found] == [(0, 1), (3_600, 2), (7_200, 3), (10_800, 1)]


def test_an_hour_ends_without_a_flush(installation: Installation, clock: ManualClock) -> None:
    """Requests on both sides of the full hour are counted in two hours, also where one flush writes both."""
    created = installation.create()
    clock.advance(3_600 - clock.now() % 3_600 - 1)
    for _ in range(2):
        installation.keywright.verify(created.key)
        clock.advance(2)
    installation.keywright.usage.flush()
    start = clock.now() - 86_400
    found = installation.keywright.manager.report(
        ME, installation.account_id, start, clock.now(), key_id=None, daily=False
    )
    assert [each.count for each in found] == [1, 1]
