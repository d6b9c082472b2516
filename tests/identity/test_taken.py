"""Addresses that somebody else was first with, and people who were taken out: who comes in, and who stays outside."""

from __future__ import annotations

import pytest

from identity.test_journeys import came_in, logged, who
from identity.traveller import CALLBACK, SESSION, Traveller
from keywright.audit import Action
from keywright.people.entry import SignInRefused
from keywright.stores.people import Role
from keywright.stores.survey import AuditFilter
from people.staff import PASSWORD, WHERE, signed_in, visitor
from support.identity import IdentityProvider
from support.installation import ME, Installation

VIC = "vic@example.com"
NEW = "new@example.com"


def test_who_was_there_before_is_shut_out(installation: Installation, traveller: Traveller) -> None:
    """Whoever has taken an invitation to a victim's address in an account of her own is out when the victim is linked:
    neither her password nor her session opens what the victim may do."""
    directory, entry = installation.keywright.directory, installation.keywright.entry
    hers = installation.account("Attacker")
    taken = directory.join(directory.invite(ME, hers, VIC, Role.OWNER), "Vic", PASSWORD, WHERE)

    assert came_in(traveller.travel("vic"))

    assert entry.visitor(taken.text) is None
    with pytest.raises(SignInRefused):
        entry.sign_in(VIC, PASSWORD, WHERE)
    token = directory.invite(ME, installation.account_id, VIC, Role.ADMIN)
    directory.join_as(visitor(installation, traveller.cookies[SESSION]), token, WHERE)
    with pytest.raises(SignInRefused):
        entry.sign_in(VIC, PASSWORD, WHERE)
    with installation.keywright.store.snapshot() as reads:
        [line] = reads.survey.audit_lines(hers, AuditFilter(action=Action.IDENTITY_LINK), 9, below=None, above=None)
    assert (line.details["password_removed"], line.details["sessions_ended"]) == (True, 1)


def test_members_of_the_operator_keep_their_password(installation: Installation, traveller: Traveller) -> None:
    """Whoever is a member of the operator's account alone was let in by its owners, and goes on with what they have."""
    before = signed_in(installation)

    assert came_in(traveller.travel("maya"))

    assert installation.keywright.entry.visitor(before)
    assert signed_in(installation)


@pytest.mark.parametrize("terms", [{"oidc_new_members": "viewer"}])
def test_who_was_unlinked_and_removed_stays_out(
    installation: Installation, provider: IdentityProvider, traveller: Traveller
) -> None:
    """Who was unlinked before they were removed does not come back either, also with another address."""
    traveller.travel("new")
    member, _ = who(installation, traveller)
    assert installation.keywright.federation.unlink(ME, installation.account_id, NEW) == 1
    installation.keywright.directory.remove(ME, installation.account_id, member.id)
    provider.told(redirect_uris=[CALLBACK], claims={"email": "newer@example.com"})

    assert traveller.travel("new").status_code == 403
    assert logged(installation, Action.SIGN_IN_REFUSED)[0]["told"] == "removed before"


@pytest.mark.parametrize("terms", [{"oidc_new_members": "viewer"}])
def test_an_invitation_elsewhere_keeps_nobody_out(installation: Installation, traveller: Traveller) -> None:
    """Where everybody may come in, an invitation of another account adds its place to the operator's, which comes
    first; and an invitation of the operator's own decides there."""
    directory = installation.keywright.directory
    other = installation.account("Other")
    directory.invite(ME, other, NEW, Role.OWNER)
    directory.invite(ME, installation.account_id, VIC, Role.ADMIN)

    assert came_in(traveller.travel("new"))

    came = visitor(installation, traveller.cookies[SESSION])
    assert (came.account.id, came.membership.role) == (installation.account_id, Role.VIEWER)
    assert {each.id for each in came.accounts} == {installation.account_id, other}
    vic = Traveller(traveller.face, traveller.provider)
    assert came_in(vic.travel("vic"))
    assert who(installation, vic)[1] is Role.ADMIN
