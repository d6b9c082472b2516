"""The portal without its pages: links, the sessions that they become, what ends them, and what may be done in them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from keywright import Actor, ActorKind, Unavailable
from keywright.audit import Action
from keywright.errors import CallerRefused, Conflict, Forbidden, InvalidValue, NotFound
from keywright.manage.browse import KeyQuery
from keywright.manage.insight import SPANS
from keywright.manage.ledger import Wanted
from keywright.manage.manager import Created
from keywright.people import portals
from keywright.people.entry import SignInRefused
from keywright.people.portals import PortalLink
from keywright.people.values import PortalVisitor, digest
from keywright.values import replace
from people.staff import WHERE, claimed
from support.installation import ME, Installation

OPENERS = 40


class Customer:
    """An account of somebody's customer, and the operator who sends them to the portal."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.keywright = installation.keywright
        self.account_id = installation.account("Acme Robotics")
        self.operator = installation.create("Backend", scopes=["operator"])
        self.key = installation.create("Shop", self.account_id)

    def link(self, **given: Any) -> PortalLink:
        """A new link."""
        actor = self.installation.actor(self.operator)
        return self.keywright.portals.new_link(actor, {"account_id": self.account_id, **given})

    def opened(self, **given: Any) -> tuple[PortalVisitor, str]:
        """A link that was opened."""
        return self.keywright.portals.open(self.link(**given).text, WHERE)

    def actor(self, **given: Any) -> Actor:
        """Somebody in a portal session."""
        return self.opened(**given)[0].actor(WHERE)


@pytest.fixture
def customer(installation: Installation) -> Customer:
    """A customer with one key."""
    return Customer(installation)


def test_a_link_works_once(customer: Customer) -> None:
    """Whoever opens a link first is in; nobody is afterwards, and neither the link nor the session is stored."""
    link = customer.link(actor="jane@example.com")
    visitor, text = customer.keywright.portals.open(link.text, WHERE)

    assert (visitor.account.id, visitor.session.person) == (customer.account_id, "jane@example.com")
    assert customer.keywright.portals.visitor(text) == visitor
    for again in (link.text, text, "", "nonsense", link.text[:-1], "ü" * 43):
        with pytest.raises(SignInRefused):
            customer.keywright.portals.open(again, WHERE)
    assert customer.keywright.portals.visitor(link.text) is None
    assert link.text not in repr(link)


def test_a_link_that_was_not_opened_is_no_session(customer: Customer) -> None:
    """The text of a link in the place of a cookie opens nothing: it must be traded first."""
    link = customer.link()

    assert customer.keywright.portals.visitor(link.text) is None
    actor = Actor(ActorKind.PORTAL, link.session.id, customer.account_id)
    with pytest.raises(CallerRefused):
        customer.keywright.manager.keys(actor, customer.account_id)


def test_a_link_works_for_five_minutes(customer: Customer) -> None:
    """A link that nobody has opened in time opens nothing; it is gone with the next that is made."""
    late, in_time = customer.link(), customer.link()
    customer.installation.clock.advance(portals.PORTAL_LINK_SECONDS - 1)
    assert customer.keywright.portals.open(in_time.text, WHERE)
    customer.installation.clock.advance(1)
    with pytest.raises(SignInRefused):
        customer.keywright.portals.open(late.text, WHERE)
    customer.link()
    with customer.keywright.store.snapshot() as reads:
        assert reads.portal.session(digest(late.text)) is None


def test_of_many_who_open_a_link_at_once_one_is_in(customer: Customer) -> None:
    """One link, many browsers at the same moment: exactly one session."""
    link = customer.link()
    won: list[str] = []
    line = threading.Barrier(OPENERS)

    def one() -> None:
        line.wait()
        try:
            won.append(customer.keywright.portals.open(link.text, WHERE)[1])
        except (SignInRefused, Unavailable):  # the machine may be busy; what counts is that nobody else got in
            return

    threads = [threading.Thread(target=one) for _ in range(OPENERS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [customer.keywright.portals.visitor(text) is not None for text in won] == [True]


def test_of_two_who_have_read_the_link_one_opens_it(customer: Customer) -> None:
    """The change of the row decides, and not what was read before: a second one finds nothing to open."""
    link = customer.link()
    with customer.keywright.store.transaction() as tx:
        until = customer.installation.clock.now() + 60
        assert tx.portal.open_session(digest(link.text), digest("first"), until)
        assert not tx.portal.open_session(digest(link.text), digest("second"), until)
        assert not tx.portal.open_session(digest("first"), digest("second"), until)
    assert customer.keywright.portals.visitor("first")
    assert customer.keywright.portals.visitor("second") is None


#: What ends a session, and takes back a link, at once.
ENDS: dict[str, Callable[[Customer, PortalVisitor], object]] = {
    "the time": lambda customer, visitor: customer.installation.clock.advance(visitor.session.seconds),
    "the operator's key is deleted": lambda customer, _: customer.keywright.manager.delete(
        ME, customer.installation.account_id, customer.operator.row.id
    ),
    "the operator's key is disabled": lambda customer, _: _change(customer, disabled=True),
    "the operator's key loses the scope": lambda customer, _: _change(customer, scopes=["verify"]),
    "the operator's key has full access in its place": lambda customer, _: _change(customer, scopes=["*"]),
    "the operator's key has expired": lambda customer, _: _expire(customer),
    "the operator's account is disabled": lambda customer, _: customer.keywright.manager.change_account(
        ME, customer.installation.account_id, {"disabled": True}
    ),
    "the account is disabled": lambda customer, _: customer.keywright.manager.change_account(
        ME, customer.account_id, {"disabled": True}
    ),
    "the operator says so": lambda customer, visitor: customer.keywright.portals.end(
        customer.installation.actor(customer.operator), visitor.session.id
    ),
    "they have left": lambda customer, visitor: customer.keywright.portals.leave(visitor, WHERE),
}


def _change(customer: Customer, **given: Any) -> None:
    customer.keywright.manager.update(ME, customer.installation.account_id, customer.operator.row.id, given)


def _expire(customer: Customer) -> None:
    _change(customer, expires_in_seconds=60)
    customer.installation.clock.advance(60)


@pytest.mark.parametrize("how", ENDS)
def test_a_session_ends_at_once(customer: Customer, how: str) -> None:
    """Whatever ends a session ends it for the very next request, also for an act of somebody who was let in before;
    nothing is changed any more."""
    visitor, text = customer.opened()
    keywright, actor, before = customer.keywright, visitor.actor(WHERE), _keys(customer)
    assert keywright.manager.keys(actor, customer.account_id)

    ENDS[how](customer, visitor)

    assert keywright.portals.visitor(text) is None
    acts: tuple[Callable[[], object], ...] = (
        lambda: keywright.manager.keys(actor, customer.account_id),
        lambda: keywright.manager.create(actor, customer.account_id, {"name": "Late"}),
        lambda: keywright.manager.delete(actor, customer.account_id, customer.key.row.id),
        lambda: keywright.manager.rotate(actor, customer.account_id, customer.key.row.id),
        lambda: keywright.manager.update(actor, customer.account_id, customer.key.row.id, {"disabled": True}),
        lambda: keywright.browser.one(actor, customer.account_id, customer.key.row.id),
        lambda: keywright.insight.key(actor, customer.account_id, customer.key.row.id, SPANS["24h"]),
    )
    for act in acts:
        with pytest.raises(CallerRefused):
            act()
    assert _keys(customer) == before


@pytest.mark.parametrize("how", [each for each in ENDS if each not in ("the time", "they have left")])
def test_a_link_is_taken_back_by_the_same(customer: Customer, how: str) -> None:
    """A link that nobody has opened yet dies with whatever would end its session."""
    link = customer.link()
    ENDS[how](
        customer, PortalVisitor(link.session, customer.keywright.manager.summary(ME, customer.account_id).account)
    )

    with pytest.raises(SignInRefused):
        customer.keywright.portals.open(link.text, WHERE)


def _keys(customer: Customer) -> list[Any]:
    return [each.row for each in customer.keywright.manager.keys(ME, customer.account_id)]


def test_no_key_opens_the_operators_own_account(customer: Customer) -> None:
    """A key that may be used as an operator, and for nothing else, does not become all that the operator's account can:
    it makes no link there, and one that there is from before opens nothing. Whoever is on the machine makes one."""
    keywright, wanted = customer.keywright, {"account_id": customer.installation.account_id}
    with pytest.raises(Forbidden):
        customer.link(**wanted)
    link, session = keywright.portals.new_link(ME, wanted), keywright.portals.new_link(ME, wanted)
    _, cookie = keywright.portals.open(session.text, WHERE)
    assert keywright.portals.visitor(cookie)
    for each in (link, session):
        with keywright.store.transaction() as tx:
            old = tx.portal.session_by_id(each.session.id)
            assert old
            tx.portal.delete_session(old.id)
            tx.portal.insert_session(replace(old, maker_kind=ActorKind.KEY, maker_id=customer.operator.row.id))

    with pytest.raises(SignInRefused):
        keywright.portals.open(link.text, WHERE)
    assert keywright.portals.visitor(cookie) is None
    with pytest.raises(CallerRefused):
        keywright.manager.keys(Actor(ActorKind.PORTAL, session.session.id, wanted["account_id"]), wanted["account_id"])


def test_a_link_of_the_machine_needs_no_key(customer: Customer) -> None:
    """Who is on the machine makes links as well, and is not gone when a key is."""
    link = customer.keywright.portals.new_link(ME, {"account_id": customer.account_id})
    customer.keywright.manager.delete(ME, customer.installation.account_id, customer.operator.row.id)

    assert customer.keywright.portals.open(link.text, WHERE)


def test_the_session_that_the_browser_had_ends(customer: Customer) -> None:
    """Who opens a second link in the same browser has one session, and not two; a waiting link is no session."""
    _, first = customer.opened()
    waiting = customer.link()
    _, second = customer.keywright.portals.open(customer.link().text, WHERE, first)
    _, third = customer.keywright.portals.open(customer.link().text, WHERE, waiting.text)

    assert customer.keywright.portals.visitor(first) is None
    assert customer.keywright.portals.visitor(second)
    assert customer.keywright.portals.visitor(third)
    assert customer.keywright.portals.open(waiting.text, WHERE)


#: What a link cannot be made with, and the member that is named.
BAD: tuple[tuple[dict[str, Any], str], ...] = (
    ({"account_id": None}, "account_id"),
    ({"account_id": 5}, "account_id"),
    ({"actor": ""}, "actor"),
    ({"actor": None}, "actor"),
    ({"actor": "x" * 256}, "actor"),
    ({"actor": "a\u202eb"}, "actor"),
    ({"access": "everything"}, "access"),
    ({"access": None}, "access"),
    ({"scopes": []}, "scopes"),
    ({"scopes": "keys:read"}, "scopes"),
    ({"scopes": ["operator"]}, "scopes"),
    ({"scopes": ["*", "operator"]}, "scopes"),
    ({"session_seconds": 59}, "session_seconds"),
    ({"session_seconds": 43_201}, "session_seconds"),
    ({"session_seconds": 60.5}, "session_seconds"),
    ({"session_seconds": True}, "session_seconds"),
    ({"return_url": "javascript:alert(1)"}, "return_url"),
    ({"return_url": "//evil.example"}, "return_url"),
    ({"return_url": "https://me@evil.example"}, "return_url"),
    ({"return_url": "https://app.example.com/\r\nx"}, "return_url"),
    ({"return_url": "https://" + "x" * 2048}, "return_url"),
    ({"return_url": 5}, "return_url"),
    ({"return_url": None}, "return_url"),
    ({"seconds": 60}, "seconds"),
)


@pytest.mark.parametrize(("given", "member"), BAD)
def test_what_a_link_cannot_be_made_with(customer: Customer, given: dict[str, Any], member: str) -> None:
    """A value that cannot be used is named, and no link is made."""
    with pytest.raises(InvalidValue) as refused:
        customer.link(**given)
    assert refused.value.member == member
    assert _lines(customer, Action.PORTAL_LINK) == []


def _lines(customer: Customer, action: Action) -> list[Any]:
    return list(customer.keywright.ledger.page(ME, customer.account_id, Wanted(action=action)).lines)


def test_who_may_make_links(customer: Customer) -> None:
    """Only keys with the scope operator do, for accounts that exist and are not disabled; full access does not."""
    installation, keywright = customer.installation, customer.keywright
    wanted = {"account_id": customer.account_id}
    full, own = installation.create("Full"), installation.create("Own", customer.account_id)
    member = keywright.entry.visitor(claimed(installation))
    assert member
    inside = customer.actor()
    for actor in (installation.actor(full), installation.actor(own), member.actor(WHERE)):
        with pytest.raises((Forbidden, NotFound)):
            keywright.portals.new_link(actor, wanted)
    with pytest.raises((Forbidden, NotFound)):
        keywright.portals.new_link(inside, wanted)
    with pytest.raises((Forbidden, NotFound)):
        keywright.portals.end(inside, inside.id)
    with pytest.raises(NotFound):
        customer.link(account_id="acc_123456789")
    keywright.manager.change_account(ME, customer.account_id, {"disabled": True})
    with pytest.raises(Conflict):
        customer.link()


def test_what_is_ended_is_ended_once(customer: Customer) -> None:
    """A session that is gone cannot be ended again, nor one that never was."""
    visitor, _ = customer.opened()
    operator = customer.installation.actor(customer.operator)
    customer.keywright.portals.end(operator, visitor.session.id)
    for session_id in (visitor.session.id, "prt_123456789"):
        with pytest.raises(NotFound):
            customer.keywright.portals.end(operator, session_id)
    customer.keywright.portals.leave(visitor, WHERE)
    assert len(_lines(customer, Action.PORTAL_END)) == 1


def test_nobody_acts_in_another_account(customer: Customer) -> None:
    """Somebody in a portal session is nobody in every other account, the operator's among them, and may do nothing that
    is about the installation."""
    actor, keywright = customer.actor(), customer.keywright
    theirs = customer.installation.create("Their secret", customer.installation.account("Another"))
    for account_id in (theirs.row.account_id, customer.installation.account_id, "acc_123456789", ""):
        acts: tuple[Callable[[str], object], ...] = (
            lambda there: keywright.manager.keys(actor, there),
            lambda there: keywright.manager.key(actor, there, theirs.row.id),
            lambda there: keywright.manager.create(actor, there, {"name": "Mine"}),
            lambda there: keywright.manager.delete(actor, there, theirs.row.id),
            lambda there: keywright.manager.rotate(actor, there, theirs.row.id),
            lambda there: keywright.manager.update(actor, there, theirs.row.id, {"disabled": True}),
            lambda there: keywright.browser.page(actor, there, KeyQuery()),
            lambda there: keywright.insight.key(actor, there, theirs.row.id, SPANS["24h"]),
        )
        for act in acts:
            with pytest.raises(NotFound):
                act(account_id)
    for beyond in (
        lambda: keywright.manager.accounts(actor),
        lambda: keywright.manager.create_account(actor, "Mine"),
        lambda: keywright.manager.change_account(actor, customer.account_id, {"disabled": False}),
    ):
        with pytest.raises(NotFound):
            beyond()
    with pytest.raises(NotFound):
        keywright.manager.delete(actor, customer.account_id, theirs.row.id)


def test_nothing_but_keys(customer: Customer) -> None:
    """Of its own account a portal session reaches the keys, and neither the people nor the log nor the account."""
    actor, keywright, account_id = customer.actor(), customer.keywright, customer.account_id
    for act in (
        lambda: keywright.ledger.page(actor, account_id, Wanted()),
        lambda: keywright.ledger.export(actor, account_id, Wanted(), "csv"),
        lambda: keywright.insight.account(actor, account_id, SPANS["24h"]),
        lambda: keywright.manager.summary(actor, account_id),
        lambda: keywright.directory.members(actor, account_id),
        lambda: keywright.directory.rename_account(actor, account_id, "Mine"),
    ):
        with pytest.raises(Forbidden):
            act()


def test_who_may_only_look_looks(customer: Customer) -> None:
    """With read access nothing is changed, whatever is asked."""
    actor, keywright, before = customer.actor(access="read"), customer.keywright, _keys(customer)

    assert keywright.manager.keys(actor, customer.account_id)
    for act in (
        lambda: keywright.manager.create(actor, customer.account_id, {"name": "Mine"}),
        lambda: keywright.manager.delete(actor, customer.account_id, customer.key.row.id),
        lambda: keywright.manager.rotate(actor, customer.account_id, customer.key.row.id),
        lambda: keywright.manager.update(actor, customer.account_id, customer.key.row.id, {"disabled": True}),
    ):
        with pytest.raises(Forbidden):
            act()
    assert _keys(customer) == before


def test_nothing_beyond_the_account_is_given(customer: Customer) -> None:
    """No key that is made or changed in a portal has the scope operator, in the operator's own account neither; and a
    key that has it can be neither rotated nor widened there."""
    keywright, operators = customer.keywright, customer.installation.account_id
    link = keywright.portals.new_link(ME, {"account_id": operators})
    inside = keywright.portals.open(link.text, WHERE)[0].actor(WHERE)
    plain = customer.installation.create("Plain")
    for scopes in (["operator"], ["*", "operator"]):
        with pytest.raises(InvalidValue):
            keywright.manager.create(inside, operators, {"name": "Mine", "scopes": scopes})
        with pytest.raises(InvalidValue):
            keywright.manager.update(inside, operators, plain.row.id, {"scopes": scopes})
        with pytest.raises(InvalidValue):
            keywright.manager.create(customer.actor(), customer.account_id, {"name": "Mine", "scopes": scopes})
    _change(customer, disabled=True)
    _change(customer, disabled=False)
    with pytest.raises(Forbidden):
        keywright.manager.rotate(inside, operators, customer.operator.row.id)


def test_only_the_scopes_of_the_link_are_given(customer: Customer) -> None:
    """A link may say what keys made there can have at most: what is left out is that, and nothing is more; a key of the
    account that can do more is neither rotated nor enabled again, but may be deleted."""
    actor, keywright = customer.actor(scopes=["orders:write", "orders:read"]), customer.keywright

    assert _made(customer, actor).row.scopes == ("orders:read", "orders:write")
    assert _made(customer, actor, scopes=["orders:read"]).row.scopes == ("orders:read",)
    for scopes in (["*"], ["orders:read", "keys:write"]):
        with pytest.raises(InvalidValue):
            _made(customer, actor, scopes=scopes)
    with pytest.raises(Forbidden):
        keywright.manager.rotate(actor, customer.account_id, customer.key.row.id)
    keywright.manager.update(actor, customer.account_id, customer.key.row.id, {"disabled": True})
    with pytest.raises(Forbidden):
        keywright.manager.update(actor, customer.account_id, customer.key.row.id, {"disabled": False})
    keywright.manager.delete(actor, customer.account_id, customer.key.row.id)


def _made(customer: Customer, actor: Actor, **given: Any) -> Created:
    return customer.keywright.manager.create(actor, customer.account_id, {"name": "Made", **given})


@pytest.mark.parametrize("limit", [None, "101/15m", "100/14m", "1000/s", "200/15m sliding"])
def test_nobody_gives_themselves_a_higher_limit(customer: Customer, limit: str | None) -> None:
    """A key gets the limit of its format, or a lower one; neither a new key nor one that is there gets another."""
    actor = customer.actor()
    with pytest.raises(InvalidValue) as refused:
        _made(customer, actor, rate_limit=limit)
    assert refused.value.member == "rate_limit"
    with pytest.raises(InvalidValue):
        customer.keywright.manager.update(actor, customer.account_id, customer.key.row.id, {"rate_limit": limit})
    assert _made(customer, actor, rate_limit=["100/15m", "5/s"]).row.limits == ("5/s", "100/15m")


def test_a_limit_that_the_operator_gave_stays(customer: Customer) -> None:
    """A key with a higher limit can be rotated, renamed and disabled in the portal, and keeps what it has."""
    big = customer.installation.create("Big", customer.account_id, rate_limit="5000/m")
    actor, keywright = customer.actor(), customer.keywright
    keywright.manager.update(actor, customer.account_id, big.row.id, {"disabled": True})
    keywright.manager.update(actor, customer.account_id, big.row.id, {"disabled": False, "name": "Bigger"})
    successor = keywright.manager.rotate(actor, customer.account_id, big.row.id)

    assert (successor.row.limits, successor.row.name) == (("5000/m",), "Bigger")


def test_rotating_does_not_multiply_a_limit(customer: Customer) -> None:
    """A key with a limit that the operator has raised is never there more than twice: its successor cannot be rotated
    before it has ended, also not while it is disabled; a key with the limit of its format, or the operator, can."""
    big = customer.installation.create("Big", customer.account_id, rate_limit="5000/m")
    actor, manager, account_id = customer.actor(session_seconds=7200), customer.keywright.manager, customer.account_id
    second = manager.rotate(actor, account_id, big.row.id, 3600)
    with pytest.raises(Conflict):
        manager.rotate(actor, account_id, second.row.id)
    manager.update(actor, account_id, big.row.id, {"disabled": True})
    with pytest.raises(Conflict):
        manager.rotate(actor, account_id, second.row.id)

    customer.installation.clock.advance(3600)
    third = manager.rotate(actor, account_id, second.row.id)
    manager.delete(actor, account_id, second.row.id)
    fourth = manager.rotate(actor, account_id, third.row.id)
    assert manager.rotate(ME, account_id, fourth.row.id).row.limits == ("5000/m",)
    plain = manager.rotate(actor, account_id, customer.key.row.id)
    assert manager.rotate(actor, account_id, plain.row.id)


def test_every_act_is_in_the_log_with_who_it_was(customer: Customer) -> None:
    """Making, opening and ending a session, and each act in it, is a line of the account's log, which names the person
    and the operator's key; whoever looks for the person finds the lines, and only those."""
    customer.keywright.portals.leave(customer.opened(actor='Jo "J" \\ Doe')[0], WHERE)
    visitor, _ = customer.opened(actor="jane@example.com")
    made = _made(customer, visitor.actor(WHERE))
    customer.keywright.manager.rotate(visitor.actor(WHERE), customer.account_id, made.row.id)
    customer.keywright.portals.leave(visitor, WHERE)
    found = customer.keywright.ledger.page(ME, customer.account_id, Wanted(actor="jane@example.com")).lines

    assert [each.line.action for each in found] == ["portal.end", "key.rotate", "key.create", "portal.open"]
    for each in found:
        assert (each.line.actor_kind, each.line.actor_id) == ("portal", visitor.session.id)
        assert (each.actor_name, each.line.address) == ("jane@example.com", WHERE.address)
        assert each.line.details["person"] == "jane@example.com"
        assert each.line.details["opened_by"] == customer.operator.row.id
    for wanted, count in (("portal", 6), (visitor.session.id, 4), ('Jo "J" \\ Doe', 2), ("Jo", 0), ("%", 0), ("", 10)):
        assert len(customer.keywright.ledger.page(ME, customer.account_id, Wanted(actor=wanted)).lines) == count, wanted
    links = _lines(customer, Action.PORTAL_LINK)
    assert [each.line.actor_id for each in links] == [customer.operator.row.id] * 2
    assert links[0].line.details == {
        "person": "jane@example.com", "access": "manage", "scopes": ["*"], "session_seconds": 3600,
    }  # fmt: skip
