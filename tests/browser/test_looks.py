"""Every page as people meet it: accessible in both themes and at all widths, never wider than the window, and showing
whatever somebody was called as text."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, CDPSession

from browser.window import KEYS, Window
from support.faces import beside
from support.installation import ME
from support.servers import Server
from support.waiting import eventually

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
#: axe-core 4.14.1, MPL-2.0.
AXE_SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
THEMES = ("light", "dark")
#: Theme → the widths that a page is looked at in. A theme changes no sizes.
WIDTHS = {"light": (320, 390, 768, 1440), "dark": (390, 1440)}
#: Page → what to click on it before looking; a page of its own where that opens a dialog.
PAGES = (
    (KEYS, ""),
    (f"{KEYS}?show=disabled", ""),
    (KEYS, "Create API Key"),
    (KEYS, "Delete Old ERP connector"),
    (KEYS, "Rotate Production API Server"),
    (f"{KEYS}/new", ""),
    ("/overview", ""),
    ("/overview?span=90d", ""),
    ("/audit-log", ""),
    ("/audit-log?action=key.create", ""),
    ("/audit-log?actor=nobody", ""),
    ("/settings/members", ""),
    ("/settings/limits", ""),
    ("/settings/general", ""),
    ("/settings/help", ""),
    ("/profile", ""),
    ("/profile/second-factor", ""),
    ("/confirm?next=/profile", ""),
    ("/settings/nothing", ""),
)
STRANGERS = ("/sign-in", "/sign-in/link", "/join")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
USED = "Zapier with quite a long name, for the sake of the narrow window"
#: Names that break pages which are not careful.
HOSTILE = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", '"><svg onload=alert(1)>', "'><b>x</b>", "{{7*7}}",
    "{% raw %}", "${7*7}", "<iframe src=//evil.example>", "javascript:alert(1)", "</title><script>alert(1)</script>",
    "<!--", "-->", "]]>", "&lt;b&gt;", "&#x3c;b&#x3e;", "<a href=//evil.example>x</a>", "' onmouseover='alert(1)",
    '" autofocus onfocus="alert(1)', "<style>*{display:none}</style>", "<link rel=stylesheet href=//evil.example>",
    "<meta http-equiv=refresh content=0;url=//evil.example>", "<base href=//evil.example>", "=cmd|' /C calc'!A0",
    "%3Cscript%3E", "\\u003cscript\\u003e", "<form action=//evil.example><input name=x>", "<dialog open>x</dialog>",
    "<template><b>", "<math><mi//xlink:href='javascript:alert(1)'>", "<object data=//evil.example>",
    "<button hx-get=//evil.example hx-trigger=load>", "<p hx-on:click=alert(1)>", "${alert(1)}", "`alert(1)`",
    "משרד ראשי", "العربية key", "a" * 255, "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww", "🔑" * 40,
    "Z͑ͫa̴l̡g͎o",
)  # fmt: skip


def test_axe_is_what_it_was() -> None:
    """The accessibility checker is the file that we took."""
    assert hashlib.sha256(AXE.read_bytes()).hexdigest() == AXE_SHA256


@pytest.fixture(scope="module")
def furnished(console: Server) -> Server:
    """Some keys of every sort."""
    console.key("Production API Server")
    console.key("GitHub Actions", "--environment", "test", "--expires", "3d")
    disabled = console.key("Old ERP connector")
    assert console.command("keys", "disable", disabled["id"]).returncode == 0
    used = console.key(USED, "--format", "ss")
    console.request("GET", "/v1/account", used["key"])
    return console


def violations(window: Window, open_session: CDPSession | None = None) -> list[str]:
    """What the accessibility checker finds on the page.

    Args:
        open_session: to ask the browser over, and to leave open. The end of one ends authenticators of another.
    """
    # In a world of its own: the page's policy lets no script in, and is not to be weakened for the test.
    ended = "each.effect.getComputedTiming().iterations === Infinity || each.finish()"
    window.page.evaluate(f"document.getAnimations().forEach(each => {{{ended}}})")
    session = open_session or window.page.context.new_cdp_session(window.page)
    frame = session.send("Page.getFrameTree")["frameTree"]["frame"]["id"]
    world = session.send("Page.createIsolatedWorld", {"frameId": frame})["executionContextId"]
    session.send("Runtime.evaluate", {"expression": AXE.read_text("utf-8"), "contextId": world})
    run = f"axe.run({{runOnly: {TAGS!r}}}).then(found => found.violations.map(v => v.id + ': ' + v.nodes[0].html))"
    found: dict[str, Any] = session.send(
        "Runtime.evaluate", {"expression": run, "contextId": world, "awaitPromise": True, "returnByValue": True}
    )
    if open_session is None:
        session.detach()
    result: list[str] = found["result"]["value"]
    return result


@pytest.mark.parametrize("theme", THEMES)
def test_every_page_is_accessible_and_fits(
    chromium: Browser, furnished: Server, session_of_owner: str, theme: str
) -> None:
    """No page in any theme breaks a rule of WCAG 2.2 AA that a program can check, or is wider than its window; nor does
    the browser complain of anything."""
    wrong = []
    with Window.opened(chromium, furnished, furnished.url, session_of_owner, color_scheme=theme) as window:
        for path, click in PAGES:
            for width in WIDTHS[theme]:
                window.page.set_viewport_size({"width": width, "height": 844})
                look(window, path, click)
                if window.overflow() > 0:
                    wrong.append(f"{path} {click} is {window.overflow()} px too wide at {width}")
                if width in (390, 1440):
                    wrong += [f"{path} {click} at {width}: {each}" for each in violations(window)]
        # The page that is not there says so, as it should.
        window.trouble = [each for each in window.trouble if "404" not in each]
    with Window.opened(chromium, furnished, furnished.url, "", color_scheme=theme) as window:
        for path in STRANGERS:
            window.go(path)
            wrong += [f"{path}: {each}" for each in violations(window)]
    assert wrong == []


@pytest.mark.parametrize("theme", THEMES)
def test_the_page_of_a_key_is_accessible_and_fits(
    chromium: Browser, furnished: Server, session_of_owner: str, theme: str
) -> None:
    """The same of the page of a key that is used: its chart, its numbers, its limits; and its dialogs open on it."""
    with beside(furnished) as keywright:
        account_id = keywright.manager.operator_account().id
        listed = keywright.manager.find(ME, account_id, USED)
        assert eventually(lambda: keywright.manager.key(ME, account_id, listed.row.id).last_use)
    with Window.opened(chromium, furnished, furnished.url, session_of_owner, color_scheme=theme) as window:
        for width in (320, 390, 1440):
            window.page.set_viewport_size({"width": width, "height": 844})
            window.go(f"{KEYS}/{listed.row.id}?span=3d")
            window.page.get_by_text("The numbers as a table").click()
            assert window.overflow() <= 0
            assert violations(window) == []
            window.page.get_by_role("link", name="Edit").click()
            window.page.locator("dialog[open] h2").wait_for()
            window.page.get_by_label("Chosen scopes").check()
            assert window.overflow() <= 0
            assert violations(window) == []
        window.go(f"{KEYS}/{listed.row.id}")
        window.page.get_by_role("link", name="Delete").click()
        window.page.locator("dialog[open] h2").wait_for()


def test_the_page_of_a_key_works_without_script(chromium: Browser, furnished: Server, session_of_owner: str) -> None:
    """From the list to a key, to another span, to its lines in the log and to deleting it: links and forms alone."""
    options = {"java_script_enabled": False}
    with Window.opened(chromium, furnished, furnished.url, session_of_owner, **options) as window:
        page = window.go()
        page.get_by_role("link", name=USED, exact=True).click()
        page.get_by_role("link", name="30 days").click()
        assert page.get_by_role("img", name="Bar chart").count() == 1
        page.get_by_role("link", name="Delete").click()
        assert page.get_by_role("button", name="Delete key").count() == 1
        page.go_back()
        page.get_by_role("link", name="In the audit log").click()
        assert page.get_by_text("Key created").count() > 0
        with page.expect_download() as taken:
            page.get_by_role("button", name="Export CSV").click()
        assert taken.value.suggested_filename.startswith("audit-log-")


#: What lies within a card and reaches beyond its edge: the card cuts it off, and no bar appears to bring it back.
CUT_OFF = """[...document.querySelectorAll('.card *')].filter(each => {
  const card = each.closest('.card').getBoundingClientRect(), own = each.getBoundingClientRect();
  return own.width && !each.closest('.sr, thead') && own.right > card.right + 1;
}).map(each => each.outerHTML.slice(0, 120))"""


def test_no_column_is_cut_off_at_any_width(chromium: Browser, furnished: Server, session_of_owner: str) -> None:
    """From the narrowest telephone to a wide screen every icon of every row of every list can be seen and pressed."""
    wrong = []
    with Window.opened(chromium, furnished, furnished.url, session_of_owner) as window:
        for path in (KEYS, "/audit-log", "/settings/members"):
            window.go(path)
            for width in (*range(320, 800, 80), *range(781, 1500, 30)):
                window.page.set_viewport_size({"width": width, "height": 844})
                wrong += [f"{path} at {width}: {each}" for each in window.page.evaluate(CUT_OFF)]
    assert wrong == []


def look(window: Window, path: str, click: str) -> None:
    """Open a page, and the dialog that is asked for."""
    page = window.go(path)
    if click:
        page.get_by_role("link", name=click).first.click()
        page.locator("dialog[open] h2").wait_for()


@pytest.mark.parametrize("theme", THEMES)
def test_the_key_that_is_shown_once_is_accessible(
    chromium: Browser, furnished: Server, session_of_owner: str, theme: str
) -> None:
    """The dialog with the key fits and is accessible at both widths, with its tabs and its warning."""
    with Window.opened(chromium, furnished, furnished.url, session_of_owner, color_scheme=theme) as window:
        for width in (390, 1440):
            window.page.set_viewport_size({"width": width, "height": 844})
            window.create(f"Shown at {width}, {theme}")
            window.page.keyboard.press("Escape")
            for tab in ("Python", "Node", ".env"):
                window.page.get_by_role("tab", name=tab).click()
                assert window.overflow() <= 0
            assert violations(window) == []
            window.done()


def test_names_are_text_whatever_they_are(chromium: Browser, console: Server, session_of_owner: str) -> None:
    """Forty names that would break a careless page: none opens a dialog, breaks the policy or asks another server; each
    is shown as it was typed, in the list and in every dialog; and none makes the page too wide."""
    assert len(HOSTILE) == 40
    with beside(console) as keywright:
        account_id = keywright.manager.operator_account().id
        made = [keywright.manager.create(ME, account_id, {"name": name}) for name in HOSTILE]
    console.canaries += [each.key for each in made]
    with Window.opened(chromium, console, console.url, session_of_owner) as window:
        page = window.page
        for width in (390, 1440):
            page.set_viewport_size({"width": width, "height": 844})
            window.go()
            assert window.overflow() <= 0
        shown = page.locator(".nm b").all_text_contents()
        assert set(HOSTILE) <= set(shown)
        for key in made:
            page.locator(f"#{key.row.id} .c-act a.danger").click()
            page.locator("dialog[open] h2").wait_for()
            assert page.locator("dialog h2").text_content() == f"Delete {key.row.name}?"
            page.keyboard.press("Escape")
        assert page.locator("dialog[open]").count() == 0
        page.set_viewport_size({"width": 320, "height": 844})
        for key in made:
            window.go(f"{KEYS}/{key.row.id}")
            assert page.locator("h1").text_content() == key.row.name
            assert window.overflow() <= 0
        for path in (f"{KEYS}/{made[0].row.id}/rotate", "/settings/general", "/overview", "/audit-log"):
            window.go(path)
            assert window.overflow() <= 0
    with beside(console) as keywright:
        for key in made:
            keywright.manager.delete(ME, account_id, key.row.id)
