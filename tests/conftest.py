"""What every test can ask for: a data directory, an installation inside the test, a real server beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from keywright import ManualClock
from support import mutants
from support.installation import Installation
from support.servers import Server, running


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The long forms run only where they are asked for by ``-m full``."""
    if "full" in (config.option.markexpr or ""):
        return
    skip = pytest.mark.skip(reason="a long form: make test-full")
    for item in items:
        if "full" in item.keywords:
            item.add_marker(skip)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Faults that take long to be caught are only planted, unless the long forms are asked for."""
    mutants.planted_only = "full" not in (item.config.option.markexpr or "") and "planted" in item.keywords


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory that does not exist yet."""
    return tmp_path / "data"


@pytest.fixture
def clock() -> ManualClock:
    """A clock that moves when the test says so."""
    return ManualClock()


@pytest.fixture
def installation(data_dir: Path, clock: ManualClock) -> Iterator[Installation]:
    """A whole installation inside the test's process, on the manual clock."""
    with Installation(data_dir, clock) as made:
        yield made


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that many tests share; each makes its own keys, or its own account."""
    with running(tmp_path_factory.mktemp("shared") / "data") as started:
        yield started
