"""Recorded work, and what is left of it when it is cut short: the judge is asked about each remainder."""

from __future__ import annotations

import itertools
import random
import shlex
import shutil
from collections.abc import Iterable
from pathlib import Path

from support.judge import Broken, Heard, judge
from support.power import LOSSES, Said
from support.recording import Recording, record
from support.workload import environment, program


def recorded(directory: Path, acts: int, *seeds: int) -> Recording:
    """Processes that open a data directory below ``directory`` at once, work in it and close it, and all they did."""
    directory.mkdir(exist_ok=True)
    several = [shlex.join(program(directory / "data", seed, acts)) for seed in seeds]
    done = record(directory, ["sh", "-c", " & ".join([*several, "wait"])], environment())
    assert len(said(done, b'"closing"')) == len(seeds), "all of them came to their end"
    return done


def said(recording: Recording, what: bytes) -> list[int]:
    """When this was said."""
    return [at for at, event in enumerate(recording.events) if isinstance(event, Said) and what in event.line]


def cut(
    recording: Recording, positions: Iterable[int], chance: random.Random, scratch: Path, before: Heard | None = None
) -> str:
    """Cut the power at these moments, each time in another way; what was broken then, if anything the first of it."""
    ways = itertools.cycle(LOSSES.items())
    heard = before or Heard()
    for number, (position, disk, lines) in enumerate(recording.moments(positions)):
        heard.hear(lines)
        way, loss = next(ways)
        to = scratch / f"cut {number}"
        to.mkdir()
        disk.cut(to, loss, chance)
        if broken := judged(to, heard, f"cut at event {position} of {len(recording.events)}, {way}"):
            return broken
    return ""


def judged(to: Path, heard: Heard, what: str) -> str:
    """What is broken in what was left, in words, if anything is; and clear it away."""
    try:
        judge(to / "data", heard)
    except Broken as error:
        return f"{what}: {error}"
    finally:
        shutil.rmtree(to)
    return ""


def kill(recording: Recording, positions: Iterable[int], scratch: Path, before: Heard | None = None) -> str:
    """Kill everything at these moments; what was broken then, if anything the first of it."""
    heard = before or Heard()
    for position, disk, lines in recording.moments(positions):
        heard.hear(lines)
        to = scratch / f"killed {position}"
        to.mkdir()
        disk.kill(to)
        if broken := judged(to, heard, f"killed at event {position} of {len(recording.events)}"):
            return broken
    return ""
