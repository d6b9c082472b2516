"""What a serving process does to itself before it sees the first key."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import resource
import sys

_PR_SET_DUMPABLE = 4
#: For databases, logs and the like, besides connections.
SPARE_DESCRIPTORS = 256


def allow_connections(count: int) -> None:
    """Raise the limit of open files, as far as the system lets us, to what ``count`` connections need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + SPARE_DESCRIPTORS
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def forbid_core_dumps() -> None:
    """No core dump of this process, and no other process of the same user looking into it: both would hold keys."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def spare_from_collection() -> None:
    """Exempt everything there is now from garbage collection. To be called when all is made and nothing is served yet:
    what a server is made of stays to its end, and to walk it again and again would stop the process for 30 ms at a
    time. A program that embeds the library decides this for itself."""
    gc.collect()
    gc.freeze()
