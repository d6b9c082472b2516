"""What a program does to the files below a directory, and what it says meanwhile, recorded by strace in their order.

So the driver that ships is judged by the calls that it really makes, and not by a stand-in for it. A call that is not
known here fails the recording: nobody would know what a power cut makes of it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.power import Disk, Event, Mapped, Named, Said, Spoiled, Synced, Wrote

_WRITES = ("openat", "pwrite64", "write", "ftruncate", "fallocate", "fsync", "fdatasync", "mmap")
_MOVES = ("mkdir", "link", "linkat", "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir")
#: Other ways to change a file.
_UNKNOWN = (
    *("open", "creat", "truncate", "writev", "pwritev", "pwritev2", "sendfile", "copy_file_range", "splice"),
    *("sync_file_range", "msync", "symlink", "symlinkat", "mkdirat"),
)
_CALL = re.compile(r"(\d+) +(?:(\w+)\((.*)|<\.\.\. (\w+) resumed>(.*))")
_UNFINISHED = "<unfinished ...>"
_RESULT = re.compile(r"\) += (-?\d+)")
_PATH = re.compile(r'[<"]((?:\\x[0-9a-f]{2})+)[>"]')
_DATA = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_NUMBER = re.compile(r", (\d+)")


class NotModelled(AssertionError):
    """The program did something to a file of which it is not known here what a power cut makes of it."""


class Recording:
    """All that a program did, in order.

    Args:
        before: a copy of the directory as it was at the beginning.

    Attributes:
        events: what happened.
        returncode: how the program ended.
    """

    def __init__(self, root: Path, before: Path, events: list[Event], returncode: int) -> None:
        self._root = root
        self._before = before
        self.events = events
        self.returncode = returncode

    def moments(self, positions: Iterable[int]) -> Iterator[tuple[int, Disk, bytes]]:
        """For each position, in order: the disk when so many events had happened, good until the next is asked for,
        and what the program had said by then and not before the position that came last."""
        disk, done = Disk(self._root, self._before), 0
        for position in sorted(positions):
            said = b""
            for number in range(done, position):
                event = self.events[number]
                disk.apply(number, event)
                said += event.line if isinstance(event, Said) else b""
            done = position
            yield position, disk, said


def strace() -> str:
    """The program. Skips the test, loudly, where it is missing."""
    found = shutil.which("strace")
    if found is None:
        pytest.skip("NOT TESTED, needs strace: what a crash leaves on the disk (apt-get install strace)")
    return found


def record(root: Path, command: Sequence[str], environment: dict[str, str], fault: str = "") -> Recording:
    """Run a program and record all that it does to files below ``root``. What it says is its standard output.

    Args:
        fault: see `failing`.
    """
    before = root.with_name(f"{root.name} before")
    shutil.copytree(root, before)
    calls = ",".join((*_WRITES, *_MOVES, *_UNKNOWN))
    watching = [strace(), "-f", "--seccomp-bpf", "-y", "-xx", "-s", "99999999", "-e", f"trace={calls}"]
    watching += ["-e", f"inject={fault}"] if fault else []
    with tempfile.NamedTemporaryFile("r") as trace:
        done = subprocess.run(
            [*watching, "-o", trace.name, *command], env=environment, capture_output=True, check=False, timeout=120
        )
        assert not done.stderr, done.stderr.decode()
        events = _Reader(root, before).read(trace)
    return Recording(root, before, events, done.returncode)


def failing(fault: str, command: Sequence[str], environment: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    """Run a program in which calls of the operating system fail.

    Args:
        fault: which, how and when, as strace writes it: ``fsync:error=EIO:when=3``. Calls are counted in each thread.
    """
    call = fault.split(":", 1)[0]
    # With the filter strace sees a call only when it is over, which is too late to kill whoever makes it.
    filtered = () if "signal=" in fault else ("--seccomp-bpf",)
    watching = [strace(), "-f", *filtered, "-e", f"trace={call}", "-e", f"inject={fault}", "-o", "/dev/null"]
    return subprocess.run([*watching, *command], env=environment, capture_output=True, check=False, timeout=120)


@dataclass(frozen=True)
class _Call:
    """One call that ended well, about files below the directory."""

    name: str
    text: str
    paths: list[Path]
    result: int
    started: int

    @property
    def path(self) -> Path:
        """The first path."""
        return self.paths[0]

    @property
    def numbers(self) -> list[int]:
        """The numbers that stand after the last text."""
        return [int(each) for each in _NUMBER.findall(self.text[max(self.text.rfind('"'), 0) :])]

    @property
    def data(self) -> bytes:
        """What was written."""
        found = _DATA.search(self.text)
        assert found
        return _bytes(found[1])[: self.result]


class _Reader:
    """From strace's lines to events."""

    def __init__(self, root: Path, before: Path) -> None:
        self._root = root
        self._events: list[Event] = []
        self._names: set[Path] = {root / each.relative_to(before) for each in before.rglob("*")}
        self._lengths: dict[Path, int] = {}
        self._begun: dict[str, tuple[str, int]] = {}
        self._takers: dict[str, Callable[[_Call], None]] = {
            "openat": self._open,
            "write": self._append,
            "pwrite64": lambda call: self._events.append(Wrote(call.path, call.numbers[1], call.data)),
            "ftruncate": lambda call: self._events.append(Wrote(call.path, call.numbers[0], None)),
            "fallocate": self._grow,
            "fsync": lambda call: self._events.append(Synced(call.path, call.started)),
            "fdatasync": lambda call: self._events.append(Synced(call.path, call.started)),
            "mmap": self._map,
            "mkdir": lambda call: self._make(call.path, directory=True),
            "link": self._link,
            "linkat": self._link,
            **dict.fromkeys(("rename", "renameat", "renameat2"), self._rename),
            **dict.fromkeys(("unlink", "unlinkat", "rmdir"), self._remove),
        }

    def read(self, lines: Iterable[str]) -> list[Event]:
        """All events, in the order in which they ended; what is said counts from when it begins."""
        for line in lines:
            match = _CALL.match(line)
            if match is None:
                continue
            process, name, text, resumed, end = match.groups()
            started = len(self._events)
            if resumed:
                begin, started = self._begun.pop(process)
                name, text = resumed, begin + end
            elif name == "write" and text.startswith("1<"):
                self._say(text)
            if text.endswith(_UNFINISHED):
                self._begun[process] = (text.removesuffix(_UNFINISHED), started)
            else:
                self._take(name, text, started)
        return self._events

    def _say(self, text: str) -> None:
        data = _DATA.search(text)
        assert data
        self._events.append(Said(_bytes(data[1])))

    def _take(self, name: str, text: str, started: int) -> None:
        result = _RESULT.search(text, max(text.rfind('"'), 0))
        # What is written may look like a path.
        named = text.split(', "', maxsplit=1)[0] if name in {"write", "pwrite64"} else text
        paths = [Path(_bytes(each).decode()) for each in _PATH.findall(named)]
        ours = [path for path in paths if path == self._root or self._root in path.parents]
        if not ours or result is None:
            return
        if int(result[1]) < 0:
            if name in {"fsync", "fdatasync"}:
                self._events.append(Spoiled(ours[0], started))
            return
        if name not in self._takers or ours[0].name.endswith(" (deleted)"):
            raise NotModelled(f"{name} of {ours[0]}")
        self._takers[name](_Call(name, text, ours, int(result[1]), started))

    def _open(self, call: _Call) -> None:
        if "O_CREAT" in call.text and call.path not in self._names:
            self._make(call.path, directory=False)
        elif "O_TRUNC" in call.text:
            self._events.append(Wrote(call.path, 0, None))

    def _make(self, path: Path, *, directory: bool) -> None:
        self._names.add(path)
        self._lengths[path] = 0
        self._events.append(Named(path, directory=directory))

    def _append(self, call: _Call) -> None:
        # Only to what was made here, from its beginning: where a descriptor stands is not followed.
        offset = self._lengths[call.path]
        self._lengths[call.path] += call.result
        self._events.append(Wrote(call.path, offset, call.data))

    def _grow(self, call: _Call) -> None:
        if len(call.numbers) != 3 or call.numbers[0]:
            raise NotModelled(f"fallocate with flags of {call.path}")
        # Zeros behind the end, if it was before that; nothing that is there changes.
        self._events.append(Wrote(call.path, call.numbers[1] + call.numbers[2], b""))

    def _map(self, call: _Call) -> None:
        if "PROT_WRITE" in call.text and "MAP_SHARED" in call.text:
            self._events.append(Mapped(call.path))

    def _link(self, call: _Call) -> None:
        self._names.add(call.paths[1])
        self._events.append(Named(call.paths[1], call.path))

    def _rename(self, call: _Call) -> None:
        self._link(call)
        self._names.discard(call.path)
        self._events.append(Named(call.path, gone=True))

    def _remove(self, call: _Call) -> None:
        self._names.discard(call.paths[-1])
        self._events.append(Named(call.paths[-1], gone=True))


def _bytes(hexadecimal: str) -> bytes:
    return bytes.fromhex(hexadecimal.replace("\\x", ""))
