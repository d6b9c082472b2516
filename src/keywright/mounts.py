"""Which file system a directory is on, and whether databases that several processes share can be kept there.

Locks and shared memory are what processes find each other by. A file system that other machines, or another kernel,
write as well keeps one of them only in part, mostly silently.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_OTHER_MACHINES = "other machines can write it, and locks and shared memory do not reach them"
_OTHER_KERNEL = "it belongs to another machine's kernel, which does not share our memory and locks"
_A_PROGRAM = "a program stands behind it, which answers for memory and locks as it likes"

#: Type of a file system → why not there. Types that end in a star stand for all that begin so.
UNSAFE = {
    "9p": _OTHER_KERNEL,
    "afs": _OTHER_MACHINES,
    "beegfs": _OTHER_MACHINES,
    "ceph": _OTHER_MACHINES,
    "cifs": _OTHER_MACHINES,
    "coda": _OTHER_MACHINES,
    "fuse*": _A_PROGRAM,
    "gfs2": _OTHER_MACHINES,
    "glusterfs": _OTHER_MACHINES,
    "gpfs": _OTHER_MACHINES,
    "lustre": _OTHER_MACHINES,
    "ncp*": _OTHER_MACHINES,
    "nfs*": _OTHER_MACHINES,
    "ocfs2": _OTHER_MACHINES,
    "orangefs": _OTHER_MACHINES,
    "pvfs2": _OTHER_MACHINES,
    "smb*": _OTHER_MACHINES,
    "vboxsf": _OTHER_KERNEL,
    "virtiofs": _OTHER_KERNEL,
    "vmhgfs": _OTHER_KERNEL,
}
MOUNTINFO = Path("/proc/self/mountinfo")
_OCTAL = re.compile(r"\\([0-7]{3})")


def why_unsafe(kind: str) -> str | None:
    """Why no data directory belongs on a file system of that type; None if it may be there."""
    for name, reason in UNSAFE.items():
        if kind == name or (name.endswith("*") and kind.startswith(name[:-1])):
            return reason
    return None


def kind_in(mountinfo: str, path: str) -> str | None:
    """The type of the file system that ``path`` is on.

    Args:
        mountinfo: the text of ``/proc/self/mountinfo``, as proc(5) describes it.
        path: absolute, without links.

    Returns:
        None where the text does not tell. Of mounts on one point the last counts: it hides the others.
    """
    found: tuple[int, str] | None = None
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) < 5 or not after:
            continue
        point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4])
        if _holds(point, path) and (found is None or len(point) >= found[0]):
            found = len(point), after.split(" ")[0]
    return found[1] if found else None


def _holds(point: str, path: str) -> bool:
    return path == point or path.startswith(point.rstrip("/") + "/")


def kind_of(path: Path) -> str | None:
    """The type of the file system that a directory is on; None where that cannot be told, as on other systems than
    Linux."""
    try:
        text = MOUNTINFO.read_text("utf-8", "surrogateescape")
        return kind_in(text, os.path.realpath(path))
    except OSError:
        return None


def identity(file: Path | int) -> tuple[int, int] | None:
    """Which file stands at a path, or is open: None if there is none."""
    try:
        found = os.stat(file)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
