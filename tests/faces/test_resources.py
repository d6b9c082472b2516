"""What the resources and the account's own routes promise at their edges: retries, moments, whole hours, readiness."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from keywright import ManualClock, Unavailable
from keywright.build import LIMITS_FILE
from keywright.limits.conformance import in_children
from keywright.master import STALE_DRAFT_SECONDS, create_master_secret
from keywright.reference import campaigns
from keywright.reference.storage import Resources, campaigns as table, triggers
from keywright.server.ready import MAX_AGE_SECONDS
from support import faults
from support.faces import Face, InProcess
from support.installation import ME
from support.mutants import assert_caught
from support.servers import Server
from support.waiting import eventually

HERE = "tests/faces/test_resources.py"
JANE = {"phone": "+14155552671", "name": "Jane", "order_number": 7}
USAGE = "/v1/account/usage"


def _campaign(face: Face, key: str, *, deployed: bool = True) -> str:
    made = face.call("POST", "/api/campaigns", key, {"name": "Orders", "deployed": deployed})
    return str(made.json()["id"])


def _trigger(face: Face, key: str, campaign: str, body: Any, retry: str | None = "order-7") -> tuple[int, Any]:
    headers = (("Idempotency-Key", retry),) if retry else ()
    answer = face.call("POST", f"/api/campaigns/{campaign}/trigger", key, body, headers)
    return answer.status_code, answer.json()


def test_s81_one_subscription_is_what_the_list_says(face: Face) -> None:
    """S81: a subscription is shown as it was added and as the list has it; an unknown one and another account's are the
    same 404."""
    key, stranger = face.key(), face.key(account_id=face.account())
    made = face.call("POST", "/v1/subscriptions", key, {"entity_type": "contact", "linkedin_id": "jane-smith"}).json()
    path = f"/v1/subscriptions/{made['id']}"

    assert face.call("GET", path, key).json() == made
    assert face.call("GET", "/v1/subscriptions", key).json()["data"] == [made]
    for asked, caller in ((path, stranger), ("/v1/subscriptions/sub_000000000", key)):
        refused = face.call("GET", asked, caller)
        assert (refused.status_code, refused.json()["message"]) == (404, "There is no such subscription.")


def test_s82_a_retry_sends_once(face: Face) -> None:
    """S82: the same Idempotency-Key and body for a campaign of an account are one trigger, however the body is written;
    another campaign, another account and no key at all are others."""
    key = face.key()
    campaign = _campaign(face, key)
    first = _trigger(face, key, campaign, JANE)
    assert first[0] == 202
    assert _trigger(face, key, campaign, JANE) == first
    assert _trigger(face, key, campaign, [dict(reversed(JANE.items()))]) == first
    stranger = face.key(account_id=face.account())
    others = [
        _trigger(face, key, campaign, JANE, "order-8"),
        _trigger(face, key, campaign, JANE, None),
        _trigger(face, key, campaign, JANE, None),
        _trigger(face, key, _campaign(face, key), JANE),
        _trigger(face, stranger, _campaign(face, stranger), JANE),
    ]
    assert [status for status, _ in others] == [202] * 5
    assert len({first[1]["id"], *(each["id"] for _, each in others)}) == 6


def test_s82_another_body_under_the_same_key_is_a_conflict(face: Face) -> None:
    """S82: an Idempotency-Key that stands for another message sends nothing and says so."""
    key = face.key()
    campaign = _campaign(face, key)
    _, first = _trigger(face, key, campaign, JANE)
    for body in ({**JANE, "order_number": 8}, {**JANE, "order_number": "7"}, {**JANE, "order_number": 7.0}):
        status, error = _trigger(face, key, campaign, body)
        assert (status, error["error"], error["details"]) == (409, "CONFLICT", [{"existing": first["id"]}])
    assert _trigger(face, key, campaign, JANE, "x" * 256)[0] == 422
    assert _trigger(face, key, _campaign(face, key, deployed=False), JANE)[0] == 409


def test_s82_retries_that_race_send_once(over_http: Face) -> None:
    """S82: two tries of one request at the same moment store one trigger, and both hear of it."""
    key = over_http.key()
    campaign = _campaign(over_http, key)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: _trigger(over_http, key, campaign, JANE), range(16)))
    assert {status for status, _ in found} == {202}
    assert len({each["id"] for _, each in found}) == 1


def test_what_is_read_is_of_one_moment(data_dir: Path, clock: ManualClock) -> None:
    """Two statements of one reading see the same, whatever is written between them."""
    data_dir.mkdir()
    resources, other = Resources(data_dir, clock), Resources(data_dir, clock)
    counted = select(func.count()).select_from(table)
    with resources.reading() as connection:
        before = connection.execute(counted).scalar_one()
        campaigns.ensure_sample(other, "acc_1")
        assert connection.execute(counted).scalar_one() == before == 0
    with resources.reading() as connection:
        assert connection.execute(counted).scalar_one() == 1
    resources.close()
    other.close()


def test_children_have_connections_of_their_own(data_dir: Path, clock: ManualClock) -> None:
    """No connection is open over a fork; parent and children write on, and the database is whole."""
    data_dir.mkdir()
    resources = Resources(data_dir, clock)
    campaigns.ensure_sample(resources, "acc_1")
    database = os.path.realpath(data_dir / "resources.db")

    def work() -> int:
        inherited = [each for each in os.listdir("/proc/self/fd") if _target(each) == database]
        with resources.transaction() as connection:
            connection.execute(triggers.delete())
        return len(inherited)

    assert in_children(work, 2) == [0, 0]
    with resources.transaction() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
    resources.close()


def _target(descriptor: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return ""


def _usage(face: InProcess, key: str, query: str) -> tuple[str, str, list[tuple[str, int]]]:
    report = face.call("GET", f"{USAGE}?{query}", key).json()
    return report["from"], report["to"], [(each["start"], each["count"]) for each in report["data"]]


def test_a_report_is_of_whole_hours_and_days(moving: InProcess, clock: ManualClock) -> None:
    """No row of a report is a part of an hour or a day, and none is left out: both ends are moved outwards."""
    key = moving.key(rate_limit=None)
    clock.advance(86_400 - clock.now() % 86_400 + 600)  # 2025-01-21T00:10:00Z
    for _ in range(11):
        moving.keywright.verify(key)
        moving.keywright.usage.flush()
        clock.advance(3_600)
    start, end, rows = _usage(moving, key, "interval=day&from=2025-01-21T08:30:00Z&to=2025-01-21T09:30:00Z")
    assert (start, end) == ("2025-01-21T00:00:00Z", "2025-01-22T00:00:00Z")
    assert rows == [("2025-01-21T00:00:00Z", 11)]
    start, end, rows = _usage(moving, key, "from=2025-01-21T08:30:00Z&to=2025-01-21T09:30:00Z")
    assert (start, end) == ("2025-01-21T08:00:00Z", "2025-01-21T10:00:00Z")
    assert rows == [("2025-01-21T08:00:00Z", 1), ("2025-01-21T09:00:00Z", 1)]
    start, end, _ = _usage(moving, key, "from=9999-12-31T08:30:00Z&to=9999-12-31T23:59:59Z&interval=day")
    assert (start, end) == ("9999-12-31T00:00:00Z", "9999-12-31T23:59:59Z")


@pytest.mark.parametrize("interval", ["hour", "day"])
def test_an_empty_span_is_refused_and_not_widened(moving: InProcess, interval: str) -> None:
    """A report from a time to the same time, or to an earlier one, is a wrong value in either interval."""
    query = f"interval={interval}&from=2025-01-21T08:30:00Z&to="
    for to in ("2025-01-21T08:30:00Z", "2025-01-21T08:29:00Z"):
        assert moving.call("GET", f"{USAGE}?{query}{to}", moving.key()).status_code == 422


def test_readiness_is_asked_of_the_store_once_a_second(moving: InProcess, clock: ManualClock) -> None:
    """However often anybody asks, the store is read once a second; then the answer is new."""
    created = moving.create()
    first = moving.send("GET", "/readyz").json()
    moving.keywright.manager.delete(ME, moving.account_id, created.row.id)
    assert moving.send("GET", "/readyz").json() == first
    clock.advance(MAX_AGE_SECONDS)
    second = moving.send("GET", "/readyz").json()
    assert second["feed_version"] > first["feed_version"]
    assert (first["status"], first["store"], first["usage"]) == ("ok", "ok", "ok")


def test_readiness_tells_of_counters_and_of_the_watch(moving: InProcess, clock: ManualClock) -> None:
    """Counters that were exchanged for what holds none, and a watch over foreign changes that cannot look any more,
    take the server out of rotation within a second: limits would not be exact, deleted keys not dead."""
    keywright = moving.keywright
    keywright.watcher.start()
    assert moving.send("GET", "/readyz").json()["watch"] == "ok"
    counters = keywright.settings.data_dir / LIMITS_FILE
    counters.rename(counters.with_name("moved"))
    counters.mkdir()
    clock.advance(MAX_AGE_SECONDS)
    away = moving.send("GET", "/readyz")
    assert (away.status_code, away.json()["limits"], away.json()["watch"]) == (503, "replaced", "ok")
    counters.rmdir()
    counters.with_name("moved").rename(counters)
    clock.advance(MAX_AGE_SECONDS)
    assert moving.send("GET", "/readyz").status_code == 200
    nonce = keywright.settings.data_dir / "coherence.nonce"
    nonce.unlink()
    nonce.mkdir()
    assert eventually(lambda: moving.send("GET", "/readyz").status_code == 503, 2)
    assert moving.send("GET", "/readyz").json()["watch"] == "unavailable"


def test_readiness_tells_of_usage_and_of_the_store(moving: InProcess, clock: ManualClock) -> None:
    """Usage that cannot be written shows, and takes no server out of rotation; a store that cannot be read does, in the
    shape of every error."""
    moving.keywright.verify(moving.key())
    with faults.locked(moving.keywright.settings.data_dir / "usage.db"), pytest.raises(Unavailable):
        moving.keywright.usage.flush()
    ready = moving.send("GET", "/readyz")
    assert (ready.status_code, ready.json()["store"], ready.json()["usage"]) == (200, "ok", "unavailable")
    moving.keywright.usage.flush()
    clock.advance(MAX_AGE_SECONDS)
    assert moving.send("GET", "/readyz").json()["usage"] == "ok"
    moving.keywright.store.close()
    clock.advance(MAX_AGE_SECONDS)
    away = moving.send("GET", "/readyz")
    assert (away.status_code, away.headers["Retry-After"]) == (503, "1")
    assert list(away.json()) == ["error", "message", "timestamp", "store", "limits", "disk", "watch", "usage"]
    assert (away.json()["error"], away.json()["store"], away.json()["usage"]) == (
        "SERVICE_UNAVAILABLE",
        "unavailable",
        "ok",
    )


def test_drafts_of_the_secret_do_not_stay(tmp_path: Path) -> None:
    """What a killed process left of a secret is removed by the next that makes one; a draft in the making is not."""
    old, new, other = (tmp_path / name for name in (".s.0123abcd", ".s.4567abcd", ".s.backup"))
    for each in (old, new, other):
        each.write_text("1:00\n")
    for each in (old, other):
        os.utime(each, (time.time() - STALE_DRAFT_SECONDS - 5,) * 2)
    create_master_secret(tmp_path / "s")
    assert not old.exists()
    assert new.exists()
    assert other.exists()


def test_every_process_of_a_server_forbids_core_dumps(workers: Server) -> None:
    """Also the one that only starts the others: it has had the secret in its memory."""
    limits = Path(f"/proc/{workers.process.pid}/limits").read_text()
    assert [each.split()[4:6] for each in limits.splitlines() if each.startswith("Max core")] == [["0", "0"]]


def test_a_retry_that_is_not_looked_for_is_caught(tmp_path: Path) -> None:
    """The check of retries fails where nobody compares the bodies."""
    old, new = "if _canonical(first.attributes) != _canonical(row", "if False and _canonical(row"
    test = f"{HERE}::test_s82_another_body_under_the_same_key_is_a_conflict[inside]"
    assert_caught(tmp_path, "reference/campaigns.py", old, new, test)
