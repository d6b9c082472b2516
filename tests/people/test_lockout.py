"""Whoever guesses at somebody's second factor gets nowhere, and does not keep them out."""

from __future__ import annotations

from pathlib import Path

import pytest

from keywright.errors import InvalidValue
from keywright.people import throttle, totp
from keywright.people.entry import SignInRefused
from keywright.people.presence import ProofRefused
from keywright.people.throttle import TooManyAttempts
from people.staff import PASSWORD, claimed, code_now, here, signed_in, visitor, with_second_factor, wrong_code
from support.installation import Installation
from support.mutants import assert_caught, with_long_form

HERE = "tests/people/test_lockout.py::"
HOME = here("198.51.100.7")
OTHER = "copper lantern drifts"
AT_ONCE, _ = throttle.PROOF_LIMITS[0]
FROM_ANYWHERE = throttle.FIGURES_TRIES


class Guessed:
    """Maya has a second factor, and somebody knows her password.

    Attributes:
        recovery_codes: hers.
    """

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._secret, self.recovery_codes = with_second_factor(installation, claimed(installation))
        self._half = installation.keywright.entry.sign_in("maya@example.com", PASSWORD, here("192.0.2.1")).text

    def guess(self, network: int, times: int) -> None:
        """Show wrong codes from one of many networks; each is refused as wrong."""
        code = wrong_code(self._installation.clock, self._secret)
        for _ in range(times):
            with pytest.raises(SignInRefused):
                self._installation.keywright.entry.show_code(self._half, code, here(f"2001:db8:0:{network:x}::1"))

    def insist(self, network: int, times: int) -> None:
        """Go on from a network that has used up its tries."""
        code = wrong_code(self._installation.clock, self._secret)
        for _ in range(times):
            with pytest.raises(TooManyAttempts):
                self._installation.keywright.entry.show_code(self._half, code, here(f"2001:db8:0:{network:x}::1"))

    def spend(self, times: int) -> None:
        """Wrong codes from as many networks as it takes."""
        for network in range(-(-times // AT_ONCE)):
            self.guess(network, min(AT_ONCE, times - network * AT_ONCE))

    def she_comes(self, code: str = "") -> bool:
        """Maya signs in from home, with the code of now or with another."""
        way_in, clock = self._installation.keywright.entry, self._installation.clock
        half = way_in.sign_in("maya@example.com", PASSWORD, HOME).text
        return way_in.show_code(half, code or code_now(clock, self._secret), HOME).complete


@pytest.fixture
def guessed(installation: Installation) -> Guessed:
    """Maya, and whoever guesses."""
    return Guessed(installation)


def test_who_guesses_keeps_nobody_out(guessed: Guessed) -> None:
    """Whoever uses up their tries at a code, and goes on and on, waits alone: the person gets in from elsewhere."""
    guessed.guess(1, AT_ONCE)
    guessed.insist(1, FROM_ANYWHERE + 1)

    assert guessed.she_comes()


def test_guessing_from_everywhere_ends(guessed: Guessed, installation: Installation) -> None:
    """Networks without number get so many tries a week together; then no code of six figures is taken, from anywhere.
    A recovery code is; and when the time is over, codes are again."""
    guessed.spend(FROM_ANYWHERE)
    with pytest.raises(TooManyAttempts):
        guessed.she_comes()

    assert guessed.she_comes(guessed.recovery_codes[0])
    installation.clock.advance(throttle.FIGURES_SECONDS + 1)
    assert guessed.she_comes()


def test_who_signs_in_gives_nobody_their_tries_back(guessed: Guessed, installation: Installation) -> None:
    """Tries from anywhere stay counted when the person signs in, whose own right codes are not counted."""
    guessed.spend(FROM_ANYWHERE - 1)
    assert guessed.she_comes()
    guessed.guess(FROM_ANYWHERE, 1)
    installation.clock.advance(60)
    with pytest.raises(TooManyAttempts):
        guessed.she_comes()


def test_recovery_codes_cannot_be_tried_without_end(guessed: Guessed) -> None:
    """What is no code of six figures is counted for itself, by network."""
    for _ in range(AT_ONCE):
        with pytest.raises(SignInRefused):
            guessed.she_comes("AAAA-BBBB-CCCC-DDDD")
    with pytest.raises(TooManyAttempts):
        guessed.she_comes(guessed.recovery_codes[0])


def test_who_hammers_at_the_password_keeps_nobody_out(installation: Installation) -> None:
    """Tries at a sign-in that its network's limits refuse count for none from elsewhere."""
    claimed(installation)
    way_in, refused = installation.keywright.entry, 0
    for _ in range(throttle.PERSON_LIMIT[0] + 1):
        try:
            way_in.sign_in("maya@example.com", "wrong password 123", here("192.0.2.1"))
        except SignInRefused:
            refused += 1
        except TooManyAttempts:
            continue

    assert refused == throttle.PAIR_LIMITS[0][0]
    assert way_in.sign_in("maya@example.com", PASSWORD, HOME).complete


def test_a_stolen_session_guesses_no_password(installation: Installation) -> None:
    """Wrong passwords within one session are few, from however many networks, where it asks who it is and where the
    password is changed together; the person has another session, which takes the right one."""
    me, keywright = visitor(installation, claimed(installation)), installation.keywright
    for network in range(throttle.SESSION_TRIES // 2):
        with pytest.raises(ProofRefused):
            keywright.presence.show_password(me, "wrong password 123", here(f"2001:db8:0:{network:x}::1"))
        with pytest.raises(InvalidValue):
            keywright.directory.change_password(me, "wrong password 123", OTHER, here(f"2001:db8:1:{network:x}::1"))
    installation.clock.advance(throttle.SESSION_SECONDS - 1)
    with pytest.raises(TooManyAttempts):
        keywright.presence.show_password(me, PASSWORD, here("2001:db8:2::1"))
    with pytest.raises(TooManyAttempts):
        keywright.directory.change_password(me, PASSWORD, OTHER, here("2001:db8:2::1"))

    again = visitor(installation, signed_in(installation))
    assert keywright.presence.show_password(again, PASSWORD, here("2001:db8:2::1")).complete


def test_a_right_password_counts_for_none(installation: Installation) -> None:
    """Who shows the right password, and chooses a bad new one or mistypes the code of a new second factor, as often as
    they like, is not kept from showing it; nor do they give back what was tried before in their session."""
    me, keywright = visitor(installation, claimed(installation)), installation.keywright
    secret = totp.new_secret()
    elsewhere = range(throttle.SESSION_TRIES - 1)
    for network in elsewhere:
        with pytest.raises(ProofRefused):
            keywright.presence.show_password(me, "wrong password 123", here(f"2001:db8:0:{network:x}::1"))
    for _ in range(AT_ONCE + 1):
        with pytest.raises(InvalidValue):
            keywright.directory.change_password(me, PASSWORD, "short", HOME)
        with pytest.raises(InvalidValue):
            keywright.directory.set_totp(me, secret, wrong_code(installation.clock, secret), PASSWORD, HOME)
    me = visitor(installation, keywright.presence.show_password(me, PASSWORD, HOME).text)
    with pytest.raises(ProofRefused):
        keywright.presence.show_password(me, "wrong password 123", HOME)
    with pytest.raises(TooManyAttempts):
        keywright.presence.show_password(me, PASSWORD, HOME)


#: What goes wrong: what stands there, what stands there then, who notices. All in people/throttle.py.
MUTANTS = {
    "nothing counts by session": (
        "limits.append((_session(proof, session_id), SESSION_TRIES, SESSION_SECONDS))",
        "pass",
        "test_a_stolen_session_guesses_no_password",
    ),
    "a right password counts": (
        "tx.people.take_attempt_back(_session(proof, session_id))",
        "pass",
        "test_a_right_password_counts_for_none",
    ),
    "codes are counted by person alone": (
        "return subject(proof, str(seconds), member_id, network_of(address))",
        "return subject(proof, str(seconds), member_id)",
        "test_who_guesses_keeps_nobody_out",
    ),
    "nothing counts tries from anywhere": (
        "limits.append((subject(proof, member_id), FIGURES_TRIES, FIGURES_SECONDS))",
        "pass",
        "test_guessing_from_everywhere_ends",
    ),
    "a refused try counts for the others": ("                break\n", "", "test_who_guesses_keeps_nobody_out"),
    "signing in gives all tries back": (
        "tx.people.take_attempt_back(subject(proof, member_id))",
        "tx.people.forget_attempts(subject(proof, member_id))",
        "test_who_signs_in_gives_nobody_their_tries_back",
    ),
}


@pytest.mark.parametrize("fault", with_long_form(MUTANTS, list(MUTANTS)[2:]))
def test_a_fault_in_counting_is_caught(tmp_path: Path, fault: str) -> None:
    """The tests of who is refused for whose tries can fail."""
    old, new, test = MUTANTS[fault]
    assert_caught(tmp_path, "people/throttle.py", old, new, HERE + test)
