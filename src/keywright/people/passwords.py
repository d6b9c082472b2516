"""Passwords: which are good enough, and what is kept of them. The only module that imports argon2.

A key holds 131 random bits and needs no slow hash; a password is chosen by a person and does.
"""

from __future__ import annotations

import re
import secrets
import threading
from functools import cache, cached_property
from importlib import resources
from itertools import pairwise
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from keywright.errors import InvalidValue, Unavailable

LEAST_CHARACTERS = 12
MOST_CHARACTERS = 256
#: Each hash takes 64 MiB while it is made; so many at once, and the others wait.
HASHES_AT_ONCE = 2
_WAIT_SECONDS = 10.0
_LOOKALIKES = str.maketrans("01345678@$!", "oleastbbasi")
_AROUND = re.compile(r"^[\W\d_]+|[\W\d_]+$")
_NO_LETTERS = re.compile(r"[\W\d_]+")


class Passwords:
    """Makes and checks hashes. Of a password that is not there it takes as long to say so as of a wrong one."""

    def __init__(self, **options: Any) -> None:
        self._hasher = PasswordHasher(**options)
        self._turns = threading.BoundedSemaphore(HASHES_AT_ONCE)

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash(secrets.token_hex())

    def hash(self, password: str) -> str:
        """What is kept of a password.

        Raises:
            Unavailable: too many are waiting.
        """
        with _Turn(self._turns):
            return self._hasher.hash(password)

    def matches(self, password: str, kept: str | None) -> bool:
        """Whether it is the password. ``kept`` is None for whoever has none, and then nothing matches.

        Raises:
            Unavailable: too many are waiting.
        """
        if len(password) > MOST_CHARACTERS:
            password = ""
        with _Turn(self._turns):
            # Asked for in either case: made once, it must not show in the time of the first who is not there.
            nobodys = self._nobodys
            try:
                return self._hasher.verify(kept or nobodys, password) and kept is not None
            except (VerificationError, InvalidHashError):
                return False

    def is_outdated(self, kept: str) -> bool:
        """Whether the hash was made with weaker parameters than today's."""
        return self._hasher.check_needs_rehash(kept)


class _Turn:
    def __init__(self, turns: threading.BoundedSemaphore) -> None:
        self._turns = turns

    def __enter__(self) -> None:
        if not self._turns.acquire(timeout=_WAIT_SECONDS):
            raise Unavailable("Too many passwords are being checked.", 2)

    def __exit__(self, *_: object) -> None:
        self._turns.release()


def require_good(password: str, *known: str) -> str:
    """The password, if it is hard to guess for whoever knows ``known`` of the person.

    Any characters are fine, and no kind of them is asked for: length is what counts.

    Raises:
        InvalidValue: too short, too long, on the list of common ones, or made of what everybody knows.
    """
    if len(password) < LEAST_CHARACTERS:
        raise InvalidValue(f"The password must have at least {LEAST_CHARACTERS} characters.", "password")
    if len(password) > MOST_CHARACTERS:
        raise InvalidValue(f"The password must have at most {MOST_CHARACTERS} characters.", "password")
    if is_common(password):
        raise InvalidValue("This password is among the first that anybody would try. Choose another one.", "password")
    parts = {part for text in known for part in (text.lower(), *re.split(r"[\W_]+", text.lower())) if len(part) > 3}
    rest = password.lower()
    for part in sorted(parts, key=len, reverse=True):
        rest = rest.replace(part, "")
    if len(rest) < LEAST_CHARACTERS // 2:
        raise InvalidValue("The password must be more than your name or address.", "password")
    return password


def is_common(password: str) -> bool:
    """Whether it is a common password, one or two of them with figures and signs around, or one character over and
    over."""
    plain = password.lower()
    if len(set(plain)) < 4 or plain in common() or _is_run(plain):
        return True
    # Years and signs around it first: in the middle a 0 may be an o, at the end it is a 0.
    core = _AROUND.sub("", plain)
    spellings = (_NO_LETTERS.sub("", plain), _NO_LETTERS.sub("", core.translate(_LOOKALIKES)))
    return any(_made_of_common(letters) for letters in spellings)


def _made_of_common(letters: str) -> bool:
    if len(letters) < 4:
        return True
    halves = ((letters[:cut], letters[cut:]) for cut in range(len(letters) + 1))
    return any((not left or left in common()) and (not right or right in common()) for left, right in halves)


def _is_run(text: str) -> bool:
    """``abcdefghijkl``, ``987654321098``: each character next to the one before."""
    steps = {(ord(b) - ord(a)) % 10 if (a + b).isdigit() else ord(b) - ord(a) for a, b in pairwise(text)}
    return steps in ({1}, {-1}, {9})


@cache
def common() -> frozenset[str]:
    """The list of common passwords."""
    text = resources.files(__package__).joinpath("common_passwords.txt").read_text("utf-8")
    return frozenset(text.split())
