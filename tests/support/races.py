"""Races between one who changes keys and many who verify them, and what the judge says of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from keywright import Accepted, Keywright, Request, SystemClock, Unavailable
from keywright.clock import Clock
from keywright.record import ANY_REQUEST
from keywright.settings import load
from support.crew import Board, Open, Run, Verify
from support.history import Act, Answer, Kind, broken

T = TypeVar("T")


class HasKey(Protocol):
    """A new key, whoever tells of it."""

    @property
    def key(self) -> str:
        """Its text."""
        ...


Made = TypeVar("Made", bound=HasKey)

SOON_SECONDS = 0.001


class Ahead:
    """The machine's clock, so many seconds ahead of it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.elapsed = SystemClock.elapsed
        self.pause = SystemClock.pause

    def now(self) -> float:
        """The time that will be."""
        return SystemClock.now() + self._seconds


@contextmanager
def opened(data_dir: Path, clock: Clock | None = None) -> Iterator[Keywright]:
    """The library as an application opens it, with the threads that it starts."""
    with Keywright(load({"data_dir": str(data_dir)}, environment={}), clock) as keywright:
        keywright.start()
        yield keywright


def library(data_dir: Path, request: Request = ANY_REQUEST, clock: Clock | None = None) -> Open:
    """Verifies with the library, in whatever process it is opened in."""

    @contextmanager
    def open_() -> Iterator[Verify]:
        with opened(data_dir, clock) as keywright:
            yield asking(keywright, request)

    return open_


def asking(keywright: Keywright, request: Request = ANY_REQUEST) -> Verify:
    """Verifies with an installation that is open."""
    verify = keywright.verifier.verify

    def ask(key: str) -> bool | None:
        try:
            return isinstance(verify(key, request), Accepted)
        except Unavailable:
            return None

    return ask


class Tally(NamedTuple):
    """What became of many races.

    Attributes:
        changes: how many there were.
        wrong: verifications that break the promise.
        silent: how often a watcher could tell nothing in a whole step. Where nobody is told anything, nothing is shown.
        overlapped: how many changes were verified against while they were being made.
        soon: after how many a verification began within a millisecond of the answer, in another process.
    """

    changes: int
    wrong: list[Act]
    silent: int
    overlapped: int
    soon: int

    def assert_kept(self, often: float = 0.2) -> None:
        """See that the promise was kept, and that it was put to the test.

        Args:
            often: at how many of the changes somebody must have verified just then, as a share. On a machine that does
                much else fewer do, and of few changes the share says little.
        """
        assert not self.wrong, f"{len(self.wrong)} verifications break the promise, such as {self.wrong[0]}"
        assert not self.silent, f"in {self.silent} steps a watcher was told nothing"
        assert self.soon > self.changes * often, "the verifications after the answer came too late to show anything"
        assert self.overlapped > self.changes * often, "nobody verified while the changes were being made"


class Races:
    """One after the other on a board: each key is made, verified by all, changed, and verified by all."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._races: list[list[Act]] = []
        self._race_of_step: dict[int, int] = {}

    def begin(self, make: Callable[[], Made]) -> Made:
        """Make a key, show it, and wait until everybody knows it."""
        self._races.append([])
        made = self._act(Kind.CREATE, make)
        self._race_of_step[self._board.number + 1] = len(self._races) - 1
        self._board.show(made.key)
        self._board.all_verified()
        return made

    def change(self, kind: Kind, make: Callable[[], object]) -> None:
        """Change the key, say so, and wait until everybody has verified it again."""
        self._act(kind, make)
        self._race_of_step[self._board.number + 1] = len(self._races) - 1
        self._board.step()
        self._board.all_verified()

    def _act(self, kind: Kind, make: Callable[[], T]) -> T:
        invoked_at = SystemClock.elapsed()
        made = make()
        self._races[-1].append(Act(kind, Answer.DONE, invoked_at, SystemClock.elapsed()))
        return made

    def judge(self, seen: list[list[Run]]) -> Tally:
        """What the watchers' notes show."""
        verified: list[list[Act]] = [[] for _ in self._races]
        for runs in seen:
            for run in runs:
                verified[self._race_of_step[run.step]].extend(run.acts())
        wrong = [act for made, asked in zip(self._races, verified, strict=True) for act in broken([*made, *asked])]
        silent = sum(len(self._race_of_step) - len({run.step for run in runs}) for runs in seen)
        overlapped = soon = 0
        for made, asked in zip(self._races, verified, strict=True):
            for change in made[1:]:
                overlapped += any(_overlap(change, act) for act in asked)
                soon += any(0 < act.invoked_at - change.returned_at < SOON_SECONDS for act in asked)
        return Tally(sum(len(made) - 1 for made in self._races), wrong, silent, overlapped, soon)


def _overlap(change: Act, act: Act) -> bool:
    return act.invoked_at < change.returned_at and act.returned_at > change.invoked_at


def given(**values: Any) -> dict[str, Any]:
    """A new key's values: no limit, unless one is named."""
    return {"name": "Racing", "rate_limit": None, **values}
