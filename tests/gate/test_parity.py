"""What the lane answers is counted and logged like what the road answers: whoever watches cannot tell them apart."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from gate.test_wire import asking, question
from support.faces import OverHttp
from support.installation import ME
from support.line import line
from support.mutants import assert_caught
from support.waiting import eventually

HERE = "tests/gate/test_parity.py::test_both_roads_are_counted_and_logged_alike"
#: The lane's paths, and the same under their other name, by which they take the road.
PREFIXES = (b"/v1", b"/api/v1")
_TIMED = ("keywright_request_seconds_count", "gate")
#: What only one of them has; times, which are the machine's; what is no matter of a request's.
_OWN = (
    "keywright_lane_total", "keywright_request_seconds_bucket", "keywright_request_seconds_sum",
    "keywright_cache_catch_ups_total", "keywright_refused_total",
)  # fmt: skip


def counted(gate: OverHttp) -> dict[tuple[str, ...], float]:
    """Everything that is counted of the gate and of keys; a hit of the cache and a miss are one verification."""
    text = requests.get(gate.server.metrics, timeout=10).text  # type: ignore[attr-defined]
    found: dict[tuple[str, ...], float] = {}
    for family in text_string_to_metric_families(text):
        for each in family.samples:
            labels = {name: value for name, value in each.labels.items() if name != "cache"}
            counts = each.name.endswith(("_total", "_count")) and labels.get("surface", "gate") == "gate"
            if counts and each.name not in _OWN:
                name = (each.name, *labels.values())
                found[name] = found.get(name, 0) + each.value
    return found


def answered(counts: dict[tuple[str, ...], float]) -> float:
    """How many requests to the gate were answered."""
    return sum(count for name, count in counts.items() if name[0] == "keywright_requests_total")


class Sent:
    """The same requests, with keys of their own.

    Attributes:
        names: of everything that differs between two of these: what it is called here.
        requests: in the order in which they are sent.
    """

    def __init__(self, gate: OverHttp, prefix: bytes) -> None:
        given: dict[str, dict[str, Any]] = {
            "good": {"rate_limit": None}, "limited": {"rate_limit": "2/365d"}, "off": {}, "gone": {},
            "bound": {"networks": ["10.0.0.0/8"]}, "caller": {"rate_limit": None, "scopes": ["verify"]},
        }  # fmt: skip
        made = {name: gate.create(name, **values) for name, values in given.items()}
        gate.keywright.manager.update(ME, gate.account_id, made["off"].row.id, {"disabled": True})
        gate.keywright.manager.delete(ME, gate.account_id, made["gone"].row.id)
        self.names = {each.row.id: name for name, each in made.items()} | {prefix.decode() + "/": "/"}
        keys = {name: each.key.encode() for name, each in made.items()}
        proxy, service = prefix + b"/gate", prefix + b"/keys/verify"
        first = [asking(proxy, key) for key in keys.values()] + [question(service, keys["caller"], keys["good"])]
        again = [asking(proxy, keys[name]) for name in ("good", "good", "limited", "limited", "off", "gone", "bound")]
        asked = [question(service, keys["caller"], keys[name]) for name in ("good", "good", "limited", "off", "gone")]
        nothing = [asking(proxy, key) for key in (b"lwa.garbage", b"foo", b"lwa.garbage")]
        self.requests = [*first, *again, *asked, *nothing, question(service, keys["caller"], b"lwa.garbage")]


def sent(gate: OverHttp, prefix: bytes) -> tuple[list[bytes], dict[tuple[str, ...], float], list[dict[str, Any]]]:
    """Send them over one connection: the status lines, what was counted since, and the log's lines in any order."""
    these = Sent(gate, prefix)
    # Whatever was answered before this was counted before this is answered.
    assert gate.send("GET", "/healthz").status_code == 200
    before, log = counted(gate), gate.server.log.stat().st_size
    statuses = []
    with line(gate.server.url) as there:
        for each in these.requests:
            there.send(each)
            statuses.append(there.answer().partition(b"\r\n")[0])

    def all_counted() -> bool:
        now = counted(gate)
        # Their times are added after they are counted.
        timed = now.get(_TIMED, 0.0) - before.get(_TIMED, 0.0)
        return answered(now) - answered(before) >= len(statuses) and timed >= len(statuses)

    assert eventually(all_counted, 5)
    after = counted(gate)
    paths = tuple(f'"path": "{prefix.decode()}/{each}' for each in ("gate", "keys/verify"))
    lines: list[str] = []

    def all_logged() -> bool:
        written = gate.server.log.read_bytes()[log:].decode()
        lines[:] = [each for each in written.splitlines() if any(path in each for path in paths)]
        return len(lines) >= len(statuses)

    assert eventually(all_logged, 5), lines
    return statuses, {name: after[name] - before[name] for name in before}, _comparable(lines, these.names)


def _comparable(lines: list[str], names: dict[str, str]) -> list[dict[str, Any]]:
    found = []
    for each in lines:
        text = each
        for id_, name in names.items():
            text = text.replace(id_, name)
        members = json.loads(text)
        assert members.pop("milliseconds") >= 0
        assert members.pop("request_id").startswith("req_")
        assert members.pop("timestamp").endswith("Z")
        found.append(members)
    return sorted(found, key=repr)


def test_both_roads_are_counted_and_logged_alike(gate: OverHttp) -> None:
    """The same requests down both roads (a key's first, the same bytes again, refused, garbage, verdicts): every count
    grows by the same number, and the log has the same lines, but for times and ids."""
    fast, ordinary = (sent(gate, prefix) for prefix in PREFIXES)
    assert fast[0] == ordinary[0]
    assert fast[1] == ordinary[1]
    assert fast[2] == ordinary[2]
    assert answered(fast[1]) == fast[1]["keywright_request_seconds_count", "gate"] == len(fast[0])
    verified = {name[1]: count for name, count in fast[1].items() if name[0] == "keywright_verifications_total"}
    assert sum(verified.values()) == len(fast[0])
    assert (verified["rate_limited"], verified["malformed"], verified["disabled"]) == (2, 4, 3)


MUTANTS = {
    "requests on the lane are not counted": (
        "server/edge.py",
        "        cells[_LANE_REQUESTS[answered.status // 100]] += 1\n",
        "",
    ),
    "requests on the lane are not timed": (
        "server/edge.py",
        "        self.counts.observe(_LANE_SECONDS, seconds)\n",
        "",
    ),
    "what comes again is not counted": (
        "server/verifying.py",
        "return self._counted(self._again(digest, known, request, now))",
        "return self._again(digest, known, request, now)",
    ),
    "the lane's lines say nothing of the key": (
        "server/edge.py",
        "answered.client, answered.record, answered.request_id",
        "answered.client, None, answered.request_id",
    ),
}


@pytest.mark.planted
@pytest.mark.parametrize("name", MUTANTS)
def test_a_road_that_is_not_watched_is_noticed(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    """The comparison fails where one road leaves something out."""
    file, old, new = MUTANTS[name]
    assert_caught(tmp_path_factory.mktemp("mutant"), file, old, new, HERE)
