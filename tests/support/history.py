"""Judges of what processes saw: whether the history of a key keeps the promise, and the history of a limit its count.

A history is what every process noted down by itself: what it did, when it began, when it had the answer, and what the
answer was. All read the same monotonic clock. A time that is taken before a call and one that is taken after it hold
the truth between them, so whatever the judges find did happen.

The promise that is judged: **a verification that begins after a change was answered sees it, and one that has its
answer before the change began does not.** Whatever overlaps a change may see it or not. A change without an answer (its
process was killed) may have happened at any time after it began, or never.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import accumulate
from typing import NamedTuple, TypeAlias

from keywright.limits.base import Limit


class State(StrEnum):
    """What a key is at one moment."""

    ABSENT = "absent"
    GOOD = "good"
    REFUSED = "refused"
    GONE = "gone"


class Kind(StrEnum):
    """What somebody does to a key, or asks of it."""

    CREATE = "create"
    NARROW = "narrow"
    WIDEN = "widen"
    DELETE = "delete"
    VERIFY = "verify"


class Answer(StrEnum):
    """What the answer was. A change is `DONE`, or the key is `MISSING`; `NONE` for a change that was never answered."""

    DONE = "done"
    MISSING = "missing"
    NONE = "none"
    ACCEPTED = "accepted"
    REFUSED = "refused"


class Act(NamedTuple):
    """One act on one key, or one question about it.

    Attributes:
        returned_at: infinite where there was no answer.
    """

    kind: Kind
    answer: Answer
    invoked_at: float
    returned_at: float = math.inf


#: What a change that was done makes of a key; from any other state it cannot be done.
_DONE: dict[Kind, dict[State, State]] = {
    Kind.CREATE: {State.ABSENT: State.GOOD},
    Kind.NARROW: {State.GOOD: State.REFUSED, State.REFUSED: State.REFUSED},
    Kind.WIDEN: {State.GOOD: State.GOOD, State.REFUSED: State.GOOD},
    Kind.DELETE: {State.GOOD: State.GONE, State.REFUSED: State.GONE},
}
_MISSING = {State.ABSENT: State.ABSENT, State.GONE: State.GONE}

#: A state the key may be in, and which of the changes that are under way have already happened.
_Possible: TypeAlias = tuple[State, frozenset[int]]


def broken(acts: Iterable[Act]) -> list[Act]:
    """The acts on one key that nothing explains; none if the promise was kept.

    Exact: a verification is returned if and only if there is no order of the changes, each happening at one instant
    between its beginning and its answer, in which the key at some instant of the verification was as it was answered
    to be. If the changes alone contradict each other, the one whose answer is impossible is returned.
    """
    acts = list(acts)
    lives = _Lives([act for act in acts if act.kind is not Kind.VERIFY])
    if lives.impossible is not None:
        return [lives.impossible]
    return [act for act in acts if act.kind is Kind.VERIFY and not lives.explains(act)]


class _Lives:
    """Every life that a key can have had, given its changes and their answers.

    Between two moments at which a change began or was answered nothing new becomes possible. So the lives are a list of
    stretches, each with all that was possible in it; what cannot be continued to the end is struck out again.
    """

    def __init__(self, changes: Sequence[Act]) -> None:
        self._changes = changes
        self.impossible: Act | None = None
        # At the same instant a beginning comes before an answer: what touches overlaps.
        moments = sorted(
            moment
            for number, act in enumerate(changes)
            for moment in ((act.invoked_at, False, number), (act.returned_at, True, number))
            if moment[0] < math.inf
        )
        self._times = [at for at, _, _ in moments]
        steps: list[_Step] = []
        stretches: list[set[_Possible]] = [{(State.ABSENT, frozenset())}]
        for _, answered, number in moments:
            before = steps[-1].under_way - steps[-1].ended if steps else frozenset()
            steps.append(_Step(before | {number}, frozenset({number} if answered else ())))
            stretches.append(self._onward(stretches[-1], steps[-1]))
            if not stretches[-1]:
                self.impossible = changes[number]
                return
        for place in range(len(steps) - 1, -1, -1):
            alive = stretches[place + 1]
            stretches[place] = {
                each for each in stretches[place] if not self._onward({each}, steps[place]).isdisjoint(alive)
            }
        self._good = list(accumulate((_holds(each, good=True) for each in stretches), initial=0))
        self._bad = list(accumulate((_holds(each, good=False) for each in stretches), initial=0))

    def explains(self, act: Act) -> bool:
        """Whether in one of the lives, at some instant of the verification, the key was as it was answered to be."""
        first = bisect_left(self._times, act.invoked_at)
        last = bisect_right(self._times, act.returned_at)
        counted = self._good if act.answer is Answer.ACCEPTED else self._bad
        return counted[last + 1] > counted[first]

    def _onward(self, start: set[_Possible], step: _Step) -> set[_Possible]:
        """What is possible after the step. A change that is answered has happened by then."""
        reached = self._reachable(start, step.under_way)
        return {(state, done - step.ended) for state, done in reached if step.ended <= done}

    def _reachable(self, start: set[_Possible], under_way: frozenset[int]) -> set[_Possible]:
        """What is possible once any of the changes that are under way may have happened, in any order."""
        found = set(start)
        to_do = list(found)
        while to_do:
            state, done = to_do.pop()
            for number in under_way - done:
                after = self._effect(number, state)
                if after is not None and (after, done | {number}) not in found:
                    found.add((after, done | {number}))
                    to_do.append((after, done | {number}))
        return found

    def _effect(self, number: int, state: State) -> State | None:
        """What the change makes of a key in that state; None if it cannot have had its answer there."""
        act = self._changes[number]
        return (_MISSING if act.answer is Answer.MISSING else _DONE[act.kind]).get(state)


class _Step(NamedTuple):
    """From one stretch to the next: the changes that are under way, and the one that is answered, if it is one."""

    under_way: frozenset[int]
    ended: frozenset[int]


def _holds(possible: set[_Possible], *, good: bool) -> bool:
    return any((state is State.GOOD) is good for state, _ in possible)


class Taken(NamedTuple):
    """One request that was admitted by a limit.

    Attributes:
        at: the time the request was decided with.
        remaining: what it was told is left.
        resets_at: when it was told the window ends.
    """

    at: float
    remaining: int
    resets_at: float


def overspent(limit: Limit, taken: Iterable[Taken]) -> Iterator[str]:
    """What is wrong with the requests that one limit of one key admitted, each of cost 1; nothing if it was exact.

    In each window at most ``count`` requests; what is left is told to one of them only; no window begins before the
    last one has ended; and each begins with its first request.
    """
    windows: dict[float, list[Taken]] = {}
    for each in taken:
        windows.setdefault(each.resets_at, []).append(each)
    last_end = -math.inf
    for resets_at in sorted(windows):
        window = windows[resets_at]
        opened_at = resets_at - limit.window_seconds
        told = [each.remaining for each in window]
        first = max(window, key=lambda each: each.remaining)
        if len(window) > limit.count:
            yield f"the window that ends at {resets_at} admitted {len(window)} requests, not {limit.count}"
        if len(set(told)) < len(told) or not set(told) <= set(range(limit.count)):
            yield f"the window that ends at {resets_at} told several requests the same, or nonsense: {sorted(told)}"
        if opened_at < last_end:
            yield f"the window that ends at {resets_at} began before the last one ended, at {last_end}"
        if first.remaining == limit.count - 1 and not math.isclose(first.at, opened_at, abs_tol=1e-6):
            yield f"the window that ends at {resets_at} did not begin with its first request, at {first.at}"
        last_end = resets_at
