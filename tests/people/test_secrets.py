"""Passwords, one-time codes, and what they are sealed with."""

from __future__ import annotations

import pytest

from keywright.errors import InvalidValue
from keywright.people import totp, values
from keywright.people.passwords import LEAST_CHARACTERS, Passwords, is_common, require_good
from keywright.people.totp import Sealer

#: RFC 6238, appendix B: Unix seconds → the eight-digit code of the secret "12345678901234567890".
VECTORS = {
    59: "94287082",
    1_111_111_109: "07081804",
    1_111_111_111: "14050471",
    1_234_567_890: "89005924",
    2_000_000_000: "69279037",
    20_000_000_000: "65353130",
}


@pytest.mark.parametrize(("at", "expected"), VECTORS.items())
def test_codes_are_those_of_the_standard(at: int, expected: str) -> None:
    """Any app for one-time codes shows what we expect: the RFC's own examples hold."""
    secret = b"1234567890" * 2

    assert totp.code(secret, at // totp.STEP_SECONDS, digits=8) == expected
    assert totp.matching_step(secret, expected[2:], at) == at // totp.STEP_SECONDS


def test_a_code_is_taken_a_step_aside_and_no_further() -> None:
    """A telephone's clock may be half a minute wrong, and not a minute and a half."""
    secret = totp.new_secret()
    now = 1_700_000_010
    taken = [aside for aside in range(-4, 5) if totp.matching_step(secret, totp.code(secret, now // 30 + aside), now)]

    assert taken == [-1, 0, 1]
    assert totp.matching_step(secret, "１２３４５６", now) is None


def test_a_sealed_secret_opens_for_its_owner_only() -> None:
    """What is stored of a secret opens with its key, for its owner, unchanged; and each time looks different."""
    sealer = Sealer({2: bytes(32), 1: b"k" * 32})
    secret = totp.new_secret()
    sealed = sealer.seal(secret, "mem_a")

    assert sealer.unseal(sealed, "mem_a") == secret
    assert sealed != sealer.seal(secret, "mem_a")
    assert secret not in sealed
    assert sealer.unseal(sealed, "mem_b") is None
    assert Sealer({2: b"x" * 32}).unseal(sealed, "mem_a") is None
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        assert sealer.unseal(bytes(changed), "mem_a") is None
    assert Sealer({3: bytes(32), 2: bytes(32)}).unseal(sealed, "mem_a") == secret


COMMON = (
    "password", "Password1234", "P@ssw0rd!2026", "qwerty123456", "iloveyou1234!", "aaaaaaaaaaaa", "123456789012",
    "abcdefghijklm", "adminadmin12", "welcome-2026!", "letmeinletmein", "111122223333", "keywright2026", "987654321098",
)  # fmt: skip
GOOD = (
    "violet kettle marches", "correct horse and staples", "Tr0ub4dor&3xyzzy-plugh", "зелёный чайник идёт",
    "x9$kQ!2vLm#p",
)  # fmt: skip
BAD_ADDRESSES = ("", "maya", "@example.com", "maya@", "a b@example.com", "maya@-", "x" * 300 + "@a.b", None)


@pytest.mark.parametrize("password", COMMON)
def test_common_passwords_are_refused(password: str) -> None:
    """What everybody tries first is no password, also with a capital, a year and a sign."""
    with pytest.raises(InvalidValue):
        require_good(password)


@pytest.mark.parametrize("password", GOOD)
def test_good_passwords_are_taken(password: str) -> None:
    """Any characters will do; no kind of them is asked for."""
    assert require_good(password, "maya@example.com", "Maya Chen") == password
    assert not is_common(password)


def test_a_password_is_long_and_not_the_name() -> None:
    """Eleven characters are too few, more than the limit too many, and one's own address is no secret."""
    for password in ("x9$kQ!2vLm#", "xk" * 200, "maya@example.com", "mayachen-2026"):
        with pytest.raises(InvalidValue):
            require_good(password, "maya@example.com", "Maya Chen")
    assert LEAST_CHARACTERS == 12


def test_a_hash_is_slow_salted_and_argon2() -> None:
    """What is kept of a password is Argon2id with the library's own parameters, and different each time."""
    passwords = Passwords()
    kept = passwords.hash("violet kettle marches")

    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert kept != passwords.hash("violet kettle marches")
    assert passwords.matches("violet kettle marches", kept)
    assert not passwords.matches("violet kettle march", kept)
    assert not passwords.matches("violet kettle marches", None)
    assert not passwords.matches("violet kettle marches", "not a hash")
    assert not passwords.matches("x" * 100_000, kept)


@pytest.mark.parametrize("text", BAD_ADDRESSES)
def test_what_is_no_address_is_refused(text: str | None) -> None:
    """What cannot be an e-mail address is refused before it is stored."""
    with pytest.raises(InvalidValue):
        values.email(text)


def test_what_opens_a_door_is_hidden_when_it_is_printed() -> None:
    """A log line that shows a value by accident shows no session and no hash."""
    entered = values.Entered("secret-text", complete=True)

    assert "secret-text" not in repr(entered)
