"""What tests of faults share."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.crashes import recorded
from support.recording import Recording

MEMORY = Path("/dev/shm")  # noqa: S108 - a place of the test's own is made below it
ENOUGH_BYTES = 64 * 1024**2


@pytest.fixture(scope="module")
def quick_disk() -> Iterator[Path]:
    """A directory in memory, if there is such a place: hundreds of disks are rebuilt, and none has to last."""
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ENOUGH_BYTES
    with tempfile.TemporaryDirectory(dir=MEMORY if roomy else None) as made:
        yield Path(made)


@pytest.fixture(scope="module")
def first_start(quick_disk: Path) -> Recording:
    """The first start on nothing, the first accounts and keys, the end."""
    return recorded(quick_disk / "first", 0, 1)
