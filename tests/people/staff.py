"""People for tests: an owner, and others."""

from __future__ import annotations

from keywright import Keywright, ManualClock
from keywright.people import totp
from keywright.people.passwords import Passwords
from keywright.people.values import Visit, Visitor
from keywright.stores.people import Role
from support.installation import ME, Installation

PASSWORD = "violet kettle marches"
WHERE = Visit("203.0.113.9", "a browser", "req_test")


def cheap_passwords(keywright: Keywright) -> None:
    """Hash passwords with as little work as Argon2 takes. To be called before anybody comes in."""
    keywright._office["passwords"] = Passwords(time_cost=1, memory_cost=8, parallelism=1)


def here(address: str) -> Visit:
    """A visit from another address."""
    return Visit(address, "a browser", "req_test")


def claimed(installation: Installation) -> str:
    """The session of Maya, who has set the installation up."""
    way_in = installation.keywright.entry
    return way_in.claim(way_in.new_setup_token(ME), "Maya Chen", "maya@example.com", PASSWORD, WHERE).text


def signed_in(installation: Installation, email: str = "maya@example.com") -> str:
    """A new session of a member."""
    return installation.keywright.entry.sign_in(email, PASSWORD, WHERE).text


def visitor(installation: Installation, text: str) -> Visitor:
    """Whose session it is."""
    found = installation.keywright.entry.visitor(text)
    assert found
    return found


def code_now(clock: ManualClock, secret: bytes) -> str:
    """The code that a telephone shows now."""
    return totp.code(secret, int(clock.now()) // totp.STEP_SECONDS)


def wrong_code(clock: ManualClock, secret: bytes) -> str:
    """Six figures that are none of the codes around now."""
    return next(text for text in map("{:06}".format, range(4)) if totp.matching_step(secret, text, clock.now()) is None)


def with_second_factor(installation: Installation, session: str) -> tuple[bytes, list[str]]:
    """Give the member of a session a second factor: its secret, and the recovery codes. A minute later, so that the
    code of then can be shown."""
    secret = totp.new_secret()
    me, code = visitor(installation, session), code_now(installation.clock, secret)
    codes = installation.keywright.directory.set_totp(me, secret, code, PASSWORD, WHERE)
    installation.clock.advance(60)
    return secret, codes


def member(installation: Installation, email: str, role: Role, account_id: str | None = None) -> Visitor:
    """A member who has signed in."""
    installation.keywright.directory.create_member(
        ME,
        account_id or installation.account_id,
        email=email,
        name=email.partition("@")[0].title(),
        password=PASSWORD,
        role=role,
    )
    found = installation.keywright.entry.visitor(signed_in(installation, email))
    assert found
    return found
