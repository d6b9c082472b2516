"""The people of an account: roles, invitations, the last owner; and what a member may do with keys."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from keywright import Actor, ActorKind
from keywright.errors import CallerRefused, Conflict, Forbidden, InvalidValue, KeywrightError, NotFound
from keywright.manage.browse import PAGE_KEYS, KeyQuery, State
from keywright.people.directory import INVITATION_SECONDS
from keywright.people.entry import SignInRefused
from keywright.stores.people import Role
from people.staff import PASSWORD, WHERE, claimed, member, signed_in
from support.installation import ME, Installation

READS: dict[str, Callable[[Installation, Actor], Any]] = {
    "keys": lambda i, actor: i.keywright.manager.keys(actor, i.account_id),
    "page": lambda i, actor: i.keywright.browser.page(actor, i.account_id, KeyQuery()),
    "summary": lambda i, actor: i.keywright.manager.summary(actor, i.account_id),
    "members": lambda i, actor: i.keywright.directory.members(actor, i.account_id),
}
KEY_WRITES: dict[str, Callable[[Installation, Actor, str], Any]] = {
    "create": lambda i, actor, _: i.keywright.manager.create(actor, i.account_id, {"name": "New"}),
    "disable": lambda i, actor, key: i.keywright.manager.update(actor, i.account_id, key, {"disabled": True}),
    "rotate": lambda i, actor, key: i.keywright.manager.rotate(actor, i.account_id, key),
    "delete": lambda i, actor, key: i.keywright.manager.delete(actor, i.account_id, key),
}
PEOPLE_WRITES: dict[str, Callable[[Installation, Actor, str], Any]] = {
    "invite": lambda i, actor, _: i.keywright.directory.invite(actor, i.account_id, "a@example.com", Role.VIEWER),
    "invitations": lambda i, actor, _: i.keywright.directory.invitations(actor, i.account_id),
    "withdraw": lambda i, actor, _: i.keywright.directory.withdraw(actor, i.account_id, "tok_nothing00"),
    "role": lambda i, actor, other: i.keywright.directory.set_role(actor, i.account_id, other, Role.ADMIN),
    "remove": lambda i, actor, other: i.keywright.directory.remove(actor, i.account_id, other),
    "rename": lambda i, actor, _: i.keywright.directory.rename_account(actor, i.account_id, "Acme"),
    "create": lambda i, actor, _: i.keywright.directory.create_member(
        actor, i.account_id, email="b@example.com", name="B", password=PASSWORD, role=Role.OWNER
    ),
}


@pytest.mark.parametrize("role", list(Role))
def test_what_each_role_may_do(installation: Installation, role: Role) -> None:
    """A viewer reads, an admin manages keys as well, an owner people as well; whatever else is refused, by the act
    itself."""
    claimed(installation)
    actor = member(installation, "jo@example.com", role).actor(WHERE)
    other = member(installation, "ada@example.com", Role.VIEWER).member.id
    for read in READS.values():
        read(installation, actor)
    for write in KEY_WRITES.values():
        key = installation.create().row.id
        assert refusal(lambda w=write, k=key: w(installation, actor, k)) == (role is Role.VIEWER)  # type: ignore[misc]
    for manage in PEOPLE_WRITES.values():
        assert refusal(lambda m=manage: m(installation, actor, other)) == (role is not Role.OWNER)  # type: ignore[misc]


def refusal(act: Callable[[], Any]) -> bool:
    """Whether it was forbidden; what fails for another reason was allowed."""
    try:
        act()
    except Forbidden:
        return True
    except KeywrightError:
        return False
    return False


@pytest.mark.parametrize("act", [*KEY_WRITES, *PEOPLE_WRITES])
def test_nobody_acts_in_another_account(installation: Installation, act: str) -> None:
    """An owner of one account is nobody in another: what they name there does not exist for them."""
    claimed(installation)
    theirs = installation.account()
    actor = member(installation, "eve@example.com", Role.OWNER, theirs).actor(WHERE)
    key = installation.create().row.id
    maya = installation.keywright.directory.members(ME, installation.account_id)[0][0].id
    write, target = (KEY_WRITES[act], key) if act in KEY_WRITES else (PEOPLE_WRITES[act], maya)
    with pytest.raises(NotFound):
        write(installation, actor, target)
    forged = Actor(ActorKind.MEMBER, actor.id, installation.account_id)
    with pytest.raises(CallerRefused):
        READS["keys"](installation, forged)


def test_keys_do_not_manage_people(installation: Installation) -> None:
    """A stolen key cannot make itself a person, whatever its scopes."""
    claimed(installation)
    key = installation.actor(installation.create(scopes=["*", "operator"]))
    for manage in PEOPLE_WRITES.values():
        with pytest.raises(Forbidden):
            manage(installation, key, "mem_x")


def test_who_is_taken_out_is_out(installation: Installation) -> None:
    """A removed member has no session, no role and no way back in, at once."""
    claimed(installation)
    jo = member(installation, "jo@example.com", Role.ADMIN)
    text = signed_in(installation, "jo@example.com")
    installation.keywright.directory.remove(ME, installation.account_id, jo.member.id)

    assert installation.keywright.entry.visitor(text) is None
    with pytest.raises(CallerRefused):
        KEY_WRITES["create"](installation, jo.actor(WHERE), "")
    with pytest.raises(SignInRefused):
        signed_in(installation, "jo@example.com")


def test_a_new_role_is_in_force_at_once(installation: Installation) -> None:
    """Who is made a viewer cannot finish what they had begun as an admin."""
    claimed(installation)
    jo = member(installation, "jo@example.com", Role.ADMIN)
    installation.keywright.directory.set_role(ME, installation.account_id, jo.member.id, Role.VIEWER)

    with pytest.raises(Forbidden):
        KEY_WRITES["create"](installation, jo.actor(WHERE), "")


def test_the_last_owner_stays(installation: Installation) -> None:
    """The only owner can neither go nor become less, whoever asks."""
    claimed(installation)
    directory = installation.keywright.directory
    maya = directory.members(ME, installation.account_id)[0][0].id
    with pytest.raises(Conflict):
        directory.remove(ME, installation.account_id, maya)
    with pytest.raises(Conflict):
        directory.set_role(ME, installation.account_id, maya, Role.ADMIN)
    member(installation, "ada@example.com", Role.OWNER)
    directory.remove(ME, installation.account_id, maya)

    assert [str(theirs.role) for _, theirs in directory.members(ME, installation.account_id)] == ["owner"]


def test_two_owners_who_remove_each_other_leave_one(installation: Installation) -> None:
    """The check of the last owner and the removal are one transaction: however two race, an owner stays."""
    claimed(installation)
    directory = installation.keywright.directory
    for attempt in range(20):
        both = [member(installation, f"o{attempt}-{each}@example.com", Role.OWNER) for each in "ab"]
        for each, _ in directory.members(ME, installation.account_id):
            if each.id not in {one.member.id for one in both}:
                directory.remove(ME, installation.account_id, each.id)
        line = threading.Barrier(2)

        def remove(who: int, line: threading.Barrier = line, both: list[Any] = both) -> None:
            line.wait()
            refusal(lambda: directory.remove(both[who].actor(WHERE), installation.account_id, both[1 - who].member.id))

        threads = [threading.Thread(target=remove, args=(who,)) for who in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(directory.members(ME, installation.account_id)) == 1


def test_an_invitation_lets_one_person_join(installation: Installation) -> None:
    """Who has the link joins as what they were invited for, once; then they sign in with their own password."""
    claimed(installation)
    directory = installation.keywright.directory
    token = directory.invite(ME, installation.account_id, "Jo@example.com", Role.VIEWER)

    assert [each.email for each in directory.invitations(ME, installation.account_id)] == ["jo@example.com"]
    with pytest.raises(InvalidValue):
        directory.join(token, "Jo", "password1234", WHERE)
    joined = installation.keywright.entry.visitor(directory.join(token, "Jo", PASSWORD, WHERE).text)
    assert joined
    assert (joined.member.email, joined.membership.role) == ("jo@example.com", Role.VIEWER)
    with pytest.raises(SignInRefused):
        directory.join(token, "Jo", PASSWORD, WHERE)
    assert directory.invitations(ME, installation.account_id) == []
    assert signed_in(installation, "jo@example.com")


def test_old_and_withdrawn_invitations_do_not_work(installation: Installation) -> None:
    """An invitation ends after its time, when it is taken back, when a new one is made, and with a removal."""
    claimed(installation)
    directory = installation.keywright.directory
    replaced = directory.invite(ME, installation.account_id, "jo@example.com", Role.OWNER)
    withdrawn = directory.invite(ME, installation.account_id, "jo@example.com", Role.OWNER)
    directory.withdraw(ME, installation.account_id, directory.invitations(ME, installation.account_id)[0].id)
    late = directory.invite(ME, installation.account_id, "jo@example.com", Role.OWNER)
    installation.clock.advance(INVITATION_SECONDS)
    for token in (replaced, withdrawn, late):
        with pytest.raises(SignInRefused):
            directory.join(token, "Jo", PASSWORD, WHERE)


def test_who_has_a_sign_in_joins_with_it(installation: Installation) -> None:
    """A member of one account joins another as themselves, and nobody else takes the invitation."""
    claimed(installation)
    directory, theirs = installation.keywright.directory, installation.account()
    jo = member(installation, "jo@example.com", Role.VIEWER)
    ada = member(installation, "ada@example.com", Role.VIEWER)
    token = directory.invite(ME, theirs, "jo@example.com", Role.ADMIN)

    with pytest.raises(Conflict):
        directory.join(token, "Jo", PASSWORD, WHERE)
    with pytest.raises(SignInRefused):
        directory.join_as(ada, token, WHERE)
    directory.join_as(jo, token, WHERE)
    roles = {each.account_id: each.role for each in memberships(installation, jo.member.id)}
    assert roles == {installation.account_id: Role.VIEWER, theirs: Role.ADMIN}
    installation.keywright.entry.switch_account(jo, installation.account_id)
    with pytest.raises(NotFound):
        installation.keywright.entry.switch_account(ada, theirs)


def memberships(installation: Installation, member_id: str) -> Any:
    """Every account of a member."""
    with installation.keywright.store.snapshot() as reads:
        return reads.people.memberships(member_id)


def test_only_an_owner_hands_out_what_reaches_beyond_the_account(installation: Installation) -> None:
    """An admin of the operator's account makes no key that acts in all accounts, nor gets one by rotating it."""
    claimed(installation)
    manager, account_id = installation.keywright.manager, installation.account_id
    admin = member(installation, "jo@example.com", Role.ADMIN).actor(WHERE)
    owner = member(installation, "ada@example.com", Role.OWNER).actor(WHERE)
    beyond = {"name": "All", "scopes": ["*", "operator"]}
    key = manager.create(owner, account_id, beyond).row.id
    manager.update(owner, account_id, key, {"disabled": True})

    with pytest.raises(InvalidValue):
        manager.create(admin, account_id, beyond)
    with pytest.raises(Forbidden):
        manager.update(admin, account_id, key, {"disabled": False})
    manager.update(owner, account_id, key, {"disabled": False})
    with pytest.raises(Forbidden):
        manager.rotate(admin, account_id, key)
    with pytest.raises((Forbidden, InvalidValue)):
        manager.update(admin, account_id, installation.create().row.id, {"scopes": ["operator"]})
    manager.delete(admin, account_id, key)


def test_who_changes_their_password_ends_their_other_sessions(installation: Installation) -> None:
    """A stolen session does not outlive the change; the old password is asked for, and opens nothing afterwards."""
    keywright = installation.keywright
    mine, stolen = claimed(installation), signed_in(installation)
    me = keywright.entry.visitor(mine)
    assert me
    with pytest.raises(InvalidValue):
        keywright.directory.change_password(me, "not it", "another long sentence", WHERE)
    keywright.directory.change_password(me, PASSWORD, "another long sentence", WHERE)

    assert keywright.entry.visitor(mine)
    assert keywright.entry.visitor(stolen) is None
    with pytest.raises(SignInRefused):
        signed_in(installation)


def test_keys_are_paged_searched_and_counted(installation: Installation) -> None:
    """A page holds what was asked for, the newest first, and knows where the next and the one before begin."""
    keywright, account_id = installation.keywright, installation.account_id
    names = [f"Key {number:03}" for number in range(PAGE_KEYS + 7)]
    list(keywright.manager.create_many(ME, account_id, [{"name": each} for each in names]))
    test = installation.create("100% _tested_", environment="test", expires_in_seconds=86_400).row

    def page(**more: Any) -> Any:
        return keywright.browser.page(ME, account_id, KeyQuery(**more.pop("wanted", {})), **more)

    first = page()
    second = page(after=first.after)
    back = page(before=second.before)
    assert [each.listed.row.name for each in first.keys][:2] == ["100% _tested_", names[-1]]
    assert [each.listed.row.name for each in second.keys] == names[:8][::-1]
    assert back.keys == first.keys
    assert (first.before, second.after, back.before) == (None, None, None)
    assert first.tally == {
        "all": 58, "live": 57, "test": 1, "active": 58, "disabled": 0, "expired": 0, "expiring": 1,
        "living": 58, "rotating": 0, "unused": 58, "stale": 0,
    }  # fmt: skip
    for text in ("100%", "_TESTED", test.id, test.hint):
        assert [each.listed.row.id for each in page(wanted={"text": text}).keys] == [test.id]
    for wanted in ({"environment": "test"}, {"state": State.EXPIRING}):
        assert len(page(wanted=wanted).keys) == 1
    assert page(wanted={"text": "%"}).tally["all"] == 1
    assert page(wanted={"text": "nothing like it"}).keys == ()
