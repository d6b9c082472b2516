"""Real proxies, between a real Keywright and a real application."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from proxies.site import House, Site, house
from support.proxies import PROXIES, started


@pytest.fixture(scope="session")
def at_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A Keywright whose gate this machine may ask, and an application."""
    with house(tmp_path_factory.mktemp("proxies")) as made:
        yield made


@pytest.fixture(scope="session", params=PROXIES)
def site(request: pytest.FixtureRequest, at_home: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The house behind each proxy that is installed, with the files as they are in ``deploy/``."""
    proxy = PROXIES[request.param]
    if proxy.program() is None:
        pytest.skip(f"needs {proxy.package}")
    with started(proxy, tmp_path_factory.mktemp(proxy.name), at_home.ports) as url:
        yield Site(proxy.name, url, at_home)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What is begun in a test and ends with it."""
    with ExitStack() as made:
        yield made


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where a proxy of the test's own writes."""
    return tmp_path / "proxy"
