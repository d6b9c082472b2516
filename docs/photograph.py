"""Take the pictures of the console that the documentation shows: a real browser before a real server.

    .venv/bin/python docs/photograph.py [PAGE …]      all of them, or those named; needs Debian's chromium

The server has keys, people and usage of its own making, in a directory of its own, and is gone afterwards.
"""

from __future__ import annotations

import shutil
import struct
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests")]

from playwright.sync_api import Page, sync_playwright  # noqa: E402

from browser.window import KEYS, PASSWORD, Window, sign_in  # noqa: E402
from keywright.links import portal_url  # noqa: E402
from keywright.manage.manager import Created  # noqa: E402
from keywright.stores.base import LastUse, UsageRow  # noqa: E402
from support.faces import beside  # noqa: E402
from support.installation import ME  # noqa: E402
from support.servers import Server, running  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
HOUR = 3_600
DAY = 24 * HOUR
SIZES = {"wide": (1280, 860), "narrow": (390, 844)}
THEMES = ("light", "dark")


class Sample(NamedTuple):
    """A key for the pictures: what it is made with, how long ago it was used, and how it goes about."""

    given: dict[str, object]
    used_ago: float | None = None
    hourly: Callable[[int], tuple[int, int]] = lambda _: (0, 0)
    disabled: bool = False


def _day(hour: int, most: int) -> int:
    """More at noon than at night."""
    return most - most * abs(13 - hour % 24) // 16


_SAMPLES = (
    Sample({"name": "Old ERP connector", "scopes": ["campaigns:read"]}, 61 * DAY, disabled=True),
    Sample({"name": "Local Development", "environment": "test", "format": "lwa", "expires_in_seconds": 90 * DAY}),
    Sample({"name": "Data warehouse export", "scopes": ["usage:read"]}, 143 * DAY),
    Sample(
        {"name": "Staging Environment", "environment": "test", "format": "lwa"},
        HOUR,
        lambda hour: (210 if hour % 5 == 0 else 12, 1),
    ),
    Sample(
        {"name": "GitHub Actions", "scopes": ["campaigns:trigger"], "expires_in_seconds": 365 * DAY},
        24 * 60,
        lambda hour: (900 if hour % 8 < 2 else 0, 0),
    ),
    Sample(
        {"name": "Zapier", "scopes": ["campaigns:read", "campaigns:trigger"], "expires_in_seconds": 3 * DAY},
        360,
        lambda hour: (_day(hour, 420), 2),
    ),
    Sample(
        {"name": "Mobile backend", "scopes": ["keys:read", "subscriptions:read", "usage:read"], "rate_limit": "2000/h"},
        41,
        lambda hour: (1_200 + 60 * hour, 0 if hour < 14 else 25 * (hour - 13)),
    ),
    Sample({"name": "Shopify Integration", "expires_in_seconds": 90 * DAY}, 12, lambda hour: (_day(hour, 4_100), 0)),
    Sample({"name": "Production API Server"}, 2, lambda hour: (38_000 + 900 * (hour % 7), 80)),
)


def furnish(server: Server) -> str:
    """Keys, and what they have done. The id of the one to look at closely."""
    ids: dict[str, str] = {}
    with beside(server) as keywright:
        account_id = keywright.manager.operator_account().id
        now = keywright.clock.now()
        for sample in _SAMPLES:
            made = keywright.manager.create(ME, account_id, sample.given)
            ids[made.row.name] = made.row.id
            server.canaries.append(made.key)
            for row, hour in _usage(sample, made, now):
                keywright.usage_store.add([row], hour)
            if sample.disabled:
                keywright.manager.update(ME, account_id, made.row.id, {"disabled": True})
    return ids["Mobile backend"]


def _usage(sample: Sample, made: Created, now: float) -> Iterator[tuple[UsageRow, int]]:
    if sample.used_ago is None:
        return
    use = LastUse(now - sample.used_ago, "203.0.113.7", "python-requests/2.32.3")
    yield UsageRow(made.row.slot, made.row.account_id, use, ()), int(use.at) // HOUR * HOUR
    for back in range(72):
        accepted, denied = sample.hourly(23 - back % 24)
        counts = tuple((name, n) for name, n in (("accepted", accepted), ("rate_limited", denied)) if n)
        yield UsageRow(made.row.slot, made.row.account_id, None, counts), int(now) // HOUR * HOUR - HOUR * back


def _dialog(name: str) -> Callable[[Page], None]:
    def open_it(page: Page) -> None:
        page.get_by_role("link", name=name).first.click()
        page.locator("dialog[open] h2").wait_for()

    return open_it


def _shown_once(page: Page) -> None:
    _dialog("Create API Key")(page)
    page.get_by_label("Name", exact=True).fill("Billing Service")
    page.get_by_role("button", name="Create", exact=True).click()
    page.locator("#secret").wait_for()
    # The key is real until this server is gone; pictures are for ever.
    page.evaluate("document.querySelector('#secret').lastChild.textContent = 'EXAMPLE'.padEnd(32, 'x')")


def portal_link(server: Server) -> str:
    """A link under which the same keys are a customer's."""
    with beside(server) as keywright:
        account_id = keywright.manager.operator_account().id
        keywright.directory.rename_account(ME, account_id, "Acme Robotics")
        made = keywright.portals.new_link(ME, {"account_id": account_id, "actor": "jane@acme.example"})
    return portal_url(server.url, made.text)


#: The operator whose portal is in the picture.
_BRAND = {
    "KEYWRIGHT_PORTAL_NAME": "Swiftsell",
    "KEYWRIGHT_PORTAL_ACCENT": "#0f766e, #2dd4bf",
    "KEYWRIGHT_PORTAL_RETURN_URL": "https://app.example.com/settings",
}
_PORTAL = "portal"

#: Picture → the page, and what is done on it before.
_PAGES: dict[str, tuple[str, Callable[[Page], None] | None]] = {
    "overview": ("/overview", None),
    "keys": (KEYS, None),
    "key": (f"{KEYS}/KEY?span=3d", None),
    "edit": (f"{KEYS}/KEY", _dialog("Edit")),
    "create": (KEYS, _dialog("Create API Key")),
    "delete": (KEYS, _dialog("Delete Shopify Integration")),
    "audit-log": ("/audit-log", None),
    "shown-once": (KEYS, _shown_once),
    # Last: from then on the account is the customer's.
    _PORTAL: ("/portal/api-keys", None),
}


def photograph(wanted: list[str]) -> None:
    """Take the wanted pictures, or all."""
    with tempfile.TemporaryDirectory() as home, running(Path(home) / "data", **_BRAND) as server:
        owner = ("--email", "maya@example.com", "--name", "Maya Chen", "--password-stdin")
        server.command("admin", "create", *owner, stdin=PASSWORD)
        key_id = furnish(server)
        session = sign_in(server, server.url)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            for name in wanted or _PAGES:
                path, act = _PAGES[name]
                for theme in THEMES:
                    for size, (width, height) in SIZES.items():
                        options = {"color_scheme": theme, "viewport": {"width": width, "height": height}}
                        with Window.opened(browser, server, server.url, session, **options) as window:
                            if name == _PORTAL:
                                window.page.goto(portal_link(server), wait_until="commit")
                                window.page.wait_for_url(f"**{path}")
                            page = window.go(path.replace("KEY", key_id))
                            if act:
                                act(page)
                            png = page.screenshot(animations="disabled")
                            file = PICTURES / f"console-{name}-{theme}-{size}.png"
                            file.write_bytes(smaller(png))
                            print(f"{file.relative_to(ROOT)}  {file.stat().st_size // 1024} KiB")
                            window.page.evaluate("document.querySelector('[data-guard]')?.remove()")
            browser.close()


def smaller(png: bytes) -> bytes:
    """The picture in 256 colours: those that it has most of, and in place of each other one the nearest of these."""
    width, height, step, raw = _unpacked(png)
    pixels = [raw[at : at + 3] for at in range(0, len(raw), step)]
    counts = Counter(pixels)
    # Colourful ones count for more: a green dot is small, and is to stay green.
    palette = sorted(counts, key=lambda colour: -counts[colour] * (1 + max(colour) - min(colour)))[:256]
    found = {colour: index for index, colour in enumerate(palette)}
    for colour in set(pixels) - found.keys():
        found[colour] = min(range(len(palette)), key=lambda i: _distance(colour, palette[i]))
    lines = (bytes(found[each] for each in pixels[row * width : (row + 1) * width]) for row in range(height))
    body = zlib.compress(b"".join(b"\0" + line for line in lines), 9)
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", head), (b"PLTE", b"".join(palette)), (b"IDAT", body), (b"IEND", b""))
    return png[:8] + b"".join(_chunk(kind, data) for kind, data in parts)


def _distance(one: bytes, other: bytes) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _unpacked(png: bytes) -> tuple[int, int, int, bytes]:
    """Width, height, bytes of a pixel, and the pixels of a picture as browsers make them: 8 bits, RGB or RGBA."""
    width, height, _, kind = struct.unpack(">IIBB", png[16:26])
    step = {2: 3, 6: 4}[kind]
    at, packed = 8, b""
    while at < len(png):
        length, name = struct.unpack(">I4s", png[at : at + 8])
        packed += png[at + 8 : at + 8 + length] if name == b"IDAT" else b""
        at += length + 12
    data, line, before = zlib.decompress(packed), width * step, bytes(width * step)
    found = bytearray()
    for row in range(height):
        start = row * (line + 1)
        before = _unfiltered(data[start], bytearray(data[start + 1 : start + 1 + line]), before, step)
        found += before
    return width, height, step, bytes(found)


def _unfiltered(kind: int, line: bytearray, above: bytes, step: int) -> bytes:
    for at in range(len(line)):
        left = line[at - step] if at >= step else 0
        corner = above[at - step] if at >= step else 0
        up = above[at]
        line[at] = (line[at] + (0, left, up, (left + up) // 2, _paeth(left, up, corner))[kind]) & 255
    return bytes(line)


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    distances = (abs(guess - left), abs(guess - up), abs(guess - corner))
    return (left, up, corner)[distances.index(min(distances))]


if __name__ == "__main__":
    photograph(sys.argv[1:])
