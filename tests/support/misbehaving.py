"""A server over a real socket that reads a whole question, and then does as it is told: seldom what it should."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias

#: What is done on a connection after a question; whether the connection is kept.
Behaviour: TypeAlias = Callable[[socket.socket], bool]

VERDICT: dict[str, Any] = {
    "valid": True, "code": "VALID", "key_id": "key_123456789", "account_id": "acc_123456789", "name": "A key",
    "scopes": ["*"], "environment": "live", "expires_at": None, "ratelimit": None,
}  # fmt: skip


def answer(body: Any, status: str = "200 OK", headers: str = "") -> bytes:
    """A whole HTTP answer; a body that is not bytes as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(raw)}\r\n\r\n".encode() + raw


def says(raw: bytes, *, keeps: bool = False) -> Behaviour:
    """Sends these bytes."""

    def behave(connection: socket.socket) -> bool:
        connection.sendall(raw)
        return keeps

    return behave


def replies(body: Any, status: str = "200 OK", headers: str = "") -> Behaviour:
    """Sends a whole answer, and keeps the connection."""
    return says(answer(body, status, headers), keeps=True)


#: A good answer, after which the connection can be used again.
GOOD = replies(VERDICT)


def says_nothing(connection: socket.socket) -> bool:
    """Waits until the client hangs up."""
    while connection.recv(65_536):
        pass
    return False


def drips(connection: socket.socket) -> bool:
    """Sends a good answer so slowly, a byte at a time, that nobody should have the patience for it."""
    waiting = threading.Event()
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for _ in range(100):
        waiting.wait(0.02)
        connection.sendall(b"x")
    connection.sendall(b"\r\n" + answer(VERDICT).partition(b"\r\n")[2])
    return False


class Misbehaving:
    """The server.

    Attributes:
        questions: those that came whole.
        opened: how many connections were opened.
        ended: released each time when a connection was closed from this side.
    """

    def __init__(self, behaviours: Sequence[Behaviour]) -> None:
        self._coming = list(behaviours)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self.questions: list[bytes] = []
        self.opened = 0
        self.ended = threading.Semaphore(0)
        self.port: int = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def behave(self, *behaviours: Behaviour) -> None:
        """Behave like that from the next question on."""
        with self._lock:
            self._coming = list(behaviours)

    def serve(self) -> None:
        """Until `stop`."""
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self.opened += 1
                threading.Thread(target=self._on, args=(connection,), daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        # Closing alone does not wake whoever waits for a connection.
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _on(self, connection: socket.socket) -> None:
        # A client that has lost patience is what many of the tests are about.
        with suppress(OSError), connection:
            while question := _question(connection):
                with self._lock:
                    self.questions.append(question)
                    behave = self._coming.pop(0) if len(self._coming) > 1 else self._coming[0]
                if not behave(connection):
                    break
        self.ended.release()


def _question(connection: socket.socket) -> bytes:
    """A request from its first byte to the last of its body; nothing where the client has hung up."""
    read = b""
    while b"\r\n\r\n" not in read:
        more = connection.recv(65_536)
        if not more:
            return b""
        read += more
    head, _, body = read.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    while len(body) < (int(length[1]) if length else 0):
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


@contextmanager
def misbehaving(*behaviours: Behaviour) -> Iterator[Misbehaving]:
    """Such a server: one behaviour for each question, the last for all that follow."""
    server = Misbehaving(behaviours)
    thread = threading.Thread(target=server.serve, name="test-misbehaving")
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()
