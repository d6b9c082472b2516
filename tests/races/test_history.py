"""The judges of races are exact: they miss nothing, and accuse nobody wrongly."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations, permutations

import pytest
from hypothesis import given, settings, strategies as st

from keywright.limits.base import Limit
from support.history import Act, Answer, Kind, Taken, broken, overspent

CREATED = Act(Kind.CREATE, Answer.DONE, 0, 1)
DELETED = Act(Kind.DELETE, Answer.DONE, 10, 12)


def accepted(start: float, end: float) -> Act:
    """A verification that was accepted."""
    return Act(Kind.VERIFY, Answer.ACCEPTED, start, end)


def refused(start: float, end: float) -> Act:
    """A verification that was refused."""
    return Act(Kind.VERIFY, Answer.REFUSED, start, end)


def done(kind: Kind, start: float, end: float) -> Act:
    """A change that was made."""
    return Act(kind, Answer.DONE, start, end)


GOOD: dict[str, list[Act]] = {
    "before, while and after": [CREATED, refused(-2, -1), accepted(2, 9), DELETED, refused(13, 14)],
    "what overlaps may go either way": [CREATED, DELETED, accepted(9, 11), refused(9, 10), accepted(12, 13)],
    "it may be seen early by one and late by another": [CREATED, DELETED, refused(10.2, 10.3), accepted(11, 11.5)],
    "no answer, and it happened": [CREATED, Act(Kind.DELETE, Answer.NONE, 5), accepted(3, 4), refused(50, 51)],
    "no answer, and it did not happen": [CREATED, Act(Kind.DELETE, Answer.NONE, 5), accepted(50, 51)],
    "enabled again": [
        CREATED,
        done(Kind.NARROW, 2, 3),
        refused(4, 5),
        done(Kind.WIDEN, 6, 7),
        accepted(8, 9),
    ],
    "two at once in either order": [
        CREATED,
        done(Kind.NARROW, 2, 6),
        done(Kind.WIDEN, 3, 5),
        accepted(7, 8),
    ],
    "the second delete says that it is gone": [CREATED, DELETED, Act(Kind.DELETE, Answer.MISSING, 11, 13)],
}

BAD: dict[str, tuple[list[Act], Act]] = {
    "accepted after the delete was answered": ([CREATED, DELETED], accepted(12.001, 13)),
    "refused after the create was answered": ([CREATED, DELETED], refused(1.001, 2)),
    "refused before the delete began": ([CREATED, DELETED], refused(8, 9.999)),
    "accepted before it was made": ([CREATED, DELETED], accepted(-2, -1)),
    "accepted while disabled": ([CREATED, done(Kind.NARROW, 2, 3), done(Kind.WIDEN, 6, 7)], accepted(4, 5)),
    "refused after it was enabled": ([CREATED, done(Kind.NARROW, 2, 3), done(Kind.WIDEN, 6, 7)], refused(8, 9)),
    "accepted after somebody was told that it is gone": (
        [CREATED, Act(Kind.DELETE, Answer.NONE, 2), Act(Kind.DELETE, Answer.MISSING, 4, 5)],
        accepted(6, 7),
    ),
    "a second delete cannot be done": ([CREATED, DELETED], done(Kind.DELETE, 13, 14)),
    "missing, though nobody deletes it": ([CREATED], Act(Kind.NARROW, Answer.MISSING, 2, 3)),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_the_promise_allows_is_allowed(name: str) -> None:
    """No history that keeps the promise is taken for one that breaks it."""
    assert broken(GOOD[name]) == []


@pytest.mark.parametrize("name", BAD)
def test_what_breaks_the_promise_is_found(name: str) -> None:
    """One act that breaks the promise is named, and no other."""
    acts, wrong = BAD[name]
    assert broken([*acts, wrong]) == [wrong]


#: What each change makes of a key, written once more and differently: a table of one's own checks nothing.
_NEXT = {
    (Kind.CREATE, "absent"): "good",
    (Kind.NARROW, "good"): "bad",
    (Kind.NARROW, "bad"): "bad",
    (Kind.WIDEN, "good"): "good",
    (Kind.WIDEN, "bad"): "good",
    (Kind.DELETE, "good"): "gone",
    (Kind.DELETE, "bad"): "gone",
}


def _can_be(order: tuple[Act, ...]) -> bool:
    """Whether everybody's answer is right if the acts happen one after the other in this order."""
    state = "absent"
    for place, act in enumerate(order):
        if any(later.returned_at < act.invoked_at for later in order[place + 1 :]):
            return False
        if act.kind is Kind.VERIFY:
            if (act.answer is Answer.ACCEPTED) is not (state == "good"):
                return False
        elif act.answer is Answer.MISSING:
            if state not in ("absent", "gone"):
                return False
        elif (act.kind, state) in _NEXT:
            state = _NEXT[act.kind, state]
        else:
            return False
    return True


def _by_trying_everything(changes: list[Act], asked: list[Act]) -> bool:
    """Whether some order explains the changes and these verifications, tried one by one."""
    answered = [act for act in changes if act.answer is not Answer.NONE]
    unanswered = [act for act in changes if act.answer is Answer.NONE]
    happened: Iterator[tuple[Act, ...]] = (
        each for count in range(len(unanswered) + 1) for each in combinations(unanswered, count)
    )
    return any(_can_be(order) for some in happened for order in permutations([*answered, *some, *asked]))


@st.composite
def _changes(draw: st.DrawFn) -> Act:
    start = draw(st.integers(0, 12))
    kind = draw(st.sampled_from([Kind.NARROW, Kind.WIDEN, Kind.DELETE]))
    answer = draw(st.sampled_from([Answer.DONE, Answer.DONE, Answer.MISSING, Answer.NONE]))
    return Act(kind, answer, start, math.inf if answer is Answer.NONE else start + draw(st.integers(0, 8)))


@st.composite
def _questions(draw: st.DrawFn) -> Act:
    start = draw(st.integers(-2, 20))
    return Act(
        Kind.VERIFY,
        draw(st.sampled_from([Answer.ACCEPTED, Answer.REFUSED])),
        start,
        start + draw(st.integers(0, 4)),
    )


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 3), st.lists(_changes(), max_size=4), st.lists(_questions(), min_size=1, max_size=5))
def test_the_judge_finds_what_trying_everything_finds(made_by: int, changes: list[Act], asked: list[Act]) -> None:
    """On small histories of every kind the verdict is that of trying every order."""
    changes = [Act(Kind.CREATE, Answer.DONE, 0, made_by), *changes]
    found = broken([*changes, *asked])
    if not _by_trying_everything(changes, []):
        assert len(found) == 1
        assert found[0] in changes
    else:
        assert found == [act for act in asked if not _by_trying_everything(changes, [act])]


LIMIT = Limit(3, 60)
EXACT = [Taken(100.0, 2, 160.0), Taken(101.0, 1, 160.0), Taken(159.9, 0, 160.0), Taken(200.0, 2, 260.0)]
SPENT: dict[str, list[Taken]] = {
    "one too many": [*EXACT, Taken(130.0, 3, 160.0)],
    "two are told the same": [*EXACT[:2], Taken(103.0, 1, 160.0)],
    "a window in a window": [*EXACT, Taken(240.0, 2, 300.0)],
    "a window that begins on the minute": [Taken(100.0, 2, 120.0)],
}


def test_exact_windows_are_exact() -> None:
    """No history of a limit that was kept is accused."""
    assert list(overspent(LIMIT, EXACT)) == []


@pytest.mark.parametrize("name", SPENT)
def test_what_was_overspent_is_found(name: str) -> None:
    """A window that admits too many, tells wrong figures, or lies in another one is named."""
    assert list(overspent(LIMIT, SPENT[name]))
