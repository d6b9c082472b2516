"""The gate in the test's own process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from keywright import ManualClock
from support.gate import Roads, opened


@pytest.fixture
def roads(data_dir: Path, clock: ManualClock) -> Iterator[Roads]:
    """Both roads to one gate."""
    with opened(data_dir, clock) as made:
        yield made
