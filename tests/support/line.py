"""One connection, kept open, and the answers on it as bytes."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

WAIT_SECONDS = 15
_CHANGING = re.compile(rb"(date: [^\r]+|req_[0-9a-f]{16}|\"timestamp\":\"[^\"]+\")")
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n")


class Line:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._read = b""

    def send(self, *pieces: bytes) -> None:
        """Send bytes, each piece in a packet of its own."""
        for piece in pieces:
            # What is refused before it has arrived may be hung up on.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.connection.sendall(piece)
            if len(pieces) > 1:
                time.sleep(0.002)

    def answer(self, *, body: bool = True) -> bytes:
        """One whole answer; empty if the connection was closed."""
        while b"\r\n\r\n" not in self._read:
            if not self._more():
                return b""
        head, _, rest = self._read.partition(b"\r\n\r\n")
        found = _LENGTH.search(head + b"\r\n")
        length = int(found[1]) if found and body else 0
        while len(rest) < length:
            if not self._more():
                return b""
            rest = self._read.partition(b"\r\n\r\n")[2]
        self._read = rest[length:]
        return _CHANGING.sub(b"", head + b"\r\n\r\n" + rest[:length])

    def is_closed(self) -> bool:
        """Whether the server hangs up, now or within the time that it keeps an idle connection."""
        return not self._read and not self._more()

    def _more(self) -> bool:
        try:
            found = self.connection.recv(65_536)
        except ConnectionResetError:
            return False
        self._read += found
        return bool(found)


@contextmanager
def line(url: str) -> Iterator[Line]:
    """A new connection."""
    parts = urlsplit(url)
    with closing(socket.create_connection((parts.hostname, parts.port), timeout=WAIT_SECONDS)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield Line(connection)
