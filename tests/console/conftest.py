"""An owner, an admin and a viewer at the console of one installation."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from console.desk import Desk
from keywright.stores.people import Role
from people.staff import cheap_passwords, claimed, member, signed_in
from support.faces import InProcess
from support.installation import Installation


@pytest.fixture
def face(installation: Installation) -> Iterator[InProcess]:
    """The application over the test's own installation."""
    cheap_passwords(installation.keywright)
    with InProcess(installation.keywright) as made:
        made.account_id = installation.account_id
        yield made


@pytest.fixture
def stranger(face: InProcess) -> Desk:
    """Somebody who has not signed in."""
    return Desk(face)


@pytest.fixture
def owner(installation: Installation, face: InProcess) -> Desk:
    """Maya, who has set the installation up."""
    return Desk(face, claimed(installation))


@pytest.fixture
def viewer(installation: Installation, owner: Desk) -> Desk:
    """Somebody who may look."""
    member(installation, "vic@example.com", Role.VIEWER)
    return Desk(owner.face, signed_in(installation, "vic@example.com"))


@pytest.fixture
def admin(installation: Installation, owner: Desk) -> Desk:
    """Somebody who may manage keys."""
    member(installation, "ada@example.com", Role.ADMIN)
    return Desk(owner.face, signed_in(installation, "ada@example.com"))
