"""What all the applications have in common, and how they are served: over a real socket, by a thread of the test."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, TypeAlias
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import uvicorn

from keywright import Keywright, Unavailable
from keywright.adapters.guard import Caller
from support.waiting import eventually

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from uvicorn._types import ASGIApplication

#: What every application protects.
PROTECT = ("/v1", "/api")
SCOPE = "invoices:read"
COST = 5
RETRY_SECONDS = 7
#: Answer with `shown` to any good key.
GOOD_PATHS = ("/v1/subscriptions", "/api/campaigns", "/api/elsewhere")

Serve: TypeAlias = Callable[[Keywright], AbstractContextManager[int]]


@dataclass(frozen=True)
class Adapter:
    """One adapter in front of one application.

    The application has `GOOD_PATHS`, ``/v1/scoped`` (wants `SCOPE`), ``/v1/live`` (wants a live key), ``/v1/costly``
    (costs `COST`), ``/v1/broken`` (raises), ``/v1/busy`` (raises `Unavailable`), ``/v1/posted`` (only POST), and
    ``/open``, which is not protected.

    Attributes:
        serve: the application over an installation, on a port, for the length of a block.
        folds: whether headers come through a table in which some of them cannot be told apart.
        answers_errors: whether what a handler raises is answered by the framework, and not by the server in front.
        routes: whether a path that nobody has is seen by the adapter.
        recounts: whether a request that the handler itself refuses is counted as forbidden, and not as accepted.
    """

    name: str
    serve: Serve
    folds: bool = False
    answers_errors: bool = True
    routes: bool = True
    recounts: bool = True


def shown(caller: Caller) -> dict[str, Any]:
    """What a handler tells of its caller."""
    record, decision = caller.record, caller.decision
    return {
        "key_id": record.key_id,
        "account_id": record.account_id,
        "name": record.name,
        "scopes": sorted(record.scopes),
        "remaining": decision.tightest.remaining if decision else None,
    }


def shown_json(caller: Caller) -> bytes:
    """The same as bytes."""
    return json.dumps(shown(caller)).encode()


def busy() -> Unavailable:
    """What ``/v1/busy`` raises."""
    return Unavailable("the test says so", RETRY_SECONDS)


@contextmanager
def asgi_server(app: Any, **more: Any) -> Iterator[int]:
    """The application on a port of this machine, served by uvicorn, which believes nobody about addresses."""
    application: ASGIApplication = app
    config = uvicorn.Config(
        application, port=0, log_config=None, proxy_headers=False, timeout_graceful_shutdown=5, **more
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="test-uvicorn")
    thread.start()
    try:
        assert eventually(lambda: server.started or not thread.is_alive())
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def wsgi_server(app: Any) -> Iterator[int]:
    """The application on a port of this machine, served by the library's own WSGI server."""
    application: WSGIApplication = app
    with _Server(("127.0.0.1", 0), _Quiet) as server:
        server.set_app(application)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="test-wsgi")
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingMixIn, WSGIServer):
    def server_bind(self) -> None:
        # The library asks the resolver for this machine's name, which takes seconds where there is none.
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]
        self.setup_environ()


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nothing: the tests look at the answers."""
