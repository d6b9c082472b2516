"""A real server for measurements, and a client that spends little itself."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 30.0
SERVE = ("-m", "keywright", "serve")


class Client:
    """One connection that is kept."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(self, method: str, path: str, key: str = "") -> int:
        """Make a request, read the answer, and return its status."""
        self._connection.request(method, path, headers={"X-API-Key": key} if key else {})
        answer = self._connection.getresponse()
        answer.read()
        return answer.status

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@contextmanager
def serving(data_dir: Path, *flags: str, program: Sequence[str] = SERVE) -> Iterator[int]:
    """A server over ``data_dir`` for the length of a block: its port. Only the process started here is ended."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KEYWRIGHT_")}
    process = subprocess.Popen(
        [sys.executable, *program, "--port", str(port), *flags],
        env={**environment, "KEYWRIGHT_DATA_DIR": str(data_dir)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(port)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def _wait(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        client = Client(port)
        try:
            if client.ask("GET", "/readyz") == 200:
                return
        except OSError:
            time.sleep(0.05)
        finally:
            client.close()
    raise AssertionError("the server did not start")
