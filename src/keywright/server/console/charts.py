"""Counts over time as pictures: paths of an SVG that needs no script, and the numbers along its edges."""

from __future__ import annotations

from collections.abc import Sequence

from keywright.manage.insight import DAY_SECONDS, OUTCOMES, Step
from keywright.server.console import show
from keywright.values import Value

WIDTH = 1000
HEIGHT = 240
_LINES = 4
_LABELS = 7
#: How much of its step a bar fills.
_FILL = 0.84
#: What is not nothing can be seen.
_LEAST_HEIGHT = 2.0
_ROUND = (1, 2, 2.5, 5, 10)
#: The colour of each outcome, as a class of the style sheet.
COLOURS = {"accepted": "o-ok", "rate_limited": "o-rl", "forbidden": "o-sc", "refused": "o-ex"}


class Bar(Value, frozen=True, gc=False):
    """One step of a chart.

    Attributes:
        x: its left edge.
        at: when it began, as people read it.
        counts: by outcome, without what never happened.
    """

    x: float
    at: str
    counts: tuple[tuple[str, int], ...]


class Chart(Value, frozen=True, gc=False):
    """A chart of outcomes.

    Attributes:
        paths: an outcome and its bars, for each that happened.
        bars: the steps in which something happened, the oldest first.
        width: of a step.
        ticks: numbers along the upright edge, from the top.
        labels: times along the other one, from the left.
        totals: by outcome.
    """

    paths: tuple[tuple[str, str], ...]
    bars: tuple[Bar, ...]
    width: float
    ticks: tuple[int, ...]
    labels: tuple[str, ...]
    totals: dict[str, int]

    @property
    def total(self) -> int:
        """All requests."""
        return sum(self.totals.values())


def chart(history: Sequence[Step]) -> Chart:
    """The chart of a history."""
    width = WIDTH / len(history)
    daily = len(history) > 1 and history[1].start - history[0].start == DAY_SECONDS
    top = ceiling(max(sum(step.counts) for step in history))
    drawn: dict[str, list[str]] = {outcome: [] for outcome in OUTCOMES}
    bars = []
    for number, step in enumerate(history):
        for outcome, path in _stacked(step, number * width, width * _FILL, top):
            drawn[outcome].append(path)
        if any(step.counts):
            counts = tuple((name, count) for name, count in zip(OUTCOMES, step.counts, strict=True) if count)
            bars.append(Bar(round(number * width, 1), _when(step.start, daily=daily), counts))
    totals = {name: sum(step.counts[place] for step in history) for place, name in enumerate(OUTCOMES)}
    marks = (history[round(place * (len(history) - 1) / (_LABELS - 1))] for place in range(_LABELS))
    return Chart(
        tuple((outcome, "".join(paths)) for outcome, paths in drawn.items() if paths),
        tuple(bars),
        round(width, 1),
        tuple(top * place // _LINES for place in range(_LINES, -1, -1)),
        tuple(_when(step.start, daily=daily) for step in marks),
        totals,
    )


def ceiling(most: int) -> int:
    """A round number that is not below ``most``, and of which a quarter is whole."""
    quarter = max(1, -(-most // _LINES))
    power = 10 ** (len(str(quarter)) - 1)
    return next(int(each * power) * _LINES for each in _ROUND if quarter <= each * power and each * power % 1 == 0)


def _stacked(step: Step, x: float, width: float, top: int) -> list[tuple[str, str]]:
    """The bars of one step, one on the other."""
    highs = [max(_LEAST_HEIGHT, HEIGHT * count / top) if count else 0.0 for count in step.counts]
    # Parts that are each rounded up may be higher than the chart together: the highest gives way.
    highest = highs.index(max(highs))
    highs[highest] -= max(0.0, sum(highs) - HEIGHT)
    made, base = [], float(HEIGHT)
    for outcome, high in zip(OUTCOMES, highs, strict=True):
        if high:
            made.append((outcome, f"M{x:.1f} {base:.1f}v-{high:.1f}h{width:.1f}v{high:.1f}z"))
        base -= high
    return made


def _when(at: int, *, daily: bool) -> str:
    return show.short_day(at) if daily else show.recent(at, at)
