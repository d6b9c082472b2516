"""Processes that race: forked, each with eyes of its own on a key, and a board in shared memory that they all watch.

The conductor (the test's own process) puts a key on the board, waits until everybody has verified it, changes it, and
says so on the board; everybody else does nothing but verify what stands there and note down what they were told.
Nobody waits for a message: the next verification after an answer begins within microseconds of it, in processes that
have remembered the key.
"""

from __future__ import annotations

import mmap
import os
import pickle
import random
import signal
import struct
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple, TypeAlias

from keywright import SystemClock
from support.history import Act, Answer, Kind

#: Says whether a key is accepted; None if that could not be told.
Verify: TypeAlias = Callable[[str], bool | None]
Open: TypeAlias = Callable[[], AbstractContextManager[Verify]]

#: Nobody races for longer, whatever goes wrong.
MOST_SECONDS = 3600
_END = 2**63
_STEP, _FAILED, _SEEN = 0, 1, 8
_KEY_AT, _KEY_BYTES = 2048, 256


class Failed(AssertionError):
    """A process of the crew did not end as it should."""


def shared_words(count: int) -> memoryview:
    """So many whole numbers of 8 bytes, shared with every process forked from now on."""
    return memoryview(mmap.mmap(-1, count * 8)).cast("Q")


def wait_for(ask: Callable[[], object], seconds: float = 60) -> None:
    """Wait, awake but polite, until the answer is true.

    Raises:
        Failed: it is not, in all that time.
    """
    deadline = SystemClock.elapsed() + seconds
    while not ask():
        if SystemClock.elapsed() > deadline:
            raise Failed(f"not so after {seconds} seconds")
        os.sched_yield()


def dice(seed: int) -> random.Random:
    """Chance that is the same in every run."""
    return random.Random(seed)  # noqa: S311 - nothing here is secret


def spend(seconds: float) -> None:
    """Let the time pass, awake: whoever sleeps wakes late."""
    until = SystemClock.elapsed() + seconds
    while SystemClock.elapsed() < until:
        pass


def rest(seconds: float) -> None:
    """Let the time pass, and leave the processor to those who are watched."""
    SystemClock.pause(seconds)


class Forked:
    """One process of the crew."""

    def __init__(self, work: Callable[[], Any]) -> None:
        reading, writing = os.pipe()
        with warnings.catch_warnings():
            # Python warns of threads that may hold a lock in the child. The child does only what it is given here.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = os.fork()
        if not self.pid:
            _be_child(work, writing)
        os.close(writing)
        self._answer = os.fdopen(reading, "rb")
        self._ended = False

    def result(self) -> Any:
        """What its work returned.

        Raises:
            Failed: it returned nothing.
        """
        raw = self._answer.read()
        self._end()
        if not raw:
            raise Failed(f"process {self.pid} has failed; its error stands above")
        return pickle.loads(raw)  # noqa: S301 - of our own child

    def kill(self) -> None:
        """End it at once, wherever it is, and wait until it is gone."""
        if not self._ended:
            os.kill(self.pid, signal.SIGKILL)
            self._end()

    def _end(self) -> None:
        self._answer.close()
        if not self._ended:
            os.waitpid(self.pid, 0)
            self._ended = True


def _be_child(work: Callable[[], Any], writing: int) -> None:
    try:
        signal.alarm(MOST_SECONDS)  # a crew whose conductor was killed does not spin for ever
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(pickle.dumps(work()))
    except BaseException:
        import traceback

        traceback.print_exc()
        raise
    finally:
        os._exit(0)  # nothing of the parent's is flushed, closed or reported a second time


@contextmanager
def forked(works: Sequence[Callable[[], Any]]) -> Iterator[list[Forked]]:
    """A process for each work. Whatever happens in the block, none of them outlives it."""
    started: list[Forked] = []
    try:
        started.extend(Forked(work) for work in works)
        yield started
    finally:
        for each in started:
            each.kill()


def together(works: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each work returns, each in a process of its own, all at the same time."""
    with forked(works) as started:
        return [each.result() for each in started]


class Rounds:
    """Rounds that every player begins at the same moment."""

    def __init__(self, players: int) -> None:
        self._ready = shared_words(players)

    def begin(self, place: int) -> None:
        """Say that this player is ready for the next round, and wait for the others.

        Raises:
            Failed: one of them does not come.
        """
        self._ready[place] += 1
        number = self._ready[place]
        wait_for(lambda: min(self._ready) >= number)


class Run(NamedTuple):
    """Verifications by one process, one after the other, with the same answer, during one step of the board.

    The first and the last stand for all of them: they ended the earliest and began the latest, and each step of the
    board has at most one change.
    """

    step: int
    accepted: bool
    times: int
    first: tuple[float, float]
    last: tuple[float, float]

    def acts(self) -> Iterator[Act]:
        """The first and the last, for the judge."""
        answer = Answer.ACCEPTED if self.accepted else Answer.REFUSED
        for invoked_at, returned_at in (self.first, self.last):
            yield Act(Kind.VERIFY, answer, invoked_at, returned_at)


class Board:
    """What all processes watch: the number of the step, the key of the step, and how far everybody is.

    Args:
        looks: how often everybody verifies in each step, at least.
    """

    def __init__(self, watchers: int, looks: int) -> None:
        self._looks = looks
        self._memory = mmap.mmap(-1, 4096)
        self._words = memoryview(self._memory).cast("Q")
        self._watchers = watchers

    def show(self, key: str) -> None:
        """Put another key on the board, as a new step."""
        raw = key.encode()
        struct.pack_into(f"=H{len(raw)}s", self._memory, _KEY_AT, len(raw), raw)
        self.step()

    def step(self) -> None:
        """Say that something was answered: whoever verifies from now on knows of it."""
        self._words[_STEP] += 1

    @property
    def number(self) -> int:
        """The number of the step."""
        return int(self._words[_STEP])

    def all_verified(self) -> None:
        """Wait until every watcher has verified often enough since the step began.

        Raises:
            Failed: one of them has failed, or does not move.
        """
        number = self.number
        places = range(_SEEN, _SEEN + self._watchers)
        wait_for(lambda: self._words[_FAILED] or all(self._words[place] >= number for place in places))
        if self._words[_FAILED]:
            raise Failed("a watcher has failed; its error stands above")

    def end(self) -> None:
        """No more steps."""
        self._words[_STEP] = _END

    def watch(self, place: int, open_: Open) -> list[Run]:
        """What a watcher does: verify what stands there until the end, and note down what it was told."""
        words, runs = self._words, list[Run]()
        try:
            with open_() as verify:
                while (step := words[_STEP]) != _END:
                    if step:
                        self._watch_step(step, place, verify, runs)
                    else:
                        os.sched_yield()
        except BaseException:
            words[_FAILED] = 1
            raise
        return runs

    def _watch_step(self, step: int, place: int, verify: Verify, runs: list[Run]) -> None:
        words, elapsed = self._words, SystemClock.elapsed
        (length,) = struct.unpack_from("=H", self._memory, _KEY_AT)
        key = self._memory[_KEY_AT + 2 : _KEY_AT + 2 + length].decode()
        told: bool | None = None
        times = asked = 0
        first = last = (0.0, 0.0)
        while words[_STEP] == step:
            invoked_at = elapsed()
            answer = verify(key)
            returned_at = elapsed()
            asked += 1
            if asked >= self._looks:
                words[_SEEN + place] = step
                os.sched_yield()  # there are fewer processors than processes: whoever has not yet, verifies now
            if answer is None:
                continue
            if answer is told:
                times, last = times + 1, (invoked_at, returned_at)
                continue
            if told is not None:
                runs.append(Run(step, told, times, first, last))
            told, times, first = answer, 1, (invoked_at, returned_at)
            last = first
        if told is not None:
            runs.append(Run(step, told, times, first, last))


@contextmanager
def watching(openers: Sequence[Open], looks: int = 2) -> Iterator[tuple[Board, list[list[Run]]]]:
    """Watchers at a board, one process for each opener. The list holds what they saw once the block has ended."""
    board, seen = Board(len(openers), looks), list[list[Run]]()

    def at(place: int, open_: Open) -> Callable[[], list[Run]]:
        return lambda: board.watch(place, open_)

    with forked([at(place, open_) for place, open_ in enumerate(openers)]) as started:
        yield board, seen
        board.end()
        seen.extend(each.result() for each in started)
