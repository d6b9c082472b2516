"""The sockets that a server listens on, and how they are emptied before they are closed."""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from keywright.errors import Misconfigured
from keywright.server.listening import close_all, have_waiting, open_sockets, stop_arrivals
from support.mutants import assert_caught
from support.servers import free_port
from support.waiting import eventually

HERE = "tests/faces/test_listening.py"


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """One socket, listening."""
    (made,) = open_sockets("127.0.0.1", free_port())
    made.listen(16)
    yield made
    made.close()


def test_who_has_come_is_let_in_and_nobody_after_them(listening: socket.socket) -> None:
    """Once arrivals are stopped, those that wait are accepted and spoken with, and who tries later is refused: none is
    let in only to be torn down unread."""
    address = listening.getsockname()
    with ExitStack() as open_ones:
        early = [open_ones.enter_context(socket.create_connection(address)) for _ in range(3)]
        early[0].sendall(b"asked")
        stop_arrivals([listening])
        late = open_ones.enter_context(socket.socket())
        late.setblocking(False)
        late.connect_ex(address)

        accepted = [open_ones.enter_context(listening.accept()[0]) for _ in early]
        assert not have_waiting([listening])
        early[0].sendall(b", and asked")
        assert eventually(lambda: accepted[0].recv(100, socket.MSG_PEEK) == b"asked, and asked")
        for each, client in zip(accepted, early, strict=True):
            each.sendall(b"answered")
            assert client.recv(100) == b"answered"
        assert not select.select([], [late], [], 0.1)[1]
        close_all([listening])
        assert select.select([], [late], [], 10)[1]
        assert late.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED


def test_a_name_with_several_addresses_is_listened_on_at_all_of_them() -> None:
    """``localhost`` means whatever it means on the machine, and each of it answers."""
    port = free_port()
    found = {each[4][0] for each in socket.getaddrinfo("localhost", port, type=socket.SOCK_STREAM)}
    sockets = open_sockets("localhost", port)
    try:
        assert {each.getsockname()[0] for each in sockets} == found
    finally:
        close_all(sockets)


def test_a_socket_that_is_bound_lets_nobody_in_yet(listening: socket.socket) -> None:
    """Until somebody serves, clients are refused; and nobody else gets a port that is served."""
    (bound,) = open_sockets("127.0.0.1", free_port())
    with bound, pytest.raises(ConnectionRefusedError):
        socket.create_connection(bound.getsockname(), timeout=5)
    with pytest.raises(Misconfigured, match="cannot be listened on: Address already in use"):
        open_sockets(*listening.getsockname())


@pytest.mark.planted
def test_arrivals_that_go_on_are_caught(tmp_path: Path) -> None:
    """The check of the emptying fails where connections keep coming."""
    old = "            each.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)\n"
    new = "            pass\n"
    test = f"{HERE}::test_who_has_come_is_let_in_and_nobody_after_them"
    assert_caught(tmp_path, "server/listening.py", old, new, test)
