"""Clients that keep asking until they are hung up on, and remember what became of every request."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

WAIT_SECONDS = 40


def address_of(url: str) -> tuple[str, int]:
    """Where to connect to."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def read_answer(connection: socket.socket, already: bytes = b"") -> tuple[bytes, bytes, bytes] | None:
    """The head and the body of one answer with a length, and what came after it; None if it is cut off."""
    data = already
    with contextlib.suppress(ConnectionError):
        while b"\r\n\r\n" not in data:
            data += (more := connection.recv(65_536))
            if not more:
                return None
        head, _, body = data.partition(b"\r\n\r\n")
        length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-len")), 0)
        while len(body) < length:
            body += (more := connection.recv(65_536))
            if not more:
                return None
        return head, body[:length], body[length:]
    return None


@dataclass
class Asked:
    """One request: when its last byte was sent, and the answer's status; None if there was no whole answer."""

    key: str
    sent_at: float
    status: int | None
    received_at: float


@dataclass
class Load:
    """All that was asked."""

    pause_seconds: float
    asked: list[Asked] = field(default_factory=list)
    refused: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)

    def ask(self, connection: socket.socket, key: str, path: str = "/v1/subscriptions") -> bytes | None:
        """One request and its answer; the answer's head."""
        head = f"GET {path} HTTP/1.1\r\nHost: here\r\nX-API-Key: {key}\r\n\r\n".encode()
        try:
            connection.sendall(head)
        except OSError:
            return None
        sent_at = time.monotonic()
        answer = read_answer(connection)
        status = int(answer[0].split()[1]) if answer else None
        self.asked.append(Asked(key, sent_at, status, time.monotonic()))
        return answer[0] if answer else None

    def client(self, url: str, key: Callable[[], str], keep: bool) -> None:
        """Ask until told to stop: on one connection for as long as it holds, or each time on a new one."""
        while not self.stopped.is_set():
            try:
                connection = socket.create_connection(address_of(url), timeout=WAIT_SECONDS)
            except OSError:
                self.refused += 1
                self.stopped.wait(0.02)
                continue
            with connection:
                head = None if self._pause() else self.ask(connection, key())
                while keep and head and b"connection: close" not in head and not self._pause():
                    head = self.ask(connection, key())

    def _pause(self) -> bool:
        """Let the pause pass; whether it is time to stop."""
        return self.stopped.wait(self.pause_seconds) if self.pause_seconds else self.stopped.is_set()

    def answered(self, key: str, status: int | None = None) -> int:
        """How many requests with the key were answered, with the status if one is named."""
        return sum(each.key == key and each.status is not None and status in (None, each.status) for each in self.asked)


@contextmanager
def load_on(url: str, key: Callable[[], str], clients: int = 8, pause_seconds: float = 0.0) -> Iterator[Load]:
    """Clients for the length of the block, every second one with a new connection for each request.

    Args:
        pause_seconds: what each waits before it asks again.
    """
    load = Load(pause_seconds)
    threads = [
        threading.Thread(target=load.client, args=(url, key, number % 2 == 0), daemon=True) for number in range(clients)
    ]
    for each in threads:
        each.start()
    try:
        yield load
    finally:
        load.stopped.set()
        for each in threads:
            each.join(WAIT_SECONDS)
