"""What a verification answers, in which order it looks, and what it leaves behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings as hypothesis_settings, strategies as st
from pysqlite3 import dbapi2

from core.watched import Watching
from keywright import Accepted, ManualClock, Misconfigured, Reason, Refused, Request, Unavailable
from keywright.stores.sqlite import RECORDS_FILE, USAGE_FILE
from support.installation import ME, Installation

#: Closing a file of an open database, even one that was only read, drops the process's locks on it.
OPEN_FILES = {".db", ".db-shm"}


def left(outcome: Accepted | Refused) -> int | None:
    """What is left of the tightest limit, where the answer tells."""
    return outcome.decision.tightest.remaining if outcome.decision else None


def test_s64_the_first_request_leaves_99(installation: Installation) -> None:
    """S62, S64: each request takes one from the key's hundred, and the answer says what is left."""
    created = installation.create()
    assert [left(installation.keywright.verify(created.key)) for _ in range(3)] == [99, 98, 97]


def test_s63_s69_a_key_has_its_own_limit(installation: Installation, clock: ManualClock) -> None:
    """S63, S68 to S70: the hundred-and-first request is refused and costs nothing, another key goes on, and after the
    window everything is there again."""
    created, other = installation.create(), installation.create()
    outcomes = [installation.keywright.verify(created.key) for _ in range(105)]
    assert [isinstance(each, Accepted) for each in outcomes] == [True] * 100 + [False] * 5
    refused = outcomes[-1]
    assert isinstance(refused, Refused)
    assert refused.decision
    assert (refused.reason, left(refused), refused.decision.retry_after_seconds) == (Reason.RATE_LIMITED, 0, 900)
    assert left(installation.keywright.verify(other.key)) == 99
    clock.advance(900)
    assert left(installation.keywright.verify(created.key)) == 99


def test_s34_a_deleted_key_is_as_if_it_had_never_been(installation: Installation) -> None:
    """S34: nobody can tell a deleted key from one that was never made."""
    created = installation.create()
    installation.keywright.manager.delete(ME, installation.account_id, created.row.id)
    never = installation.keywright.formats.mint("lwa", "live")
    assert installation.keywright.verify(created.key) == installation.keywright.verify(never) == Refused(Reason.UNKNOWN)


def test_a_key_ends_at_its_very_moment(installation: Installation, clock: ManualClock) -> None:
    """A key is good until its expiry and refused from then on, also where it is remembered."""
    created = installation.create(expires_in_seconds=60)
    clock.advance(59.999)
    assert isinstance(installation.keywright.verify(created.key), Accepted)
    clock.advance(0.001)
    outcome = installation.keywright.verify(created.key)
    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.decision) == (Reason.EXPIRED, None)


def test_another_accounts_key_does_not_exist(installation: Installation) -> None:
    """S73: who asks for one account's keys is told of no other's, and costs those nothing: not their limit, not their
    last use."""
    created = installation.create()
    other = installation.keywright.manager.create_account(ME, "Other")
    asked = Request(account_id=other.id)
    assert installation.keywright.verify(created.key, asked) == Refused(Reason.UNKNOWN)
    assert installation.keywright.verify(created.key, asked) == Refused(Reason.UNKNOWN), "remembered by now"
    assert installation.keywright.usage.flush() == 0
    mine = installation.keywright.verify(created.key, Request(account_id=installation.account_id))
    assert (isinstance(mine, Accepted), left(mine)) == (True, 99)


def test_who_is_asking_pays_nothing(installation: Installation) -> None:
    """A request that is charged to another key takes nothing from the asker's, cold or remembered, and an asker whose
    limit is used up is still known."""
    verifier, key = installation.keywright.verifier, installation.create(rate_limit="2/15m").key
    assert [left(verifier.identify(key)) for _ in range(3)] == [2, 2, 2]
    assert verifier.warm_identity(key) is None, "where its limit stands cannot be read without waiting"
    assert [isinstance(verifier.verify(key), Accepted) for _ in range(3)] == [True, True, False]
    known = verifier.identify(key)
    assert (isinstance(known, Accepted), left(known)) == (True, 0)
    unlimited = installation.create(rate_limit=None).key
    assert isinstance(verifier.identify(unlimited), Accepted)
    assert isinstance(verifier.warm_identity(unlimited), Accepted)
    installation.keywright.manager.delete(ME, installation.account_id, known.record.key_id if known.record else "")
    assert verifier.identify(key) == Refused(Reason.UNKNOWN)


@pytest.mark.parametrize(
    ("given_", "request_", "reason", "left_after"),
    [
        ({"networks": ["192.0.2.0/24"]}, Request(address="198.51.100.1"), Reason.NETWORK, 100),
        ({"networks": ["192.0.2.0/24"]}, Request(), Reason.NETWORK, 100),
        ({"environment": "test"}, Request(environment="live"), Reason.ENVIRONMENT, 100),
        ({"scopes": ["keys:read"]}, Request(scopes=("keys:read", "keys:write")), Reason.SCOPE, 99),
        ({"rate_limit": "1/15m"}, Request(cost=2), Reason.RATE_LIMITED, 1),
    ],
    ids=lambda value: str(value) if isinstance(value, Reason) else "",
)
def test_a_good_key_can_be_refused(
    installation: Installation, given_: dict[str, Any], request_: Request, reason: Reason, left_after: int
) -> None:
    """Each rule refuses with its own reason and says where the limit stands; only a lacking scope is charged."""
    created = installation.create(**given_)
    outcome = installation.keywright.verify(created.key, request_)
    assert isinstance(outcome, Refused)
    assert (outcome.reason, left(outcome)) == (reason, left_after)
    assert outcome.record
    assert outcome.record.key_id == created.row.id
    assert outcome.missing == (("keys:write",) if reason is Reason.SCOPE else ())


def test_network_and_environment_come_before_limit_and_limit_before_scope(installation: Installation) -> None:
    """The order of the checks is fixed: network, environment, limit, scope."""
    created = installation.create(scopes=["a"], networks=["192.0.2.0/24"], rate_limit="1/15m")
    everything_wrong = Request(scopes=("b",), address="198.51.100.1", cost=2)
    limit_and_scope_wrong = Request(scopes=("b",), address="192.0.2.1", cost=2)
    scope_wrong = Request(scopes=("b",), address="192.0.2.1")
    outcomes = [
        installation.keywright.verify(created.key, each)
        for each in (everything_wrong, limit_and_scope_wrong, scope_wrong)
    ]
    reasons = [each.reason for each in outcomes if isinstance(each, Refused)]
    assert reasons == [Reason.NETWORK, Reason.RATE_LIMITED, Reason.SCOPE]


def test_a_lowered_limit_does_not_break_a_refusal(installation: Installation) -> None:
    """A key whose limit was lowered below what it has spent is refused for its network as any other."""
    created = installation.create(networks=["192.0.2.0/24"])
    for _ in range(5):
        installation.keywright.verify(created.key, Request(address="192.0.2.1"))
    installation.keywright.manager.update(ME, installation.account_id, created.row.id, {"rate_limit": "2/15m"})
    outcome = installation.keywright.verify(created.key, Request(address="198.51.100.1"))
    assert isinstance(outcome, Refused)
    assert (outcome.reason, left(outcome)) == (Reason.NETWORK, 0)


def test_a_key_without_limits_is_never_counted(installation: Installation) -> None:
    """A key with no limit has no counters to wait for."""
    created = installation.create(rate_limit=None)
    outcomes = [installation.keywright.verify(created.key) for _ in range(300)]
    assert {(type(each), each.decision) for each in outcomes} == {(Accepted, None)}


def test_s71_exact_among_threads_and_processes(installation: Installation, data_dir: Path, clock: ManualClock) -> None:
    """S71: of 150 requests at once with a fresh key, through whatever objects, exactly 100 are admitted."""
    created = installation.create()
    admitted: list[bool] = []
    with ExitStack() as stack:
        others = [stack.enter_context(Installation(data_dir, clock)) for _ in range(2)]
        everywhere = [installation, *others]
        barrier = threading.Barrier(6)

        def work(at: Installation) -> None:
            barrier.wait()
            admitted.extend(isinstance(at.keywright.verify(created.key), Accepted) for _ in range(25))

        threads = [threading.Thread(target=work, args=(everywhere[number % 3],)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (len(admitted), sum(admitted)) == (150, 100)


def test_no_key_at_all_is_malformed(installation: Installation) -> None:
    """What a table of headers says where there is no key is refused like anything else that is no key, warm or not."""
    for text in (None, "", " "):
        outcome = installation.keywright.verify(text)
        assert isinstance(outcome, Refused)
        assert outcome.reason is Reason.MALFORMED


def test_scopes_are_not_read_letter_by_letter() -> None:
    """A text in place of scopes would ask for a scope for each of its letters."""
    with pytest.raises(TypeError, match="tuple of texts"):
        Request(scopes="a:b")  # type: ignore[arg-type]


def test_a_restart_gives_no_new_allowance(data_dir: Path, clock: ManualClock) -> None:
    """S71: what a key has spent stays spent when everything is closed and opened again."""
    with Installation(data_dir, clock) as before:
        created = before.create()
        assert left(before.keywright.verify(created.key)) == 99
    with Installation(data_dir, clock) as after:
        assert left(after.keywright.verify(created.key)) == 98


def test_a_warm_verification_asks_nobody(installation: Installation) -> None:
    """A key that is remembered costs no look-up, and neither does one that is refused for what it is."""
    watching = Watching(installation)
    keys = [installation.create(), installation.create(scopes=["a"]), installation.create(networks=["192.0.2.0/24"])]
    assert watching.reads(*(each.key for each in keys)) == 3
    assert watching.reads(*(each.key for each in keys * 5)) == 0
    assert watching.store.calls["changes_since"] == 1


def test_of_many_requests_with_a_new_key_one_looks_it_up(installation: Installation) -> None:
    """A key that comes a hundred times at once before anybody knows it costs one look-up."""
    watching = Watching(installation)
    created = installation.create()
    arrived, outcomes = threading.Semaphore(0), []
    watching.store.afterwards["find"] = lambda: [arrived.acquire(timeout=5) for _ in range(8)]

    def work() -> None:
        arrived.release()
        outcomes.append(watching.verifier.verify(created.key))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert watching.store.calls["find"] == 1
    assert [type(each) for each in outcomes] == [Accepted] * 8


@contextmanager
def commits(data_dir: Path) -> Iterator[list[dict[str, bool]]]:
    """Whether anybody has committed to the two databases within the block."""
    found: list[dict[str, bool]] = []
    with ExitStack() as stack:
        databases = {
            name: stack.enter_context(closing(dbapi2.connect(data_dir / name))) for name in (RECORDS_FILE, USAGE_FILE)
        }

        def versions() -> dict[str, int]:
            return {name: each.execute("PRAGMA data_version").fetchone()[0] for name, each in databases.items()}

        before = versions()
        yield found
        found.append({name: number != before[name] for name, number in versions().items()})


def test_no_write_to_the_database_per_verify(installation: Installation, data_dir: Path) -> None:
    """Verifying writes nothing to either database, whatever the answer; a flush of usage writes only usage."""
    good, bad = installation.create(rate_limit=None), installation.create(scopes=["a"], rate_limit="3/15m")
    with commits(data_dir) as while_verifying:
        for _ in range(200):
            installation.keywright.verify(good.key, Request(address="192.0.2.1"))
            installation.keywright.verify(bad.key, Request(scopes=("b",)))
            installation.keywright.verify(installation.keywright.formats.mint("ss", "live"), Request(address="x"))
            installation.clock.advance(1)
    with commits(data_dir) as while_flushing:
        assert installation.keywright.usage.flush() == 2
    assert while_verifying == [{RECORDS_FILE: False, USAGE_FILE: False}]
    assert while_flushing == [{RECORDS_FILE: False, USAGE_FILE: True}]


def test_s14_s78_no_part_of_a_key_is_on_the_disk(data_dir: Path, clock: ManualClock) -> None:
    """S14: after all that can be done with keys, no file of the data directory holds twelve characters of one."""
    with Installation(data_dir, clock) as made:
        keys = [made.create(), made.create(format="ss"), made.create(environment="test", metadata={"a": "b"})]
        for created in keys:
            made.keywright.verify(created.key, Request(address="192.0.2.1", user_agent="client"))
            made.keywright.verify(created.key[:-1] + "x", Request(address="192.0.2.1"))
        keys.append(made.keywright.manager.rotate(ME, made.account_id, keys[0].row.id))
        made.keywright.manager.delete(ME, made.account_id, keys[1].row.id)
        made.keywright.usage.flush()
        while_open = b"".join(path.read_bytes() for path in data_dir.iterdir() if path.suffix not in OPEN_FILES)
    everything = while_open + b"".join(path.read_bytes() for path in data_dir.iterdir())
    tails = [created.key[-32:].encode() for created in keys]
    assert not [part for tail in tails for at in range(21) if (part := tail[at : at + 12]) in everything]
    assert keys[0].row.id.encode() in everything, "the files that were searched are the right ones"


@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=st.lists(st.sampled_from(["verify", "wait", "disable", "enable", "scopes", "delete"]), max_size=12))
def test_memory_never_changes_an_answer(installation: Installation, clock: ManualClock, acts: list[str]) -> None:
    """Whatever is done to a key in whatever order, who remembers it answers exactly as who has just started."""
    created = installation.create(expires_in_seconds=300, rate_limit=None)
    for act in acts:
        if act == "wait":
            clock.advance(60)
        elif act == "delete":
            installation.keywright.manager.delete(ME, installation.account_id, created.row.id)
        elif act != "verify":
            given_ = {"scopes": ["b"]} if act == "scopes" else {"disabled": act == "disable"}
            installation.keywright.manager.update(ME, installation.account_id, created.row.id, given_)
        fresh = Watching(installation).verifier.verify(created.key, Request(scopes=("a",)))
        assert installation.keywright.verify(created.key, Request(scopes=("a",))) == fresh
        if act == "delete":
            break


@pytest.mark.parametrize("cost", [0, -1])
def test_a_request_costs_something(cost: int) -> None:
    """A request that cost nothing would pass a used-up limit, and one that cost less would give back what was spent."""
    with pytest.raises(ValueError, match="at least 1"):
        Request(cost=cost)


def test_a_key_format_in_use_cannot_go(data_dir: Path, clock: ManualClock) -> None:
    """A format that keys were made in stays as it is in the settings, or nothing starts: they would all be refused."""
    acme = {"name": "acme", "prefix": "acme_"}
    with Installation(data_dir, clock, key_formats=[acme]) as made:
        created = made.create(format="acme")
    for changed in ([], [{**acme, "prefix": "acme-"}]):
        with pytest.raises(Misconfigured, match="acme"):
            Installation(data_dir, clock, key_formats=changed)
    with Installation(data_dir, clock, key_formats=[acme]) as again:
        assert isinstance(again.keywright.verify(created.key), Accepted)
        again.keywright.manager.delete(ME, again.account_id, created.row.id)
    with Installation(data_dir, clock) as without:
        assert without.keywright.verify(created.key) == Refused(Reason.MALFORMED)


def test_a_closed_installation_gives_no_verdict(data_dir: Path, clock: ManualClock) -> None:
    """After the end a key is neither accepted nor refused."""
    with Installation(data_dir, clock) as made:
        created = made.create()
        assert isinstance(made.keywright.verify(created.key), Accepted)
    with pytest.raises(Unavailable):
        made.keywright.verify(created.key)


def test_a_change_that_is_under_way_is_told_of_before_the_end(data_dir: Path, clock: ManualClock) -> None:
    """Closing waits for a running change, and others hear of it."""
    with Installation(data_dir, clock) as here, Installation(data_dir, clock) as there:
        created = here.create()
        assert isinstance(there.keywright.verify(created.key), Accepted)
        begun, release = threading.Event(), threading.Event()

        def delete() -> None:
            with here.keywright.store.transaction() as tx:
                tx.delete_key(created.row, clock.now())
                tx.publish(created.row.id)
                begun.set()
                release.wait(5)

        worker = threading.Thread(target=delete)
        worker.start()
        begun.wait(5)
        ending = threading.Thread(target=here.keywright.store.close)
        ending.start()
        release.set()
        worker.join()
        ending.join()

        assert there.keywright.verify(created.key) == Refused(Reason.UNKNOWN)
