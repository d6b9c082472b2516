"""Every limiter keeps every promise of a limiter."""

from __future__ import annotations

from pathlib import Path

import pytest

from keywright import SystemClock
from keywright.limits import conformance, conformance_kinds as kinds
from keywright.limits.conformance import Check
from keywright.limits.shared import SharedLimiter

ALL = [*conformance.CHECKS, *conformance.SHARED_CHECKS, *kinds.CHECKS, *kinds.SHARED_CHECKS]


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.__name__)
def test_shared(check: Check, tmp_path: Path) -> None:
    """Counters in a mapped file keep all promises, among processes too."""
    check(lambda: SharedLimiter(tmp_path / "limits.table", SystemClock()))
