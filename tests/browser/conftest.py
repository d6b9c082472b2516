"""A real browser before a real server: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from browser.window import PASSWORD, Window, sign_in
from support.servers import Server, running

# A machine that does much else may take its time over anything.
expect.set_options(timeout=15_000)
#: A name that the browser takes for another machine: no clipboard, no secure cookies, as on a network without TLS.
INSECURE_HOST = "keys.test"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser. For the tests of one file only: as long as it is open an event loop runs in this thread, in which
    the tests of other files could run none of their own."""
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("NOT TESTED, needs chromium: the console in a real browser")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", f"--host-resolver-rules=MAP {INSECURE_HOST} 127.0.0.1"]
        browser = playwright.chromium.launch(executable_path=found, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with an owner."""
    with running(tmp_path_factory.mktemp("console") / "data") as started:
        done = started.command(
            "admin", "create", "--email", "maya@example.com", "--name", "Maya Chen", "--password-stdin", stdin=PASSWORD
        )
        assert done.returncode == 0, done.stderr
        yield started


@pytest.fixture(scope="session")
def session_of_owner(console: Server) -> str:
    """The owner's session, for all tests: signing in takes as long as a good hash does."""
    return sign_in(console, console.url)


@pytest.fixture
def window(chromium: Browser, console: Server, session_of_owner: str) -> Iterator[Window]:
    """A window in which the owner has signed in. At its end nothing may stand in the browser's console."""
    with Window.opened(chromium, console, console.url, session_of_owner) as opened:
        yield opened
