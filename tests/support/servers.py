"""A real server in a process of its own, and the command line beside it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from support.canaries import Canaries

START_SECONDS = 20
COMMAND = (sys.executable, "-m", "keywright")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def clean_environment(data_dir: Path, **more: str) -> dict[str, str]:
    """The environment without anybody's own KEYWRIGHT settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KEYWRIGHT_")}
    return {**kept, "KEYWRIGHT_DATA_DIR": str(data_dir), **more}


class Server:
    """A started server.

    Attributes:
        url: such as ``http://127.0.0.1:40123``.
        log: its standard error.
        canaries: every key that was made here. None of them, nor a piece of one, may be found in any later answer, nor,
            when the server ends, in its files, its log or its process.
    """

    def __init__(self, process: subprocess.Popen[bytes], url: str, data_dir: Path, log: Path) -> None:
        self.process = process
        self.url = url
        self.data_dir = data_dir
        self.log = log
        self.canaries = Canaries()

    def command(
        self, *arguments: str, stdin: str | None = None, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line on the server's data directory, whatever it exits with."""
        return subprocess.run(
            [*COMMAND, *arguments],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=self.data_dir.parent,
            env=clean_environment(self.data_dir, **(environment or {})),
        )

    def key(self, name: str = "Production Server", *options: str) -> dict[str, Any]:
        """A new key, made by the command line: what ``keys create --json`` prints."""
        done = self.command("keys", "create", name, "--json", *options)
        assert done.returncode == 0, done.stderr
        created: dict[str, Any] = json.loads(done.stdout)
        self.canaries.append(created["key"])
        return created

    def account(self, name: str) -> str:
        """A new account's id."""
        done = self.command("accounts", "create", name)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def request(self, method: str, path: str, key: str | None = None, **arguments: Any) -> requests.Response:
        """One request, with the key in X-API-Key if there is one."""
        headers = {**({"X-API-Key": key} if key else {}), **arguments.pop("headers", {})}
        answer = requests.request(method, self.url + path, headers=headers, timeout=30, **arguments)
        self._watch(answer)
        return answer

    def _watch(self, answer: requests.Response) -> None:
        created = answer.json() if answer.status_code == 201 else {}
        if isinstance(created.get("key"), str):
            self.canaries.append(created["key"])
        else:
            self.canaries.assert_absent(str(answer.headers).encode() + answer.content, f"an answer ({answer.url})")

    def assert_no_leaks(self) -> None:
        """See that no key that was made here left a trace."""
        if self.process.poll() is None:
            self.canaries.assert_process_clean(self.process.pid)
        self.canaries.assert_files_clean(self.data_dir, self.log)

    def stop(self) -> int:
        """Stop it as an operator would, and wait."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=40)


def start(
    data_dir: Path, *flags: str, scheme: str = "http", program: Sequence[str] = COMMAND, **environment: str
) -> Server:
    """Start a server and wait until it answers.

    Args:
        program: what to start in place of the command line; it is given the same arguments.
        environment: ``PORT`` in a value is the port that the server listens on.
    """
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    port = free_port()
    environment = {name: value.replace("PORT", str(port)) for name, value in environment.items()}
    log = data_dir.parent / f"server-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*program, "serve", "--port", str(port), *flags],
            stdout=output,
            stderr=output,
            cwd=data_dir.parent,
            env=clean_environment(data_dir, **environment),
        )
    started = Server(process, f"{scheme}://127.0.0.1:{port}", data_dir, log)
    for _ in range(START_SECONDS * 20):
        if process.poll() is not None:
            break
        if _is_up(started.url):
            return started
        time.sleep(0.05)
    process.kill()
    raise AssertionError(f"the server did not start: {log.read_text()}")


def _is_up(url: str) -> bool:
    with warnings.catch_warnings():
        # Whose certificate it is does not matter for whether it is up; the warning about it would fail the test.
        warnings.simplefilter("ignore")
        try:
            return requests.get(f"{url}/healthz", timeout=5, verify=False).ok  # noqa: S501
        except requests.ConnectionError:
            return False


@contextmanager
def running(
    data_dir: Path, *flags: str, scheme: str = "http", program: Sequence[str] = COMMAND, **environment: str
) -> Iterator[Server]:
    """A server for the length of a block, made as by `start`. However it ends, only what was started here is ended."""
    started = start(data_dir, *flags, scheme=scheme, program=program, **environment)
    try:
        yield started
        # Before the end the write-ahead logs are still there, after it the databases hold all that they held.
        started.assert_no_leaks()
    finally:
        if started.process.poll() is None:
            started.stop()
    started.assert_no_leaks()
