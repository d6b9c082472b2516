"""What the measurements share that load a server from outside: servers on one core, wrk on the other.

What counts is the CPU time of a server and its child processes, divided by the requests, and the ratios of one run.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

CONNECTIONS = 32
SERVER_CORE, LOAD_CORE, BOTH = "0", "1", "0,1"

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
_NGINX = """
daemon off; master_process off; worker_processes 1; pid %(dir)s/pid; error_log /dev/null;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 100000000; client_body_temp_path %(dir)s; proxy_temp_path %(dir)s;
  fastcgi_temp_path %(dir)s; uwsgi_temp_path %(dir)s; scgi_temp_path %(dir)s;
  server { listen 127.0.0.1:%(port)d; location / { return 200; } } }
"""


class Found(NamedTuple):
    """One round. `wrong` is the share of the answers that were errors."""

    cpu_microseconds: float
    per_second: float
    p99_milliseconds: float
    wrong: float


class Server(NamedTuple):
    """A server that answers."""

    port: int
    pid: int


def missing() -> list[str]:
    """The programs that these measurements need and this machine lacks."""
    return [program for program in ("nginx", "wrk", "taskset") if not shutil.which(program)]


def write_script(directory: Path, keys: list[str], request: str) -> Path:
    """Write the load down: `request` is a statement of Lua that asks with `keys[n]`, for the next n each time."""
    (directory / "keys").write_text("\n".join(keys))
    script = directory / "load.lua"
    script.write_text(_WRK % {"keys": directory / "keys", "request": request})
    return script


def warm(port: int, path: str, heads: Iterator[dict[str, str]]) -> None:
    """Ask with every key once: what is measured is what happens all day, not the first request after a start."""
    with closing(HTTPConnection("127.0.0.1", port)) as connection:
        for head in heads:
            connection.request("GET", path, headers=head)
            connection.getresponse().read()


def one_round(script: Path, server: Server, seconds: int) -> Found:
    """Load a server for so many seconds."""
    before = cpu_seconds(server.pid)
    load = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script)]
    done = subprocess.run([*load, f"http://127.0.0.1:{server.port}/"], capture_output=True, text=True, check=True)
    line = next(each for each in done.stdout.splitlines() if each.startswith("FOUND"))
    requests, wrong, p99 = (float(each) for each in line.split()[1:])
    requests = max(requests, 1)
    spent = cpu_seconds(server.pid) - before
    return Found(spent / requests * 1e6, requests / seconds, p99 / 1000, wrong / requests)


def cpu_seconds(pid: int) -> float:
    """What a process and its children have spent so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    children = (int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in _children(task))
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") + sum(map(cpu_seconds, children))


def _children(task: Path) -> list[str]:
    return (task / "children").read_text().split()


@contextmanager
def started(
    command: list[str],
    port: int,
    log: Path = Path(os.devnull),
    environment: dict[str, str] | None = None,
    directory: Path | None = None,
    cores: str = SERVER_CORE,
) -> Iterator[Server]:
    """A server on its core, from its first answer on; it is stopped in the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "-c", cores, *command],
            stdout=output,
            stderr=output,
            env={**os.environ, **(environment or {})},
            cwd=directory,
        )
    try:
        _wait(port, process)
        yield Server(port, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("a server did not start")


def nginx(directory: Path, port: int) -> list[str]:
    """The command of an nginx that answers 200 and does nothing else."""
    (directory / "nginx.conf").write_text(_NGINX % {"dir": directory, "port": port})
    return ["nginx", "-c", str(directory / "nginx.conf"), "-e", os.devnull]


def keywright(data_dir: Path, port: int, *more: str) -> list[str]:
    """The command of our server, as it is used."""
    return [sys.executable, "-m", "keywright", "serve", "--port", str(port), "--data-dir", str(data_dir), *more]


def keywright_environment(data_dir: Path) -> dict[str, str]:
    """What our server must be told so that the load may ask at the gate."""
    return {
        "KEYWRIGHT_GATE_PROXIES": "127.0.0.1",
        "KEYWRIGHT_METRICS_PORT": str(free_port()),
        "KEYWRIGHT_DATA_DIR": str(data_dir),
    }
