"""What no file of the repository may hold: keys, and names of places that only one machine knows."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

from house.rules import ROOT
from keywright.key import BUILT_IN_FORMATS, KeyFormats

#: Every needle is written in two pieces, so that this file does not hold it.
MACHINE_PATHS = tuple("/".join(("", a + b, "")) for a, b in (("wo", "rk"), ("ro", "ot"), ("ho", "me"), ("Use", "rs")))
REGISTRIES = tuple(
    ".".join(pieces)
    for pieces in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("proxy", "golang", "org"),
        ("crates", "io"),
    )
)


def repository() -> Iterator[tuple[str, str]]:
    """Every text file that is in the repository or about to be: its path, and what it holds."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=60,
    )
    for name in listed.stdout.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file():
            yield name, path.read_text("utf-8", errors="replace")


def found(texts: Iterator[tuple[str, str]], pattern: str) -> list[str]:
    """Where the pattern occurs: file and line."""
    compiled = re.compile(pattern)
    return [
        f"{name}:{number}"
        for name, text in texts
        for number, line in enumerate(text.splitlines(), 1)
        if compiled.search(line)
    ]


def any_of(needles: tuple[str, ...]) -> str:
    """A pattern that finds any of them."""
    return "|".join(map(re.escape, needles))


def any_key() -> str:
    """The pattern that scanners are given, for both built-in formats."""
    return "|".join(each.scanner_pattern() for each in BUILT_IN_FORMATS)


def test_no_file_names_a_place_on_one_machine() -> None:
    """The repository is the same wherever it was cloned to."""
    assert found(repository(), any_of(MACHINE_PATHS)) == []


def test_no_file_names_a_package_registry() -> None:
    """Where packages come from is the machine's business."""
    assert found(repository(), any_of(REGISTRIES)) == []


def test_no_file_holds_a_key() -> None:
    """No full key stands in the repository, not even a made-up one: scanners stay quiet, so that an alarm means one."""
    assert found(repository(), any_key()) == []


def test_what_may_not_be_there_is_found() -> None:
    """The search sees a path, a registry and a key of either format, and counts lines from one."""
    minted = KeyFormats(BUILT_IN_FORMATS, [bytes(32)])
    bad = [MACHINE_PATHS[0] + "main", "https://" + REGISTRIES[0] + "/simple", minted.mint("lwa", "test")]
    bad.append(f"KEY={minted.mint('ss', 'live')}")

    for line, pattern in zip(bad, (any_of(MACHINE_PATHS), any_of(REGISTRIES), any_key(), any_key()), strict=True):
        assert found(iter([("a", "fine\n"), ("b", f"fine\n{line}\n")]), pattern) == ["b:2"]
