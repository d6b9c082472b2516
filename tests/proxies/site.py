"""A proxy between its clients, a real Keywright, and a real application: what is asked of all of them."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from keywright.manage.manager import Created
from keywright.server.gate import identity
from support.faces import OverHttp, beside
from support.proxies import ROUTES, SCOPE, Ports
from support.servers import free_port, running
from support.upstream import Seen, Upstream, upstream
from support.wire import WAIT_SECONDS, Answer, message

_MARKERS = count(1)
NAMES = tuple(name.lower() for name in identity.NAMES)
#: How long a token is good.
TOKEN_SECONDS = 300
#: Another address of this machine: no proxy's.
ELSEWHERE = "127.0.0.2"


@dataclass(frozen=True)
class House:
    """What stands behind a proxy."""

    keywright: OverHttp
    application: Upstream
    metrics: str

    @property
    def ports(self) -> Ports:
        """Where it is."""
        return Ports(urlsplit(self.keywright.server.url).port or 0, self.application.port)

    def key(self, **given: Any) -> Created:
        """A key that may pass, unless what is given says otherwise."""
        return self.keywright.create(**{"scopes": [SCOPE], "rate_limit": None, **given})

    def asked(self) -> int:
        """How often the gate has been asked so far, as Keywright's log tells."""
        return self.keywright.server.log.read_text().count('"path": "/v1/gate')

    def on_lane(self) -> int:
        """How many requests the fast lane has answered so far."""
        found = re.search(r"^keywright_lane_total (\d+)", requests.get(self.metrics, timeout=10).text, re.MULTILINE)
        assert found
        return int(found[1])


@contextmanager
def house(directory: Path) -> Iterator[House]:
    """A Keywright whose gate 127.0.0.1 may ask, with a route of its own for each dialect, and an application."""
    directory.mkdir(exist_ok=True)
    config = directory / "keywright.toml"
    config.write_text(f'gate_proxies = ["127.0.0.1"]\ngate_token_seconds = {TOKEN_SECONDS}\n' + ROUTES)
    port = str(free_port())
    settings = {"KEYWRIGHT_CONFIG": str(config), "KEYWRIGHT_METRICS_PORT": port}
    with running(directory / "data", **settings) as server, beside(server) as keywright, upstream() as application:
        yield House(OverHttp(keywright, server), application, f"http://127.0.0.1:{port}/metrics")


@dataclass(frozen=True)
class Site:
    """A house behind one proxy.

    Attributes:
        proxy: its name.
        url: the proxy's.
    """

    proxy: str
    url: str
    house: House

    def marker(self) -> str:
        """A path that no other request has, by which one is found at the application."""
        return f"/{self.proxy}-{next(_MARKERS)}-"

    def send(
        self, raw: bytes, *, method: str = "GET", source: str = "127.0.0.1", wait: float = WAIT_SECONDS
    ) -> list[Answer]:
        """Send bytes over one connection, and read all answers until it is closed, or nothing more comes.

        Args:
            method: of the requests: decides whether answers have bodies.
            source: the address to come from.
            wait: seconds for the next piece of an answer.
        """
        parts = urlsplit(self.url)
        there = (parts.hostname or "", parts.port or 0)
        with socket.create_connection(there, timeout=WAIT_SECONDS, source_address=(source, 0)) as connection:
            connection.settimeout(wait)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(raw)
            return list(_answers(connection, method))

    def ask(
        self, path: str, *headers: bytes, method: str = "GET", body: bytes | None = None, source: str = "127.0.0.1"
    ) -> Answer:
        """One request, with exactly these header lines, and its answer."""
        raw = message(method.encode(), path.encode(), (*headers, b"Connection: close"), body)
        answers = self.send(raw, method=method, source=source)
        assert len(answers) == 1, answers
        return answers[0]

    def passed(self, created: Created, *headers: bytes, **more: Any) -> Seen:
        """What the application got of a request with a good key."""
        path = self.marker()
        answer = self.ask(path, key_line(created), *headers, **more)
        assert answer.status == 200, answer
        seen = self.house.application.saw(path)
        assert len(seen) == 1, seen
        return seen[0]


def _answers(connection: socket.socket, method: str) -> Iterator[Answer]:
    # One buffered reader for all answers: what it read too much of one belongs to the next.
    with connection.makefile("rb") as file:
        while True:
            response = http.client.HTTPResponse(_Kept(file), method=method)  # type: ignore[arg-type]
            try:
                response.begin()
                body = response.read()
            except (http.client.HTTPException, ConnectionResetError, TimeoutError):
                return
            # Client libraries join two of the same name with a comma, and then neither says what it said. Caddy names
            # itself beside the application.
            told = [(name.lower(), value) for name, value in response.getheaders() if name.lower() != "server"]
            assert len(told) == len(dict(told)), told
            yield Answer(response.status, dict(told), body)
            if response.will_close:
                return


class _Kept:
    """A socket, for somebody who wants a file of it and will close that."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def makefile(self, _mode: str) -> Any:
        """The file, which stays open."""
        return _Open(self._file)


class _Open:
    def __init__(self, file: Any) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def close(self) -> None:
        """Nothing: the next answer comes from here."""


def key_line(created: Created) -> bytes:
    """The header with the key."""
    return b"X-API-Key: " + created.key.encode()


def identity_of(seen: Seen) -> dict[str, list[str]]:
    """Everything that an application may take for the gate's word, by name: CGI and its heirs make one of `-`, `_` and
    others."""
    return {name: seen.values(name) for name, _ in seen.headers if re.sub("[^a-z0-9]", "-", name.strip()) in NAMES}


def assert_own_identity(seen: Seen, created: Created) -> None:
    """See that the application was told exactly who the key's holder is: every name once, and no other that looks
    like one. The key has no limits."""
    told = identity_of(seen)
    [token] = told.pop("x-auth-token")
    payload = token.split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"] == created.row.id
    # nginx leaves out what is blank.
    assert {name: values for name, values in told.items() if values != [""]} == {
        "x-auth-key-id": [created.row.id],
        "x-auth-account-id": [created.row.account_id],
        "x-auth-key-name": [created.row.name],
        "x-auth-scopes": [SCOPE],
        "x-auth-environment": ["live"],
        "x-auth-status": ["200"],
    }
    assert set(told) <= set(NAMES)
