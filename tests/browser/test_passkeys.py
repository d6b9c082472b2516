"""A passkey from its making to its end, in a real browser with an authenticator that the browser plays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from browser.test_looks import violations
from browser.window import EMAIL, PASSWORD, Window
from support.faces import beside
from support.installation import ME
from support.servers import Server, running


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Server]:
    """A server with an owner, of its own: the other tests' owner has no passkey."""
    with running(tmp_path / "data") as started:
        done = started.command(
            "admin", "create", "--email", EMAIL, "--name", "Maya", "--password-stdin", stdin=PASSWORD
        )
        assert done.returncode == 0, done.stderr
        yield started


class Device:
    """An authenticator that Chromium plays, with its own storage, and somebody whom it knows.

    Attributes:
        session: over which the browser was asked for it; it ends with the session.
    """

    def __init__(self, window: Window) -> None:
        self.session = window.page.context.new_cdp_session(window.page)
        self.session.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        self._id = self.session.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]

    def passkeys(self) -> list[dict[str, Any]]:
        """The passkeys in it."""
        found: list[dict[str, Any]] = self.session.send("WebAuthn.getCredentials", {"authenticatorId": self._id})[
            "credentials"
        ]
        return found

    def knows(self, *, them: bool) -> None:
        """Whether it knows whoever holds it."""
        self.session.send("WebAuthn.setUserVerified", {"authenticatorId": self._id, "isUserVerified": them})


def looked_at(window: Window, device: Device) -> None:
    """The page as it stands is accessible, and fits, at both widths."""
    for width in (390, 1440):
        window.page.set_viewport_size({"width": width, "height": 844})
        assert window.overflow() <= 0
        assert violations(window, device.session) == []


def sign_in(page: Page) -> None:
    """With the password."""
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("button", name="Sign out").wait_for()


def make_stale(server: Server) -> None:
    """All sign-ins have been so long ago that they show nothing any more."""
    with beside(server) as keywright, keywright.store.transaction() as tx:
        member = tx.people.member_by_email(EMAIL)
        assert member
        for session in tx.people.sessions(member.id):
            tx.people.update_session(session.digest, proved_at=0.0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_passkey_from_its_making_to_its_end(chromium: Browser, home: Server, theme: str) -> None:
    """Add a passkey, sign out, sign in with it, show with it who one is, remove it: by mouse and keyboard, with nothing
    but what the pages offer. A device that does not know its holder gets nowhere. Afterwards the password works, and an
    operator finds no passkey. The pages are accessible, and the browser complains of nothing."""
    url = home.url.replace("127.0.0.1", "localhost")
    with Window.opened(chromium, home, url, "", color_scheme=theme) as window:
        page, device = window.go("/sign-in"), Device(window)
        looked_at(window, device)
        sign_in(page)
        window.go("/profile")
        page.get_by_role("link", name="Add a passkey").click()
        looked_at(window, device)
        page.get_by_label("Name").fill("My laptop")
        page.get_by_label("Name").press("Enter")
        page.get_by_text("Your passkey is added.").wait_for()
        looked_at(window, device)
        assert [each["rpId"] for each in device.passkeys()] == ["localhost"]

        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/sign-in")
        device.knows(them=False)
        page.get_by_role("button", name="Sign in with a passkey").click()
        page.get_by_text("Nothing came of it").wait_for()
        looked_at(window, device)
        device.knows(them=True)
        page.get_by_role("button", name="Sign in with a passkey").click()
        page.get_by_role("button", name="Sign out").wait_for()

        make_stale(home)
        window.go("/settings/members")
        page.get_by_label("E-mail address").fill("jo@example.com")
        page.get_by_role("button", name="Make a link").click()
        page.get_by_role("heading", name="Is it you?").wait_for()
        looked_at(window, device)
        page.get_by_role("button", name="Use a passkey").click()
        page.get_by_role("heading", name="The invitation of jo@example.com is ready").wait_for()

        window.go("/profile")
        page.get_by_text("last used").wait_for()
        page.get_by_role("link", name="Remove My laptop").click()
        page.get_by_role("button", name="Remove").click()
        page.get_by_text("A passkey signs you in with").wait_for()
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("button", name="Sign in with a passkey").click()
        page.get_by_text("This passkey was not accepted").wait_for()
        sign_in(page)
        # The refusals were answered with 403, as they should be.
        window.trouble = [each for each in window.trouble if "403" not in each]
    with beside(home) as keywright:
        assert keywright.passkeys.of(ME, EMAIL) == []


def test_where_there_are_no_passkeys_the_page_says_why(chromium: Browser, home: Server) -> None:
    """At an address of figures no button is offered that could not work, and the profile says where it would."""
    with Window.opened(chromium, home, home.url, "") as window:
        page = window.go("/sign-in")
        assert page.get_by_role("button", name="Sign in with a passkey").count() == 0
        sign_in(page)
        window.go("/profile")
        page.get_by_text("on the machine itself at http://localhost").wait_for()
        assert page.get_by_role("link", name="Add a passkey").count() == 0
