"""What the measurements share."""

from __future__ import annotations

import gc
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from keywright import Actor, ActorKind, Keywright
from keywright.settings import load

ME = Actor(ActorKind.LIBRARY, "bench")


def report(what: str, measured: float, unit: str, goal: float | None = None, digits: int = 2) -> None:
    """One line: what was measured, and whether it meets the goal (which is an upper bound)."""
    verdict = "" if goal is None else f"   goal ≤ {goal:g} {unit}: {'met' if measured <= goal else 'MISSED'}"
    print(f"  {what:58} {measured:10.{digits}f} {unit}{verdict}", flush=True)


def best_seconds(act: Callable[[], object], repeat: int = 7) -> float:
    """CPU seconds of the best of several runs: the one that others on this machine disturbed the least."""
    best = float("inf")
    for _ in range(repeat):
        started = time.process_time()
        act()
        best = min(best, time.process_time() - started)
    return best


@contextmanager
def installation() -> Iterator[Keywright]:
    """An installation in a directory that is removed afterwards, without a thread behind it."""
    directory = Path(tempfile.mkdtemp(prefix="keywright-bench-"))
    try:
        with Keywright(load({"data_dir": str(directory / "data")}, environment={})) as keywright:
            yield keywright
    finally:
        shutil.rmtree(directory)


class Collections:
    """Watches the garbage collector for the length of a block.

    Attributes:
        seconds: CPU time of each collection, by generation: for so long it stops the process.
    """

    def __init__(self) -> None:
        self.seconds: dict[int, list[float]] = {0: [], 1: [], 2: []}
        self._started = 0.0

    def _note(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._started = time.thread_time()
        else:
            self.seconds[info["generation"]].append(time.thread_time() - self._started)

    def __enter__(self) -> Collections:
        gc.callbacks.append(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        gc.callbacks.remove(self._note)

    @property
    def longest(self) -> float:
        """Seconds of the longest."""
        return max((each for generation in self.seconds.values() for each in generation), default=0.0)

    def __str__(self) -> str:
        return " + ".join(str(len(each)) for each in self.seconds.values())


def resident_bytes() -> int:
    """Memory of this process that is in RAM."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096
