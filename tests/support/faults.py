"""Faults of the machine, made on purpose: a lock that somebody holds, a full disk, files that cannot be written."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pysqlite3 import dbapi2

from support.recording import strace
from support.waiting import eventually

_HOLD = """
import sys
from pysqlite3 import dbapi2
connection = dbapi2.connect(sys.argv[1], isolation_level=None, timeout=10)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
connection.execute("ROLLBACK")
"""


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Another process holds the right to write the database, and does not let go."""
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "held\n"
        yield
    finally:
        holder.stdin.close()
        holder.wait(timeout=20)
        holder.stdout.close()


@contextmanager
def unreadable(database: Path) -> Iterator[None]:
    """The keys in a database cannot be found: their table is not where it was."""
    _do(database, "ALTER TABLE keys RENAME TO moved_keys")
    try:
        yield
    finally:
        _do(database, "ALTER TABLE moved_keys RENAME TO keys")


def _do(database: Path, statement: str) -> None:
    with contextlib.closing(dbapi2.connect(str(database), isolation_level=None, timeout=10)) as connection:
        connection.execute(statement)


@contextmanager
def counters_held(file: Path) -> Iterator[None]:
    """Somebody holds all counters of a limiter, and does not let go."""
    with file.open("r+b") as held:
        fcntl.fcntl(held, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        yield


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[Path]:
    """A file system of its own, of the given size. Skips the test, loudly, where none can be mounted."""
    path.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"NOT TESTED, needs root: a full disk ({done.stderr.decode().strip()})")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def grow(disk: Path, size: str) -> None:
    """Give a small disk more room."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """The disk has no byte left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65_536, 4_096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def nothing_can_grow(pid: int) -> Iterator[None]:
    """No file of the process can be written beyond its first byte: every write fails, whatever it is to."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


@contextmanager
def failing_calls(pid: int, fault: str) -> Iterator[None]:
    """Calls of the operating system fail in a running process, in all of its threads.

    Args:
        fault: which, how and when, as strace writes it: ``fsync:error=EIO``.
    """
    call = fault.split(":", maxsplit=1)[0]
    command = [strace(), "-f", "-p", str(pid), "-e", f"trace={call}", "-e", f"inject={fault}", "-o", "/dev/null"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as tracer:
        try:
            assert eventually(lambda: all(_is_traced(each) for each in Path(f"/proc/{pid}/task").iterdir()), 20)
            yield
        finally:
            tracer.terminate()
            tracer.wait(timeout=20)


def _is_traced(thread: Path) -> bool:
    return "\nTracerPid:\t0\n" not in (thread / "status").read_text()


@contextmanager
def immutable(*files: Path) -> Iterator[None]:
    """The files can be read and no longer written, not even by who has them open. Skips, loudly, where it cannot be."""
    present = [str(each) for each in files if each.exists()]
    done = subprocess.run(["chattr", "+i", *present], capture_output=True, check=False)
    try:
        if done.returncode:
            pytest.skip(f"NOT TESTED, needs root: read-only files ({done.stderr.decode().strip()})")
        yield
    finally:
        subprocess.run(["chattr", "-i", *present], capture_output=True, check=False)


def files_of(database: Path) -> tuple[Path, Path, Path]:
    """A database, its log and its index."""
    return database, Path(f"{database}-wal"), Path(f"{database}-shm")


def is_root() -> bool:
    """Whether permissions mean nothing to us."""
    return os.geteuid() == 0
