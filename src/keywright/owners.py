"""Whom the files of a data directory belong to: always to whoever the directory belongs to, also when root makes them.

A server runs as a user of its own, and its operator types commands as root. What root made for itself there, nobody
but root could open: the server would answer 503 for it, and not start again.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shlex
from pathlib import Path

_DATABASES = ("keywright.db", "usage.db", "resources.db")
#: What processes of ours open for reading and writing in a data directory, SQLite's own files among them. By their
#: whole names: a copy that somebody has put beside them is nobody's business, and keeps no server from starting.
OURS = (
    *(name + end for name in _DATABASES for end in ("", "-wal", "-shm")),
    "coherence.nonce",
    *(name + end for name in ("limits.table", "limits.table.accounts") for end in ("", ".slices")),
)
#: What they only read.
SECRETS = ("master.secret",)
_ROOT = 0


def new_file(path: Path) -> int:
    """Make a file that only its owner reads and writes, who is the owner of the directory it is in.

    Returns:
        a descriptor to read and write it.

    Raises:
        FileExistsError: something stands there already, if only a link.
        OSError: it cannot be made.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        _hand_over(descriptor, path.parent)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def new_directory(path: Path) -> None:
    """The same for a directory, into which only its owner may look. FileExistsError, OSError: as for a file."""
    path.mkdir(mode=0o700)
    # Not by its name: whoever owns the directory around it could have put a link there by now.
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _hand_over(descriptor, path.parent)
    finally:
        os.close(descriptor)


def _hand_over(descriptor: int, directory: Path) -> None:
    if os.geteuid() != _ROOT:
        return
    found = directory.stat()
    # A root without that power (in a container, say) keeps the file, as any other user would. `strangers` tells of it.
    with contextlib.suppress(OSError):
        os.fchown(descriptor, found.st_uid, found.st_gid)


def strangers(directory: Path) -> list[Path]:
    """What processes of ours open in a data directory and belongs to somebody else than the directory does, in
    order."""
    owner = _owner(directory)
    return [each for each in _found(directory, *OURS, *SECRETS) if _owner(each) not in (owner, None)]


def closed_to_us(directory: Path) -> list[Path]:
    """What this process would have to write in a data directory, and may not, in order."""
    # In this order: SQLite removes its log when the last process closes, and what is gone is closed to nobody.
    return [each for each in _found(directory, *OURS) if not os.access(each, os.R_OK | os.W_OK) and each.exists()]


def _found(directory: Path, *names: str) -> list[Path]:
    return sorted(each for name in names if (each := directory / name).exists())


def why(error: OSError, file: Path) -> str:
    """What kept a file from being opened, and what root has to run where it is because of whose it is."""
    if isinstance(error, PermissionError) and _owner(file) not in (_owner(file.parent), None):
        return f"{error.strerror}. {remedy([file])}"
    return str(error.strerror)


def remedy(files: list[Path]) -> str:
    """Whose the files are that should belong to the owner of their directory, and what root has to run."""
    names = ", ".join(each.name for each in files)
    theirs = ", ".join(sorted({_name(_owner(each)) for each in files}))
    found = files[0].parent.stat()
    # With the group by its own name or number: `chown` takes no user without a name for "and their group".
    command = shlex.join(("chown", f"{_name(found.st_uid)}:{_group(found.st_gid)}", *map(str, files)))
    return f"{names}: the owner is {theirs}. Run `{command}` as root"


def why_closed(error: OSError, directory: Path) -> str:
    """What kept a directory from being looked into, and who may."""
    shown = isinstance(error, PermissionError) and _owner(directory) not in (os.geteuid(), None)
    return f"{error.strerror}. {whose(directory).removesuffix('.')}" if shown else str(error.strerror)


def whose(directory: Path) -> str:
    """Whose a directory is, as a sentence that says how to go on."""
    owner = _name(_owner(directory))
    return f"It belongs to the user {owner}: run this as {owner}, or as root."


def _owner(path: Path) -> int | None:
    """None where it is gone again, or cannot be asked."""
    with contextlib.suppress(OSError):
        return path.stat().st_uid
    return None


def _name(user: int | None) -> str:
    try:
        return str(user) if user is None else pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
