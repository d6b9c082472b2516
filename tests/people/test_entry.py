"""The way in: setting up, signing in, links, sessions, codes."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from keywright import Actor, ActorKind
from keywright.errors import Conflict, Forbidden, InvalidValue, KeywrightError, NotFound, Unavailable
from keywright.people import entry, throttle, totp, values
from keywright.people.entry import SignInRefused
from keywright.people.throttle import TooManyAttempts
from keywright.people.values import Entered, Visit
from people.staff import PASSWORD, WHERE, claimed, code_now, here, signed_in, visitor, wrong_code
from support.installation import ME, Installation

CLAIMS = 100


def test_the_setup_link_makes_one_owner_and_then_nothing(installation: Installation) -> None:
    """A setup token works once: whoever has it becomes the owner, and after that there is nothing to claim."""
    way_in = installation.keywright.entry
    token = way_in.new_setup_token(ME)

    assert not way_in.is_claimed()
    entered = way_in.claim(token, "Maya Chen", "Maya@Example.com", PASSWORD, WHERE)
    found = way_in.visitor(entered.text)

    assert way_in.is_claimed()
    assert found
    assert (found.member.email, str(found.membership.role)) == ("maya@example.com", "owner")
    with pytest.raises(SignInRefused):
        way_in.claim(token, "Mallory", "mallory@example.com", PASSWORD, WHERE)
    with pytest.raises(Conflict):
        way_in.new_setup_token(ME)


def test_a_wrong_an_old_and_an_expired_setup_token_do_not_work(installation: Installation) -> None:
    """Only the newest token claims, within its thirty minutes."""
    way_in = installation.keywright.entry
    first = way_in.new_setup_token(ME)
    second = way_in.new_setup_token(ME)
    for wrong in ("", "nonsense", first, second[:-1], "ü" * 43):
        with pytest.raises(SignInRefused):
            way_in.claim(wrong, "Maya", "maya@example.com", PASSWORD, WHERE)
    installation.clock.advance(entry.SETUP_SECONDS)
    with pytest.raises(SignInRefused):
        way_in.claim(second, "Maya", "maya@example.com", PASSWORD, WHERE)

    assert not way_in.is_claimed()


def test_a_bad_value_leaves_the_setup_token_as_it_is(installation: Installation) -> None:
    """Who chooses too short a password tries again with the same link."""
    way_in = installation.keywright.entry
    token = way_in.new_setup_token(ME)
    with pytest.raises(InvalidValue):
        way_in.claim(token, "Maya", "maya@example.com", "short", WHERE)

    assert way_in.claim(token, "Maya", "maya@example.com", PASSWORD, WHERE).complete


def test_of_a_hundred_who_claim_at_once_one_is_the_owner(installation: Installation) -> None:
    """The first run is free of races: one token, a hundred claims at the same moment, exactly one owner."""
    way_in = installation.keywright.entry
    token = way_in.new_setup_token(ME)
    won, lost, broken = at_once(
        lambda number: way_in.claim(token, f"Owner {number}", f"o{number}@example.com", PASSWORD, WHERE)
    )

    assert (len(won), len(lost), broken) == (1, CLAIMS - 1, [])
    assert len(installation.keywright.directory.members(ME, installation.account_id)) == 1


def at_once(act: Callable[[int], Entered]) -> tuple[list[Entered], list[int], list[Exception]]:
    """Do it from many threads at the same moment: what was done, who was refused, and what else went wrong."""
    won: list[Entered] = []
    lost: list[int] = []
    broken: list[Exception] = []
    line = threading.Barrier(CLAIMS)

    def one(number: int) -> None:
        line.wait()
        try:
            won.append(act(number))
        except (SignInRefused, Unavailable):  # the machine may be busy; what counts is that nobody else got in
            lost.append(number)
        except Exception as error:  # noqa: BLE001 - told by the assertion
            broken.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(CLAIMS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return won, lost, broken


def test_signing_in_needs_address_and_password(installation: Installation) -> None:
    """The right pair begins a session; whatever is wrong is refused in the same way."""
    claimed(installation)
    way_in = installation.keywright.entry

    assert way_in.sign_in(" MAYA@example.com ", PASSWORD, WHERE).complete
    for address, password in (("maya@example.com", "wrong password 123"), ("nobody@example.com", PASSWORD), ("", "")):
        with pytest.raises(SignInRefused) as refused:
            way_in.sign_in(address, password, WHERE)
        assert str(refused.value) == ""


def test_a_stranger_costs_as_much_as_a_wrong_password(installation: Installation) -> None:
    """Who is not there is refused by the same steps: as many hashes, as many lines in the audit log, no shortcut."""
    claimed(installation)
    way_in = installation.keywright.entry
    lines = []
    for address in ("maya@example.com", "nobody@example.com"):
        before = audit_lines(installation)
        with pytest.raises(SignInRefused):
            way_in.sign_in(address, "wrong password 123", WHERE)
        lines.append(audit_lines(installation) - before)

    assert lines == [1, 1]


def audit_lines(installation: Installation) -> int:
    """How many lines the audit log has."""
    from sqlalchemy import func, select

    from keywright.stores import tables

    with installation.keywright.store.snapshot() as reads:
        return int(reads._connection.execute(select(func.count()).select_from(tables.audit_log)).scalar_one())


@pytest.mark.parametrize("address", ["maya@example.com", "nobody@example.com"])
def test_trying_is_throttled_whether_or_not_there_is_such_a_person(installation: Installation, address: str) -> None:
    """After five tries from one network even the right password waits; from elsewhere, and later, it is let in."""
    claimed(installation)
    way_in = installation.keywright.entry
    for _ in range(5):
        with pytest.raises(SignInRefused):
            way_in.sign_in(address, "wrong password 123", WHERE)
    with pytest.raises(TooManyAttempts) as late:
        way_in.sign_in(address, PASSWORD, WHERE)

    assert 1 <= late.value.retry_after_seconds <= throttle.MINUTE
    if address.startswith("maya"):
        assert way_in.sign_in(address, PASSWORD, here("198.51.100.7")).complete
        installation.clock.advance(throttle.MINUTE + 1)
        assert way_in.sign_in(address, PASSWORD, WHERE).complete


def test_one_network_cannot_try_everybody(installation: Installation) -> None:
    """Tries at many people's sign-in from one network count together; an IPv6 network of 64 bits is one."""
    claimed(installation)
    way_in = installation.keywright.entry
    for number in range(throttle.NETWORK_LIMIT[0]):
        with pytest.raises(SignInRefused):
            way_in.sign_in(f"p{number}@example.com", "wrong", here(f"2001:db8::{number:x}"))
    with pytest.raises(TooManyAttempts):
        way_in.sign_in("maya@example.com", PASSWORD, here("2001:db8::ffff"))

    assert way_in.sign_in("maya@example.com", PASSWORD, here("2001:db8:0:1::1")).complete


def test_a_session_ends_when_it_is_idle_and_when_it_is_old(installation: Installation) -> None:
    """Twelve hours without use end a session, and seven days do however much it is used."""
    way_in = installation.keywright.entry
    idle, used = claimed(installation), signed_in(installation)
    for quarters in range(1, 29):
        installation.clock.advance(6 * 3600)
        assert len(way_in.sessions(visitor(installation, used))) == (2 if quarters <= 2 else 1)
    installation.clock.advance(1)

    assert way_in.visitor(idle) is None
    assert way_in.visitor(used) is None
    # Or a stolen session would get its tries at the password once more.
    assert throttle.SESSION_SECONDS >= entry.ABSOLUTE_SECONDS


def test_sessions_are_listed_and_ended(installation: Installation) -> None:
    """Who looks at their sessions sees each, can end any, or all others; nobody ends somebody else's."""
    way_in = installation.keywright.entry
    first, second, third = claimed(installation), signed_in(installation), signed_in(installation)
    me = visitor(installation, first)
    ids = {each.id for each in way_in.sessions(me)}
    other = visitor(installation, second).session.id
    way_in.end_session(me, other, WHERE)

    assert len(ids) == 3
    assert way_in.visitor(second) is None
    with pytest.raises(NotFound):
        way_in.end_session(me, other, WHERE)
    assert way_in.end_other_sessions(me, WHERE) == 1
    assert way_in.visitor(third) is None
    way_in.sign_out(me, WHERE)
    assert way_in.visitor(first) is None


def test_nothing_that_opens_a_door_is_in_the_database(installation: Installation) -> None:
    """Passwords, session texts, tokens and the second factor's secret stand in no file of the installation."""
    keywright = installation.keywright
    setup = keywright.entry.new_setup_token(ME)
    session = keywright.entry.claim(setup, "Maya", "maya@example.com", PASSWORD, WHERE).text
    secret = totp.new_secret()
    me = visitor(installation, session)
    codes = keywright.directory.set_totp(me, secret, code_now(installation.clock, secret), PASSWORD, WHERE)
    with pytest.raises(InvalidValue, match="already"):
        keywright.directory.set_totp(me, secret, code_now(installation.clock, secret), PASSWORD, WHERE)
    link = keywright.entry.new_link(ME, "maya@example.com")
    held = b"".join(each.read_bytes() for each in keywright.settings.data_dir.iterdir() if each.is_file())

    for text in (PASSWORD, setup, session, link, *codes):
        assert text.encode() not in held
    assert secret not in held
    assert totp.as_text(secret).encode() not in held


def test_the_second_factor_is_asked_for_and_a_code_works_once(installation: Installation) -> None:
    """With a second factor the password alone opens nothing; a code is taken once, also by a second session."""
    way_in = installation.keywright.entry
    secret = totp.new_secret()
    me = visitor(installation, claimed(installation))
    installation.keywright.directory.set_totp(me, secret, code_now(installation.clock, secret), PASSWORD, WHERE)
    installation.clock.advance(60)
    half = way_in.sign_in("maya@example.com", PASSWORD, WHERE)
    again = way_in.sign_in("maya@example.com", PASSWORD, WHERE)
    code = code_now(installation.clock, secret)

    assert not half.complete
    assert way_in.visitor(half.text) is None
    with pytest.raises(SignInRefused):
        way_in.show_code(half.text, "000000" if code != "000000" else "000001", WHERE)
    whole = way_in.show_code(half.text, f" {code[:3]} {code[3:]} ", WHERE)
    assert way_in.visitor(whole.text)
    assert whole.text != half.text
    assert way_in.visitor(half.text) is None
    with pytest.raises(SignInRefused):
        way_in.show_code(again.text, code, WHERE)


def test_codes_are_throttled(installation: Installation) -> None:
    """A million codes cannot be tried: after five from one network it waits, whichever session they are tried in."""
    way_in = installation.keywright.entry
    secret = totp.new_secret()
    me = visitor(installation, claimed(installation))
    installation.keywright.directory.set_totp(me, secret, code_now(installation.clock, secret), PASSWORD, WHERE)
    installation.clock.advance(3600)
    half = way_in.sign_in("maya@example.com", PASSWORD, WHERE)
    for _ in range(throttle.PROOF_LIMITS[0][0]):
        with pytest.raises(SignInRefused):
            way_in.show_code(half.text, wrong_code(installation.clock, secret), WHERE)
    with pytest.raises(TooManyAttempts):
        way_in.show_code(half.text, code_now(installation.clock, secret), WHERE)


def test_a_recovery_code_works_once(installation: Installation) -> None:
    """Whoever lost their telephone gets in with a recovery code, however it is typed, and with each only once."""
    way_in = installation.keywright.entry
    secret = totp.new_secret()
    me = visitor(installation, claimed(installation))
    codes = installation.keywright.directory.set_totp(me, secret, code_now(installation.clock, secret), PASSWORD, WHERE)
    half = way_in.sign_in("maya@example.com", PASSWORD, WHERE)

    assert len(set(codes)) == totp.RECOVERY_CODES
    assert way_in.show_code(half.text, codes[3].lower().replace("-", " "), WHERE).complete
    other = way_in.sign_in("maya@example.com", PASSWORD, WHERE)
    with pytest.raises(SignInRefused):
        way_in.show_code(other.text, codes[3], WHERE)


def test_the_second_factor_must_come_soon(installation: Installation) -> None:
    """A session that waits for its code does not wait for ever."""
    way_in = installation.keywright.entry
    secret = totp.new_secret()
    me = visitor(installation, claimed(installation))
    installation.keywright.directory.set_totp(me, secret, code_now(installation.clock, secret), PASSWORD, WHERE)
    half = way_in.sign_in("maya@example.com", PASSWORD, WHERE)
    installation.clock.advance(entry.SECOND_FACTOR_SECONDS + 1)

    with pytest.raises(SignInRefused):
        way_in.show_code(half.text, code_now(installation.clock, secret), WHERE)


def test_a_sign_in_link_works_once_for_ten_minutes(installation: Installation) -> None:
    """Break-glass: whoever is on the machine lets a member in; nobody else makes such a link."""
    way_in = installation.keywright.entry
    me = visitor(installation, claimed(installation))
    link = way_in.new_link(ME, "Maya@example.com")

    assert way_in.visitor(way_in.use_link(link, WHERE).text)
    with pytest.raises(SignInRefused):
        way_in.use_link(link, WHERE)
    late = way_in.new_link(ME, "maya@example.com")
    installation.clock.advance(entry.LINK_SECONDS)
    for text in (link, late, "nonsense"):
        with pytest.raises(SignInRefused):
            way_in.use_link(text, WHERE)
    with pytest.raises(Forbidden):
        way_in.new_link(me.actor(WHERE), "maya@example.com")
    with pytest.raises(Forbidden):
        way_in.new_setup_token(Actor(ActorKind.KEY, "key_x", installation.account_id))


def test_tokens_of_one_kind_do_not_open_another_door(installation: Installation) -> None:
    """An invitation signs nobody in, and a sign-in link lets nobody join or claim."""
    keywright = installation.keywright
    me = visitor(installation, claimed(installation))
    invitation = keywright.directory.invite(me.actor(WHERE), me.account.id, "jo@example.com", values.role("viewer"))
    link = keywright.entry.new_link(ME, "maya@example.com")
    acts: list[Callable[[], object]] = [
        lambda: keywright.entry.use_link(invitation, WHERE),
        lambda: keywright.entry.claim(link, "M", "m@example.com", PASSWORD, WHERE),
        lambda: keywright.directory.join(link, "Jo", PASSWORD, WHERE),
    ]
    for act in acts:
        with pytest.raises(KeywrightError) as refused:
            act()
        assert isinstance(refused.value, SignInRefused)


def test_a_visit_without_an_address_is_a_network_of_its_own(installation: Installation) -> None:
    """Where nobody knows the address, tries still count together."""
    claimed(installation)
    for _ in range(5):
        with pytest.raises(SignInRefused):
            installation.keywright.entry.sign_in("maya@example.com", "wrong", Visit())
    with pytest.raises(TooManyAttempts):
        installation.keywright.entry.sign_in("maya@example.com", "wrong", Visit("not an address"))
