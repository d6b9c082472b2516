"""What a server counts, for Prometheus, on a port of its own. The only module with prometheus_client."""

from __future__ import annotations

import platform
import socket
import threading
from collections.abc import Iterable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric as Family
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

import keywright
from keywright.server.counts import BUCKET_SECONDS, TABLE, Board, Kind, Metric

PATH = "/metrics"
#: One more metric, which is not counted: what is running, as labels.
BUILD_INFO = "keywright_build_info"
BUILD_SENTENCE = "Always 1; the labels say which Keywright, Python and SQLite run."
#: Who asks must have asked by then, and have read the answer.
ASKING_SECONDS = 5.0
#: How many may ask at once; more are closed without an answer.
MAX_ASKING = 8


class _Table(Collector):
    """The table, read when it is asked for."""

    def __init__(self, board: Board, sqlite_version: str) -> None:
        self._board = board
        self._build = (keywright.__version__, platform.python_version(), sqlite_version)

    def collect(self) -> Iterable[Family]:
        """Every metric, as it stands."""
        build = GaugeMetricFamily(BUILD_INFO, BUILD_SENTENCE, labels=("version", "python", "sqlite"))
        build.add_metric(self._build, 1.0)
        return [build, *(self._family(metric) for metric in TABLE)]

    def _family(self, metric: Metric) -> Family:
        names = [name for name, _ in metric.labels]
        if metric.kind is Kind.HISTOGRAM:
            histogram = HistogramMetricFamily(metric.name, metric.sentence, labels=names)
            for values in metric.series():
                *counts, seconds = self._board.total(metric, values)
                histogram.add_metric(values, _cumulative(counts), seconds)
            return histogram
        made = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
        family = made(metric.name, metric.sentence, labels=names)
        for values in metric.series():
            family.add_metric(values, self._board.total(metric, values)[0])
        return family


def _cumulative(counts: Sequence[float]) -> list[tuple[str, float]]:
    bounds = [*(str(each) for each in BUCKET_SECONDS), "+Inf"]
    return [(bound, sum(counts[: number + 1])) for number, bound in enumerate(bounds)]


def render(board: Board, sqlite_version: str) -> bytes:
    """All metrics, as text."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Table(board, sqlite_version))
    return generate_latest(registry)


class _Asked(BaseHTTPRequestHandler):
    """One that asks."""

    server: _Port

    def setup(self) -> None:
        """Give it a time to ask: one that asks for ever would hold a thread."""
        super().setup()
        self._end = threading.Timer(ASKING_SECONDS, self._cut)
        self._end.daemon = True
        self._end.start()

    def finish(self) -> None:
        """It has its answer."""
        self._end.cancel()
        super().finish()

    def do_GET(self) -> None:
        """The metrics, and nothing else."""
        found = self.path.partition("?")[0] == PATH
        body = self.server.render() if found else b"Metrics are at /metrics.\n"
        self.send_response_only(200 if found else 404)
        self.send_header("Content-Type", CONTENT_TYPE_LATEST if found else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - its name above
        """Nothing: it is asked every few seconds."""

    def _cut(self) -> None:
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has gone


class _Port(ThreadingHTTPServer):
    """The port."""

    daemon_threads = True

    def __init__(self, listening: socket.socket, board: Board, sqlite_version: str) -> None:
        super().__init__(listening.getsockname()[:2], _Asked, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self._places = threading.BoundedSemaphore(MAX_ASKING)
        self._board = board
        self._sqlite_version = sqlite_version

    def render(self) -> bytes:
        """See `render`."""
        return render(self._board, self._sqlite_version)

    def verify_request(self, request: object, client_address: object) -> bool:
        """Whether there is a place for one more."""
        return self._places.acquire(blocking=False)

    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        """Begin to answer, in a thread; where none can be started, give the place back."""
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._places.release()
            raise

    def process_request_thread(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        """Answer, and give the place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: who hangs up is no news."""


def show(board: Board, listening: Sequence[socket.socket], sqlite_version: str) -> None:
    """Answer on the sockets, in threads, until the process ends.

    Raises:
        OSError: another process listens there.
    """
    for each in listening:
        each.listen(MAX_ASKING)
        port = _Port(each, board, sqlite_version)
        threading.Thread(target=port.serve_forever, name="keywright-metrics", daemon=True).start()
