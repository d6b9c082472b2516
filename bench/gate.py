"""What the gate costs: CPU for each request, next to nginx answering nothing and to the same check in a framework.

Servers run on one core, the load generator (wrk) on the other; what counts is the servers' CPU time divided by the
requests, and the ratios of one run. Keywright is the real one: 10,000 keys with limits, usage, coherence and metrics,
and the access log in a file. Needs the programs nginx and wrk; each figure is the median of `ROUNDS`.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

from bench.common import ME, installation

KEYS = 10_000
CONNECTIONS = 32
SECONDS = 3
ROUNDS = 5
SERVER_CORE, LOAD_CORE = "0", "1"
GOAL_NGINX = 1.8
GOAL_FRAMEWORK = 5.0
GOAL_P99_MILLISECONDS = 2.0

_WRK = """
local keys = {}
for line in io.lines("%(keys)s") do keys[#keys + 1] = line end
local n = math.random(#keys)
request = function()
  n = n %% #keys + 1
  %(request)s
end
done = function(summary, latency)
  io.write(string.format("FOUND %%d %%d %%.0f\\n", summary.requests,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout,
    latency:percentile(99)))
end
"""
_GATE = 'return wrk.format("GET", "%s", {["X-API-Key"] = keys[n], ["X-Forwarded-For"] = "192.0.2.7"})'
_VERIFY = (
    'return wrk.format("POST", "/v1/keys/verify", {["X-API-Key"] = "%s", ["Content-Type"] = "application/json"}, '
    '"{\\"key\\":\\"" .. keys[n] .. "\\"}")'
)
_NGINX = """
daemon off; master_process off; worker_processes 1; pid %(dir)s/pid; error_log /dev/null;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 100000000; client_body_temp_path %(dir)s; proxy_temp_path %(dir)s;
  fastcgi_temp_path %(dir)s; uwsgi_temp_path %(dir)s; scgi_temp_path %(dir)s;
  server { listen 127.0.0.1:%(port)d; location / { return 200; } } }
"""
_FRAMEWORK = """
import sys
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException
from keywright import Keywright, Accepted, Request
from typing import Annotated

keywright = Keywright.open(sys.argv[1])
app = FastAPI()

def checked(x_api_key: Annotated[str, Header()] = ""):
    outcome = keywright.verify(x_api_key, Request(address="192.0.2.7"))
    if not isinstance(outcome, Accepted):
        raise HTTPException(401)
    return outcome.record

@app.get("/v1/gate")
async def gate(record: Annotated[object, Depends(checked)]):
    return {"key_id": record.key_id}

uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), loop="uvloop", http="httptools", log_level="warning",
            access_log=False)
"""


class Found(NamedTuple):
    """One round."""

    cpu_microseconds: float
    per_second: float
    p99_milliseconds: float


def main() -> None:
    """Measure, and print one table."""
    missing = [program for program in ("nginx", "wrk", "taskset") if not shutil.which(program)]
    if missing:
        print(f"  NOT MEASURED: the bench of the gate needs {', '.join(missing)}.")
        return
    with ExitStack() as stack:
        keywright = stack.enter_context(installation())
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        account_id = keywright.manager.operator_account().id
        given = ({"name": f"key {number}", "rate_limit": "1000000000/1h"} for number in range(KEYS))
        good = [made.key for made in keywright.manager.create_many(ME, account_id, given)]
        asker = keywright.manager.create(
            ME, account_id, {"name": "asker", "scopes": ["verify"], "rate_limit": None}
        ).key
        data_dir = keywright.settings.data_dir
        ports = [free_port() for _ in range(3)]
        stack.enter_context(_started(_nginx(directory, ports[0]), ports[0]))
        stack.enter_context(_started(_keywright(data_dir, ports[1]), ports[1], directory / "access.log", data_dir))
        framework = [sys.executable, "-c", _FRAMEWORK, str(data_dir), str(ports[2])]
        stack.enter_context(_started(framework, ports[2], directory / "framework.log"))
        garbage = ["lwa.sk_live_" + "x" * 20 + f"{number:012d}" for number in range(KEYS)]
        nginx, ours, theirs = ports
        rounds = {
            "nginx, return 200": (nginx, good, _GATE % "/"),
            "forward-auth": (ours, good, _GATE % "/v1/gate"),
            "forward-auth, garbage": (ours, garbage, _GATE % "/v1/gate"),
            "verify endpoint": (ours, good, _VERIFY % asker),
            "forward-auth, ordinary road": (ours, good, _GATE % "/api/v1/gate"),
            "the same in a FastAPI dependency": (theirs, good, _GATE % "/v1/gate"),
        }
        _table({name: _measured(directory, *what) for name, what in rounds.items()})


def _measured(directory: Path, port: int, keys: list[str], request: str) -> Found:
    (directory / "keys").write_text("\n".join(keys))
    script = directory / "load.lua"
    script.write_text(_WRK % {"keys": directory / "keys", "request": request})
    _warm(port, keys)
    _round(script, port, 1)
    found = [_round(script, port, SECONDS) for _ in range(ROUNDS)]
    return Found(*(statistics.median(values) for values in zip(*found, strict=True)))


def _warm(port: int, keys: list[str]) -> None:
    """Ask with every key once: what is measured is what happens all day, not the first request after a start."""
    with closing(HTTPConnection("127.0.0.1", port)) as connection:
        for key in keys:
            connection.request("GET", "/v1/gate", headers={"X-API-Key": key, "X-Forwarded-For": "192.0.2.7"})
            connection.getresponse().read()


def _round(script: Path, port: int, seconds: int) -> Found:
    before = _cpu_seconds(port)
    load = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script)]
    done = subprocess.run([*load, f"http://127.0.0.1:{port}/"], capture_output=True, text=True, check=True)
    line = next(each for each in done.stdout.splitlines() if each.startswith("FOUND"))
    requests, _, p99 = (float(each) for each in line.split()[1:])
    return Found((_cpu_seconds(port) - before) / requests * 1e6, requests / seconds, p99 / 1000)


_servers: dict[int, int] = {}


def _cpu_seconds(port: int) -> float:
    fields = Path(f"/proc/{_servers[port]}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _started(
    command: list[str], port: int, log: Path = Path(os.devnull), data_dir: Path | None = None
) -> Iterator[None]:
    environment = {**os.environ, "KEYWRIGHT_GATE_PROXIES": "127.0.0.1", "KEYWRIGHT_METRICS_PORT": str(free_port())}
    if data_dir is not None:
        environment["KEYWRIGHT_DATA_DIR"] = str(data_dir)
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "-c", SERVER_CORE, *command], stdout=output, stderr=output, env=environment
        )
    try:
        _wait(port)
        _servers[port] = process.pid
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(40)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(port: int) -> None:
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("a server did not start")


def _nginx(directory: Path, port: int) -> list[str]:
    (directory / "nginx.conf").write_text(_NGINX % {"dir": directory, "port": port})
    return ["nginx", "-c", str(directory / "nginx.conf"), "-e", os.devnull]


def _keywright(data_dir: Path, port: int) -> list[str]:
    return [sys.executable, "-m", "keywright", "serve", "--port", str(port), "--data-dir", str(data_dir)]


def _table(found: dict[str, Found]) -> None:
    base, framework = found["nginx, return 200"], found["the same in a FastAPI dependency"]
    print(f"  {'':34}{'CPU µs':>8}{'/ nginx':>9}{'/ s':>9}{'p99 ms':>8}")
    for name, each in found.items():
        ratio = each.cpu_microseconds / base.cpu_microseconds
        print(f"  {name:34}{each.cpu_microseconds:8.1f}{ratio:9.2f}{each.per_second:9.0f}{each.p99_milliseconds:8.2f}")
    _goal("forward-auth / nginx", found["forward-auth"].cpu_microseconds / base.cpu_microseconds, "≤", GOAL_NGINX)
    _goal("verify endpoint / nginx", found["verify endpoint"].cpu_microseconds / base.cpu_microseconds, "≤", GOAL_NGINX)
    cheaper = framework.cpu_microseconds / found["forward-auth"].cpu_microseconds
    _goal("FastAPI dependency / forward-auth", cheaper, "≥", GOAL_FRAMEWORK)
    garbage = found["forward-auth, garbage"].cpu_microseconds / found["forward-auth"].cpu_microseconds
    _goal("garbage / a good key", garbage, "≤", 1.0)
    _goal("p99 of forward-auth, ms", found["forward-auth"].p99_milliseconds, "≤", GOAL_P99_MILLISECONDS)


_HOLDS: dict[str, Callable[[float, float], bool]] = {"≤": lambda a, b: a <= b, "≥": lambda a, b: a >= b}


def _goal(name: str, value: float, sign: str, goal: float) -> None:
    print(f"  {name:40}{value:7.2f}   goal {sign} {goal:g}: {'met' if _HOLDS[sign](value, goal) else 'MISSED'}")


if __name__ == "__main__":
    main()
