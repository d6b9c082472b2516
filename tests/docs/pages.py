"""The pages of the documentation, and what is in them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
TROUBLESHOOTING = ROOT / "src" / "keywright" / "server" / "troubleshooting.md"

_FENCE = re.compile(r"^( *)```(\w+)(?: +(\S[^\n]*))?\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block: its language, what stands beside it, its text, and the line it begins on."""

    language: str
    attribute: str
    text: str
    line: int


def pages() -> list[Path]:
    """Every page."""
    return [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md")), TROUBLESHOOTING]


def written_by_hand() -> list[Path]:
    """The pages that are not generated as a whole."""
    return [path for path in pages() if path.parent.name != "reference"]


def name(path: Path) -> str:
    """A page's path from the root."""
    return path.relative_to(ROOT).as_posix()


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start(4)) + 1
        yield Block(match[2], match[3] or "", textwrap.dedent(match[4]), line)


def without_code(text: str) -> str:
    """A page's prose: no fenced blocks, no inline code."""
    return re.sub(r"`[^`\n]*`", "", _FENCE.sub("", text))


def links(text: str) -> list[str]:
    """The targets of a page's links, in the prose."""
    return _LINK.findall(_FENCE.sub("", text))


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as they are made from their words."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(_FENCE.sub("", text))
    }


def broken_links(page: Path, text: str) -> list[str]:
    """The links from ``page`` to files or headings that are not there. Links to other sites are not followed."""
    broken = []
    for target in links(text):
        if "://" in target or target.startswith("mailto:"):
            continue
        file, _, anchor = target.partition("#")
        found = (page.parent / file).resolve() if file else page
        if not found.exists() or (anchor and anchor not in anchors(found.read_text("utf-8"))):
            broken.append(target)
    return broken
