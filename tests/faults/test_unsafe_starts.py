"""What cannot be safe does not start: one sentence that says what to do, and nothing is made."""

from __future__ import annotations

import ctypes
import hashlib
import hmac
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import keywright
from keywright import Accepted, ManualClock, Reason, Refused
from keywright.stores.sqlite import RECORDS_FILE
from support.backups import query
from support.installation import Installation
from support.mutants import assert_caught, with_long_form
from support.servers import COMMAND, clean_environment, free_port

FORGED = 100
HERE = "tests/faults/test_unsafe_starts.py"


SERVE = ("serve", "--port", str(free_port()))


def started(data_dir: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command that is expected to end at once; one that makes an account unless another is given."""
    return subprocess.run(
        [*COMMAND, *(command or ("accounts", "create", "x"))],
        capture_output=True, text=True, check=False, timeout=30, cwd=Path(__file__).parent,
        env=clean_environment(data_dir, **environment),
    )  # fmt: skip


@contextmanager
def foreign_mount(point: Path) -> Iterator[None]:
    """A file system behind which a program would stand, had it not ended. Skips, loudly, where none can be mounted."""
    point.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        device = os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        pytest.skip(f"NOT TESTED, needs /dev/fuse: a real file system that is refused ({error.strerror})")
    try:
        options = f"fd={device},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}"
        failed = libc.mount(b"keywright", os.fsencode(point), b"fuse.test", 0, options.encode())
        reason = os.strerror(ctypes.get_errno())
    finally:
        os.close(device)
    if failed:
        pytest.skip(f"NOT TESTED, needs root: a real file system that is refused ({reason})")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(point)], check=True)


def test_a_foreign_file_system_is_refused(tmp_path: Path) -> None:
    """No data directory is used where another machine or program stands behind the files, and none is asked for."""
    point = tmp_path / "mounted"
    with foreign_mount(point):
        for data_dir in (point, point / "below" / "data"):
            done = started(data_dir, *SERVE)
            assert done.returncode == 1, done.stderr
            assert done.stderr.startswith(f"Error: The data directory {data_dir} is on a file system of the type fuse")
            assert done.stderr.count("\n") == 1
    assert list(point.iterdir()) == []


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o722, 0o1777])
def test_a_directory_that_others_write_is_refused(tmp_path: Path, mode: int) -> None:
    """Where others could put a database or a secret of their own in place of ours, nothing starts."""
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    data_dir.chmod(mode)

    done = started(data_dir)

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "Others can write" in done.stderr
    assert f"chmod 700 {data_dir}" in done.stderr
    assert list(data_dir.iterdir()) == []


def test_an_old_sqlite_is_refused(tmp_path: Path) -> None:
    """An SQLite that can damage a shared database is not used: with the bar above ours, nothing starts."""
    shutil.copytree(
        Path(keywright.__file__).parent, tmp_path / "copy" / "keywright", ignore=shutil.ignore_patterns("__pycache__")
    )
    file = tmp_path / "copy" / "keywright" / "stores" / "sqlite_file.py"
    text = file.read_text()
    assert "LEAST_SQLITE_VERSION = (3, 51, 3)" in text
    file.write_text(text.replace("LEAST_SQLITE_VERSION = (3, 51, 3)", "LEAST_SQLITE_VERSION = (99, 0, 0)"))

    done = started(tmp_path / "data", PYTHONPATH=str(tmp_path / "copy"))

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "99.0.0 or newer" in done.stderr
    assert not (tmp_path / "data" / RECORDS_FILE).exists()


def _row(installation: Installation, number: int, digest: bytes) -> tuple[Any, ...]:
    at = installation.clock.now()
    account = installation.account_id
    return (f"key_forged{number:03}", account, "x", "lwa", "live", "lwa.sk_live_", "xxxx", digest, 1, '["*"]', 0, at)


def test_s14_rows_made_without_the_secret_are_worth_nothing(installation: Installation, clock: ManualClock) -> None:
    """S14: whoever can write the database, but does not have the master secret, can make no row that any key opens."""
    insert = (
        "INSERT INTO keys (id, account_id, name, format, environment, prefix, hint, digest, digest_version, scopes, "
        "disabled, created_at, networks, metadata) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '[]', '{}')"
    )
    opened = installation.keywright
    real = installation.create()
    forged = [opened.formats.mint(real.row.format, "live") for _ in range(FORGED)]
    for number, key in enumerate(forged):
        made_up = hmac.digest(b"\0" * 32, key.encode(), "sha256")
        digest = hashlib.sha256(key.encode()).digest() if number % 2 else made_up
        query(opened.settings.data_dir / RECORDS_FILE, insert, *_row(installation, number, digest))

    found = []
    for key in forged:
        clock.advance(1)
        found.append(opened.verify(key))

    assert found == [Refused(Reason.UNKNOWN)] * FORGED
    assert isinstance(opened.verify(real.key), Accepted)


MUTANTS = {
    "a digest is a plain hash": (
        "digest.py",
        'hmac.digest(self._peppers[version], key.encode("ascii"), "sha256")',
        '__import__("hashlib").sha256(key.encode("ascii")).digest()',
        f"{HERE}::test_s14_rows_made_without_the_secret_are_worth_nothing",
    ),
    "whoever writes the directory is trusted": (
        "build.py",
        "if path.stat().st_mode & 0o022:",
        "if path.stat().st_mode & 0:",
        f"{HERE}::test_a_directory_that_others_write_is_refused",
    ),
    "an old SQLite is used": (
        "stores/sqlite_file.py",
        "        _check_version()\n",
        "",
        f"{HERE}::test_an_old_sqlite_is_refused",
    ),
    "only the exact type is refused": (
        "mounts.py",
        "kind.startswith(name[:-1])",
        "kind == name[:-1]",
        "tests/core/test_mounts.py",
    ),
    "the shortest mount counts": (
        "mounts.py",
        "len(point) >= found[0]",
        "len(point) <= found[0]",
        "tests/core/test_mounts.py",
    ),
}


#: Caught in the long run only: the others show that the tests can fail, these that they fail at each of their lines.
LONG = {"an old SQLite is used", "the shortest mount counts"}


@pytest.mark.parametrize("mutant", with_long_form(MUTANTS, LONG))
def test_the_tests_catch(mutant: str, tmp_path: Path) -> None:
    """Each of these faults, planted in a copy of the source, makes the named test fail."""
    file, old, new, test = MUTANTS[mutant]
    assert_caught(tmp_path, file, old, new, test)
