"""The gate's two roads, asked the same thing in the test's own process."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from keywright import Keywright, ManualClock
from keywright.manage.manager import Created
from keywright.server.gate.lane import Answered, Lane
from keywright.settings import load
from support.faces import Headers, InProcess

PROXY = "10.0.0.1"
STRANGER = "10.9.9.9"
CLIENT = "192.0.2.7"
SECRET = "0123456789" + "abcdefghijklmn"
#: What a proxy says of the request that it asks about.
ABOUT: Headers = (("X-Forwarded-For", CLIENT), ("User-Agent", "client/1.0"))


ROUTES = {
    "orders": {"scopes": ["orders:read"]},
    "live": {"environment": "live"},
    "dear": {"cost": 60},
    "ours": {"account": "acc_000000000", "dialect": "nginx"},
}


class Roads(InProcess):
    """An installation whose gate the proxy at 10.0.0.1 may ask, and anybody with the secret."""

    def __init__(self, keywright: Keywright) -> None:
        super().__init__(keywright)
        assert self._app.lane
        self.lane: Lane = self._app.lane

    def remembered(self, name: str = "Production Server", **given: Any) -> Created:
        """A key that this process remembers."""
        created = self.create(name, **given)
        self.keywright.verifier.identify(created.key)
        return created

    def ordinary(
        self, path: str, headers: Headers, peer: str = PROXY, method: str = "GET", body: bytes | None = None
    ) -> httpx.Response:
        """The answer of the ordinary road."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app, client=(peer, 50_000))
            async with httpx.AsyncClient(transport=transport, base_url="http://keywright") as client:
                request = httpx.Request(method, "http://keywright" + path, headers=raw(headers), content=body)
                return await client.send(request)

        return self._runner.run(send())

    def fast(self, path: str, headers: Headers, peer: str = PROXY) -> Answered | None:
        """The answer of the lane to a proxy; None where it leaves the request to the ordinary road."""
        return self.lane.forward(path.encode(), raw(headers), peer)

    def fast_verify(self, headers: Headers, body: bytes, peer: str = STRANGER) -> Answered | None:
        """The answer of the lane to a service that asks about a key."""
        return self.lane.verify(raw(headers), peer, body)


@contextmanager
def opened(data_dir: Path, clock: ManualClock, **more: Any) -> Iterator[Roads]:
    """Both roads to the gate of a new installation."""
    settings = {"data_dir": str(data_dir), "gate_proxies": PROXY, "gate_routes": ROUTES, "gate_secret": SECRET, **more}
    roads = Roads(Keywright(load(settings, environment={}), clock))
    with roads:
        yield roads


def raw(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Headers as the server's parser hands them on."""
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]


_ID = re.compile(rb"req_[0-9a-f]{16}")


def written(answer: httpx.Response | Answered) -> tuple[int, bytes]:
    """An answer as bytes, from the first header to the last of the body, but for the request's id."""
    if isinstance(answer, Answered):
        return answer.status, _ID.sub(b"req_", answer.tail)
    block = b"".join(b"%b: %b\r\n" % header for header in answer.headers.raw)
    return answer.status_code, _ID.sub(b"req_", block + b"\r\n" + answer.content)
