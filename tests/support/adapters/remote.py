"""The same applications, asking a Keywright server instead of knowing keys themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from keywright import Keywright, RemoteKeywright
from keywright.adapters.guard import Keys
from keywright.server.app import create_app
from keywright.server.gate.protocol import LaneProtocol
from support.adapters import asynchronous, plain
from support.adapters.common import Adapter, Serve, asgi_server
from support.installation import ME


def asker(keywright: Keywright) -> str:
    """The key of an application that may ask about every account's keys."""
    account = keywright.manager.operator_account().id
    given = {"name": "Gateway", "scopes": ["verify", "operator"], "rate_limit": None}
    return keywright.manager.create(ME, account, given).key


def served(app: Callable[[Keys], AbstractContextManager[int]]) -> Serve:
    """The application behind an adapter that asks a server: both over real sockets, on the installation's clock."""

    @contextmanager
    def serve(keywright: Keywright) -> Iterator[int]:
        with (
            asgi_server(create_app(keywright), http=LaneProtocol) as server,
            RemoteKeywright(
                f"http://127.0.0.1:{server}",
                asker(keywright),
                timeout_seconds=10,
                clock=keywright.clock,
                trusted_proxies=[str(each) for each in keywright.trusted_proxies],
            ) as remote,
            app(remote) as port,
        ):
            yield port

    return serve


ADAPTERS = (
    Adapter("remote-asgi", served(plain.asgi_app), answers_errors=False),
    Adapter("remote-wsgi", served(plain.wsgi_app), folds=True, answers_errors=False),
    Adapter("remote-fastapi", served(asynchronous.fastapi_app), recounts=False),
)
