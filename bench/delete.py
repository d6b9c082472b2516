"""How long a delete takes until it has answered, with four workers serving."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.common import ME, installation, report
from bench.served import Client, serving
from keywright import Keywright

WORKERS = 4
DELETES = 300
GOAL_MILLISECONDS = 5.0
#: Between two requests of the light load beside it.
LOAD_PAUSE_SECONDS = 0.02


def main() -> None:
    """Measure over HTTP and in the library, and what the disk alone takes."""
    with installation() as keywright:
        data_dir = keywright.settings.data_dir
        account_id = keywright.manager.operator_account().id
        me = keywright.manager.create(ME, account_id, {"name": "bench", "rate_limit": None}).key
        _report("append and fdatasync, nothing else", _syncs(data_dir), goal=False)
        with serving(data_dir, "--workers", str(WORKERS)) as port, _load(port, me):
            client = Client(port)
            ids = _made(keywright, account_id)
            statuses: list[int] = []
            took = [
                _timed(lambda: statuses.append(client.ask("DELETE", f"/v1/account/api-keys/{key_id}", me)))  # noqa: B023
                for key_id in ids
            ]
            assert set(statuses) == {204}
            _report(f"DELETE over HTTP, {WORKERS} workers", took, goal=True)
            ids = _made(keywright, account_id)
            took = [_timed(lambda: keywright.manager.delete(ME, account_id, key_id)) for key_id in ids]  # noqa: B023
            _report(f"delete in the library, {WORKERS} workers beside it", took, goal=True)


def _made(keywright: Keywright, account_id: str) -> list[str]:
    given = ({"name": f"key {number}"} for number in range(DELETES))
    return [created.row.id for created in keywright.manager.create_many(ME, account_id, given)]


@contextmanager
def _load(port: int, key: str) -> Iterator[None]:
    """One client that goes on verifying a good key."""
    done = threading.Event()

    def go_on() -> None:
        client = Client(port)
        while not done.wait(LOAD_PAUSE_SECONDS):
            assert client.ask("GET", "/v1/account", key) == 200
        client.close()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _syncs(data_dir: Path) -> list[float]:
    with tempfile.TemporaryFile(dir=data_dir) as file:

        def append() -> None:
            os.write(file.fileno(), bytes(4096 * 4))
            os.fdatasync(file.fileno())

        return [_timed(append) for _ in range(DELETES)]


def _timed(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def _report(what: str, seconds: list[float], *, goal: bool) -> None:
    seconds = sorted(seconds)
    report(f"{what}, median", seconds[len(seconds) // 2] * 1e3, "ms", GOAL_MILLISECONDS if goal else None)
    report(f"{what}, 99th percentile", seconds[len(seconds) * 99 // 100] * 1e3, "ms")
