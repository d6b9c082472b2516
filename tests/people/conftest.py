"""An installation whose password hashes are cheap: what they cost is tested once, with the real ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from keywright import ManualClock
from people.staff import cheap_passwords
from support.installation import Installation


@pytest.fixture
def installation(data_dir: Path, clock: ManualClock) -> Iterator[Installation]:
    """A whole installation inside the test's process, on the manual clock."""
    with Installation(data_dir, clock) as made:
        cheap_passwords(made.keywright)
        yield made
