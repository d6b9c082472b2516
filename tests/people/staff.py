"""People for tests: an owner, and others."""

from __future__ import annotations

from keywright import Keywright
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
