"""Deleting a key: at once, for good, one's own only."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from keywright import ManualClock
from support.cases import Verdict, assert_flat_error, assert_rate_headers, assert_unauthorized
from support.faces import Face, InProcess, OverHttp
from support.waiting import eventually

KEYS = "/v1/account/api-keys"


def works(face: Face, key: str) -> bool:
    """Whether the key is accepted now."""
    answer = face.call("GET", "/v1/subscriptions", key)
    assert answer.status_code in (200, 401)
    return answer.status_code == 200


def test_s52_s56_s57_deleting(face: Face) -> None:
    """204 without a body; gone from the list at once; the others stay and work."""
    caller, gone, other = face.create("caller"), face.create("gone"), face.create("other")
    assert works(face, gone.key)

    answer = face.call("DELETE", f"{KEYS}/{gone.row.id}", caller.key)

    assert (answer.status_code, answer.content) == (204, b"")
    assert_rate_headers(answer, 99)
    assert [each["name"] for each in face.keys(caller.key)] == ["caller", "other"]
    refused = face.call("GET", "/v1/subscriptions", gone.key)
    assert_unauthorized(refused, Verdict.INVALID.message, face.keywright.clock.now())
    assert works(face, other.key)


def test_s56_a_second_delete_is_404(face: Face) -> None:
    """What is gone cannot be deleted again, shown, changed or rotated."""
    caller, gone = face.create(), face.create()
    path = f"{KEYS}/{gone.row.id}"
    assert face.call("DELETE", path, caller.key).status_code == 204
    for method, more, body in (
        ("DELETE", "", None),
        ("GET", "", None),
        ("PATCH", "", {"name": "Back"}),
        ("POST", "/rotate", {}),
    ):
        answer = face.call(method, path + more, caller.key, body)
        assert_flat_error(answer, 404, "NOT_FOUND", None, face.keywright.clock.now())


def test_s58_no_undelete(moving: InProcess, clock: ManualClock) -> None:
    """No change, no restart of time and no new key brings a deleted key back."""
    caller, gone = moving.create(), moving.create()
    moving.call("DELETE", f"{KEYS}/{gone.row.id}", caller.key)
    moving.call("PATCH", f"{KEYS}/{gone.row.id}", caller.key, {"disabled": False, "expires_at": None})
    moving.call("POST", KEYS, caller.key, {"name": gone.row.name})
    clock.advance(86_400)
    assert not works(moving, gone.key)


def test_s59_s73_another_accounts_key_is_not_there(face: Face) -> None:
    """An unknown id, a malformed one and another account's get one answer, and the other account's key lives on."""
    caller = face.create()
    theirs = face.create("theirs", face.account("Another Company"))
    bodies = []
    for key_id in ("key_000000000", theirs.row.id, "nonsense", "%00", "x" * 300):
        answer = face.call("DELETE", f"{KEYS}/{key_id}", caller.key)
        assert_flat_error(answer, 404, "NOT_FOUND", None, face.keywright.clock.now())
        bodies.append({**answer.json(), "timestamp": ""})
    assert bodies == [bodies[0]] * len(bodies)
    assert works(face, theirs.key)


def test_s59_s73_nor_can_it_be_seen_changed_or_rotated(face: Face) -> None:
    """Every act on another account's key is the same 404 as on no key at all, and changes nothing."""
    caller = face.create()
    theirs = face.create("theirs", face.account("Another Company"))
    acts = [("GET", "", None), ("PATCH", "", {"disabled": True}), ("POST", "/rotate", {"grace_seconds": 0})]
    for method, more, body in acts:
        foreign = face.call(method, f"{KEYS}/{theirs.row.id}{more}", caller.key, body)
        unknown = face.call(method, f"{KEYS}/key_000000000{more}", caller.key, body)
        assert (foreign.status_code, unknown.status_code) == (404, 404)
        assert {**foreign.json(), "timestamp": ""} == {**unknown.json(), "timestamp": ""}
    assert works(face, theirs.key)
    assert [each["name"] for each in face.keys(theirs.key)] == ["theirs"]


def test_s60_a_key_may_delete_itself_and_the_last_one(face: Face) -> None:
    """The only key of an account deletes itself: 204, and 401 from then on."""
    only = face.create()
    path = f"{KEYS}/{only.row.id}"
    assert face.call("DELETE", path, only.key).status_code == 204
    again = face.call("DELETE", path, only.key)
    assert_unauthorized(again, Verdict.INVALID.message, face.keywright.clock.now())


def test_s55_immediate_in_every_process(over_workers: OverHttp) -> None:
    """After each of many deletes, no process accepts the key, not even in the request that follows at once."""
    caller = over_workers.key(rate_limit="1000/15m")
    for _ in range(20):
        gone = over_workers.create()
        assert eventually(lambda key=gone.key: works(over_workers, key))  # type: ignore[misc]
        for _ in range(4):
            works(over_workers, gone.key)
        assert over_workers.call("DELETE", f"{KEYS}/{gone.row.id}", caller).status_code == 204
        assert not [1 for _ in range(6) if works(over_workers, gone.key)]


def test_s55_immediate_under_load(over_workers: OverHttp) -> None:
    """While the key is being used by many, no request that starts after the delete has answered is accepted."""
    caller = over_workers.key()
    gone = over_workers.create(rate_limit="100000/15m")
    deleted_at: list[float] = []
    elapsed = over_workers.keywright.clock.elapsed

    def hammer(_: int) -> list[tuple[float, int]]:
        seen = []
        while not deleted_at or elapsed() < deleted_at[0] + 0.3:
            started = elapsed()
            seen.append((started, over_workers.call("GET", "/v1/subscriptions", gone.key).status_code))
        return seen

    with ThreadPoolExecutor(6) as pool:
        running = [pool.submit(hammer, number) for number in range(6)]
        for _ in range(20):
            over_workers.call("GET", "/v1/subscriptions", caller)
        try:
            assert over_workers.call("DELETE", f"{KEYS}/{gone.row.id}", caller).status_code == 204
        finally:
            deleted_at.append(elapsed())
        seen = [each for each_thread in running for each in each_thread.result()]

    before = [status for started, status in seen if started < deleted_at[0]]
    after = [status for started, status in seen if started > deleted_at[0]]
    assert before.count(200) > 20
    assert len(after) > 20
    assert set(after) == {401}


def test_s55_the_command_lines_delete_is_immediate_for_the_server(over_http: OverHttp) -> None:
    """A key deleted beside the running server is refused by it from the next request on."""
    gone = over_http.create()
    assert works(over_http, gone.key)
    done = over_http.server.command("keys", "delete", gone.row.id, "--account", over_http.account_id, "--yes")
    assert done.returncode == 0, done.stderr
    assert not works(over_http, gone.key)
