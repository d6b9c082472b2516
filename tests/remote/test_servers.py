"""An application that asks a real Keywright server: the same outcomes, deletes, limits, and what a cache may do."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from keywright import Accepted, Keywright, ManualClock, Reason, Refused, RemoteKeywright, Request, Unavailable
from keywright.adapters.answers import rate_headers
from keywright.server.app import create_app
from keywright.server.gate.protocol import LaneProtocol
from support.adapters import plain
from support.adapters.common import asgi_server
from support.adapters.remote import asker
from support.asking import judged, remote
from support.faces import beside, send_over
from support.installation import ME, Installation
from support.servers import Server, running


@contextmanager
def asking_one(installation: Installation, **given: Any) -> Iterator[RemoteKeywright]:
    """Whoever asks a server over the test's own installation, on its clock."""
    with asgi_server(create_app(installation.keywright), http=LaneProtocol) as port:
        given = {"timeout_seconds": 10, "clock": installation.clock, **given}
        with RemoteKeywright(f"http://127.0.0.1:{port}", asker(installation.keywright), **given) as asking:
            yield asking


REQUESTS = (
    Request(),
    Request(scopes=("a:read",), user_agent='curl "8" ü\0\udc80' * 300),
    Request(scopes=("a:read", "b:read")),
    Request(environment="test"),
    Request(address="203.0.113.7"),
    Request(address="not an address"),
    Request(account_id="acc_000000000"),
    Request(cost=3),
    Request(cost=1000),
)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"rate_limit": None, "scopes": ["a:read"]},
        {"rate_limit": ["5/1m", "100/15m sliding", "10/s burst 50"], "scopes": ["a:read"], "name": 'Größe "7" 测试'},
        {"networks": ["203.0.113.0/24"]},
        {"expires_in_seconds": 1000},
    ],
    ids=str,
)
def test_the_outcome_is_that_of_the_server(installation: Installation, given: dict[str, Any]) -> None:
    """Whoever asks learns what somebody with the data directory learns: verdict, identity, scopes, and every limit."""
    one, other = (installation.create(**{"name": "A key", **given}) for _ in range(2))
    with asking_one(installation) as asking:
        for request in REQUESTS:
            mine = asking.verify(one.key, request)
            theirs = installation.keywright.verify(other.key, request)
            assert shown(mine) == shown(theirs), request


def shown(outcome: Accepted | Refused) -> list[Any]:
    """What adapters and handlers use of an outcome, but for the key's id."""
    record, decision = outcome.record, outcome.decision
    states = (
        [(each.limit, each.remaining, each.reset_epoch, each.holder) for each in decision.states] if decision else 0
    )
    identity = record and (record.account_id, record.name, record.environment, sorted(record.scopes), record.expires_at)
    why = (outcome.reason, outcome.missing) if isinstance(outcome, Refused) else ()
    # What a request costs that is refused for where it comes from is nobody's business.
    cost = decision.cost if decision and why[:1] not in ((Reason.NETWORK,), (Reason.ENVIRONMENT,)) else 0
    return [type(outcome), why, identity, states, decision and decision.retry_after_seconds, cost]


@pytest.mark.parametrize("limit", ["5/1m", "100/15m sliding", "10/s burst 50", ["5/1m", "100/1d"]], ids=str)
def test_what_is_told_is_never_more_than_a_window(
    installation: Installation, clock: ManualClock, limit: str | list[str]
) -> None:
    """Where the clock stands between two seconds, ``RateLimit`` tells through a server what it tells without one: a
    whole window at the most."""
    clock.advance(0.25)
    one, other = (installation.create(rate_limit=limit) for _ in range(2))
    with asking_one(installation) as asking:
        mine, theirs = asking.verify(one.key).decision, installation.keywright.verify(other.key).decision
    assert rate_headers(mine, clock.now()) == rate_headers(theirs, clock.now())


def test_a_handlers_account_is_asked_for(installation: Installation) -> None:
    """The key of another account than the handler's is unknown, and is charged nothing."""
    mine, other = installation.create(), installation.account()
    with asking_one(installation) as asking:
        assert asking.verify(mine.key, Request(account_id=other)) == Refused(Reason.UNKNOWN)
        assert isinstance(asking.verify(mine.key, Request(account_id=installation.account_id)), Accepted)
        decision = installation.keywright.verifier.identify(mine.key).decision
    assert decision
    assert decision.tightest.remaining == 99


def test_without_a_cache_every_request_is_asked_about(installation: Installation) -> None:
    """S55: unless somebody switches a cache on, a deleted key is refused by the next request."""
    made = installation.create(rate_limit=None)
    with asking_one(installation) as asking:
        assert isinstance(asking.verify(made.key), Accepted)
        assert asking.warm(made.key) is None
        installation.keywright.manager.delete(ME, installation.account_id, made.row.id)
        assert asking.verify(made.key) == Refused(Reason.UNKNOWN)


def test_a_cache_believes_a_good_answer_for_its_time_and_no_longer(installation: Installation) -> None:
    """A deleted key is accepted for the seconds that were agreed to, and then refused."""
    made = installation.create(rate_limit=None)
    with asking_one(installation, cache_seconds=5) as asking:
        known = asking.verify(made.key)
        installation.keywright.manager.delete(ME, installation.account_id, made.row.id)
        installation.clock.advance(4.9)
        assert asking.warm(made.key) == asking.verify(made.key) == known
        installation.clock.advance(0.1)
        assert asking.warm(made.key) is None
        assert asking.verify(made.key) == Refused(Reason.UNKNOWN)


def test_a_cache_holds_nothing_that_must_be_asked(installation: Installation) -> None:
    """Limits are charged by every request, refusals are asked about anew, other questions too, and an end is an end."""
    limited, plain_ = installation.create(), installation.create(rate_limit=None, scopes=["a:read"])
    ending = installation.create(rate_limit=None, expires_in_seconds=2)
    with asking_one(installation, cache_seconds=60) as asking:
        for left in (99, 98, 97):
            decision = asking.verify(limited.key).decision
            assert decision
            assert decision.tightest.remaining == left
        wants = Request(scopes=("b:read",))
        assert isinstance(asking.verify(plain_.key), Accepted)
        for request in (wants, Request(environment="test"), Request(account_id="acc_000000000")):
            assert isinstance(asking.verify(plain_.key, request), Refused)
        installation.keywright.manager.update(ME, installation.account_id, plain_.row.id, {"scopes": ["b:read"]})
        assert isinstance(asking.verify(plain_.key, wants), Accepted)
        assert isinstance(asking.verify(ending.key), Accepted)
        installation.clock.advance(2)
        assert asking.verify(ending.key).__class__ is Refused


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with two workers."""
    with running(tmp_path_factory.mktemp("remote") / "data", "--workers", "2") as server:
        yield server


def test_s55_a_deleted_key_is_refused_by_the_next_request(workers: Server) -> None:
    """In front of several workers, over connections that are kept: no request after the delete is let in."""
    with beside(workers) as keywright, ExitStack() as stack:
        key = asker(keywright)
        asking = [stack.enter_context(remote(workers.url, key, timeout_seconds=10)) for _ in range(4)]
        account = keywright.manager.operator_account().id
        for _ in range(25):
            made = keywright.manager.create(ME, account, {"name": "Short", "rate_limit": None})
            assert {type(each.verify(made.key)) for each in asking} == {Accepted}
            keywright.manager.delete(ME, account, made.row.id)
            assert [each.verify(made.key) for each in asking] == [Refused(Reason.UNKNOWN)] * len(asking)


def test_s71_a_limit_is_exact_over_several_applications(workers: Server) -> None:
    """150 parallel requests to two applications that ask the same server: exactly 100 reach a handler."""
    with beside(workers) as keywright, ExitStack() as stack:
        key, made = asker(keywright), fresh(keywright)
        ports = []
        for _ in range(2):
            asking = stack.enter_context(remote(workers.url, key, timeout_seconds=20))
            ports.append(stack.enter_context(plain.wsgi_app(asking)))
        pool = stack.enter_context(ThreadPoolExecutor(30))

        def send(number: int) -> int:
            netloc = f"127.0.0.1:{ports[number % 2]}"
            return send_over(netloc, "GET", "/v1/subscriptions", (("X-API-Key", made),), None).status_code

        statuses = list(pool.map(send, range(150)))
    assert sorted(statuses) == [200] * 100 + [429] * 50


def fresh(keywright: Keywright) -> str:
    """A new key of the operator's account, with the limit of those that name none."""
    return keywright.manager.create(ME, keywright.manager.operator_account().id, {"name": "Fresh"}).key


def test_a_server_that_is_killed_makes_nobodys_key_bad(tmp_path: Path) -> None:
    """While requests are on their way the server dies: each is let in or told 503, and after it all are told 503."""
    with running(tmp_path / "data") as server, beside(server) as keywright:
        key = asker(keywright)
        account = keywright.manager.operator_account().id
        good = keywright.manager.create(ME, account, {"name": "Good", "rate_limit": None}).key
        with remote(server.url, key, timeout_seconds=10) as asking, ThreadPoolExecutor(4) as pool:

            def until_it_fails(_: int) -> list[str]:
                found = []
                while "Unavailable" not in found:
                    found.append(outcome_or_error(asking, good))
                return found

            running_ = [pool.submit(until_it_fails, number) for number in range(4)]
            for _ in range(20):
                assert outcome_or_error(asking, good) == "Accepted"
            server.process.kill()
            server.process.wait(timeout=20)
            seen = {each for future in running_ for each in future.result(timeout=60)}
            assert seen == {"Accepted", "Unavailable"}
            assert judged(asking, good).status == 503


def outcome_or_error(asking: RemoteKeywright, key: str) -> str:
    """The name of what came."""
    try:
        return type(asking.verify(key)).__name__
    except Unavailable:
        return "Unavailable"


def test_a_certificate_of_nobody_we_know_is_a_503(tmp_path: Path) -> None:
    """TLS is checked: a server that cannot show who it is is not asked, and where it is known it is."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    certificate, private = tmp_path / "cert.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(private)
    private.chmod(0o600)
    flags = ("--tls-cert", str(certificate), "--tls-key", str(private))
    with running(tmp_path / "data", *flags, scheme="https") as server, beside(server) as keywright:
        key = asker(keywright)
        server.canaries.append(key)
        with remote(server.url, key) as asking:
            # Its name is as long as a key, and is told all the same.
            with pytest.raises(Unavailable, match=r"\(SSLCertVerificationError: \[SSL: CERTIFICATE_VERIFY_FAILED"):
                asking.verify(key)
            assert judged(asking).status == 503
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        with remote(server.url, key, tls=trusting, timeout_seconds=10) as asking:
            assert [type(asking.verify(key)) for _ in range(3)] == [Accepted] * 3
        with remote(server.url.replace("127.0.0.1", "localhost"), key, tls=trusting) as asking:
            assert judged(asking).status == 503, "the certificate is for another name"
