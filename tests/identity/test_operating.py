"""What the operator does about the provider: commands, doctor, settings that cannot be, and what stays secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from identity.traveller import START
from people.staff import PASSWORD
from support.identity import CLIENT_ID, CLIENT_SECRET, IdentityProvider
from support.servers import Server, free_port, running


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the client's secret."""
    file = tmp_path_factory.mktemp("secret") / "oidc.secret"
    file.write_text(CLIENT_SECRET, "utf-8")
    return file


@pytest.fixture(scope="module")
def server(
    running_provider: IdentityProvider, secret: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server that knows the provider and has an owner."""
    data_dir = tmp_path_factory.mktemp("operated") / "data"
    running_provider.at = None
    with running(data_dir, KEYWRIGHT_PUBLIC_URL="http://127.0.0.1:PORT", **told(running_provider, secret)) as started:
        done = started.command("admin", "create", "--email", "maya@example.com", "--password-stdin", stdin=PASSWORD)
        assert done.returncode == 0, done.stderr
        running_provider.told(redirect_uris=[f"{started.url}/sign-in/oidc/callback"])
        yield started
        assert CLIENT_SECRET not in started.log.read_text()


def told(provider: IdentityProvider, secret: Path) -> dict[str, str]:
    """The settings, as environment variables."""
    return {
        "KEYWRIGHT_OIDC_ISSUER": provider.issuer,
        "KEYWRIGHT_OIDC_CLIENT_ID": CLIENT_ID,
        "KEYWRIGHT_OIDC_CLIENT_SECRET_FILE": str(secret),
    }


def test_nothing_is_asked_before_somebody_comes(server: Server, running_provider: IdentityProvider) -> None:
    """A server that starts, answers, shows its sign-in page and verifies keys has no need of the provider."""
    key = server.key()["key"]
    assert server.request("GET", "/v1/account", key).status_code == 200
    assert server.request("GET", "/sign-in").status_code == 200
    assert running_provider.counts() == {}


def test_somebody_comes_in_and_is_unlinked(server: Server, running_provider: IdentityProvider) -> None:
    """Over a real socket somebody comes in; the command shows who they are there, and ends it with their sessions.
    Neither the code nor the state is in the log."""
    browser = requests.Session()
    away = browser.get(server.url + START, allow_redirects=False, timeout=30).headers["location"]
    back = running_provider.signed_in(away, "maya")
    assert browser.get(back, allow_redirects=False, timeout=30).status_code == 303
    home = f"{server.url}/settings/api-keys"
    assert browser.get(home, allow_redirects=False, timeout=30).status_code == 200
    listed = server.command("admin", "identities", "--json")
    assert json.loads(listed.stdout) == [
        {"email": "maya@example.com", "issuer": running_provider.issuer, "subject": "248289761001"}
    ]
    assert "248289761001" in server.command("admin", "identities").stdout

    assert server.command("admin", "unlink", "maya@example.com").returncode == 0

    assert server.command("admin", "identities", "--json").stdout.strip() == "[]"
    assert browser.get(home, allow_redirects=False, timeout=30).status_code == 303
    assert server.command("admin", "unlink", "nobody@example.com").returncode == 3
    log = server.log.read_text()
    assert "/sign-in/oidc/callback" in log
    assert "code=" not in log
    assert "state=" not in log


def doctor(server: Server, **settings: str) -> tuple[bool, str, str]:
    """What doctor finds of the provider, and all that it prints."""
    public = {"KEYWRIGHT_PUBLIC_URL": server.url}
    done = server.command("doctor", "--json", environment={**public, **settings})
    found: dict[str, Any] = next(
        each for each in json.loads(done.stdout)["checks"] if each["check"] == "identity provider"
    )
    return found["ok"], found["found"], done.stdout + done.stderr


def test_doctor_asks_the_provider(server: Server, running_provider: IdentityProvider, secret: Path) -> None:
    """Doctor says whether the provider answers and what it must know; or that it is down, calls itself otherwise, or
    does not know PKCE; and it prints no secret."""
    good = told(running_provider, secret)
    ok, found, printed = doctor(server, **good)
    assert (ok, f"{server.url}/sign-in/oidc/callback" in found) == (True, True)
    assert CLIENT_SECRET not in printed
    assert doctor(server)[:2] == (True, "none")
    in_the_clear = {"KEYWRIGHT_OIDC_CLIENT_SECRET": CLIENT_SECRET, "KEYWRIGHT_OIDC_CLIENT_SECRET_FILE": ""}
    ok, _, printed = doctor(server, **{**good, **in_the_clear})
    assert (ok, CLIENT_SECRET in printed) == (True, False)
    ok, found, _ = doctor(server, **{**good, "KEYWRIGHT_OIDC_ISSUER": f"{running_provider.issuer}/"})
    assert (ok, "calls itself" in found) == (False, True)
    ok, found, _ = doctor(server, **{**good, "KEYWRIGHT_OIDC_ISSUER": f"http://127.0.0.1:{free_port()}"})
    assert (ok, "cannot be asked" in found) == (False, True)
    running_provider.told(discovery={"code_challenge_methods_supported": ["plain"]})
    ok, found, _ = doctor(server, **good)
    assert (ok, "PKCE" in found) == (False, True)


def test_a_start_without_the_secret(server: Server, running_provider: IdentityProvider, tmp_path: Path) -> None:
    """A server whose secret's file is missing says so, and does not start."""
    settings = {"KEYWRIGHT_PUBLIC_URL": server.url, **told(running_provider, tmp_path / "none.secret")}
    done = server.command("serve", "--port", str(free_port()), environment=settings)

    assert done.returncode == 1
    assert "none.secret cannot be read" in done.stderr
    assert "Traceback" not in done.stderr
