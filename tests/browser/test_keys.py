"""Settings → API Keys in a real browser: the documents' steps, copying, the key that is shown once, the keyboard."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from playwright.sync_api import Browser, expect

from browser.conftest import INSECURE_HOST
from browser.window import KEYS, PASSWORD, Window, sign_in
from support.servers import Server, running
from support.waiting import eventually

PATIENCE = 15_000


def status(server: Server, key: str) -> int:
    """What a request with the key is answered."""
    return server.request("GET", "/v1/account", key).status_code


def test_the_steps_of_the_document(window: Window) -> None:
    """S8-S14, S46, S53-S55: "Creating an API key" and "Deleting an API key", step by step, as the document has them."""
    page, server = window.page, window.server
    # 1. Go to Settings → API Keys.
    window.go("/settings/help")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="API Keys").click()
    expect(page.get_by_role("navigation", name="Breadcrumb")).to_have_text(re.compile(r"Settings\s*/\s*API Keys"))
    # 2. Click Create API Key.
    window.ready()
    page.get_by_text("Create API Key").first.click()
    expect(page.get_by_role("dialog", name="Create New Key")).to_be_visible()
    window.ready()
    # 3. Enter a Name to identify what this key is used for.
    page.get_by_label("Name", exact=True).fill("Shopify Integration")
    # 4. Click Create.
    page.get_by_role("button", name="Create", exact=True).click()
    # 5. Copy the key: it will only be shown once.
    key = window.shown_key()
    expect(page.get_by_text("This is the only time the full key is shown.")).to_be_visible()
    page.get_by_role("button", name="Copy the key").click()
    window.copied()
    assert page.evaluate("navigator.clipboard.readText()") == key
    assert status(server, key) == 200
    expect(page.locator("#first-use.on")).to_contain_text("The key works.", timeout=PATIENCE)
    with page.expect_navigation():
        page.get_by_role("link", name="Done").click()
    window.ready()
    # Key properties: Name, Prefix, Last used, Created.
    row = page.get_by_role("row", name="Shopify Integration")
    expect(row.get_by_role("cell").nth(0)).to_contain_text("Shopify Integration")
    expect(row.get_by_role("cell").nth(1)).to_contain_text(key[:12])
    expect(row.get_by_role("cell").nth(1)).to_contain_text(key[-4:])
    expect(row.get_by_role("cell").nth(3)).to_contain_text(re.compile(r"just now|s ago"))
    expect(row.get_by_role("cell").nth(3)).to_contain_text("127.0.0.1")
    expect(row.get_by_role("cell").nth(5)).to_contain_text(re.compile(r"\d+ \w{3} \d{4}"))
    assert key not in page.content()
    # Deleting. 2. Click the Delete (trash) icon next to the key; cancelling leaves it working.
    row.get_by_role("link", name="Delete Shopify Integration").click()
    page.get_by_role("link", name="Cancel").click()
    assert status(server, key) == 200
    row.get_by_role("link", name="Delete Shopify Integration").click()
    dialog = page.get_by_role("dialog", name="Delete Shopify Integration?")
    expect(dialog).to_contain_text("Requests with this key get 401 at once.")
    expect(dialog).to_contain_text("127.0.0.1")
    # 3. Confirm the deletion. The key is in use, so its name is asked for.
    confirm = dialog.get_by_role("button", name="Delete key")
    confirm.click(force=True)
    assert status(server, key) == 200
    dialog.get_by_label("To confirm, type").fill("Shopify Integration")
    with page.expect_navigation():
        confirm.click()
    # "any system using that key will start receiving 401 Unauthorized responses"
    assert status(server, key) == 401
    expect(page.get_by_role("row", name="Shopify Integration")).to_have_count(0)


def test_the_shown_once_dialog_stays_until_the_key_is_safe(window: Window) -> None:
    """Neither Esc, nor the cross, nor Done, nor a click beside it closes the dialog before the key is copied, loaded or
    ticked off; and each of them says why."""
    window.create("Guarded")
    page = window.page
    dialog = page.get_by_role("dialog")
    page.keyboard.press("Escape")
    page.get_by_label("Close", exact=True).click()
    page.mouse.click(4, 4)
    page.get_by_role("link", name="Done").click()

    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("alert")).to_contain_text("Not copied yet")
    with page.expect_download() as download:
        dialog.get_by_role("button", name=".env").click()
    key = (page.locator("#secret").text_content() or "").strip()
    assert Path(download.value.path()).read_text("utf-8") == f"SALESWEBHOOKS_API_KEY={key}\n"
    with page.expect_navigation():
        page.keyboard.press("Escape")
    expect(page.get_by_role("row", name="Guarded")).to_be_visible()


def test_impatience_takes_no_key_away(window: Window) -> None:
    """A double click on Create, or on Rotate, makes one key and shows it. Esc, however often, does not take it away;
    neither does the end of the session while the page still looks for the key's first use."""
    page = window.page
    posts: list[str] = []
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    window.go()
    form = window.form("Create API Key")
    form.get_by_label("Name", exact=True).fill("Impatient")
    form.get_by_role("button", name="Create", exact=True).dblclick()
    window.shown_key()
    dialog = page.get_by_role("dialog")
    for _ in range(6):
        page.keyboard.press("Escape")
    expect(dialog.get_by_role("alert")).to_contain_text("Not copied yet")
    expect(page.locator("#first-use[data-htmx-powered]")).to_be_visible()
    # The session ends: what the page asks for by itself is led to where people sign in.
    session: list[Any] = page.context.cookies()
    page.context.clear_cookies()
    expect(page.locator("#first-use")).to_have_count(0, timeout=PATIENCE)
    expect(page.locator("#secret")).to_be_visible()
    assert len(posts) == 1
    page.context.add_cookies(session)
    window.done()
    form = window.form("Rotate Impatient")
    form.get_by_role("button", name="Rotate key").dblclick()
    window.shown_key()
    dialog.get_by_role("button", name="Copy the key").click()
    window.copied()
    assert len(posts) == 2


def test_the_key_leaves_no_trace_in_the_browser(window: Window) -> None:
    """S12, S14: after the dialog is closed the key is in no page, no address, no storage, no history and no cookie; and
    going back does not show it."""
    key = window.create("Traceless")
    window.done()
    page = window.page
    page.go_back()
    page.wait_for_load_state()
    for path in (KEYS, f"{KEYS}?q=Traceless", "/settings/general", KEYS):
        window.go(path)
        held = (
            page.content()
            + page.url
            + page.evaluate(
                "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, history.state, window.name])"
            )
        )
        window.keys.assert_absent(held.encode(), path)
    assert key[-4:] in page.content()
    assert page.evaluate("document.cookie") == ""
    assert page.evaluate("indexedDB.databases().then(found => found.length)") == 0
    assert page.evaluate("caches.keys().then(found => found.length)") == 0


def test_who_leaves_with_the_key_open_does_not_find_it_again(window: Window) -> None:
    """Going to another page while the key is shown, and back again, does not bring it back."""
    window.create("Left open")
    window.go("/settings/help")
    window.page.go_back()
    window.page.wait_for_load_state()

    window.keys.assert_absent(window.page.content().encode(), "the page that was gone back to")


def test_copying_works_on_an_insecure_origin(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> None:
    """S13: over plain http from another machine, where browsers have no clipboard for scripts, Copy still copies
    exactly the key."""
    data_dir = tmp_path_factory.mktemp("insecure") / "data"
    with running(data_dir, KEYWRIGHT_PUBLIC_URL=f"http://{INSECURE_HOST}:PORT") as server:
        url = f"http://{INSECURE_HOST}:{urlsplit(server.url).port}"
        done = server.command("admin", "create", "--email", "maya@example.com", "--password-stdin", stdin=PASSWORD)
        assert done.returncode == 0, done.stderr
        with Window.opened(chromium, server, url, sign_in(server, url)) as window:
            key = window.create("Over plain http")
            page = window.page
            assert page.evaluate("[window.isSecureContext, typeof navigator.clipboard]") == [False, "undefined"]
            page.get_by_role("tab", name="Python").click()
            page.get_by_role("button", name="Copy the key").click()
            window.copied()
            expect(page.locator("#p-python")).to_be_visible()
            with page.expect_navigation():
                page.get_by_role("link", name="Done").click()
            page.locator("#q").click()
            page.keyboard.press("Control+V")
            # The search keeps no whole key: what arrives there is its end, which shows that it was copied.
            expect(page.locator("#q")).to_have_value(key[-4:])


def test_create_copy_done_and_delete_by_keyboard_alone(window: Window) -> None:
    """Nobody needs a mouse: create, copy, done and delete work with the keyboard, and the focus is where it belongs."""
    page = window.go()
    page.keyboard.press("c")
    page.locator("dialog[open] form[data-htmx-powered]").wait_for()
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type("By keyboard")
    page.keyboard.press("Enter")
    key = window.shown_key()
    expect(page.get_by_role("button", name="Copy the key")).to_be_focused()
    page.keyboard.press("Enter")
    window.copied()
    with page.expect_navigation():
        page.keyboard.press("Escape")
    window.ready()
    assert page.evaluate("navigator.clipboard.readText()") == key

    def searching() -> bool:
        page.keyboard.press("/")
        return bool(page.evaluate("document.activeElement.id === 'q'"))

    # Who is quicker than the page presses again.
    assert eventually(searching)
    page.keyboard.type("By keyboard")
    # Until what was searched for is there: what is exchanged takes the focus with it.
    expect(page.locator("a[href*='q=By+keyboard']").first).to_be_attached(timeout=PATIENCE)
    expect(page.get_by_role("row")).to_have_count(2, timeout=PATIENCE)
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('aria-label')") == "Delete By keyboard":
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Cancel")).to_be_focused()
    page.keyboard.press("Tab")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert status(window.server, key) == 401


def test_a_key_made_in_a_tab_of_its_own(window: Window) -> None:
    """Who opens the form as a page, or clicks before the page is ready, makes the key on that page, and then gets the
    list; a name that will not do is told of there, and a double click makes one key and shows it."""
    page = window.go(KEYS + "/new")
    page.get_by_label("Name", exact=True).fill("x" * 256)
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("255")
    window.ready()
    expect(page.locator("dialog[open]")).to_have_count(0)
    page.get_by_label("Name", exact=True).fill("In a tab")
    page.get_by_role("button", name="Create", exact=True).dblclick()
    key = window.shown_key()
    expect(page.get_by_role("button", name="Copy the key")).to_be_focused()
    window.done()
    window.trouble = [each for each in window.trouble if "422" not in each]
    assert page.url == window.url + KEYS
    expect(page.get_by_role("row", name="In a tab")).to_be_visible()
    assert key not in page.content()


def test_search_filter_and_paging_in_place(window: Window) -> None:
    """What is typed is searched for at once, what is chosen is shown, and the page stays where it is."""
    for name in ("Quarterly", "100% <b>bold</b>", "Änderung"):
        window.server.key(name)
    page = window.go()
    page.locator("#q").fill("quarterly")
    expect(page.get_by_role("row", name="Quarterly")).to_be_visible()
    expect(page.get_by_role("row")).to_have_count(2, timeout=PATIENCE)
    page.locator("#q").fill("nothing like it")
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#live")).to_have_text("Nothing found")
    expect(page.locator("#env-all .n")).to_have_text("0")
    page.locator("#q").fill("")
    expect(page.get_by_role("row", name="Änderung")).to_be_visible(timeout=PATIENCE)
    window.ready()
    page.get_by_role("navigation", name="Show").get_by_role("link", name=re.compile("^Test")).click()
    # Others share the server: of the keys here none is for tests.
    expect(page.get_by_role("row", name="Änderung")).to_have_count(0, timeout=PATIENCE)
    expect(page.locator("#env-test")).to_be_focused()
    assert page.url == window.url + KEYS


#: Whether the dialog's foot lies over what has the focus.
BEHIND_THE_FOOT = """(() => {
  const foot = document.querySelector("dialog .d-foot"), on = document.activeElement;
  return !foot.contains(on) && on.getBoundingClientRect().top >= foot.getBoundingClientRect().top;
})()"""


def test_slow_answers_and_failing_ones_cost_nobody_what_they_typed(window: Window) -> None:
    """Of two searches the newer one counts, however late the older is answered. An answer that says that the server
    fails takes the place of nothing: it is told of beside what was typed, and trying again works. Neither marking text
    beyond the dialog's edge nor a click that opens a tab loses anything, and no field with the focus is hidden."""
    window.server.key("Steady")
    page = window.go()
    page.route(re.compile("q=slow"), lambda route: None)
    with page.expect_request(re.compile("q=slow")):
        page.locator("#q").fill("slow")
    page.locator("#q").fill("nothing like it")
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    page.route(re.compile("q=failing"), lambda route: route.fulfill(status=503, body="<p>Not now</p>"))
    page.locator("#q").fill("failing")
    expect(page.get_by_role("alert")).to_contain_text("That did not work.")
    expect(page.locator("#results")).to_contain_text("Nothing found")
    page.locator("#q").fill("")
    expect(page.locator("#results table")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Create API Key").first.click(modifiers=["ControlOrMeta"])
    opened.value.wait_for_url(f"**{KEYS}/new")
    opened.value.close()

    page.set_viewport_size({"width": 1280, "height": 500})
    form = window.form("Create API Key")
    name, create = form.get_by_label("Name", exact=True), form.get_by_role("button", name="Create", exact=True)
    name.fill("Patient")
    for _ in range(10):
        page.keyboard.press("Tab")
        assert not page.evaluate(BEHIND_THE_FOOT)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.route(f"**{KEYS}", lambda route: route.fulfill(status=503, body="<p>Not now</p>"), times=1)
    create.click()
    expect(form.get_by_role("alert")).to_contain_text("That did not work.")
    name.hover()
    page.mouse.down()
    page.mouse.move(4, 4)
    page.mouse.up()
    expect(name).to_have_value("Patient")
    create.click()
    window.shown_key()
    copy = page.get_by_role("button", name="Copy the key")
    copy.click()
    expect(page.get_by_role("dialog").locator("[data-live]")).to_have_text("Copied to the clipboard.")
    copy.click()
    expect(copy).to_have_text("Copy")
    window.trouble = [each for each in window.trouble if "503" not in each]


def test_without_script_everything_but_copying_works(chromium: Browser, console: Server, session_of_owner: str) -> None:
    """With script switched off keys are made, shown and deleted on pages of their own."""
    with Window.opened(chromium, console, console.url, session_of_owner, java_script_enabled=False) as window:
        key = window.create("No script")
        assert status(console, key) == 200
        page = window.page
        # What would do nothing is not there.
        assert page.get_by_role("button", name="Copy the key").count() == 0
        assert page.get_by_role("tab").count() == 0
        page.get_by_role("link", name="Done").click()
        page.get_by_role("row", name="No script").get_by_role("link", name="Delete No script").click()
        page.get_by_role("link", name="Cancel").click()
        assert eventually(lambda: last_used(console, key))
        page.get_by_role("row", name="No script").get_by_role("link", name="Delete No script").click()
        page.get_by_label("To confirm, type").fill("No script")
        page.get_by_role("button", name="Delete key").click()
        assert status(console, key) == 401


def last_used(server: Server, key: str) -> bool:
    """Whether the list tells of a use of the key."""
    keys = requests.get(server.url + "/v1/account/api-keys", headers={"X-API-Key": key}, timeout=30).json()["keys"]
    return any(each["last_used_at"] for each in keys if each["hint"] == key[-4:])
