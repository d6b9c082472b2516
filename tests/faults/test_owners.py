"""A server that runs as a user of its own, and commands that root types: what root makes, the server can open."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from keywright import Accepted, Keywright
from keywright.build import LIMITS_FILE, MASTER_SECRET_FILE
from keywright.limits.shared import accounts_file
from keywright.owners import OURS, SECRETS, strangers
from keywright.reference.storage import RESOURCES_FILE
from keywright.stores.sqlite import NONCE_FILE, RECORDS_FILE, USAGE_FILE
from support.faults import is_root
from support.installation import ME
from support.mutants import assert_caught
from support.servers import COMMAND, clean_environment, free_port, running

HERE = "tests/faults/test_owners.py"
#: Nobody in particular. Neither has to have a name.
USER, GROUP = 64_123, 64_124
#: It may read everything, as it must where the interpreter is in root's home, and write only what is its own.
_POWERS = [f"--{each}=-all,+dac_read_search" for each in ("inh-caps", "ambient-caps", "bounding-set")]
AS_THE_USER = ("setpriv", f"--reuid={USER}", f"--regid={GROUP}", "--clear-groups", *_POWERS, *COMMAND)


@pytest.fixture
def theirs() -> Iterator[Path]:
    """A data directory of the user's, empty. Skips, loudly, where we cannot be two users."""
    if not is_root() or not shutil.which("setpriv"):
        pytest.skip("NOT TESTED, needs root and setpriv: a server that runs as another user than root")
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        data_dir = Path(made) / "data"
        data_dir.mkdir(mode=0o700)
        if not _can_be_two(data_dir):
            pytest.skip("NOT TESTED, needs a root that can be another user: a server that runs as one")
        yield data_dir


def _can_be_two(data_dir: Path) -> bool:
    """Hand the directory over, and see whether that user could run anything. Roots in containers differ."""
    try:
        os.chown(data_dir, USER, GROUP)
    except OSError:
        return False
    tried = (*AS_THE_USER[: -len(COMMAND)], COMMAND[0], "-c", "import keywright")
    return not subprocess.run(tried, env=clean_environment(data_dir), capture_output=True, check=False).returncode


def owners(data_dir: Path) -> set[tuple[int, int]]:
    """Whom everything in the directory belongs to."""
    found = set()
    for each in data_dir.rglob("*"):
        # A server may be at work there.
        with contextlib.suppress(FileNotFoundError):
            told = each.lstat()
            found.add((told.st_uid, told.st_gid))
    return found


def use_every_limit(data_dir: Path) -> str:
    """Make a key with a sliding window in an account with a limit of its own, and verify it, all as root. The key."""
    with Keywright.open(data_dir) as keywright:
        operator = keywright.manager.operator_account().id
        keywright.manager.change_account(ME, operator, {"rate_limit": "50/m"})
        made = keywright.manager.create(ME, operator, {"name": "Sliding", "rate_limit": "5/m sliding"})
        assert isinstance(keywright.verify(made.key), Accepted)
    assert {"limits.table.slices", "limits.table.accounts"} <= {each.name for each in data_dir.iterdir()}
    return made.key


def test_what_root_makes_the_server_can_open(theirs: Path) -> None:
    """Root makes and verifies a key with each kind of limit, and puts a backup back: each file is the server's, which
    answers for that key, and finds nothing wrong."""
    with running(theirs, program=AS_THE_USER) as server:
        key = use_every_limit(theirs)
        assert owners(theirs) == {(USER, GROUP)}
        assert server.request("GET", "/v1/account", key).status_code == 200
    assert server.command("db", "backup", str(theirs.parent / "backup")).returncode == 0
    # Nothing is left but the secret: whatever is there afterwards, root's restore has made.
    for each in theirs.iterdir():
        if each.suffix != ".secret":
            each.unlink()
    assert server.command("db", "restore", str(theirs.parent / "backup"), "--yes").returncode == 0
    assert owners(theirs) == {(USER, GROUP)}
    assert ended(theirs, *AS_THE_USER, "doctor").returncode == 0


def ended(data_dir: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A command on the directory that is expected to end by itself."""
    environment = clean_environment(data_dir, KEYWRIGHT_PORT=str(free_port()))
    return subprocess.run(
        command, env=environment, cwd=data_dir.parent, capture_output=True, text=True, timeout=60, check=False
    )


def test_what_is_roots_is_told_with_what_to_do(theirs: Path) -> None:
    """Where a file is root's, the server does not start, and says which and what to run, and so does the doctor."""
    use_every_limit(theirs)
    names = ("limits.table", "limits.table.slices")
    for name in names:
        os.chown(theirs / name, 0, 0)
    remedy = f"chown {USER}:{GROUP} {' '.join(str(theirs / name) for name in names)}"

    started = ended(theirs, *AS_THE_USER, "serve")
    assert (started.returncode, started.stderr.count("\n")) == (1, 1)
    assert f"{', '.join(names)}: the owner is root. Run `{remedy}` as root" in started.stderr
    looked_at = ended(theirs, *COMMAND, "doctor")
    assert looked_at.returncode == 1
    assert remedy in looked_at.stdout
    assert ended(theirs, *remedy.split()).returncode == 0
    assert (strangers(theirs), owners(theirs)) == ([], {(USER, GROUP)})
    # A copy that root has put beside them is nobody's business.
    (theirs / "keywright-before.db").touch()
    assert strangers(theirs) == []


def test_they_are_known_by_the_names_that_they_have() -> None:
    """What is looked at is exactly what processes open in a data directory."""
    limits = (Path(LIMITS_FILE), accounts_file(Path(LIMITS_FILE)))
    databases = (RECORDS_FILE, USAGE_FILE, RESOURCES_FILE)
    assert {*OURS, *SECRETS} == {
        *(name + end for name in databases for end in ("", "-wal", "-shm")),
        *(f"{path}{end}" for path in limits for end in ("", ".slices")),
        NONCE_FILE,
        MASTER_SECRET_FILE,
    }


@pytest.mark.planted
def test_files_that_root_keeps_are_caught(tmp_path: Path) -> None:
    """The checks fail where root keeps what it makes."""
    old = "os.fchown(descriptor, found.st_uid, found.st_gid)"
    assert_caught(tmp_path, "owners.py", old, "pass", f"{HERE}::test_what_root_makes_the_server_can_open")
