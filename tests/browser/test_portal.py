"""The portal in a real browser: from the link to the keys and out again, in the operator's name and colour."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from browser.test_looks import THEMES, violations
from browser.window import Window
from support.servers import Server, running

KEYS = "/portal/api-keys"
ACCENT = {"light": "rgb(13, 148, 136)", "dark": "rgb(45, 212, 191)"}


@pytest.fixture(scope="module")
def branded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with an operator's name and colour."""
    with running(
        tmp_path_factory.mktemp("branded") / "data",
        KEYWRIGHT_PORTAL_NAME="Swiftsell",
        KEYWRIGHT_PORTAL_ACCENT="#0d9488, #2dd4bf",
        KEYWRIGHT_PORTAL_RETURN_URL="https://app.example.com/settings",
    ) as started:
        yield started


def link(server: Server, account: str, **more: Any) -> str:
    """A link that the operator's own server has asked for."""
    operator = server.key("Backend", "--scope", "operator")["key"]
    body = {"account_id": account, "actor": "jane@acme.example", **more}
    url: str = server.request("POST", "/v1/portal/sessions", operator, json=body).json()["url"]
    return url


def test_from_the_link_to_the_keys_and_out_again(chromium: Browser, branded: Server) -> None:
    """Open the link, create, copy, done, look, delete, leave: all by the pages alone; the token is in no address and no
    page, the key in none after it was shown, and the browser has nothing to complain of."""
    account = branded.account("Acme Robotics")
    url = link(branded, account)
    token = url.partition("#")[2]
    with Window.opened(chromium, branded, branded.url, "") as window:
        page = window.page
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url + str(request.headers)))
        page.goto(url, wait_until="commit")
        page.wait_for_url(f"**{KEYS}")
        expect(page.get_by_role("banner")).to_contain_text("Acme Robotics")
        expect(page.get_by_role("link", name="Back to Swiftsell")).to_have_attribute(
            "href", "https://app.example.com/settings"
        )
        page.get_by_role("link", name="Create API Key").first.click()
        page.get_by_label("Name", exact=True).fill("Warehouse sync")
        page.get_by_role("button", name="Create", exact=True).click()
        key = window.shown_key()
        page.get_by_role("button", name="Copy the key").click()
        expect(page.locator(".shown-once [data-live]")).to_have_text("Copied to the clipboard.")
        assert page.evaluate("navigator.clipboard.readText()") == key
        assert branded.request("GET", "/v1/account", key).json()["id"] == account
        expect(page.locator("#first-use.on")).to_contain_text("The key works.", timeout=15_000)
        with page.expect_navigation():
            page.get_by_role("link", name="Done").click()
        window.keys.assert_absent(page.content().encode(), "the list")
        page.get_by_role("link", name="Warehouse sync", exact=True).click()
        expect(page.get_by_role("region", name="What was done to it")).to_contain_text("jane@acme.example")
        page.get_by_role("link", name="Delete").click()
        page.get_by_label("To confirm, type").fill("Warehouse sync")
        with page.expect_navigation():
            page.get_by_role("button", name="Delete key").click()
        assert branded.request("GET", "/v1/account", key).status_code == 401
        expect(page.get_by_text("No keys yet")).to_be_visible()
        assert not [each for each in asked if token in each]
        with page.expect_navigation():
            page.get_by_role("button", name="Leave").click()
        expect(page.get_by_role("heading", name="You have left")).to_be_visible()
        # Going back shows nothing any more, and the link opens nothing a second time.
        window.go(KEYS)
        assert page.url == f"{branded.url}/portal/open"
        page.goto(url, wait_until="commit")
        expect(page.get_by_role("alert")).to_contain_text("This link does not work")
        assert token not in page.content() + page.url
        window.trouble = [each for each in window.trouble if "403" not in each]


@pytest.mark.parametrize("theme", THEMES)
def test_the_portal_is_accessible_and_fits(chromium: Browser, branded: Server, theme: str) -> None:
    """In the operator's colour, too, no page breaks a rule of WCAG 2.2 AA that a program can check, or is wider than
    its window, with whatever the account and the person are called."""
    account = branded.account(f"Acme Robotics with quite a long name, {theme}, for the sake of the narrow window")
    made = branded.key("Shopify Integration with quite a long name", "--account", account)
    wrong = []
    with Window.opened(chromium, branded, branded.url, "", color_scheme=theme) as window:
        page = window.page
        window.go("/portal/open")
        wrong += violations(window)
        url = link(branded, account, actor="a-very-long-name-indeed@a-very-long-domain.example.com")
        page.goto(url, wait_until="commit")
        page.wait_for_url(f"**{KEYS}")
        assert page.locator(".btn-p").first.evaluate("it => getComputedStyle(it).backgroundColor") == ACCENT[theme]
        for path, click in ((KEYS, ""), (KEYS, "Create API Key"), (f"{KEYS}/{made['id']}", "")):
            for width in (320, 390, 1440):
                page.set_viewport_size({"width": width, "height": 844})
                window.go(path)
                if click:
                    page.get_by_role("link", name=click).first.click()
                    page.locator("dialog[open] h2").wait_for()
                if window.overflow() > 0:
                    wrong.append(f"{path} {click} is {window.overflow()} px too wide at {width}")
                if width != 320:
                    wrong += [f"{path} {click} at {width}: {each}" for each in violations(window)]
        wrong += _asked_first(window, link(branded, branded.account("W" * 60)), link(branded, branded.account("Third")))
    assert wrong == []


def _asked_first(window: Window, url: str, third: str) -> list[str]:
    """Open a link to another account, as somebody who is in one: what is wrong with the page that asks. Another link
    that is opened where that page is open already is asked about in its place."""
    page, wrong = window.page, []
    page.goto(url, wait_until="commit")
    expect(page.get_by_role("button", name="Go on as WWW")).to_be_visible()
    for width in (320, 1440):
        page.set_viewport_size({"width": width, "height": 844})
        wrong += [f"the question is too wide at {width}"] * (window.overflow() > 0)
        wrong += violations(window)
    page.goto(third, wait_until="commit")
    page.get_by_role("button", name="Go on as Third").click()
    page.wait_for_url(f"**{KEYS}")
    expect(page.get_by_role("banner")).to_contain_text("Third")
    return wrong


def test_without_script_the_token_is_pasted(chromium: Browser, branded: Server) -> None:
    """Without script a link still opens: the page says where its token stands, and a form takes it."""
    account = branded.account("By hand")
    url = link(branded, account)
    with Window.opened(chromium, branded, branded.url, "", java_script_enabled=False) as window:
        window.page.goto(url, wait_until="commit")
        window.page.get_by_label("One-time token").fill(url.partition("#")[2])
        window.page.get_by_role("button", name="Open").click()
        expect(window.page.get_by_role("heading", name="API Keys")).to_be_visible()
