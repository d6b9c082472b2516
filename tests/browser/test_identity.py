"""Signing in with an identity provider, in a real browser, with a real provider on another site."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.test_looks import violations
from browser.window import KEYS, PASSWORD, Window
from keywright.server.console.place import HOME
from keywright.stores.people import Role
from support.faces import beside
from support.identity import CLIENT_ID, CLIENT_SECRET, IdentityProvider, providing
from support.installation import ME
from support.servers import Server, running

LABEL = "Example Company with quite a long name"


@pytest.fixture(scope="module")
def provider() -> Iterator[IdentityProvider]:
    """The provider."""
    with providing() as started:
        yield started


@pytest.fixture(scope="module")
def linked(provider: IdentityProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that knows the provider and has an owner. Its name is of another site than the provider's, so that
    cookies go the way that they go between companies."""
    place = tmp_path_factory.mktemp("linked")
    secret = place / "oidc.secret"
    secret.write_text(f"{CLIENT_SECRET}\n", "utf-8")
    settings = {
        "KEYWRIGHT_PUBLIC_URL": "http://localhost:PORT",
        "KEYWRIGHT_OIDC_ISSUER": provider.issuer,
        "KEYWRIGHT_OIDC_CLIENT_ID": CLIENT_ID,
        "KEYWRIGHT_OIDC_CLIENT_SECRET_FILE": str(secret),
        "KEYWRIGHT_OIDC_LABEL": LABEL,
    }
    with running(place / "data", **settings) as started:
        done = started.command("admin", "create", "--email", "maya@example.com", "--password-stdin", stdin=PASSWORD)
        assert done.returncode == 0, done.stderr
        provider.told(redirect_uris=[f"{address(started)}/sign-in/oidc/callback"])
        yield started
        assert CLIENT_SECRET not in started.log.read_text()


def address(server: Server) -> str:
    """What people type."""
    return f"http://localhost:{urlsplit(server.url).port}"


def sign_in(page: Page, person: str) -> None:
    """Press the button, and say at the provider who one is."""
    page.get_by_role("link", name=f"Sign in with {LABEL}").click()
    expect(page.get_by_role("heading", name="Example login")).to_be_visible()
    page.get_by_role("button", name=person, exact=True).click()


def test_the_whole_way(chromium: Browser, linked: Server, provider: IdentityProvider) -> None:
    """From a page, by the sign-in page and the provider, back to that page; out again; refused with words where it must
    be; in by an invitation; and in with a password while the provider is down. The browser complains of nothing, the
    pages are accessible in both themes and at both widths, and no code, state or secret stays in it."""
    with Window.opened(chromium, linked, address(linked), "", color_scheme="light") as window:
        page = window.go("/audit-log")
        check_looks(window)
        sign_in(page, "maya")
        page.wait_for_url(address(linked) + "/audit-log")
        kept = {each["name"] for each in page.context.cookies(address(linked))}
        assert kept == {"keywright-errand", "keywright"}
        expect(page.get_by_role("navigation", name="Main")).to_be_visible()
        expect(page.get_by_role("row", name="Linked to the identity provider")).to_be_visible()
        page.go_back()
        page.wait_for_load_state()
        assert "code=" not in page.url
        window.go("/profile")
        page.get_by_role("button", name="Sign out").first.click()
        page.wait_for_url(re.compile("/sign-in"))

        sign_in(page, "vic")
        expect(page.get_by_role("alert")).to_contain_text("not invited")
        check_looks(window)
        with beside(linked) as keywright:
            account_id = keywright.manager.operator_account().id
            keywright.directory.invite(ME, account_id, "vic@example.com", Role.VIEWER)
        sign_in(page, "vic")
        page.wait_for_url(re.compile(HOME))

        page.context.clear_cookies()
        window.go(KEYS)
        provider.told(fails="/token", redirect_uris=[f"{address(linked)}/sign-in/oidc/callback"])
        sign_in(page, "maya")
        expect(page.get_by_role("alert")).to_contain_text("does not answer now")
        page.get_by_label("E-mail address").fill("maya@example.com")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_url(re.compile(KEYS))
        assert page.evaluate("document.cookie") == ""
        elsewhere = f"asked elsewhere: {provider.issuer}/"
        said = re.compile(r"status of (403|503)")
        window.trouble = [each for each in window.trouble if not each.startswith(elsewhere) and not said.search(each)]


def check_looks(window: Window) -> None:
    """The page that is open is accessible and fits, in both themes."""
    for theme in ("dark", "light"):
        window.page.emulate_media(color_scheme=theme)
        for width in (390, 1440):
            window.page.set_viewport_size({"width": width, "height": 844})
            assert window.overflow() <= 0
            assert violations(window) == []
