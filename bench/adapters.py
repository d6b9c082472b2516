"""What an adapter adds to a request: the same application with and without it, in one run, without a network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Annotated, Any

from fastapi import FastAPI

from bench.common import ME, best_seconds, installation, report
from keywright import Keywright
from keywright.adapters import wsgi
from keywright.adapters.asgi import App, Caller, KeyAuth
from keywright.adapters.fastapi import require_scope

REQUESTS = 2000
GOAL_MICROSECONDS = 10.0
HEADERS = [
    (b"host", b"api.example.com"), (b"user-agent", b"python-requests/2.32"), (b"accept-encoding", b"gzip, deflate"),
    (b"accept", b"*/*"), (b"connection", b"keep-alive"), (b"content-type", b"application/json"),
]  # fmt: skip


def main() -> None:
    """Measure FastAPI, with the middleware and with a scope as well, and WSGI."""
    with installation() as keywright:
        account_id = keywright.manager.operator_account().id
        for title, limit in (("no limit", None), ("a limit", "1000000000/1d")):
            key = keywright.manager.create(ME, account_id, {"name": "bench", "rate_limit": limit}).key
            _fastapi(keywright, key, title)
            _wsgi(keywright, key, title)


def _fastapi(keywright: Keywright, key: str, title: str) -> None:
    async def answer() -> dict[str, str]:
        return {"hello": "world"}

    async def scoped(caller: Annotated[Caller, require_scope("hello:read")]) -> dict[str, str]:
        return {"hello": "world"}

    bare, asked = FastAPI(), FastAPI()
    bare.get("/hello")(answer)
    asked.get("/hello")(scoped)
    with asyncio.Runner() as runner:
        runs = [_asgi(runner, app, key) for app in (bare, KeyAuth(bare, keywright), KeyAuth(asked, keywright))]
        plain, middleware, scope = _together(runs)
    report("FastAPI without a key", plain, "µs", digits=1)
    report(f"FastAPI: what the middleware adds, {title}", middleware - plain, "µs", GOAL_MICROSECONDS, 1)
    report(f"FastAPI: what the middleware and a scope add, {title}", scope - plain, "µs", digits=1)


def _asgi(runner: asyncio.Runner, app: App, key: str) -> Callable[[], None]:
    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(_: MutableMapping[str, Any]) -> None:
        return None

    async def all_of_them() -> None:
        for _ in range(REQUESTS):
            scope: dict[str, Any] = {
                "type": "http", "method": "GET", "path": "/hello", "query_string": b"", "client": ("127.0.0.1", 1),
                "headers": [*HEADERS, (b"x-api-key", key.encode())],
            }  # fmt: skip
            await app(scope, receive, send)

    return lambda: runner.run(all_of_them())


def _wsgi(keywright: Keywright, key: str, title: str) -> None:
    def answer(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"hello"]

    def run(app: Any) -> Callable[[], None]:
        def all_of_them() -> None:
            for _ in range(REQUESTS):
                environ = {
                    "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/hello", "REMOTE_ADDR": "127.0.0.1",
                    "HTTP_X_API_KEY": key, "HTTP_ACCEPT": "*/*", "HTTP_USER_AGENT": "python-requests/2.32",
                }  # fmt: skip
                app(environ, lambda _status, _headers: None)

        return all_of_them

    plain, protected = _together([run(answer), run(wsgi.KeyAuth(answer, keywright))])
    report(f"WSGI: what the middleware adds, {title}", protected - plain, "µs", GOAL_MICROSECONDS, 1)


def _together(runs: list[Callable[[], None]]) -> list[float]:
    """Microseconds of each, taken in turns, so that a change of the machine's speed reaches all."""
    found = [[best_seconds(run, 3) for run in runs] for _ in range(5)]
    return [min(each) * 1e6 / REQUESTS for each in zip(*found, strict=True)]
