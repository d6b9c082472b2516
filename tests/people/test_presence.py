"""Is it really they: how long a proof holds, what is one, and what asks for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from keywright.audit import Action
from keywright.errors import CallerRefused, Conflict, InvalidValue
from keywright.manage.ledger import Wanted
from keywright.people import entry, throttle, totp
from keywright.people.entry import SignInRefused
from keywright.people.presence import PRESENCE_SECONDS, SET_BACK_SECONDS, ProofNeeded, ProofRefused, is_fresh
from keywright.people.throttle import TooManyAttempts
from keywright.people.values import Visitor
from keywright.stores.people import Role
from people.staff import PASSWORD, WHERE, claimed, code_now, signed_in, visitor, with_second_factor, wrong_code
from support.installation import ME, Installation
from support.mutants import assert_caught, with_long_form

HERE = "tests/people/test_presence.py::"
OTHER = "copper lantern drifts"


def stale(installation: Installation, session: str) -> Visitor:
    """Whoever has that session, when their sign-in has been too long ago."""
    installation.clock.advance(PRESENCE_SECONDS + 1)
    me = visitor(installation, session)
    assert not installation.keywright.presence.is_shown(me)
    return me


def without_password(installation: Installation, session: str) -> str:
    """The same session, of a member who has no password any more."""
    me = visitor(installation, session).member
    with installation.keywright.store.transaction() as tx:
        tx.people.update_member(me.id, password=None)
    return session


def actions(installation: Installation) -> list[str]:
    """What the audit log says, the newest first."""
    page = installation.keywright.ledger.page(ME, installation.account_id, Wanted())
    return [each.line.action for each in page.lines]


def test_signing_in_is_a_proof_for_a_while(installation: Installation) -> None:
    """However somebody came in, they need not show who they are again for a quarter of an hour, and then they must; a
    session that is used all the time does not grow young again."""
    keywright = installation.keywright
    ways: list[Callable[[], str]] = [
        lambda: claimed(installation),
        lambda: signed_in(installation),
        lambda: keywright.entry.use_link(keywright.entry.new_link(ME, "maya@example.com"), WHERE).text,
        lambda: keywright.directory.join(invitation(installation), "Jo", PASSWORD, WHERE).text,
    ]
    for come_in in ways:
        session = come_in()
        for seconds in (0, PRESENCE_SECONDS - 61, 61):
            installation.clock.advance(seconds)
            assert keywright.presence.is_shown(visitor(installation, session))
        stale(installation, session)


def invitation(installation: Installation) -> str:
    """An invitation for Jo."""
    return installation.keywright.directory.invite(ME, installation.account_id, "jo@example.com", Role.VIEWER)


def test_a_proof_of_the_future_is_none(installation: Installation) -> None:
    """A clock that was set back does not make a proof hold for longer; a small step is forgiven."""
    me = visitor(installation, claimed(installation))
    proved_at = me.session.proved_at

    assert is_fresh(me, proved_at - SET_BACK_SECONDS)
    assert not is_fresh(me, proved_at - SET_BACK_SECONDS - 1)


def test_the_password_shows_it_and_the_old_cookie_is_worth_nothing(installation: Installation) -> None:
    """After the password it is they again, in the same session with the same end, under a text that whoever has stolen
    the one before does not know."""
    keywright = installation.keywright
    old = claimed(installation)
    me = stale(installation, old)
    new = keywright.presence.show_password(me, PASSWORD, WHERE).text
    shown = visitor(installation, new)

    assert keywright.presence.is_shown(shown)
    assert keywright.entry.visitor(old) is None
    assert (shown.session.id, shown.session.created_at) == (me.session.id, me.session.created_at)
    assert actions(installation)[0] == Action.PRESENCE
    with pytest.raises(CallerRefused):
        keywright.presence.show_password(me, PASSWORD, WHERE)
    for _ in range(entry.ABSOLUTE_SECONDS // entry.IDLE_SECONDS - 1):
        installation.clock.advance(entry.IDLE_SECONDS - 1)
        assert keywright.entry.visitor(new)
    installation.clock.advance(entry.IDLE_SECONDS - 1)
    assert keywright.entry.visitor(new) is None


def test_wrong_proofs_are_refused_noted_and_few(installation: Installation) -> None:
    """A wrong password shows nothing and is a line in the log, and after some even the right one waits."""
    me = stale(installation, claimed(installation))
    for _ in range(throttle.PROOF_LIMITS[0][0]):
        with pytest.raises(ProofRefused):
            installation.keywright.presence.show_password(me, "wrong password 123", WHERE)
    with pytest.raises(TooManyAttempts):
        installation.keywright.presence.show_password(me, PASSWORD, WHERE)

    assert set(actions(installation)[: throttle.PROOF_LIMITS[0][0]]) == {Action.PRESENCE_REFUSED}
    assert not installation.keywright.presence.is_shown(visitor_of(installation, me))


def visitor_of(installation: Installation, me: Visitor) -> Visitor:
    """The same as they are now."""
    with installation.keywright.store.snapshot() as reads:
        session = reads.people.session(me.session.digest)
    assert session
    return Visitor(me.member, session, me.account, me.membership, me.accounts)


def test_with_a_second_factor_a_code_is_asked_for(installation: Installation) -> None:
    """Who has a second factor shows it: not the password, a code only once, or a recovery code."""
    presence = installation.keywright.presence
    session = claimed(installation)
    secret, codes = with_second_factor(installation, session)
    me = stale(installation, session)

    assert (presence.proofs(me).password, presence.proofs(me).code) == (False, True)
    with pytest.raises(ProofRefused):
        presence.show_password(me, PASSWORD, WHERE)
    with pytest.raises(ProofRefused):
        presence.show_code(me, wrong_code(installation.clock, secret), WHERE)
    code = code_now(installation.clock, secret)
    again = visitor(installation, presence.show_code(me, code, WHERE).text)
    assert presence.is_shown(again)
    with pytest.raises(ProofRefused):
        presence.show_code(again, code, WHERE)
    assert presence.is_shown(visitor(installation, presence.show_code(again, codes[0], WHERE).text))


def test_who_has_nothing_to_show_signs_in_anew(installation: Installation) -> None:
    """Without a password and a second factor nothing that is typed is a proof, an empty text least of all."""
    presence = installation.keywright.presence
    me = stale(installation, without_password(installation, claimed(installation)))

    assert not any((presence.proofs(me).password, presence.proofs(me).code))
    with pytest.raises(ProofRefused):
        presence.show_password(me, "", WHERE)
    with pytest.raises(ProofRefused):
        presence.show_code(me, "", WHERE)


def test_what_would_take_a_person_over_asks(installation: Installation) -> None:
    """The second factor is not turned off, nor its recovery codes replaced, for whoever has not shown lately who they
    are; without a password, none is set, and no second factor either."""
    directory = installation.keywright.directory
    session = claimed(installation)
    secret, _ = with_second_factor(installation, session)
    me = stale(installation, session)
    with pytest.raises(ProofNeeded):
        directory.remove_totp(me, WHERE)
    with pytest.raises(ProofNeeded):
        directory.new_recovery_codes(me, WHERE)
    nobody = visitor(installation, without_password(installation, session))
    for act in (
        lambda: directory.change_password(nobody, "", OTHER, WHERE),
        lambda: directory.set_totp(nobody, secret, code_now(installation.clock, secret), "", WHERE),
    ):
        with pytest.raises(ProofNeeded):
            act()

    assert visitor(installation, session).member.totp_secret
    code = code_now(installation.clock, secret)
    shown = visitor(installation, installation.keywright.presence.show_code(nobody, code, WHERE).text)
    directory.change_password(shown, "", OTHER, WHERE)
    directory.remove_totp(shown, WHERE)
    assert installation.keywright.entry.sign_in("maya@example.com", OTHER, WHERE).complete


def test_new_recovery_codes_end_the_old_ones(installation: Installation) -> None:
    """Who makes new codes has those alone, from that moment on, and the log says so; the second factor stays on."""
    keywright = installation.keywright
    session = claimed(installation)
    with pytest.raises(Conflict):
        keywright.directory.new_recovery_codes(visitor(installation, session), WHERE)
    _, old = with_second_factor(installation, session)
    new = keywright.directory.new_recovery_codes(visitor(installation, session), WHERE)

    assert actions(installation)[0] == Action.RECOVERY_CODES
    assert len({*old, *new}) == 2 * totp.RECOVERY_CODES
    assert keywright.directory.recovery_codes(visitor(installation, session)) == totp.RECOVERY_CODES
    for code, works in ((old[0], False), (new[0], True)):
        half = keywright.entry.sign_in("maya@example.com", PASSWORD, WHERE)
        assert not half.complete
        if works:
            assert keywright.entry.show_code(half.text, code, WHERE).complete
        else:
            with pytest.raises(SignInRefused):
                keywright.entry.show_code(half.text, code, WHERE)


def test_a_wrong_password_in_the_form_of_an_act_is_refused(installation: Installation) -> None:
    """Where the form of an act asks for the password itself, a fresh sign-in does not stand in for it."""
    me = visitor(installation, claimed(installation))
    with pytest.raises(InvalidValue):
        installation.keywright.directory.change_password(me, "", OTHER, WHERE)


#: What goes wrong: file, what stands there, what stands there then, who notices.
MUTANTS = {
    "a proof holds for ever": (
        "people/presence.py",
        "return -SET_BACK_SECONDS <= now - visitor.session.proved_at <= PRESENCE_SECONDS",
        "return True",
        "test_signing_in_is_a_proof_for_a_while",
    ),
    "the second factor is turned off for anybody at the screen": (
        "people/directory.py",
        "-> Member:\n        if not is_fresh(visitor, self._clock.now()):",
        "-> Member:\n        if False:",
        "test_what_would_take_a_person_over_asks",
    ),
    "the password is enough in spite of a second factor": (
        "people/presence.py",
        " and member.totp_secret is None:",
        ":",
        "test_with_a_second_factor_a_code_is_asked_for",
    ),
    "the old cookie goes on": (
        "people/office.py",
        "tx.people.update_session(visitor.session.digest, digest=values.digest(text), proved_at",
        "tx.people.update_session(visitor.session.digest, proved_at",
        "test_the_password_shows_it_and_the_old_cookie_is_worth_nothing",
    ),
    "old recovery codes go on working": (
        "stores/people_sql.py",
        "        self._remove(codes, codes.c.member_id == member_id)\n",
        "",
        "test_new_recovery_codes_end_the_old_ones",
    ),
}


@pytest.mark.parametrize("fault", with_long_form(MUTANTS, list(MUTANTS)[2:]))
def test_a_fault_in_proofs_is_caught(tmp_path: Path, fault: str) -> None:
    """The tests of what is a proof, and of how long it holds, can fail."""
    file, old, new, test = MUTANTS[fault]
    assert_caught(tmp_path, file, old, new, HERE + test)
