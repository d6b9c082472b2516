"""People in a restore: nobody who was let out comes back, and what has stopped working lets nobody in again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from keywright import Accepted, ManualClock
from keywright.build import LIMITS_FILE, MASTER_SECRET_FILE
from keywright.people.ceremony import Site
from keywright.people.entry import SignInRefused
from keywright.people.federation import NotAdmitted, Voucher
from keywright.provider import Provider
from keywright.stores.people import Role
from keywright.stores.sqlite import RECORDS_FILE
from people.staff import PASSWORD, WHERE, cheap_passwords, claimed, member, signed_in, visitor
from support.authenticator import Authenticator
from support.backups import made, problems, restored
from support.installation import ME, Installation
from support.mutants import assert_caught, with_long_form

HERE = "tests/faults/test_restore_people.py"
SITE = Site("keys.example.com", "https://keys.example.com")
NEW_PASSWORD = "copper lantern drifts"


@pytest.fixture
def staffed(installation: Installation) -> Installation:
    """An installation with an owner, Maya, whose passwords are cheap to check."""
    cheap_passwords(installation.keywright)
    claimed(installation)
    return installation


def _backup(installation: Installation, place: Path) -> Path:
    return made(installation.keywright.settings.data_dir, place / "backup", installation.clock)


def _restore(installation: Installation, backup: Path) -> None:
    restored(installation.keywright.settings.data_dir, backup, installation.clock)
    assert problems(installation.keywright.settings.data_dir) == []


def test_who_was_let_out_stays_out(staffed: Installation, tmp_path: Path) -> None:
    """A member who was removed after the backup is not back, nor is the session that was open then; a role is what it
    is now."""
    way_in, directory = staffed.keywright.entry, staffed.keywright.directory
    gone, lowered = (member(staffed, f"{each}@example.com", Role.ADMIN) for each in ("gone", "lowered"))
    session = signed_in(staffed, "gone@example.com")
    backup = _backup(staffed, tmp_path)
    directory.remove(ME, staffed.account_id, gone.member.id)
    directory.set_role(ME, staffed.account_id, lowered.member.id, Role.VIEWER)

    _restore(staffed, backup)

    assert way_in.visitor(session) is None
    with pytest.raises(SignInRefused):
        signed_in(staffed, "gone@example.com")
    roles = {each.email: theirs.role for each, theirs in directory.members(ME, staffed.account_id)}
    assert roles == {"maya@example.com": Role.OWNER, "lowered@example.com": Role.VIEWER}


def test_what_has_stopped_working_lets_nobody_in(staffed: Installation, tmp_path: Path) -> None:
    """A link that was used, a session that was ended, and a password that was changed stay so; who is signed in now
    stays signed in."""
    way_in, directory = staffed.keywright.entry, staffed.keywright.directory
    link, ended = way_in.new_link(ME, "maya@example.com"), signed_in(staffed)
    backup = _backup(staffed, tmp_path)
    current = way_in.use_link(link, WHERE).text
    visitor = way_in.visitor(current)
    assert visitor is not None
    directory.change_password(visitor, PASSWORD, NEW_PASSWORD, WHERE)

    _restore(staffed, backup)

    with pytest.raises(SignInRefused):
        way_in.use_link(link, WHERE)
    with pytest.raises(SignInRefused):
        signed_in(staffed)
    assert way_in.visitor(ended) is None
    assert way_in.visitor(current) is not None
    assert way_in.sign_in("maya@example.com", NEW_PASSWORD, WHERE)


def test_a_passkey_that_was_taken_away_stays_away(staffed: Installation, tmp_path: Path) -> None:
    """A passkey that was removed after the backup signs nobody in; one that was added since goes on doing so."""
    lost, new = Authenticator(SITE.origin), Authenticator(SITE.origin)
    passkeys = staffed.keywright.passkeys

    def add(device: Authenticator) -> str:
        me = visitor(staffed, signed_in(staffed))
        return passkeys.add(me, SITE, device.make(passkeys.ask_to_add(me, SITE)), "A telephone", WHERE).id

    lost_id = add(lost)
    backup = _backup(staffed, tmp_path)
    add(new)
    passkeys.take_away(ME, "maya@example.com", lost_id)

    _restore(staffed, backup)

    with pytest.raises(SignInRefused):
        passkeys.enter(SITE, lost.show(passkeys.ask_to_enter(SITE, WHERE)), WHERE)
    assert passkeys.enter(SITE, new.show(passkeys.ask_to_enter(SITE, WHERE)), WHERE).complete


def test_people_of_an_account_that_is_gone_are_gone(staffed: Installation, tmp_path: Path) -> None:
    """With an account that was made after the backup go its people and their sessions; who is in another one stays."""
    backup = _backup(staffed, tmp_path)
    late = staffed.account("Late")
    session = member(staffed, "late@example.com", Role.OWNER, late).session.digest
    staffed.keywright.directory.invite(ME, late, "more@example.com", Role.VIEWER)

    _restore(staffed, backup)

    with staffed.keywright.store.snapshot() as reads:
        assert reads.people.member_by_email("late@example.com") is None
        assert reads.people.session(session) is None
        assert reads.people.member_by_email("maya@example.com") is not None


def test_a_database_that_knows_nobody_takes_the_people_over(
    staffed: Installation, tmp_path: Path, clock: ManualClock
) -> None:
    """In a directory that was only started before, with people of its own, those of the backup can sign in; a person
    whom both know is one."""
    backup = _backup(staffed, tmp_path)
    with _begun_anew(staffed, tmp_path, clock) as begun:
        member(begun, "other@example.com", Role.ADMIN)

        _restore(begun, backup)

        found = begun.keywright.directory.members(ME, staffed.account_id)
        assert [(each.email, theirs.role) for each, theirs in found] == [("maya@example.com", Role.OWNER)]
        assert begun.keywright.entry.visitor(signed_in(begun))


PROVIDER = Provider("https://login.example.com", "keywright", "", "https://keys.example.com/", "Example", (), "viewer")


def come(installation: Installation, subject: str, email: str) -> str:
    """The session of somebody whom the provider vouches for."""
    voucher = Voucher(PROVIDER.issuer, subject, email, verified=True)
    return installation.keywright.federation.enter(PROVIDER, voucher, WHERE).text


def linked(installation: Installation) -> dict[str, str]:
    """Who is linked, by address, and as whom."""
    found = installation.keywright.federation.identities(ME, installation.account_id)
    return {member.email: identity.subject for member, identity in found}


def test_links_to_a_provider_are_those_of_now(staffed: Installation, tmp_path: Path) -> None:
    """Whoever was removed after the backup does not come back through the provider, somebody who was unlinked is not
    linked as before, and who was linked since stays so."""
    directory, federation = staffed.keywright.directory, staffed.keywright.federation
    gone = staffed.keywright.entry.visitor(come(staffed, "1", "gone@example.com"))
    come(staffed, "2", "maya@example.com")
    assert gone
    backup = _backup(staffed, tmp_path)
    directory.remove(ME, staffed.account_id, gone.member.id)
    federation.unlink(ME, staffed.account_id, "maya@example.com")
    come(staffed, "3", "maya@example.com")
    come(staffed, "4", "late@example.com")

    _restore(staffed, backup)

    assert linked(staffed) == {"maya@example.com": "3", "late@example.com": "4"}
    for subject, email in (("1", "gone@example.com"), ("1", "new@example.com"), ("5", "gone@example.com")):
        with pytest.raises(NotAdmitted):
            come(staffed, subject, email)
    with pytest.raises(NotAdmitted):
        come(staffed, "2", "maya@example.com")


def test_links_come_with_people_whom_nobody_knows(staffed: Installation, tmp_path: Path, clock: ManualClock) -> None:
    """In a directory with another history the people of the backup keep who they are at the provider, and those who
    were removed there stay out."""
    gone = staffed.keywright.entry.visitor(come(staffed, "1", "gone@example.com"))
    come(staffed, "2", "vic@example.com")
    come(staffed, "3", "maya@example.com")
    assert gone
    staffed.keywright.directory.remove(ME, staffed.account_id, gone.member.id)
    backup = _backup(staffed, tmp_path)
    with _begun_anew(staffed, tmp_path, clock) as begun:
        come(begun, "4", "maya@example.com")
        _restore(begun, backup)

        found = begun.keywright.federation.identities(ME, staffed.account_id)
        assert {member.email: each.subject for member, each in found} == {
            "vic@example.com": "2",
            "maya@example.com": "3",
        }
        with pytest.raises(NotAdmitted):
            come(begun, "1", "gone@example.com")
        assert come(begun, "2", "")


@contextmanager
def _begun_anew(staffed: Installation, tmp_path: Path, clock: ManualClock) -> Iterator[Installation]:
    """A directory that was only started before, with an owner of its own and the master secret of the other."""
    new = tmp_path / "new"
    new.mkdir(mode=0o700)
    secret = staffed.keywright.settings.data_dir / MASTER_SECRET_FILE
    (new / MASTER_SECRET_FILE).touch(0o600)
    (new / MASTER_SECRET_FILE).write_bytes(secret.read_bytes())
    with Installation(new, clock) as begun:
        cheap_passwords(begun.keywright)
        claimed(begun)
        yield begun


def test_where_nothing_tells_what_has_ended_everything_has(
    staffed: Installation, tmp_path: Path, clock: ManualClock
) -> None:
    """Over a database that cannot be read, no session and no link of the backup works, and no account made afterwards
    gets the counters of one that is lost."""
    way_in, data_dir = staffed.keywright.entry, staffed.keywright.settings.data_dir
    link, session = way_in.new_link(ME, "maya@example.com"), signed_in(staffed)
    backup = _backup(staffed, tmp_path)
    late = _limited(staffed)
    assert isinstance(late, Accepted)
    staffed.keywright.close()
    (data_dir / RECORDS_FILE).write_bytes(b"nonsense" * 1024)

    restored(data_dir, backup, clock, lose=True)

    with Installation(data_dir, clock) as again:
        cheap_passwords(again.keywright)
        assert again.keywright.entry.visitor(session) is None
        with pytest.raises(SignInRefused):
            again.keywright.entry.use_link(link, WHERE)
        assert signed_in(again)
        assert isinstance(_limited(again), Accepted)
    assert problems(data_dir) == [] or problems(data_dir)[0].startswith(LIMITS_FILE)


def _limited(installation: Installation) -> object:
    """What the first request of a new account comes to whose keys share one request an hour."""
    account_id = installation.account("Limited")
    installation.keywright.manager.change_account(ME, account_id, {"rate_limit": "1/h"})
    return installation.keywright.verify(installation.create(account_id=account_id).key)


MUTANTS = {
    "who was removed is forgotten": (
        "stores/restore_people.py",
        "tables.identities, tables.departures,\n",
        "tables.identities,\n",
        "test_links_to_a_provider_are_those_of_now",
    ),
    "people are the backup's": (
        "stores/restore.py",
        " | restore_people.PEOPLE\n",
        "\n",
        "test_who_was_let_out_stays_out",
    ),
    "sessions of the backup go on": (
        "stores/restore.py",
        "        restore_people.end_sessions_and_links(connection)\n",
        "",
        "test_where_nothing_tells_what_has_ended_everything_has",
    ),
    "counters of accounts are inherited": (
        "upkeep/restore.py",
        "least_slot, self._least_account(), event",
        "least_slot, 0, event",
        "test_where_nothing_tells_what_has_ended_everything_has",
    ),
}

#: Caught in the long form only: each takes several seconds.
LONG = {
    "people are the backup's",
    "counters of accounts are inherited",
}


@pytest.mark.parametrize("mutant", with_long_form(MUTANTS, LONG))
def test_the_tests_catch(mutant: str, tmp_path: Path) -> None:
    """Each of these faults, planted in a copy of the source, makes the named test fail."""
    file, old, new, test = MUTANTS[mutant]
    assert_caught(tmp_path, file, old, new, f"{HERE}::{test}")
