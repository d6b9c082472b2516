"""The faces that tests of HTTP behaviour go through."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from keywright import Keywright, ManualClock
from support.faces import Face, InProcess, OverHttp, beside
from support.installation import Installation
from support.servers import Server, running


@pytest.fixture(scope="session")
def server_keywright(server: Server) -> Iterator[Keywright]:
    """The library beside the shared server."""
    with beside(server) as opened:
        yield opened


@pytest.fixture
def moving(installation: Installation) -> Iterator[InProcess]:
    """The application in the test's process, over an installation of its own, on the test's own clock."""
    with InProcess(installation.keywright) as face:
        yield face


@pytest.fixture(scope="session")
def shared_inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """The application in the tests' process, for all tests that let time stand still."""
    with (
        Installation(tmp_path_factory.mktemp("inside") / "data", ManualClock()) as made,
        InProcess(made.keywright) as face,
    ):
        yield face


@pytest.fixture
def inside(shared_inside: InProcess) -> InProcess:
    """The application in the test's process, with a new account. Its clock stands still."""
    shared_inside.account_id = shared_inside.account()
    return shared_inside


@pytest.fixture
def over_http(server: Server, server_keywright: Keywright) -> OverHttp:
    """The shared server, with a new account."""
    return OverHttp(server_keywright, server)


@pytest.fixture(params=["inside", "over_http"])
def face(request: pytest.FixtureRequest) -> Face:
    """Each face in turn."""
    found: Face = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of two processes."""
    with running(tmp_path_factory.mktemp("workers") / "data", "--workers", "2") as started:
        yield started


@pytest.fixture(scope="session")
def workers_keywright(workers: Server) -> Iterator[Keywright]:
    """The library beside the server of two processes."""
    with beside(workers) as opened:
        yield opened


@pytest.fixture
def over_workers(workers: Server, workers_keywright: Keywright) -> OverHttp:
    """The server of two processes, with a new account."""
    return OverHttp(workers_keywright, workers)
