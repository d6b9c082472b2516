"""The promises of a limiter, as checks that anybody can run on their own one.

A check takes a function that opens the limiter; it must be new and empty for each check. Where counters are shared
between processes (`SHARED_CHECKS`), every further call must open the same counters again, as another process would.

    for check in (*CHECKS, *SHARED_CHECKS):
        check(open_mine_on_new_counters())

What exact means for each kind of limit is checked in `conformance_kinds`, in the same way.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TypeAlias

from keywright.limits.base import Decision, Limit, Limiter

Open: TypeAlias = Callable[[], Limiter]
Check: TypeAlias = Callable[[Open], None]

NOW = 1_737_369_000.25
MINUTE = Limit(10, 60)
HOUR = Limit(15, 3_600)
DAY = Limit(40, 86_400)
MONTH = Limit(60, 30 * 86_400)


class PromiseBroken(AssertionError):
    """The limiter does not do what its promise says."""


def see(true: bool, sentence: str) -> None:
    """Go on if it is so.

    Raises:
        PromiseBroken: it is not.
    """
    if not true:
        raise PromiseBroken(sentence)


def spend(limiter: Limiter, slot: int, limits: tuple[Limit, ...], times: int, now: float) -> int:
    """How many of so many requests were admitted."""
    return sum(limiter.take(slot, limits, 1, now).admitted for _ in range(times))


def remaining(decision: Decision) -> tuple[int, ...]:
    """What is left of each limit."""
    return tuple(state.remaining for state in decision.states)


def window_opens_at_the_first_request(open_: Open) -> None:
    """The window opens with the first request, whatever the hour, and the first request counts."""
    with closing(open_()) as limiter:
        first = limiter.take(1, (MINUTE,), 1, NOW)
        see(first.admitted and remaining(first) == (9,), "the first request leaves one less than the count")
        see(first.states[0].resets_at == NOW + 60, "the window opens at the first request")
        see(first.states[0].limit == MINUTE, "a state names its limit")


def window_is_fixed(open_: Open) -> None:
    """Neither further requests nor refusals move the end of an open window."""
    with closing(open_()) as limiter:
        ends = {limiter.take(1, (MINUTE,), 1, NOW + step * 4).states[0].resets_at for step in range(15)}
        see(ends == {NOW + 60}, "the reset is constant within a window")


def window_gives_a_full_allowance_when_it_is_over(open_: Open) -> None:
    """From the moment of the reset the key has its whole count again, however much was refused before."""
    with closing(open_()) as limiter:
        see(spend(limiter, 1, (MINUTE,), 30, NOW) == 10, "no more than the count is admitted")
        see(spend(limiter, 1, (MINUTE,), 1, NOW + 59.999) == 0, "nothing is admitted before the reset")
        renewed = limiter.take(1, (MINUTE,), 1, NOW + 60)
        see(renewed.admitted and remaining(renewed) == (9,), "at the reset the allowance is whole again")
        see(renewed.states[0].resets_at == NOW + 120, "the next window opens with the request that comes next")


def refusal_costs_nothing(open_: Open) -> None:
    """A request without room takes nothing: a smaller one that has room still passes."""
    with closing(open_()) as limiter:
        limiter.take(1, (MINUTE,), 8, NOW)
        refused = limiter.take(1, (MINUTE,), 3, NOW)
        see(not refused.admitted and remaining(refused) == (2,), "a refusal tells what is left and takes none of it")
        see(limiter.take(1, (MINUTE,), 2, NOW).admitted, "what is left can be spent")


def refusal_says_how_long(open_: Open) -> None:
    """``retry_after_seconds`` is whole, at least 1, and long enough."""
    with closing(open_()) as limiter:
        limiter.take(1, (MINUTE,), 10, NOW)
        for later, seconds in ((0.0, 60), (0.5, 60), (1.0, 59), (59.9, 1)):
            refused = limiter.take(1, (MINUTE,), 1, NOW + later)
            see(refused.retry_after_seconds == seconds, f"{later} s into the window it takes {seconds} s")
        see(limiter.take(1, (MINUTE,), 1, NOW + 60).retry_after_seconds == 0, "who is admitted need not wait")


def refusal_opens_no_window(open_: Open) -> None:
    """A request that can never have room leaves no trace, so it cannot shorten the window that comes."""
    with closing(open_()) as limiter:
        see(not limiter.take(1, (MINUTE,), 11, NOW).admitted, "a cost above the count is always refused")
        first = limiter.take(1, (MINUTE,), 1, NOW + 30)
        see(first.states[0].resets_at == NOW + 90, "the window opens with the first request that is admitted")
        see(remaining(first) == (9,), "what was refused was not counted")


def cost_is_taken_whole(open_: Open) -> None:
    """A request may cost more than one."""
    with closing(open_()) as limiter:
        left = [remaining(limiter.take(1, (MINUTE,), cost, NOW))[0] for cost in (4, 1, 5)]
        see(left == [6, 5, 0], "the cost is what is taken")


def several_limits_are_decided_together(open_: Open) -> None:
    """All limits have room and all are charged, or none is."""
    both = (MINUTE, HOUR)
    with closing(open_()) as limiter:
        see(spend(limiter, 1, both, 12, NOW) == 10, "the tightest limit decides")
        see(remaining(limiter.peek(1, both, NOW)) == (0, 5), "a refusal by one limit charges no other")
        see(spend(limiter, 1, both, 12, NOW + 60) == 5, "the longer limit goes on counting over the shorter's windows")
        after = limiter.peek(1, both, NOW + 60)
        see(remaining(after) == (5, 0), "what the longer limit refused, the shorter did not charge")
        refused = limiter.take(1, both, 1, NOW + 60)
        see(refused.retry_after_seconds == 3540, "the wait is that of the limit that has no room")
        see(refused.tightest.limit == HOUR, "the tightest is the one with the least left")


def four_limits_count_each_for_itself(open_: Open) -> None:
    """A key may have as many limits as `MAX_LIMITS_PER_KEY`, in any order."""
    four = (DAY, MINUTE, MONTH, HOUR)
    with closing(open_()) as limiter:
        see(remaining(limiter.take(1, four, 3, NOW)) == (37, 7, 57, 12), "states come in the order of the limits")
        later = limiter.take(1, four[::-1], 1, NOW + 3_600)
        see(remaining(later) == (14, 56, 9, 36), "each window is found by its length, not by its place")


def peek_spends_nothing(open_: Open) -> None:
    """Looking changes nothing, and tells whether one request has room."""
    with closing(open_()) as limiter:
        see(remaining(limiter.peek(1, (MINUTE,), NOW)) == (10,), "a key that was never used has all")
        see(limiter.take(1, (MINUTE,), 9, NOW + 5).states[0].resets_at == NOW + 65, "looking opens no window")
        looks = {(decision.admitted, remaining(decision)) for decision in _peeks(limiter, 5)}
        see(looks == {(True, (1,))}, "looking takes nothing")
        limiter.take(1, (MINUTE,), 1, NOW + 5)
        see(not limiter.peek(1, (MINUTE,), NOW + 5).admitted, "an exhausted key has no room")


def _peeks(limiter: Limiter, times: int) -> list[Decision]:
    return [limiter.peek(1, (MINUTE,), NOW + 5) for _ in range(times)]


def keys_do_not_share(open_: Open) -> None:
    """Every slot counts for itself, however far apart or near they are."""
    slots = (0, 1, 2, 4_031, 4_032, 4_095, 4_096, 4_097, 70_000, 1_000_000)
    with closing(open_()) as limiter:
        for number, slot in enumerate(slots):
            see(spend(limiter, slot, (MINUTE,), number, NOW) == number, "a new slot starts with everything")
        for number, slot in enumerate(slots):
            see(remaining(limiter.peek(slot, (MINUTE,), NOW)) == (10 - number,), "a slot is spent by its own key only")


def a_clock_a_little_behind_opens_no_second_window(open_: Open) -> None:
    """Two processes never read the clock at one instant: who is a little behind still finds the window open."""
    with closing(open_()) as limiter:
        see(spend(limiter, 1, (MINUTE,), 6, NOW) == 6, "the window is open")
        see(spend(limiter, 1, (MINUTE,), 6, NOW - 0.5) == 4, "a request from half a second before belongs to it")
        see(limiter.peek(1, (MINUTE,), NOW - 0.5).states[0].resets_at == NOW + 60, "its end stays")


def a_clock_set_back_far_does_not_refuse_for_ever(open_: Open) -> None:
    """A window from a future that the clock was set back from is not waited for."""
    with closing(open_()) as limiter:
        spend(limiter, 1, (MINUTE,), 10, NOW)
        see(spend(limiter, 1, (MINUTE,), 12, NOW - 86_400) == 10, "the key has a window of the time it is now")


def a_changed_count_keeps_what_was_spent(open_: Open) -> None:
    """Who raises or lowers a count in an open window changes what is left, not what was spent or when it ends."""
    with closing(open_()) as limiter:
        spend(limiter, 1, (MINUTE,), 8, NOW)
        see(not limiter.take(1, (Limit(5, 60),), 1, NOW).admitted, "a count below what was spent refuses")
        see(remaining(limiter.peek(1, (Limit(5, 60),), NOW)) == (0,), "what is left is never less than nothing")
        raised = limiter.take(1, (Limit(20, 60),), 1, NOW + 10)
        see(remaining(raised) == (11,) and raised.states[0].resets_at == NOW + 60, "a raised count leaves the rest")


def a_limit_that_comes_back_finds_what_it_spent(open_: Open) -> None:
    """Changing a key's limits and changing them back within the window gives no new allowance."""
    with closing(open_()) as limiter:
        spend(limiter, 1, (HOUR,), 15, NOW)
        for other in (MINUTE, DAY, MONTH):
            see(limiter.take(1, (other,), 1, NOW).admitted, "another limit has a window of its own")
        see(not limiter.take(1, (HOUR,), 1, NOW + 1).admitted, "the window that was open is still open, and full")


def exact_among_threads(open_: Open) -> None:
    """However many threads ask at once, exactly the count is admitted, and each is told another remainder."""
    limit, left = Limit(480, 60), []
    with closing(open_()) as limiter:
        barrier = threading.Barrier(8)

        def work() -> None:
            barrier.wait()
            for _ in range(100):
                decision = limiter.take(1, (limit,), 1, NOW)
                if decision.admitted:
                    left.append(remaining(decision)[0])

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    see(sorted(left) == list(range(480)), f"480 of 800 are admitted, each once; it was {len(left)}")


def another_opening_sees_the_same_counters(open_: Open) -> None:
    """Whoever opens the counters sees what everybody else has spent."""
    with closing(open_()) as one, closing(open_()) as other:
        admitted = [(one, other)[turn % 2].take(1, (MINUTE,), 1, NOW).admitted for turn in range(12)]
        see(admitted == [True] * 10 + [False] * 2, "two openings spend from one count")


def counters_survive_a_restart(open_: Open) -> None:
    """Closing and opening again changes neither what was spent nor when the window ends."""
    with closing(open_()) as before:
        spend(before, 70_000, (MINUTE, HOUR), 4, NOW)
    with closing(open_()) as after:
        decision = after.take(70_000, (MINUTE, HOUR), 1, NOW + 10)
        see(remaining(decision) == (5, 10), "what was spent is still spent")
        see(decision.states[0].resets_at == NOW + 60, "the window is still the same")


def exact_among_processes(open_: Open) -> None:
    """However many processes ask at once, exactly the count of each limit is admitted."""
    limits = (Limit(3_000, 60), Limit(5_000, 3_600))
    open_().close()

    def work() -> int:
        with closing(open_()) as limiter:
            return spend(limiter, 7, limits, 1_500, NOW)

    admitted = sum(in_children(work, 4))
    see(admitted == 3_000, f"3000 of 6000 are admitted; it was {admitted}")
    with closing(open_()) as limiter:
        see(remaining(limiter.peek(7, limits, NOW)) == (0, 2_000), "each admitted request was charged once")


def exact_after_a_fork(open_: Open) -> None:
    """A forked child that was told so shares the counters with its parent, and not the right to change them."""
    limit = Limit(3_000, 60)
    with closing(open_()) as limiter:
        limiter.take(7, (limit,), 1, NOW)

        def work() -> int:
            limiter.after_fork()
            return spend(limiter, 7, (limit,), 2_000, NOW)

        inherited = in_children(work, 3, lambda: spend(limiter, 7, (limit,), 2_000, NOW))
    see(sum(inherited) == 2_999, f"parent and children share one count; they were admitted {inherited} after the first")


def in_children(work: Callable[[], int], children: int, meanwhile: Callable[[], int] | None = None) -> list[int]:
    """What ``work`` returns in each of so many forked children, and what ``meanwhile`` returns here."""
    return in_children_each([work] * children, meanwhile)


def in_children_each(works: Sequence[Callable[[], int]], meanwhile: Callable[[], int] | None = None) -> list[int]:
    """What each of ``works`` returns in a forked child of its own, after what ``meanwhile`` returns here."""
    started = [_fork(work) for work in works]
    results = [meanwhile()] if meanwhile else []
    for child, answer in started:
        with os.fdopen(answer, "rb") as pipe:
            results.append(int(pipe.read() or b"-1"))
        os.waitpid(child, 0)
    see(-1 not in results, "no child fails")
    return results


def _fork(work: Callable[[], int]) -> tuple[int, int]:
    """Start a child; its process id, and where it writes what ``work`` returns."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Python warns of threads that may hold a lock in the child. The child does only what it is given here.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    try:
        os.write(writing, str(work()).encode())
    finally:
        os._exit(0)  # nothing of the parent's is flushed, closed or reported a second time


CHECKS: tuple[Check, ...] = (
    window_opens_at_the_first_request,
    window_is_fixed,
    window_gives_a_full_allowance_when_it_is_over,
    refusal_costs_nothing,
    refusal_says_how_long,
    refusal_opens_no_window,
    cost_is_taken_whole,
    several_limits_are_decided_together,
    four_limits_count_each_for_itself,
    peek_spends_nothing,
    keys_do_not_share,
    a_clock_a_little_behind_opens_no_second_window,
    a_clock_set_back_far_does_not_refuse_for_ever,
    a_changed_count_keeps_what_was_spent,
    a_limit_that_comes_back_finds_what_it_spent,
    exact_among_threads,
)

#: For limiters whose counters are shared by processes and outlive them.
SHARED_CHECKS: tuple[Check, ...] = (
    another_opening_sees_the_same_counters,
    counters_survive_a_restart,
    exact_among_processes,
    exact_after_a_fork,
)
