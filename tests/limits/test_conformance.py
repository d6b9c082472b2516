"""Every limiter keeps every promise of a limiter."""

from __future__ import annotations

from pathlib import Path

import pytest

from keywright import SystemClock
from keywright.limits.conformance import CHECKS, SHARED_CHECKS, Check
from keywright.limits.shared import SharedLimiter


@pytest.mark.parametrize("check", [*CHECKS, *SHARED_CHECKS], ids=lambda check: check.__name__)
def test_shared(check: Check, tmp_path: Path) -> None:
    """Counters in a mapped file keep all promises, among processes too."""
    check(lambda: SharedLimiter(tmp_path / "limits.table", SystemClock()))
