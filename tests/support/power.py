"""Power cuts: from all that was done to files (`support.recording` tells) the disk is rebuilt as a cut leaves it.

The rules, stricter than any file system:

* What was written to a file before its last sync began is there. Of what was written after it, any set of 512-byte
  sectors may be there; a file may have got its new length without the bytes, and a truncation may not have happened.
* A name that was made, removed or moved since its directory was last synced may be in any state that it has had since
  then, each name for itself. A directory that is not there takes all that is in it along.
* What a sync that failed was to write is as it happens to be, and no later sync makes up for it.
* What is written through a memory map is never synced: such a file may be gone or hold anything from its first mapped
  page on.

``kill -9`` is the same with nothing lost: what was written is there.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

SECTOR_BYTES = 512
PAGE_BYTES = 4096
#: Counters begin with a page that is not written through the map; other mapped files are from their first byte on.
_COUNTERS = "limits.table"


@dataclass(frozen=True)
class Wrote:
    """Bytes went to a place in a file. Without data: the file got this length."""

    path: Path
    offset: int
    data: bytes | None


@dataclass(frozen=True)
class Synced:
    """A file or directory was synced: all that had happened to it when ``started`` events had."""

    path: Path
    started: int


@dataclass(frozen=True)
class Spoiled:
    """A sync failed. What it was to write may have reached the disk or not, and no later sync will write it: the
    operating system takes it for written."""

    path: Path
    started: int


@dataclass(frozen=True)
class Named:
    """A name came to stand for what another stood for; for something new (``source`` None); for nothing (``gone``)."""

    path: Path
    source: Path | None = None
    gone: bool = False
    directory: bool = False


@dataclass(frozen=True)
class Mapped:
    """A file can be written without anybody seeing it."""

    path: Path


@dataclass(frozen=True)
class Said:
    """The program told somebody outside."""

    line: bytes


Event: TypeAlias = Wrote | Synced | Spoiled | Named | Mapped | Said


@dataclass(eq=False)
class Node:
    """A file or a directory: what is surely on the disk of it, and what happened since, each with its number."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, Wrote]] = field(default_factory=list)
    directory: bool = False
    mapped: bool = False


#: Which of the writes to a file that were not synced have reached the disk.
Loss: TypeAlias = Callable[[random.Random, Sequence[Wrote]], Iterable[Wrote]]


def _sectors(wrote: Wrote) -> Iterator[Wrote]:
    data = wrote.data or b""
    at = 0
    while at < len(data):
        end = min(len(data), (wrote.offset + at) // SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES - wrote.offset)
        yield Wrote(wrote.path, wrote.offset + at, data[at:end])
        at = end


def _torn(chance: random.Random, writes: Sequence[Wrote]) -> Iterator[Wrote]:
    share = chance.choice((0.1, 0.5, 0.9))
    for each in writes:
        if each.data is None:
            kept = [each]
        elif chance.random() < 0.2:
            kept = [Wrote(each.path, each.offset + len(each.data), b"")]  # the new length without the bytes
        else:
            kept = list(_sectors(each))
        yield from (part for part in kept if chance.random() < share)


def _some(chance: random.Random, writes: Sequence[Wrote]) -> Iterator[Wrote]:
    return (each for each in writes if chance.random() < 0.5)


def _oldest(chance: random.Random, writes: Sequence[Wrote]) -> Iterator[Wrote]:
    kept = chance.randint(0, len(writes))
    yield from writes[:kept]
    if kept < len(writes):
        sectors = list(_sectors(writes[kept]))
        yield from sectors[: chance.randint(0, len(sectors))]


def _newest(chance: random.Random, writes: Sequence[Wrote]) -> Sequence[Wrote]:
    return writes[chance.randint(0, len(writes)) :]


LOSSES: dict[str, Loss] = {
    "all that was not synced is lost": lambda _, __: (),
    "sectors are lost": _torn,
    "writes are lost": _some,
    "the newest writes are lost": _oldest,
    "the oldest writes are lost": _newest,
    "no write is lost": lambda _, writes: writes,
}


class Disk:
    """The disk below one directory, which itself is there for good.

    Args:
        content: where a copy of the directory is, as it was at the beginning.
    """

    def __init__(self, root: Path, content: Path) -> None:
        self._root = root
        self._nodes: dict[Path, Node] = {}
        #: The states that each name may be found in, the surely durable one first.
        self._states: dict[Path, list[Node | None]] = {}
        for file in sorted(content.rglob("*")):
            node = Node(bytearray() if file.is_dir() else bytearray(file.read_bytes()), directory=file.is_dir())
            path = root / file.relative_to(content)
            self._nodes[path], self._states[path] = node, [node]

    def apply(self, number: int, event: Event) -> None:
        """Let the event with that number happen."""
        match event:
            case Wrote():
                self._nodes[event.path].pending.append((number, event))
            case Mapped():
                self._nodes[event.path].mapped = True
            case Synced():
                self._sync(event)
            case Spoiled() if not self._nodes[event.path].directory:
                self._spoil(event, random.Random(number))  # noqa: S311 - the same for each cut after it
            case Named():
                self._name(event)

    def _sync(self, event: Synced) -> None:
        node = self._nodes.get(event.path)
        if node is not None and not node.directory:
            write_all(node.durable, (wrote for number, wrote in node.pending if number < event.started))
            node.pending = [each for each in node.pending if each[0] >= event.started]
            return
        # A name that was changed while its directory was being synced would have to be kept apart. None is.
        for path, states in self._states.items():
            if path.parent == event.path:
                self._states[path] = states[-1:]

    def _spoil(self, event: Spoiled, chance: random.Random) -> None:
        node = self._nodes[event.path]
        write_all(node.durable, _torn(chance, [wrote for number, wrote in node.pending if number < event.started]))
        node.pending = [each for each in node.pending if each[0] >= event.started]

    def _name(self, event: Named) -> None:
        if event.gone:
            node = None
            del self._nodes[event.path]
        else:
            node = self._nodes[event.source] if event.source else Node(directory=event.directory)
            self._nodes[event.path] = node
        self._states.setdefault(event.path, [None]).append(node)

    def kill(self, to: Path) -> None:
        """Write the disk as processes find it that start after all others were killed."""
        for path, node in self._nodes.items():
            self._write(to / path.relative_to(self._root), node, node.durable + b"", [each for _, each in node.pending])

    def cut(self, to: Path, loss: Loss, chance: random.Random) -> None:
        """Write the disk as one power cut may leave it."""
        choose = chance.choice((lambda states: states[0], lambda states: states[-1], chance.choice))
        there: set[Path] = {self._root}
        for path in sorted(self._states):
            node = choose(self._states[path])
            if node is None or path.parent not in there:
                continue
            there.add(path)
            kept = loss(chance, [each for _, each in node.pending])
            if not node.mapped:
                self._write(to / path.relative_to(self._root), node, node.durable + b"", kept)
            elif chance.random() < 0.75:
                content = _scribbled(path.name, write_all(node.durable + b"", kept), chance)
                self._write(to / path.relative_to(self._root), node, content, ())

    def _write(self, path: Path, node: Node, content: bytearray, kept: Iterable[Wrote]) -> None:
        if node.directory:
            path.mkdir(0o700, exist_ok=True, parents=True)
            return
        path.parent.mkdir(0o700, exist_ok=True, parents=True)
        path.touch(0o600)
        path.write_bytes(write_all(content, kept))


def write_all(content: bytearray, writes: Iterable[Wrote]) -> bytearray:
    """Put the writes into the content, in their order."""
    for each in writes:
        end = each.offset + len(each.data or b"")
        if len(content) < end:
            content.extend(bytes(end - len(content)))
        if each.data is None:
            del content[end:]
        else:
            content[each.offset : end] = each.data
    return content


def _scribbled(name: str, content: bytearray, chance: random.Random) -> bytearray:
    start = PAGE_BYTES if name.startswith(_COUNTERS) else 0
    fill = chance.choice((bytes, chance.randbytes))
    for at in range(start, len(content), PAGE_BYTES):
        if chance.random() < 0.7:
            content[at : at + PAGE_BYTES] = fill(min(PAGE_BYTES, len(content) - at))
    return content
