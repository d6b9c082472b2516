"""What a server counts: the truth, on a port of its own, with no key in it, over every process that ever counted."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from keywright.server.counts import BUCKET_SECONDS, PLACES, TABLE, Board, Kind
from keywright.server.edge import surface_of
from keywright.server.metrics import ASKING_SECONDS, MAX_ASKING, show
from support.mutants import ROOT, assert_caught
from support.servers import Server, free_port, running
from support.waiting import eventually

HERE = "tests/faces/test_metrics.py"
KEYS = "/v1/account/api-keys"
RESTARTS = "keywright_worker_restarts_total"


class Scraped:
    """A server of two processes, and its metrics."""

    def __init__(self, server: Server, port: int) -> None:
        self.server = server
        self.url = f"http://127.0.0.1:{port}/metrics"

    def text(self) -> str:
        """As Prometheus gets it. No key may be in it."""
        answer = requests.get(self.url, timeout=10)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        self.server.canaries.assert_absent(str(answer.headers).encode() + answer.content, "the metrics")
        return answer.text

    def read(self) -> dict[tuple[str, ...], float]:
        """(name, *label values) → number."""
        families = text_string_to_metric_families(self.text())
        return {(each.name, *each.labels.values()): each.value for family in families for each in family.samples}


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    """The server of these tests."""
    port = free_port()
    environment = {"KEYWRIGHT_METRICS_PORT": str(port)}
    with running(tmp_path_factory.mktemp("metrics") / "data", "--workers", "2", **environment) as server:
        made = Scraped(server, port)
        assert eventually(lambda: made.read()["keywright_processes",] == 2, 20)
        yield made


def test_what_is_shown_is_what_is_documented_and_nobody_else_can_add_to_it(scraped: Scraped) -> None:
    """Every metric that the library's own parser finds stands on the reference page, and its labels have only the
    values of the table: what callers send makes no new ones."""
    before = set(scraped.read())
    scraped.server.request("GET", "/v1/made-up", scraped.server.key()["key"])
    scraped.server.request("GET", "/made/up?" + "lwa." + "sk_live_")
    documented = set(
        re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/reference/metrics.md").read_text("utf-8"), re.MULTILINE)
    )
    named = {each.name for each in text_string_to_metric_families(scraped.text())}

    assert {each.removesuffix("_total") for each in documented} == named
    assert set(scraped.read()) == before


def test_metrics_are_on_their_own_port_only_and_off_unless_asked_for(scraped: Scraped, server: Server) -> None:
    """Callers of the API see no metrics; whoever looks at the metrics' port sees nothing else."""
    assert scraped.server.request("GET", "/metrics").status_code == 404
    assert requests.get(scraped.url.replace("/metrics", "/readyz"), timeout=10).status_code == 404
    assert "Server" not in requests.get(scraped.url, timeout=10).headers
    assert server.request("GET", "/metrics").status_code == 404


def test_what_is_counted_is_what_was_answered_and_no_count_goes_back(scraped: Scraped) -> None:
    """Requests and verifications by outcome are exact over both processes, also when one of them was killed."""
    server = scraped.server
    before = scraped.read()
    key, limited = server.key("Counted", "--limit", "none")["key"], server.key("Limited", "--limit", "3/15m")["key"]
    for _ in range(20):
        assert server.request("GET", "/v1/subscriptions", key).status_code == 200
    for _ in range(5):
        server.request("GET", "/v1/subscriptions", limited)
    for text in ("lwa.unknown", "sk_foo"):
        assert server.request("GET", "/v1/subscriptions", text).status_code == 401
    counted = scraped.read()
    assert _since(before, counted, "accepted") == 23
    assert _since(before, counted, "rate_limited") == 2
    assert _since(before, counted, "malformed") == 2
    requests_name = "keywright_requests_total"
    assert counted[requests_name, "2xx", "v1"] - before[requests_name, "2xx", "v1"] == 23
    assert counted[requests_name, "4xx", "v1"] - before[requests_name, "4xx", "v1"] == 4
    seconds = "keywright_request_seconds_count"
    assert counted[seconds, "v1"] - before[seconds, "v1"] == 27

    pid = server.process.pid
    os.kill(int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]), signal.SIGKILL)
    assert eventually(lambda: scraped.read()[RESTARTS,] == counted[RESTARTS,] + 1, 5)
    after = scraped.read()
    gone_back = [name for name, value in counted.items() if _is_count(name[0]) and after[name] < value]
    assert gone_back == []
    assert _since(counted, after, "accepted") == 0
    assert eventually(lambda: scraped.read()["keywright_processes",] == 2, 20)


def _since(before: dict[tuple[str, ...], float], after: dict[tuple[str, ...], float], outcome: str) -> float:
    name = "keywright_verifications_total"
    return sum(after[name, cache, outcome] - before[name, cache, outcome] for cache in ("hit", "miss"))


def _is_count(name: str) -> bool:
    return name.endswith(("_total", "_count", "_bucket", "_sum"))


def test_who_asks_for_ever_is_cut_off_and_others_are_answered(scraped: Scraped) -> None:
    """A scraper that sends half a request holds its place for a moment only."""
    port = int(scraped.url.rsplit(":", 1)[1].partition("/")[0])
    with socket.create_connection(("127.0.0.1", port), timeout=ASKING_SECONDS + 10) as slow:
        slow.sendall(b"GET /metr")
        assert scraped.read()["keywright_ready",] == 1
        assert slow.recv(100) == b""


@contextmanager
def no_more_threads() -> Iterator[None]:
    """No thread can be started: each would need more memory than there are addresses."""
    before = threading.stack_size(1 << 47)
    try:
        yield
    finally:
        threading.stack_size(before)


def test_who_could_not_be_answered_holds_no_place() -> None:
    """However often no thread could be started, the metrics are there again as soon as one can be."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        show(Board.make(1), [listening], "3")
        port = listening.getsockname()[1]
        with no_more_threads():
            for _ in range(MAX_ASKING + 1):
                with socket.create_connection(("127.0.0.1", port), timeout=10) as asking:
                    asking.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
                    assert _is_hung_up_on(asking)
        assert requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).status_code == 200


def _is_hung_up_on(connection: socket.socket) -> bool:
    try:
        return connection.recv(100) == b""
    except ConnectionResetError:
        return True


def test_a_place_that_is_kept_is_caught(tmp_path: Path) -> None:
    """The check of places fails where the port keeps those of whom it could not answer."""
    old = "        except BaseException:\n            self._places.release()\n"
    test = f"{HERE}::test_who_could_not_be_answered_holds_no_place"
    assert_caught(tmp_path, "server/metrics.py", old, "        except BaseException:\n", test)


@pytest.mark.parametrize(
    ("path", "surface"),
    [
        ("/v1", "v1"), ("/v1/account", "v1"), ("/v1x", "other"), ("/api/campaigns/cmp_1/trigger", "campaigns"),
        ("/readyz", "health"), ("/readyz/more", "other"), ("/", "other"),
    ],
)  # fmt: skip
def test_paths_become_few_words(path: str, surface: str) -> None:
    """Whatever path somebody asks for, the metrics name one of four places."""
    assert surface_of(path) == surface


def test_rows_become_one_number() -> None:
    """Counts are summed over all processes, gauges over those that live, and a duration lies in its bucket."""
    board = Board.make(3)
    first, second = board.counts(1), board.counts(2)
    for number, each in enumerate((first, second), 1):
        each.put("keywright_processes", value=1)
        each.put("keywright_disk_free_bytes", value=number)
        each.put("keywright_watch_age_seconds", value=number)
        each.observe(PLACES["keywright_request_seconds", "v1"], BUCKET_SECONDS[3])
    metrics = {each.name: each for each in TABLE}
    assert board.total(metrics["keywright_disk_free_bytes"], ()) == [1]
    assert board.total(metrics["keywright_watch_age_seconds"], ()) == [2]
    board.retire(2)
    assert board.total(metrics["keywright_processes"], ()) == [1]
    assert board.total(metrics["keywright_watch_age_seconds"], ()) == [1]
    *counts, seconds = board.total(metrics["keywright_request_seconds"], ("v1",))
    assert (counts.index(2), sum(counts), seconds) == (3, 2, 2 * BUCKET_SECONDS[3])
    assert {each.kind for each in TABLE} == set(Kind)
    os.close(board.descriptor)


def test_counts_that_die_with_their_process_are_caught(tmp_path: Path) -> None:
    """The checks fail where what a dead process counted is thrown away."""
    old, new = "                kept[place] += ended[place]\n", "                kept[place] += 0\n"
    assert_caught(tmp_path, "server/counts.py", old, new, f"{HERE}::test_rows_become_one_number")
