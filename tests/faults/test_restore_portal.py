"""Portal sessions in a restore: what has ended has ended, what is open stays open, and no used link opens again."""

from __future__ import annotations

from pathlib import Path

import pytest

from keywright.people.entry import SignInRefused
from people.staff import WHERE
from support.backups import made, problems, restored
from support.installation import ME, Installation


def test_no_link_and_no_session_comes_back(installation: Installation, tmp_path: Path) -> None:
    """A link that was opened after the backup is no link again, and a session that was ended since is not open again;
    who is in a session now stays in it, and who was sent to an account that is gone is in nothing."""
    keywright = installation.keywright
    portals, account_id = keywright.portals, installation.account()
    links = [portals.new_link(ME, {"account_id": account_id}) for _ in range(3)]
    ended, _ = portals.open(links[0].text, WHERE)
    data_dir = keywright.settings.data_dir
    backup = made(data_dir, tmp_path / "backup", installation.clock)
    portals.leave(ended, WHERE)
    _, current = portals.open(links[1].text, WHERE)
    portals.end(ME, links[2].session.id)
    _, lost = portals.open(portals.new_link(ME, {"account_id": installation.account("Late")}).text, WHERE)

    restored(data_dir, backup, installation.clock)

    assert problems(data_dir) == []
    assert portals.visitor(current)
    assert portals.visitor(lost) is None
    for link in links:
        with pytest.raises(SignInRefused):
            portals.open(link.text, WHERE)
    with keywright.store.snapshot() as reads:
        found = [reads.portal.session_by_id(each.session.id) for each in links]
    assert [each is not None for each in found] == [False, True, False]


def test_a_session_dies_with_a_key_that_the_restore_takes_away(installation: Installation, tmp_path: Path) -> None:
    """An operator's key that was made after the backup goes with the restore, and so does the session it has opened."""
    keywright, account_id = installation.keywright, installation.account()
    data_dir = keywright.settings.data_dir
    backup = made(data_dir, tmp_path / "backup", installation.clock)
    late = installation.create("Late", scopes=["operator"])
    link = keywright.portals.new_link(installation.actor(late), {"account_id": account_id})
    _, session = keywright.portals.open(link.text, WHERE)
    assert keywright.portals.visitor(session)

    restored(data_dir, backup, installation.clock)

    assert keywright.portals.visitor(session) is None
