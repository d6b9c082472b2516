"""What a page of the console costs its server: the list of an account with 1,000 keys, and with 100,000.

A real server, asked over HTTP by somebody who is signed in; what counts is the CPU time of its processes for each page,
of the best of several, so that what else the machine does meanwhile is not the page's.
"""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

from bench.common import ME, installation, report
from bench.load import cpu_seconds, free_port, keywright as serve, started
from keywright import Keywright
from keywright.stores.base import UsageRow

FEW, MANY = 1_000, 100_000
GOAL_FEW_MILLISECONDS = 100.0
GOAL_MANY_MILLISECONDS = 1_000.0
PAGES = 25
EMAIL, PASSWORD = "bench@example.com", "violet kettle marches"
LIST = "/settings/api-keys"
#: What people do with the list, as the console's own addresses say it.
VIEWS = {
    "the first page": {},
    "a search by name": {"q": "invoice"},
    "a search that finds nothing": {"q": "nothing like it"},
    "by name": {"sort": "name"},
    "by last use": {"sort": "-last_used"},
    "those never used": {"show": "unused"},
    "those for tests, by name": {"env": "test", "sort": "name"},
}


def main() -> None:
    """Measure both accounts, one after the other in one installation."""
    with installation() as keywright:
        data_dir = keywright.settings.data_dir
        _make_owner(data_dir)
        _fill(keywright, 0, FEW, used_hours=24)
        port = free_port()
        with started(serve(data_dir, port), port) as server:
            session = _sign_in(port)
            took = _milliseconds(port, server.pid, LIST, session)
            report(
                f"{FEW:,} keys, each used in each of 24 hours: the first page, CPU", took, "ms", GOAL_FEW_MILLISECONDS
            )
            _fill(keywright, FEW, MANY, used_hours=1)
            for name, query in VIEWS.items():
                path = f"{LIST}?{urlencode(query)}" if query else LIST
                took = _milliseconds(port, server.pid, path, session)
                report(f"{MANY:,} keys: {name}, CPU", took, "ms", GOAL_MANY_MILLISECONDS)


def _fill(keywright: Keywright, first: int, last: int, used_hours: int) -> None:
    account_id = keywright.manager.operator_account().id
    names = ("invoice", "orders", "mobile app", "nightly job")
    given = (
        {"name": f"{names[each % 4]} {each}", "environment": "test" if each % 3 == 0 else "live"}
        for each in range(first, last)
    )
    made = list(keywright.manager.create_many(ME, account_id, given))
    # Every fourth was never used.
    used = [each.row.slot for number, each in enumerate(made) if number % 4]
    hour = int(keywright.clock.now()) // 3600 * 3600
    for back in range(used_hours):
        rows = [UsageRow(slot, account_id, None, (("accepted", 50), ("rate_limited", 2))) for slot in used]
        keywright.usage_store.add(rows, hour - 3600 * back)


def _make_owner(data_dir: Path) -> None:
    command = [sys.executable, "-m", "keywright", "admin", "create", "--email", EMAIL, "--password-stdin"]
    environment = {**os.environ, "KEYWRIGHT_DATA_DIR": str(data_dir)}
    subprocess.run(command, input=PASSWORD, text=True, check=True, env=environment, stdout=subprocess.DEVNULL)


def _sign_in(port: int) -> str:
    """The cookie of a new session."""
    body = urlencode({"email": EMAIL, "password": PASSWORD})
    headers = {
        "Origin": f"http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin",
        "Content-Type": "application/x-www-form-urlencoded",
    }  # fmt: skip
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("POST", "/sign-in", body, headers)
        answer = connection.getresponse()
        answer.read()
        return str(answer.headers["Set-Cookie"]).partition(";")[0]


def _milliseconds(port: int, pid: int, path: str, cookie: str) -> float:
    best = float("inf")
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        until = time.monotonic() + 20
        for _ in range(3):
            before = cpu_seconds(pid)
            asked = 0
            while asked < PAGES and time.monotonic() < until:
                connection.request("GET", path, headers={"Cookie": cookie, "Accept": "text/html"})
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    raise AssertionError(f"{path}: {answer.status}")
                asked += 1
            if asked:
                best = min(best, (cpu_seconds(pid) - before) / asked * 1000)
    return best


if __name__ == "__main__":
    main()
