"""What an application is protected from, wherever it stands."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from keywright import Misconfigured
from keywright.adapters.asgi import KeyAuth
from support.installation import Installation
from support.mutants import assert_caught


def application() -> FastAPI:
    """One secret, and one page for everybody."""
    app = FastAPI()
    app.get("/v1/secret")(lambda: "secret")
    app.get("/open")(lambda: "open")
    return app


def status(app: Any, path: str, root_path: str = "") -> int:
    """What a request without a key gets from an application that a server has told of a prefix."""

    async def ask() -> int:
        transport = httpx.ASGITransport(app=app, root_path=root_path)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return (await client.get(path)).status_code

    return asyncio.run(ask())


@pytest.mark.parametrize("path", ["/v1/secret", "/prefix/v1/secret", "/prefix//v1/secret", "/v1", "/v1/nothing"])
def test_a_prefix_opens_nothing(installation: Installation, path: str) -> None:
    """An application that takes a prefix off its paths is protected below the prefix as well."""
    app = KeyAuth(application(), installation.keywright, ["/v1"])

    assert status(app, path, "/prefix") == 401
    assert status(app, "/prefix/open", "/prefix") == 200


def test_a_mounted_application_is_protected(installation: Installation) -> None:
    """Where the protected application stands below another one makes no difference."""
    mounted = Starlette(routes=[Mount("/below", KeyAuth(application(), installation.keywright, ["/v1"]))])

    assert status(mounted, "/below/v1/secret") == 401
    assert status(mounted, "/below/open") == 200


def test_everything_is_protected_unless_said_otherwise(installation: Installation) -> None:
    """Without a list every path needs a key."""
    app = KeyAuth(application(), installation.keywright)

    assert [status(app, path) for path in ("/open", "/v1/secret", "/", "/nothing")] == [401] * 4


@pytest.mark.parametrize("protect", [[], ["v1"], ["/v1", ""]], ids=["nothing", "no slash", "empty"])
def test_a_list_that_protects_nothing_is_refused(installation: Installation, protect: Sequence[str]) -> None:
    """A slip in the list is an error at the start, not an open door."""
    with pytest.raises(Misconfigured, match="protect"):
        KeyAuth(application(), installation.keywright, protect)


def test_a_prefix_that_opens_is_caught(tmp_path: Any) -> None:
    """The check above fails where only the start of a path is looked at."""
    assert_caught(
        tmp_path,
        "adapters/guard.py",
        "if each in below:",
        "if below.startswith(each):",
        "tests/faces/test_protection.py::test_a_prefix_opens_nothing",
    )
