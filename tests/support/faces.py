"""The faces of one installation: the application inside the test's process, and the real server over a real socket.

Both take the same requests and give the same kind of answer, so that one test holds for both.
"""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import MutableMapping
from http.client import HTTPConnection
from types import TracebackType
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import httpx

from keywright import Keywright
from keywright.manage.manager import Created
from keywright.server.app import create_app
from keywright.settings import load
from support.installation import ME
from support.servers import Server

Headers: TypeAlias = tuple[tuple[str, str], ...]


def beside(server: Server) -> Keywright:
    """The library over the data directory of a running server: makes keys quicker than the command line does."""
    return Keywright(load({"data_dir": str(server.data_dir)}, environment={}))


class Face(ABC):
    """One way in, with an account of its own behind it.

    Attributes:
        keywright: the installation; for what a test needs besides requests.
        account_id: the account that keys are made in unless another is named.
    """

    def __init__(self, keywright: Keywright) -> None:
        self.keywright = keywright
        self.account_id = self.account()

    @abstractmethod
    def send(self, method: str, path: str, headers: Headers = (), body: bytes | None = None) -> httpx.Response:
        """One request, with exactly these headers and this body."""

    def account(self, name: str = "A Company") -> str:
        """Another account's id."""
        return self.keywright.manager.create_account(ME, name).id

    def create(self, name: str = "Production Server", account_id: str | None = None, **given: Any) -> Created:
        """A key made by somebody on the machine, who may give anything."""
        return self.keywright.manager.create(ME, account_id or self.account_id, {"name": name, **given})

    def key(self, name: str = "Production Server", **given: Any) -> str:
        """The text of a new key."""
        return self.create(name, **given).key

    def call(self, method: str, path: str, key: str, body: Any = None, headers: Headers = ()) -> httpx.Response:
        """One request as a client makes it: the key in X-API-Key, the body as JSON."""
        typed = () if body is None else (("Content-Type", "application/json"),)
        raw = None if body is None else json.dumps(body).encode()
        return self.send(method, path, (("X-API-Key", key), *typed, *headers), raw)

    def keys(self, key: str) -> list[dict[str, Any]]:
        """What the list of keys holds."""
        listed: list[dict[str, Any]] = self.call("GET", "/v1/account/api-keys", key).json()["keys"]
        return listed


class InProcess(Face):
    """The application called directly, on the installation's own clock. Closes the installation at its end."""

    def __init__(self, keywright: Keywright) -> None:
        super().__init__(keywright)
        self._app = create_app(keywright)
        self._runner = asyncio.Runner()
        transport = httpx.ASGITransport(app=self._app)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://keywright")

    def send(self, method: str, path: str, headers: Headers = (), body: bytes | None = None) -> httpx.Response:
        """See `Face.send`."""
        request = httpx.Request(method, "http://keywright" + path, headers=list(headers), content=body)
        return self._runner.run(self._client.send(request))

    def __enter__(self) -> InProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.run(self._end())
        self._runner.close()

    async def _end(self) -> None:
        """The lifespan of the application from end to end: its end is what closes things."""
        await self._client.aclose()
        coming: list[MutableMapping[str, Any]] = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

        async def receive() -> MutableMapping[str, Any]:
            return coming.pop(0)

        async def send(message: MutableMapping[str, Any]) -> None:
            assert message["type"].endswith(".complete"), message

        await self._app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)


class OverHttp(Face):
    """A real server. Every request has a connection of its own; headers go out as they are, also twice, also blank.

    Args:
        keywright: opened over the server's data directory, beside it.
        server: remembers every key that is made, so that its traces can be looked for.
    """

    def __init__(self, keywright: Keywright, server: Server) -> None:
        super().__init__(keywright)
        self.server = server

    def create(self, name: str = "Production Server", account_id: str | None = None, **given: Any) -> Created:
        """See `Face.create`."""
        created = super().create(name, account_id, **given)
        self.server.canaries.append(created.key)
        return created

    def send(self, method: str, path: str, headers: Headers = (), body: bytes | None = None) -> httpx.Response:
        """See `Face.send`."""
        return send_over(urlsplit(self.server.url).netloc, method, path, headers, body)


class OverPort(Face):
    """An application that a thread of the test serves, over the test's own installation."""

    def __init__(self, keywright: Keywright, port: int) -> None:
        super().__init__(keywright)
        self._netloc = f"127.0.0.1:{port}"

    def send(self, method: str, path: str, headers: Headers = (), body: bytes | None = None) -> httpx.Response:
        """See `Face.send`."""
        return send_over(self._netloc, method, path, headers, body)


def send_over(netloc: str, method: str, path: str, headers: Headers, body: bytes | None) -> httpx.Response:
    """One request over a connection of its own, with exactly these headers and this body."""
    connection = HTTPConnection(netloc, timeout=30)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return httpx.Response(answer.status, headers=answer.getheaders(), content=answer.read())
    finally:
        connection.close()
