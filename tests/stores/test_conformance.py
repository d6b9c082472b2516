"""Every store keeps every promise of a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from keywright.stores import conformance_portal, conformance_terms
from keywright.stores.conformance import CHECKS, Check
from keywright.stores.conformance_usage import USAGE_CHECKS, UsageCheck
from keywright.stores.sqlite import SqliteStore, SqliteUsageStore


@pytest.mark.parametrize(
    "check", [*CHECKS, *conformance_terms.CHECKS, *conformance_portal.CHECKS], ids=lambda check: check.__name__
)
def test_sqlite(check: Check, tmp_path: Path) -> None:
    """Records in SQLite keep the promises of a store."""
    check(lambda: SqliteStore(tmp_path))


@pytest.mark.parametrize("check", USAGE_CHECKS, ids=lambda check: check.__name__)
def test_sqlite_usage(check: UsageCheck, tmp_path: Path) -> None:
    """Usage in SQLite keeps the promises of a usage store."""
    check(lambda: SqliteUsageStore(tmp_path))
