"""What a warm verification costs the machine: no statement, and no I/O but locking and unlocking the key's counters."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from support.installation import ME
from support.races import given, opened

VERIFIES = 100_000
CLOSELY = 2_000
BEGIN, END = "/the/verifications/begin", "/the/verifications/end"
#: What memory is got with. Anonymous memory is no file.
MEMORY = re.compile(r"(brk|munmap|mremap|madvise)\(|mmap\(.*MAP_ANONYMOUS")
LOCKING = re.compile(r"fcntl\(\d+<.*/limits\.table>, F_OFD_SETLK, .*l_len=[1-9]\d{0,3}\b")

#: Warms every key, then verifies them in turn between two calls that a tracer recognises, and says how many
#: verifications were accepted and how many statements were run meanwhile.
PROGRAM = f"""
import os, sys, threading
from itertools import cycle, islice
from sqlalchemy import Engine, event
from keywright import Accepted, Keywright, Request

me, statements = threading.get_ident(), []

@event.listens_for(Engine, "before_cursor_execute")
def note(connection, cursor, statement, *rest):
    if threading.get_ident() == me:
        statements.append(statement)

with Keywright.open(sys.argv[1]) as keywright:
    verify, keys = keywright.verify, sys.argv[3:]
    request = Request(scopes=("keys:read",), address="203.0.113.9")
    keywright.watcher.look()  # its first look makes the memory doubt, whenever it is
    assert all(isinstance(verify(key, request), Accepted) for key in keys)
    assert statements, "what is never seen cannot be counted"
    statements.clear()
    os.access({BEGIN!r}, os.F_OK)
    accepted = 0
    for key in islice(cycle(keys), int(sys.argv[2])):
        accepted += isinstance(verify(key, request), Accepted)
        if statements:
            break
    os.access({END!r}, os.F_OK)
    print(os.getpid(), accepted, len(statements))
"""


class Seen(NamedTuple):
    """What the program said, and what a tracer saw between its marks."""

    accepted: int
    statements: int
    calls: list[str]


def verify_warm(data_dir: Path, times: int, *tracer: str) -> Seen:
    """Verify so many times, with keys of every kind, under a tracer if one is given."""
    with opened(data_dir) as keywright:
        account = keywright.manager.operator_account().id
        kinds = (
            given(),
            given(rate_limit="1000000/15m"),
            given(rate_limit=["1000000/15m", "1000000/1h"]),
            given(scopes=["keys:read"], networks=["203.0.113.0/24"], expires_in_seconds=86_400),
        )
        keys = [keywright.manager.create(ME, account, kind).key for kind in kinds]
    log = data_dir.parent / "calls"
    command = [*tracer, *(["-o", str(log)] if tracer else []), sys.executable, "-c", PROGRAM]
    done = subprocess.run(
        [*command, str(data_dir), str(times), *keys], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    pid, accepted, statements = map(int, done.stdout.split())
    return Seen(accepted, statements, between_the_marks(log.read_text(), pid) if tracer else [])


def between_the_marks(log: str, pid: int) -> list[str]:
    """The calls of the verifying thread while it verified."""
    calls = [call for thread, _, call in (line.partition(" ") for line in log.splitlines()) if thread == str(pid)]
    begin, end = (next(place for place, call in enumerate(calls) if mark in call) for mark in (BEGIN, END))
    # A call that was interrupted by another thread's stands there twice.
    return [call.strip() for call in calls[begin + 1 : end] if not call.lstrip().startswith("<...")]


def tracer(*options: str) -> tuple[str, ...]:
    """The tracer, if this machine has one and allows it. Skips the test, loudly, otherwise."""
    command = ("strace", "-f", "-qq", "-y", *options)
    if not shutil.which("strace"):
        pytest.skip("NOT TESTED, needs strace: what a warm verification asks of the system")
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip("NOT TESTED, strace may not trace here: what a warm verification asks of the system")
    return command


def test_a_warm_verification_runs_no_statement(data_dir: Path) -> None:
    """A hundred thousand warm verifications of keys of every kind run not one statement."""
    assert verify_warm(data_dir, VERIFIES) == Seen(VERIFIES, 0, [])


def test_a_warm_verification_touches_no_file(data_dir: Path) -> None:
    """A hundred thousand warm verifications ask nothing of the system but locks."""
    # What is not traced runs at full speed: only what must not happen is.
    seen = verify_warm(data_dir, VERIFIES, *tracer("--seccomp-bpf", "-e", "trace=!fcntl,futex"))
    assert seen.accepted == VERIFIES
    assert [call for call in seen.calls if not MEMORY.match(call)] == []


def test_a_warm_verification_locks_only_its_counters(data_dir: Path) -> None:
    """Verifying a key with limits locks and unlocks the bytes of its counters, once; without limits nothing is
    asked."""
    seen = verify_warm(data_dir, CLOSELY, *tracer())
    calls = [call for call in seen.calls if not MEMORY.match(call) and not call.startswith("futex(")]
    assert [call for call in calls if not LOCKING.match(call)] == []
    with_limits = CLOSELY // 2
    assert len(calls) == 2 * with_limits
