"""The gate in the test's own process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from keywright import ManualClock
from support.faces import OverHttp, beside
from support.gate import Roads, opened
from support.servers import free_port, running


@pytest.fixture
def roads(data_dir: Path, clock: ManualClock) -> Iterator[Roads]:
    """Both roads to one gate."""
    with opened(data_dir, clock) as made:
        yield made


@pytest.fixture(scope="session")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OverHttp]:
    """A server whose gate this machine may ask."""
    data_dir = tmp_path_factory.mktemp("gate") / "data"
    settings = {"KEYWRIGHT_GATE_PROXIES": "127.0.0.1", "KEYWRIGHT_METRICS_PORT": str(free_port())}
    with running(data_dir, **settings) as server, beside(server) as keywright:
        server.metrics = f"http://127.0.0.1:{settings['KEYWRIGHT_METRICS_PORT']}/metrics"  # type: ignore[attr-defined]
        yield OverHttp(keywright, server)
