"""The main job inside one process."""

from __future__ import annotations

from keywright import Accepted, Reason, Refused
from support.installation import ME, Installation


def test_create_use_delete(installation: Installation) -> None:
    """A key works from the moment it is made to the moment it is deleted, and not a request longer."""
    created = installation.create()
    assert isinstance(installation.keywright.verify(created.key), Accepted)

    installation.keywright.manager.delete(ME, installation.account_id, created.row.id)

    refused = installation.keywright.verify(created.key)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.UNKNOWN
