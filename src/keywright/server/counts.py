"""What a server counts, as one table, and where the numbers lie while it runs.

Each process has a row of plain numbers in memory that all processes of a server share, and writes only its own: an
event costs one addition, and a process that is killed takes nothing with it. When a process has ended, what it counted
is added to the first row, so that no count ever goes back. Who reads adds up the rows. `metrics` shows them.
"""

from __future__ import annotations

import itertools
import mmap
import os
import threading
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from keywright.reason import Reason


class Kind(StrEnum):
    """How a metric behaves. Of a gauge the word says how those of several processes become one."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    SUM = "gauge, the sum of all processes"
    MOST = "gauge, the largest of all processes"
    LEAST = "gauge, the smallest of all processes"


Labels = tuple[tuple[str, tuple[str, ...]], ...]

OUTCOMES = ("accepted", *(str(each) for each in Reason))
SURFACES = ("v1", "gate", "campaigns", "health", "other")
STATUSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
#: What was refused before there was a request, by the code of the answer; "cut" was not even answered.
REFUSALS = ("BAD_REQUEST", "HEADERS_TOO_LARGE", "REQUEST_TIMEOUT", "SERVICE_UNAVAILABLE", "cut")
#: Whose number of connections is bounded.
CAPS = ("process", "address")
CHECKS = ("store", "limits", "watch", "usage", "disk")
BUCKET_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the table. ``labels`` are all values that there can be, so that nobody outside can make more."""

    name: str
    kind: Kind
    sentence: str
    labels: Labels = ()

    def series(self) -> Iterator[tuple[str, ...]]:
        """Every combination of the labels' values."""
        return itertools.product(*(values for _, values in self.labels))

    @property
    def cells(self) -> int:
        """How many numbers one series needs: a histogram one for each bucket, one above them, and the sum."""
        return len(BUCKET_SECONDS) + 2 if self.kind is Kind.HISTOGRAM else 1


TABLE = (
    Metric("keywright_processes", Kind.SUM, "Processes that serve."),
    Metric("keywright_start_time_seconds", Kind.SUM, "When the server was started, in Unix seconds."),
    Metric("keywright_worker_restarts_total", Kind.COUNTER, "Workers that died and were replaced."),
    Metric("keywright_ready", Kind.LEAST, "1 while `/readyz` is 200 in every process; 0 also while it stops."),
    Metric(
        "keywright_check",
        Kind.LEAST,
        "1 while what `/readyz` looks at is as it should be.",
        (("check", CHECKS),),
    ),
    Metric(
        "keywright_requests_total",
        Kind.COUNTER,
        "Requests that were answered, by where they went and the class of the answer's status.",
        (("surface", SURFACES), ("status", STATUSES)),
    ),
    Metric(
        "keywright_request_seconds",
        Kind.HISTOGRAM,
        "How long answering took, from the end of the request's head.",
        (("surface", SURFACES),),
    ),
    Metric("keywright_lane_total", Kind.COUNTER, "Requests that were answered on the gate's fast lane."),
    Metric("keywright_unavailable_total", Kind.COUNTER, "Requests that were answered with 503."),
    Metric("keywright_internal_errors_total", Kind.COUNTER, "Requests that ended in a bug of ours; the log has each."),
    Metric(
        "keywright_refused_total",
        Kind.COUNTER,
        "Connections that were closed before there was a request to answer, by the code of what they were told.",
        (("code", REFUSALS),),
    ),
    Metric("keywright_connections", Kind.SUM, "Connections that are open."),
    Metric(
        "keywright_connections_refused_total",
        Kind.COUNTER,
        "Connections that were too many, for the process or for the address that they came from.",
        (("cap", CAPS),),
    ),
    Metric(
        "keywright_verifications_total",
        Kind.COUNTER,
        "Verifications of keys, by what came of them, and by whether what the process remembers was enough (a hit of "
        "its cache) or the store or another process had to be waited for (a miss).",
        (("outcome", OUTCOMES), ("cache", ("hit", "miss"))),
    ),
    Metric("keywright_verifications_unavailable_total", Kind.COUNTER, "Verifications that nobody could answer; 503."),
    Metric("keywright_cache_keys", Kind.SUM, "Keys that the processes remember."),
    Metric("keywright_cache_catch_ups_total", Kind.COUNTER, "How often changes of others were read and applied."),
    Metric("keywright_feed_version", Kind.MOST, "The newest change that a process has read."),
    Metric("keywright_watch_age_seconds", Kind.MOST, "How long nobody has looked for changes that nobody told of."),
    Metric("keywright_usage_age_seconds", Kind.MOST, "How long ago usage was last written, or found to be nothing."),
    Metric("keywright_usage_failures_total", Kind.COUNTER, "How often usage could not be written; it is tried again."),
    Metric("keywright_disk_free_bytes", Kind.LEAST, "Room on the disk of the data directory."),
)


def _layout() -> dict[tuple[str, ...], int]:
    places: dict[tuple[str, ...], int] = {}
    end = 0
    for metric in TABLE:
        for values in metric.series():
            places[metric.name, *values] = end
            end += metric.cells
    places["",] = end
    return places


#: (name, *labels) → where its first number lies in a row.
PLACES = _layout()
ROW_CELLS = PLACES["",]
_COUNTERS = [
    PLACES[metric.name, *values] + offset
    for metric in TABLE
    if metric.kind in (Kind.COUNTER, Kind.HISTOGRAM)
    for values in metric.series()
    for offset in range(metric.cells)
]
_LIVING = PLACES["keywright_processes",]
_CELL_BYTES = 8


class Counts:
    """One process's row. A place is written by one thread only; see `PLACES`."""

    def __init__(self, cells: memoryview[float]) -> None:
        self.cells = cells

    def add(self, name: str, *labels: str, by: float = 1.0) -> None:
        """Count. ``labels`` are values that the table has."""
        self.cells[PLACES[name, *labels]] += by

    def put(self, name: str, *labels: str, value: float) -> None:
        """Say how it stands now."""
        self.cells[PLACES[name, *labels]] = value

    def observe(self, place: int, seconds: float) -> None:
        """Count a duration in the histogram that begins at ``place``."""
        cells = self.cells
        cells[place + bisect_left(BUCKET_SECONDS, seconds)] += 1
        cells[place + len(BUCKET_SECONDS) + 1] += seconds


def private_counts() -> Counts:
    """A row that nobody reads."""
    return Counts(memoryview(bytearray(ROW_CELLS * _CELL_BYTES)).cast("d"))


class Board:
    """The rows of all processes of one server. The first belongs to the process that started the others, or is alone.

    Args:
        descriptor: of the shared memory; it is inherited by processes that are started with it.
    """

    def __init__(self, descriptor: int, rows: int) -> None:
        self.descriptor = descriptor
        self.rows = rows
        self._memory = memoryview(mmap.mmap(descriptor, rows * ROW_CELLS * _CELL_BYTES)).cast("d")
        self._moving = threading.Lock()

    @classmethod
    def make(cls, rows: int) -> Board:
        """A new one."""
        descriptor = os.memfd_create("keywright counts")
        os.ftruncate(descriptor, rows * ROW_CELLS * _CELL_BYTES)
        return cls(descriptor, rows)

    def counts(self, row: int) -> Counts:
        """One row, to be written by one process."""
        return Counts(self._row(row))

    def retire(self, row: int) -> None:
        """The process whose row it was has ended: keep what it counted, and nothing of how it stood."""
        ended, kept = self._row(row), self._row(0)
        with self._moving:
            for place in _COUNTERS:
                kept[place] += ended[place]
            ended[:] = memoryview(bytes(ROW_CELLS * _CELL_BYTES)).cast("d")

    def total(self, metric: Metric, labels: tuple[str, ...]) -> list[float]:
        """The numbers of one series, of all processes together."""
        start = PLACES[metric.name, *labels]
        with self._moving:
            rows = [self._row(number) for number in range(self.rows)]
            living = [row for row in rows if row[_LIVING]]
            if metric.kind is Kind.MOST:
                return [max((row[start] for row in living), default=0.0)]
            if metric.kind is Kind.LEAST:
                return [min((row[start] for row in living), default=0.0)]
            return [sum(row[place] for row in rows) for place in range(start, start + metric.cells)]

    def _row(self, number: int) -> memoryview[float]:
        return self._memory[number * ROW_CELLS : (number + 1) * ROW_CELLS]
