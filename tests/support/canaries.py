"""Canaries: every key that tests make is looked for wherever it must not be.

A key counts as found where twelve of its tail's characters stand in a row: a key that was cut, encoded or written in
two pieces is found as well.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

PIECE = 12
_RUNS = re.compile(rb"[0-9A-Za-z]{%d,}" % PIECE)


class Leaked(AssertionError):
    """A key stands where no key may stand."""


class Canaries(list[str]):
    """Keys, to be looked for. Add to it as to any list."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        super().__init__(keys)
        self._pieces: set[bytes] = set()
        self._cut = 0

    def pieces(self) -> set[bytes]:
        """All that must not be found of these keys."""
        for key in self[self._cut :]:
            text = tail(key).encode()
            self._pieces.update(text[start : start + PIECE] for start in range(len(text) - PIECE + 1))
        self._cut = len(self)
        return self._pieces

    def found_in(self, content: bytes) -> bytes | None:
        """The first piece of a key that the content holds."""
        wanted = self.pieces()
        for run in _RUNS.findall(content):
            for start in range(len(run) - PIECE + 1):
                if run[start : start + PIECE] in wanted:
                    return bytes(run[start : start + PIECE])
        return None

    def assert_absent(self, content: bytes, where: str) -> None:
        """See that the content holds no key and no piece of one.

        Raises:
            Leaked: says where, and shows what stands around it.
        """
        found = self.found_in(content)
        if found is not None:
            at = content.index(found)
            raise Leaked(f"{where} holds a piece of a key: {content[max(0, at - 80) : at + 40]!r}")

    def assert_files_clean(self, *roots: Path) -> None:
        """See that no file at or below the paths holds a key."""
        for root in roots:
            for file in [root] if root.is_file() else sorted(root.rglob("*")):
                with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                    self.assert_absent(file.read_bytes(), str(file))

    def assert_process_clean(self, pid: int) -> None:
        """See that nobody can read a key from the arguments or the environment of a process or its children."""
        for each in _family(pid):
            for name in ("cmdline", "environ"):
                # A process may end while it is looked at; some show their environment to nobody but root.
                with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
                    self.assert_absent(Path(f"/proc/{each}/{name}").read_bytes(), f"/proc/{each}/{name}")


def tail(key: str) -> str:
    """The random part of a key, whatever its prefix."""
    runs: list[str] = re.findall(r"[0-9A-Za-z]+", key)
    return runs[-1]


def _family(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for child in children.read_text().split():
                yield from _family(int(child))
