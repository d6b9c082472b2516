"""The sockets that a server listens on: made first, shared by its processes, emptied at the end."""

from __future__ import annotations

import contextlib
import ctypes
import select
import socket
import struct
import sys
from collections.abc import Iterable

from keywright.errors import Misconfigured

_SO_ATTACH_FILTER = 26
#: One instruction of a packet filter: keep 0 bytes of every packet, which is to say, drop it.
_DROP = struct.pack("HBBI", 0x06, 0, 0, 0)


def open_sockets(host: str, port: int) -> list[socket.socket]:
    """Bound sockets for every address of ``host``, not listening yet: until somebody serves, clients are refused.

    Raises:
        Misconfigured: one of them cannot be had.
    """
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            sockets.append(socket.socket(family, kind, protocol))
            sockets[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                # Its own addresses only: those of IPv4 have a socket of their own.
                sockets[-1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sockets[-1].bind(address)
    except OSError as error:
        close_all(sockets)
        raise Misconfigured(cannot_listen(host, port, error)) from error
    return sockets


def cannot_listen(host: str, port: int, error: OSError) -> str:
    """The sentence about a port that cannot be had, the commonest reason not to start."""
    return f"{host}:{port} cannot be listened on: {error.strerror}. Choose another host or port."


def stop_arrivals(sockets: Iterable[socket.socket]) -> None:
    """Let no more connections come, in any process that shares the sockets; those that have come can be accepted.

    Closing a socket tears down every connection that waits in it, whatever was sent on it. So nothing new may come
    while the last ones are taken in. Until the sockets are closed, clients that try are left to try again; then they
    are refused. Where the system has no packet filters, a connection that comes between the last look and the closing
    is torn down.
    """
    if sys.platform != "linux":
        return
    code = ctypes.create_string_buffer(_DROP, len(_DROP))
    program = struct.pack("HP", 1, ctypes.addressof(code))
    for each in sockets:
        with contextlib.suppress(OSError):
            each.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def have_waiting(sockets: Iterable[socket.socket]) -> bool:
    """Whether a connection waits to be accepted."""
    poll = select.poll()
    for each in sockets:
        poll.register(each, select.POLLIN)
    return bool(poll.poll(0))


def close_all(sockets: Iterable[socket.socket]) -> None:
    """Close them in this process."""
    for each in sockets:
        each.close()
