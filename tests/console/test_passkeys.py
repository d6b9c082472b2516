"""The console's side of passkeys: where there are any, and the ways that the page's script takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from console.desk import Desk, seen
from keywright import ManualClock
from keywright.server.console.origin import Origin, site_of
from people.staff import cheap_passwords, claimed, visitor
from support.authenticator import Authenticator
from support.faces import Headers, InProcess
from support.installation import Installation

URL = "https://keys.example.com"
HERE: Headers = (("Host", "keys.example.com"), ("Origin", URL), ("Sec-Fetch-Site", "same-origin"))

#: Scheme, host, public_url → the host name that passkeys belong to.
PLACES: tuple[tuple[str, str, str | None, str], ...] = (
    ("http", "localhost:8460", None, "localhost"),
    ("http", "keys.localhost:8460", None, "keys.localhost"),
    ("http", "127.0.0.1:8460", None, ""),
    ("http", "[::1]:8460", None, ""),
    ("https", "keys.example.com", None, "keys.example.com"),
    ("https", "keys.example.com:8443", None, "keys.example.com"),
    ("https", "192.0.2.1", None, ""),
    ("https", "[2001:db8::1]:8460", None, ""),
    ("https", "", None, ""),
    ("https", "keys.example.com", URL, "keys.example.com"),
    ("https", "keys.example.com", f"{URL}/", "keys.example.com"),
    ("https", "other.example.com", URL, ""),
    ("http", "localhost:8460", URL, ""),
    ("http", "keys.example.com", "http://keys.example.com", ""),
)


@pytest.mark.parametrize(("scheme", "host", "public_url", "party"), PLACES)
def test_where_there_are_passkeys(scheme: str, host: str, public_url: str | None, party: str) -> None:
    """Over https at a name, and on the machine itself; with public_url there and nowhere else. The origin is the one
    that the browser is at, with its port."""
    site = site_of(Origin(scheme, host, usable=True), public_url)

    assert (site.party if site else "") == party
    assert site is None or site.origin == f"{scheme}://{host}"


@pytest.fixture
def published(data_dir: Path, clock: ManualClock) -> Iterator[tuple[Installation, Desk]]:
    """An installation behind a proxy that speaks https, and its owner, whose cookie has the name of there."""
    with Installation(data_dir, clock, public_url=URL) as made:
        cheap_passwords(made.keywright)
        with InProcess(made.keywright) as face:
            yield made, Desk(face, claimed(made), "__Host-keywright")


def test_the_ways_of_the_script(published: tuple[Installation, Desk]) -> None:
    """Options, an answer, and the page that follows: for adding, signing in and showing who one is; each held to the
    public address, whatever a browser elsewhere says."""
    installation, desk = published
    stranger, device = Desk(desk.face, "", "__Host-keywright"), Authenticator(URL)
    asked = desk.post("/profile/passkeys/options", headers=HERE)
    made = desk.post("/profile/passkeys", {"name": "My laptop", "passkey": device.make(asked.text)}, headers=HERE)

    assert asked.headers["content-type"] == "application/json"
    assert made.headers["location"] == "/profile?changed=passkey"
    assert "My laptop" in seen(desk.get("/profile", HERE[0]))
    asked = stranger.post("/sign-in/passkey/options", headers=HERE)
    fields: dict[str, str | list[str]] = {"passkey": device.show(asked.text), "next": "/settings/members"}
    assert stranger.post("/sign-in/passkey", fields, headers=HERE).headers["location"] == "/settings/members"
    assert visitor(installation, stranger.session).member.email == "maya@example.com"
    installation.clock.advance(20 * 60)
    for each in ("/profile", "/confirm?next=/settings/members"):
        assert desk.get(each, HERE[0]).status_code == 200
    assert "Use a passkey" in seen(desk.get("/confirm", HERE[0]))
    asked = desk.post("/confirm/options", headers=HERE)
    shown = desk.post("/confirm", {"proof": device.show(asked.text), "next": "/profile/passkeys/new"}, headers=HERE)
    assert (shown.status_code, shown.headers["location"]) == (303, "/profile/passkeys/new")
    assert installation.keywright.presence.is_shown(visitor(installation, desk.session))


def test_a_refused_passkey_is_said_on_the_page(published: tuple[Installation, Desk]) -> None:
    """An answer that is none gets a page that says so, and not an error: where one signs in, adds one, or shows it."""
    _, desk = published
    for path in ("/sign-in/passkey", "/profile/passkeys", "/confirm"):
        for answer in ("{}", "x"):
            page = desk.post(path, {"name": "A", "passkey": answer, "proof": answer}, headers=HERE)
            assert page.status_code == 403, path
            assert "not accepted" in seen(page) or "This is not right" in seen(page)


def test_where_there_are_none_nothing_asks_for_one(installation: Installation, owner: Desk) -> None:
    """At an address of figures no page offers a passkey, and no way leads to one; the profile says why."""
    for path in ("/profile/passkeys/options", "/confirm/options", "/sign-in/passkey/options", "/sign-in/passkey"):
        assert owner.post(path).status_code == 404
    assert owner.get("/profile/passkeys/new").headers["location"] == "/profile"
    assert "on the machine itself at http://localhost" in seen(owner.get("/profile"))
    assert "Sign in with a passkey" not in seen(Desk(owner.face).get("/sign-in"))
    assert installation.keywright.passkeys.listed(visitor(installation, owner.session)) == []
