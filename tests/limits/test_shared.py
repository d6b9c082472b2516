"""The shared counters among real processes: killed, stopped, forked, on a full disk."""

from __future__ import annotations

import os
import signal
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from keywright import Limit, Misconfigured, SystemClock, Unavailable
from keywright.limits.base import AccountLimits, parse_limits
from keywright.limits.conformance import in_children, remaining, spend
from keywright.limits.counters import CHUNK_BYTES, ENTRY_BYTES, HEADER_BYTES
from keywright.limits.shared import LOCK_WAIT_SECONDS, SharedLimiter

NOW = 1_737_369_000.0
LIMITS = (Limit(100, 900),)
SLOT = 7

OPEN = """
import os, sys
from pathlib import Path
from keywright import Limit, SystemClock, Unavailable
from keywright.limits.counters import CHUNK_BYTES
from keywright.limits.shared import SharedLimiter
limiter = SharedLimiter(Path(sys.argv[1]), SystemClock())
"""
HOLD = """
limiter._keys.acquire(7, limiter._keys.entry(7), 1.0)
print("held", flush=True)
sys.stdin.read()
"""
FORK = """
if not os.fork():
    limiter.after_fork()
    sys.stdin.read()
    os._exit(0)
"""
SPEND = """
while True:
    limiter.take(7, (Limit(1_000_000_000, 86_400),), 1, 1000.0)
    os.write(1, b".")
"""
HOLD_ACCOUNT = """
limiter._accounts.acquire(7, limiter._accounts.entry(7), 1.0)
print("held", flush=True)
sys.stdin.read()
"""
SPEND_SLIDING = """
from keywright.limits.base import parse_limits
now = 1000.0
while True:
    now += 0.001
    limiter.take(7, parse_limits(("1000000000/h sliding",)), 1, now)
    os.write(1, b".")
"""
NO_ROOM_FOR_SLICES = """
import resource
from keywright.limits.base import parse_limits
both = parse_limits(("100/15m", "100/15m sliding"))
limiter.take(1, both, 1, 1000.0)
resource.setrlimit(resource.RLIMIT_FSIZE, (CHUNK_BYTES, CHUNK_BYTES))
try:
    limiter.take(1_000, both, 1, 1000.0)
except Unavailable as error:
    left = limiter.take(1_000, both[:1], 1, 1000.0).states[0].remaining
    print(error.retry_after_seconds, left, limiter.take(1, both, 1, 1000.0).states[1].remaining)
"""
NO_ROOM = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (2 * CHUNK_BYTES, 2 * CHUNK_BYTES))
limits = (Limit(100, 900),)
limiter.take(1, limits, 1, 1000.0)
try:
    limiter.take(1_000_000, limits, 1, 1000.0)
except Unavailable as error:
    left = limiter.take(1, limits, 1, 1000.0).states[0].remaining
    print(error.retry_after_seconds, left)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the counters are."""
    return tmp_path / "limits.table"


@pytest.fixture
def limiter(path: Path) -> Iterator[SharedLimiter]:
    """The counters as this process sees them."""
    with closing(SharedLimiter(path, SystemClock())) as opened:
        yield opened


@contextmanager
def program(path: Path, *parts: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs these lines on the counters; it ends when its input does."""
    command = [sys.executable, "-c", "".join((OPEN, *parts)), str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until_held(process: subprocess.Popen[bytes]) -> None:
    """Until the process holds the lock."""
    assert process.stdout
    assert process.stdout.readline() == b"held\n"


def test_a_killed_holder_leaves_no_lock(limiter: SharedLimiter, path: Path) -> None:
    """A process killed in the middle of a decision blocks nobody."""
    with program(path, HOLD) as holder:
        wait_until_held(holder)
        with pytest.raises(Unavailable):
            limiter.take(SLOT, LIMITS, 1, NOW)
        holder.kill()
        holder.wait()
        assert limiter.take(SLOT, LIMITS, 1, NOW).admitted


def test_whoever_cannot_wait_is_told_at_once(limiter: SharedLimiter, path: Path) -> None:
    """An event loop gets no decision rather than a delay where another process holds the counters; and then one."""
    with program(path, HOLD) as holder:
        wait_until_held(holder)
        started = time.monotonic()
        assert limiter.try_take(SLOT, LIMITS, 1, NOW) is None
        assert time.monotonic() - started < LOCK_WAIT_SECONDS / 2
        holder.kill()
        holder.wait()
    decision = limiter.try_take(SLOT, LIMITS, 1, NOW)
    assert decision is not None
    assert decision.admitted


def test_a_stopped_holder_is_not_waited_for_without_end(limiter: SharedLimiter, path: Path) -> None:
    """A process stopped in the middle of a decision makes that key's decisions unavailable, soon, and no other's."""
    with program(path, HOLD) as holder:
        wait_until_held(holder)
        holder.send_signal(signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(Unavailable) as raised:
            limiter.take(SLOT, LIMITS, 1, NOW)
        assert time.monotonic() - started < 5
        assert raised.value.retry_after_seconds >= 1
        assert limiter.take(SLOT + 1, LIMITS, 1, NOW).admitted
        holder.send_signal(signal.SIGCONT)
        holder.communicate()
    assert remaining(limiter.take(SLOT, LIMITS, 1, NOW)) == (99,)


def test_a_child_does_not_keep_the_lock_of_its_killed_parent(limiter: SharedLimiter, path: Path) -> None:
    """A lock of a killed process is released even where its forked children live on."""
    with program(path, FORK, HOLD) as parent:
        wait_until_held(parent)
        parent.kill()
        parent.wait()
        assert limiter.take(SLOT, LIMITS, 1, NOW).admitted


def test_every_cell_is_whole_at_every_instant(limiter: SharedLimiter, path: Path) -> None:
    """Whenever a process is killed, what it leaves in the table is the count before its last request or after it."""
    limiter.take(SLOT, LIMITS, 1, NOW)
    table, entry, times = limiter._keys.table.map, HEADER_BYTES + SLOT * ENTRY_BYTES, 1_500_000
    cell = struct.Struct("=dII")
    (place,) = (each for each in range(entry, entry + ENTRY_BYTES, cell.size) if any(table[each : each + cell.size]))

    def write() -> int:
        with closing(SharedLimiter(path, SystemClock())) as other:
            for spent in range(1, times + 1):
                other._keys.put(place, 0, cell.pack(NOW, spent, 900))
        return times

    def look() -> int:
        torn = 0
        for _ in range(100_000_000):
            opened_at, spent, window_seconds = cell.unpack(table[place : place + cell.size])
            torn += (opened_at, window_seconds) != (NOW, 900)
            if spent == times:
                break
        return torn

    assert in_children(write, 1, look) == [0, times]


def test_what_was_admitted_stays_spent_after_a_kill(limiter: SharedLimiter, path: Path) -> None:
    """A killed process gives back nothing that it was told it may spend."""
    with program(path, SPEND) as process:
        assert process.stdout
        admitted = len(process.stdout.read(1_000))
        process.kill()
        admitted += len(process.stdout.read())
    left = limiter.peek(SLOT, (Limit(1_000_000_000, 86_400),), 1_000.0).states[0].remaining
    assert admitted <= 1_000_000_000 - left <= admitted + 1


def test_processes_that_open_first_at_once_share_one_table(path: Path) -> None:
    """Processes that start at the same moment on a new directory do not each make counters of their own."""

    def work() -> int:
        with closing(SharedLimiter(path, SystemClock())) as mine:
            return spend(mine, SLOT, LIMITS, 100, NOW)

    assert sum(in_children(work, 4)) == 100
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_the_table_grows_and_is_found_again(limiter: SharedLimiter, path: Path) -> None:
    """Keys beyond the room that was there have counters, in the processes that are open and in those that come."""
    with closing(SharedLimiter(path, SystemClock())) as other:
        for slot in (1_000_000, 4_095, 4_096):
            assert remaining(limiter.take(slot, LIMITS, 1, NOW)) == (99,)
            assert remaining(other.take(slot, LIMITS, 1, NOW)) == (98,)
    with closing(SharedLimiter(path, SystemClock())) as later:
        assert [remaining(later.peek(slot, LIMITS, NOW)) for slot in (0, 4_095, 1_000_000)] == [(100,), (98,), (98,)]


def test_a_full_disk_is_an_answer(path: Path) -> None:
    """Where the table cannot grow, decisions are unavailable, the process lives, and other keys go on."""
    with program(path, NO_ROOM) as process:
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert out.split() == [b"5", b"98"]
    assert path.stat().st_size <= 2 * CHUNK_BYTES


@pytest.mark.parametrize("content", [b"", b"keywright", bytes(CHUNK_BYTES)], ids=["empty", "cut short", "zeros"])
def test_another_file_is_not_taken_for_a_table(path: Path, content: bytes) -> None:
    """A file that is no table of counters is refused with a sentence that names it, not counted in."""
    path.write_bytes(content)
    with pytest.raises(Misconfigured, match=path.name):
        SharedLimiter(path, SystemClock())


def test_only_the_owner_reads_the_table(limiter: SharedLimiter, path: Path) -> None:
    """How much each key is used is nobody else's business."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert remaining(limiter.peek(SLOT, LIMITS, NOW)) == (100,)


def test_a_missing_directory_is_unavailable(tmp_path: Path) -> None:
    """Where the table cannot be made, the fault is the machine's."""
    with pytest.raises(Unavailable):
        SharedLimiter(tmp_path / "gone" / "limits.table", SystemClock())
    assert not os.listdir(tmp_path)


def test_a_killed_holder_of_an_accounts_counters_leaves_no_lock(limiter: SharedLimiter, path: Path) -> None:
    """Who holds an account's counters makes its keys wait, and no other's; killed, nobody's; and nothing was charged
    to the keys that waited."""
    account = AccountLimits(7, LIMITS)
    with program(path, HOLD_ACCOUNT) as holder:
        wait_until_held(holder)
        with pytest.raises(Unavailable):
            limiter.take(SLOT, LIMITS, 1, NOW, account)
        assert limiter.try_take(SLOT, LIMITS, 1, NOW, account) is None
        assert remaining(limiter.take(SLOT, LIMITS, 1, NOW)) == (99,)
        holder.kill()
        holder.wait()
        assert remaining(limiter.take(SLOT, LIMITS, 1, NOW, account)) == (98, 99)


def test_what_a_sliding_window_admitted_stays_spent_after_a_kill(limiter: SharedLimiter, path: Path) -> None:
    """A process killed while it counts in slices, and moves from one to the next, gives nothing back."""
    limit = parse_limits(("1000000000/h sliding",))
    with program(path, SPEND_SLIDING) as process:
        assert process.stdout
        admitted = len(process.stdout.read(2_000))
        process.kill()
        admitted += len(process.stdout.read())
    left = limiter.peek(SLOT, limit, 1_000.0 + admitted / 1_000).states[0].remaining
    assert admitted <= 1_000_000_000 - left <= admitted + 1


def test_a_full_disk_charges_no_limit_and_not_the_next(path: Path) -> None:
    """Where there is no room for the slices of one limit, the request is answered so, and no other limit of the key has
    been charged for it; keys that have their room go on."""
    with program(path, NO_ROOM_FOR_SLICES) as process:
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert out.split() == [b"5", b"99", b"98"]


def test_a_forked_child_shares_every_kind_with_its_parent(limiter: SharedLimiter) -> None:
    """After a fork, parent and child spend from one count of each kind, of key and account."""
    kinds = parse_limits(("1000/h", "1000/h sliding", "1000/h burst 1000"))
    account = AccountLimits(7, kinds)
    limiter.take(SLOT, kinds, 1, NOW, account)

    def work() -> int:
        limiter.after_fork()
        return sum(limiter.take(SLOT, kinds, 1, NOW, account).admitted for _ in range(700))

    def meanwhile() -> int:
        return sum(limiter.take(SLOT, kinds, 1, NOW, account).admitted for _ in range(700))

    assert sum(in_children(work, 1, meanwhile)) == 999


def test_who_comes_while_it_is_closed_is_told(path: Path) -> None:
    """A decision that meets the end of the limiter is made, or answered with `Unavailable`: never with an error that
    looks like a bug, and never on another file that has got the number of ours."""
    limiter = SharedLimiter(path, SystemClock())
    kinds = parse_limits(("1000000/h", "1000000/h sliding"))
    ends: list[type[BaseException]] = []

    def work(limits: tuple[Limit, ...]) -> None:
        try:
            while True:
                limiter.take(SLOT, limits, 1, NOW, AccountLimits(SLOT, limits))
        except Exception as error:  # noqa: BLE001 - which one is the question
            ends.append(type(error))

    threads = [threading.Thread(target=work, args=(limits,)) for limits in (LIMITS, kinds) for _ in range(4)]
    for each in threads:
        each.start()
    limiter.close()
    for each in threads:
        each.join()

    assert ends == [Unavailable] * len(threads)
    with pytest.raises(Unavailable, match="closed"):
        limiter.take(SLOT + CHUNK_BYTES, LIMITS, 1, NOW)
    with pytest.raises(Unavailable, match="closed"):
        limiter.peek(SLOT, kinds, NOW)


@pytest.mark.parametrize("name", ["limits.table.slices", "limits.table.accounts", "limits.table.accounts.slices"])
def test_another_file_is_found_at_the_start(path: Path, name: str) -> None:
    """A file that is none of ours is refused when the counters are opened, not by the first request that needs it."""
    (path.parent / name).write_bytes(b"something else")
    with pytest.raises(Misconfigured, match=name):
        SharedLimiter(path, SystemClock())


def test_files_are_made_only_where_they_are_needed(limiter: SharedLimiter, path: Path) -> None:
    """An installation without sliding windows and limits of accounts has one file of counters."""
    limiter.take(SLOT, LIMITS, 1, NOW)
    assert [each.name for each in path.parent.iterdir()] == ["limits.table"]
    limiter.take(SLOT, parse_limits(("1/h sliding",)), 1, NOW)
    limiter.take(SLOT, LIMITS, 1, NOW, AccountLimits(7, LIMITS))
    assert sorted(each.name for each in path.parent.iterdir()) == [
        "limits.table",
        "limits.table.accounts",
        "limits.table.slices",
    ]
