"""The audit log: each kind of change leaves the lines it should and no others, and nothing changes without them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from keywright import Unavailable
from keywright.audit import Action, Actor, ActorKind
from keywright.manage.browse import KeyQuery
from keywright.manage.ledger import Wanted
from keywright.people import totp
from keywright.people.ceremony import Site
from keywright.people.entry import SignInRefused
from keywright.people.federation import Voucher
from keywright.people.presence import ProofRefused
from keywright.people.values import Visitor
from keywright.provider import Provider
from keywright.stores.people import Role
from keywright.stores.sqlite import RECORDS_FILE
from people.staff import PASSWORD, WHERE, claimed, code_now, member, signed_in, visitor, with_second_factor
from support.authenticator import Authenticator
from support.backups import made, query, restored
from support.installation import ME, Installation
from support.mutants import assert_caught

HERE = "tests/people/test_audit.py"
SITE = Site("keys.example.com", "https://keys.example.com")
PROVIDER = Provider("https://login.example.com", "keywright", "", "https://keys.example.com/", "Example")
VOUCHER = Voucher(PROVIDER.issuer, "subject", "maya@example.com", verified=True)
NEW_PASSWORD = "copper lantern drifts"
#: What is not a part of the act, by table, as what is left of it: tries are counted, and challenges used up, whatever
#: comes of it.
LEFT = {"attempts": "false", "tokens": "kind NOT LIKE 'passkey%'"}


class Scene:
    """An installation in which something is about to happen, and its people."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.account_id = installation.account_id
        self.keywright = installation.keywright

    @cached_property
    def session(self) -> str:
        """Maya's session: she is the owner."""
        return claimed(self.installation)

    @property
    def maya(self) -> Visitor:
        """She, as she has signed in."""
        return visitor(self.installation, self.session)

    @property
    def by_maya(self) -> Actor:
        """She, as one who manages."""
        return self.maya.actor(WHERE)

    @property
    def records(self) -> Path:
        """The database."""
        return self.keywright.settings.data_dir / RECORDS_FILE

    def key_id(self) -> str:
        """A new key's id."""
        return self.installation.create().row.id

    def other(self) -> str:
        """The id of another member."""
        return member(self.installation, "ben@example.com", Role.VIEWER).member.id

    def invited(self) -> str:
        """The token of an invitation."""
        return self.keywright.directory.invite(ME, self.account_id, "ben@example.com", Role.VIEWER)

    def invitation_id(self) -> str:
        """The id of one."""
        self.invited()
        return self.keywright.directory.invitations(ME, self.account_id)[0].id

    def passkey(self) -> tuple[Authenticator, str]:
        """A device with a passkey of Maya's, and the passkey's id."""
        device = Authenticator(SITE.origin)
        answer = device.make(self.keywright.passkeys.ask_to_add(self.maya, SITE))
        return device, self.keywright.passkeys.add(self.maya, SITE, answer, "Telephone", WHERE).id

    def linked(self) -> None:
        """Maya has come from the provider before."""
        assert self.session
        self.keywright.federation.enter(PROVIDER, VOUCHER, WHERE)

    def lines(self) -> list[tuple[str, ...]]:
        """The whole log, the oldest line first: what, what kind of actor, who, in which account."""
        return query(self.records, "SELECT action, actor_kind, actor_id, account_id FROM audit_log ORDER BY rowid")

    def state(self) -> dict[str, Any]:
        """All that is stored; see `LEFT`."""
        tables = [name for (name,) in query(self.records, "SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: query(self.records, f"SELECT * FROM {name} WHERE {LEFT.get(name, 'true')}") for name in tables}  # noqa: S608


Act = Callable[[], object]


class Row(NamedTuple):
    """How an action comes about.

    Attributes:
        ready: prepares a scene, and hands out the act, which is all that is looked at.
        who: `LIBRARY`, `MAYA`, `PORTAL` or `NOBODY`.
        besides: the lines that the same act leaves as well, after its own.
    """

    ready: Callable[[Scene], Act]
    who: ActorKind
    besides: tuple[Action, ...] = ()


LIBRARY, MAYA, PORTAL, NOBODY = ActorKind.LIBRARY, ActorKind.MEMBER, ActorKind.PORTAL, ActorKind.SYSTEM


def _refused(act: Act) -> None:
    with suppress(SignInRefused, ProofRefused):
        act()


def _claims(scene: Scene) -> Act:
    way_in = scene.keywright.entry
    token = way_in.new_setup_token(ME)
    return lambda: way_in.claim(token, "Maya Chen", "maya@example.com", PASSWORD, WHERE)


def _joins(scene: Scene) -> Act:
    token = scene.invited()
    return lambda: scene.keywright.directory.join(token, "Ben", PASSWORD, WHERE)


def _signs_in(password: str) -> Callable[[Scene], Act]:
    def ready(scene: Scene) -> Act:
        assert scene.session
        return lambda: _refused(lambda: scene.keywright.entry.sign_in("maya@example.com", password, WHERE))

    return ready


def _shows(password: str) -> Callable[[Scene], Act]:
    def ready(scene: Scene) -> Act:
        me = scene.maya
        return lambda: _refused(lambda: scene.keywright.presence.show_password(me, password, WHERE))

    return ready


def _links(scene: Scene) -> Act:
    assert scene.session
    return lambda: scene.keywright.federation.enter(PROVIDER, VOUCHER, WHERE)


def _unlinks(scene: Scene) -> Act:
    scene.linked()
    return lambda: scene.keywright.federation.unlink(ME, scene.account_id, "maya@example.com")


def _adds_passkey(scene: Scene) -> Act:
    me, passkeys = scene.maya, scene.keywright.passkeys
    answer = Authenticator(SITE.origin).make(passkeys.ask_to_add(me, SITE))
    return lambda: passkeys.add(me, SITE, answer, "Telephone", WHERE)


def _removes_passkey(scene: Scene) -> Act:
    passkey_id = scene.passkey()[1]
    return lambda: scene.keywright.passkeys.remove(scene.maya, passkey_id, WHERE)


def _uses_copy(scene: Scene) -> Act:
    device, passkeys = scene.passkey()[0], scene.keywright.passkeys
    passkeys.enter(SITE, device.show(passkeys.ask_to_enter(SITE, WHERE)), WHERE)
    device.count = 0
    answer = device.show(passkeys.ask_to_enter(SITE, WHERE))
    return lambda: _refused(lambda: passkeys.enter(SITE, answer, WHERE))


def _asks_for_codes(scene: Scene) -> Act:
    me, secret = scene.maya, totp.new_secret()
    code = code_now(scene.installation.clock, secret)
    return lambda: scene.keywright.directory.set_totp(me, secret, code, PASSWORD, WHERE)


def _with_codes(act: Callable[[Scene], object]) -> Callable[[Scene], Act]:
    def ready(scene: Scene) -> Act:
        with_second_factor(scene.installation, scene.session)
        # That she was there is noted once a minute.
        assert scene.maya
        return lambda: act(scene)

    return ready


def _restores(scene: Scene) -> Act:
    data_dir, clock = scene.keywright.settings.data_dir, scene.installation.clock
    backup = made(data_dir, data_dir.parent / "backup", clock)
    return lambda: restored(data_dir, backup, clock)


def _opens(scene: Scene) -> Act:
    link = scene.keywright.portals.new_link(ME, {"account_id": scene.account_id})
    return lambda: scene.keywright.portals.open(link.text, WHERE)


def _leaves(scene: Scene) -> Act:
    link = scene.keywright.portals.new_link(ME, {"account_id": scene.account_id})
    found = scene.keywright.portals.open(link.text, WHERE)[0]
    return lambda: scene.keywright.portals.leave(found, WHERE)


def _now(act: Callable[[Scene], object]) -> Callable[[Scene], Act]:
    """What needs nothing but Maya."""

    def ready(scene: Scene) -> Act:
        assert scene.session
        return lambda: act(scene)

    return ready


def _to(prepare: Callable[[Scene], str], act: Callable[[Scene, str], object]) -> Callable[[Scene], Act]:
    """What is done to something."""

    def ready(scene: Scene) -> Act:
        assert scene.session
        target = prepare(scene)
        return lambda: act(scene, target)

    return ready


ROWS: dict[Action, Row] = {
    Action.ACCOUNT_CREATE: Row(_now(lambda the: the.keywright.manager.create_account(ME, "Acme")), LIBRARY),
    Action.ACCOUNT_UPDATE: Row(
        _now(lambda the: the.keywright.manager.change_account(ME, the.account_id, {"rate_limit": "9/s"})), LIBRARY
    ),
    Action.ACCOUNT_RENAME: Row(
        _now(lambda the: the.keywright.directory.rename_account(the.by_maya, the.account_id, "Acme")), MAYA
    ),
    Action.KEY_CREATE: Row(
        _now(lambda the: the.keywright.manager.create(the.by_maya, the.account_id, {"name": "New"})), MAYA
    ),
    Action.KEY_CREATE_MANY: Row(
        _now(lambda the: list(the.keywright.manager.create_many(ME, the.account_id, [{"name": "A"}, {"name": "B"}]))),
        LIBRARY,
    ),
    Action.KEY_UPDATE: Row(
        _to(
            Scene.key_id, lambda the, key: the.keywright.manager.update(the.by_maya, the.account_id, key, {"name": "B"})
        ),
        MAYA,
    ),
    Action.KEY_ROTATE: Row(
        _to(Scene.key_id, lambda the, key: the.keywright.manager.rotate(the.by_maya, the.account_id, key)), MAYA
    ),
    Action.KEY_DELETE: Row(
        _to(Scene.key_id, lambda the, key: the.keywright.manager.delete(the.by_maya, the.account_id, key)), MAYA
    ),
    Action.KEY_EXPORT: Row(
        _now(lambda the: the.keywright.browser.export(the.by_maya, the.account_id, KeyQuery())), MAYA
    ),
    Action.AUDIT_EXPORT: Row(
        _now(lambda the: the.keywright.ledger.export(the.by_maya, the.account_id, Wanted(), "csv")), MAYA
    ),
    Action.DATABASE_RESTORE: Row(_restores, LIBRARY),
    Action.SETUP_LINK: Row(lambda the: lambda: the.keywright.entry.new_setup_token(ME), LIBRARY),
    Action.SETUP_CLAIM: Row(_claims, MAYA),
    Action.MEMBER_CREATE: Row(
        _now(
            lambda the: the.keywright.directory.create_member(
                the.by_maya, the.account_id, email="ben@example.com", name="Ben", password=PASSWORD, role=Role.ADMIN
            )
        ),
        MAYA,
    ),
    Action.MEMBER_ROLE: Row(
        _to(
            Scene.other,
            lambda the, other: the.keywright.directory.set_role(the.by_maya, the.account_id, other, Role.OWNER),
        ),
        MAYA,
    ),
    Action.MEMBER_REMOVE: Row(
        _to(Scene.other, lambda the, other: the.keywright.directory.remove(the.by_maya, the.account_id, other)), MAYA
    ),
    Action.MEMBER_INVITE: Row(
        _now(lambda the: the.keywright.directory.invite(the.by_maya, the.account_id, "ben@example.com", Role.VIEWER)),
        MAYA,
    ),
    Action.MEMBER_UNINVITE: Row(
        _to(
            Scene.invitation_id,
            lambda the, token: the.keywright.directory.withdraw(the.by_maya, the.account_id, token),
        ),
        MAYA,
    ),
    Action.MEMBER_JOIN: Row(_joins, NOBODY),
    Action.SIGN_IN: Row(_signs_in(PASSWORD), MAYA),
    Action.SIGN_IN_REFUSED: Row(_signs_in("wrong password 123"), NOBODY),
    Action.SIGN_IN_LINK: Row(_now(lambda the: the.keywright.entry.new_link(ME, "maya@example.com")), LIBRARY),
    Action.SIGN_OUT: Row(_now(lambda the: the.keywright.entry.sign_out(the.maya, WHERE)), MAYA),
    Action.SESSION_END: Row(
        _to(
            lambda the: visitor(the.installation, signed_in(the.installation)).session.id,
            lambda the, session: the.keywright.entry.end_session(the.maya, session, WHERE),
        ),
        MAYA,
    ),
    Action.PRESENCE: Row(_shows(PASSWORD), MAYA),
    Action.PRESENCE_REFUSED: Row(_shows("wrong password 123"), MAYA),
    Action.IDENTITY_LINK: Row(_links, MAYA, (Action.SIGN_IN,)),
    Action.IDENTITY_UNLINK: Row(_unlinks, LIBRARY),
    Action.PASSKEY_ADD: Row(_adds_passkey, MAYA),
    Action.PASSKEY_REMOVE: Row(_removes_passkey, MAYA),
    Action.PASSKEY_COPIED: Row(_uses_copy, NOBODY, (Action.SIGN_IN_REFUSED,)),
    Action.PASSWORD_CHANGE: Row(
        _now(lambda the: the.keywright.directory.change_password(the.maya, PASSWORD, NEW_PASSWORD, WHERE)), MAYA
    ),
    Action.TOTP_ON: Row(_asks_for_codes, MAYA),
    Action.TOTP_OFF: Row(_with_codes(lambda the: the.keywright.directory.remove_totp(the.maya, WHERE)), MAYA),
    Action.RECOVERY_CODES: Row(
        _with_codes(lambda the: the.keywright.directory.new_recovery_codes(the.maya, WHERE)), MAYA
    ),
    Action.PORTAL_LINK: Row(
        _now(lambda the: the.keywright.portals.new_link(ME, {"account_id": the.account_id})), LIBRARY
    ),
    Action.PORTAL_OPEN: Row(_opens, PORTAL),
    Action.PORTAL_END: Row(_leaves, PORTAL),
}


def test_every_action_is_tried_here() -> None:
    """Nothing is added to the log without saying here how it comes about."""
    assert set(ROWS) == set(Action)


def _account(scene: Scene, action: Action) -> str:
    """Where it is to be read: in the account it happened in; a new account is one of its own."""
    [(newest,)] = query(scene.records, "SELECT id FROM accounts ORDER BY rowid DESC LIMIT 1")
    return str(newest) if action is Action.ACCOUNT_CREATE else scene.account_id


def _who(scene: Scene, kind: ActorKind) -> str:
    statements = {
        MAYA: "SELECT id FROM members WHERE email = 'maya@example.com'",
        PORTAL: "SELECT max(target) FROM audit_log WHERE action LIKE 'portal.%'",
        LIBRARY: "SELECT 'test'",
        NOBODY: "SELECT ''",
    }
    [(found,)] = query(scene.records, statements[kind])
    return str(found)


@pytest.mark.parametrize("action", ROWS, ids=str)
def test_an_act_leaves_one_line(action: Action, installation: Installation) -> None:
    """What was done stands in the log once, with whoever did it, in the account that it was done in, and nothing else
    does."""
    scene, row = Scene(installation), ROWS[action]
    act = row.ready(scene)
    before = scene.lines()
    act()
    account_id, who = _account(scene, action), _who(scene, row.who)

    assert scene.lines() == [*before, *((each, row.who, who, account_id) for each in (action, *row.besides))]


@pytest.mark.parametrize("action", ROWS, ids=str)
def test_what_cannot_be_told_is_not_done(action: Action, installation: Installation) -> None:
    """Where the line cannot be written, the act fails, and has changed nothing: line and change are one transaction."""
    scene = Scene(installation)
    act = ROWS[action].ready(scene)
    query(
        scene.records,
        "CREATE TRIGGER no_lines BEFORE INSERT ON audit_log BEGIN SELECT RAISE(ABORT, 'no line'); END",
    )
    before = scene.state()
    with pytest.raises(Unavailable):
        act()

    assert scene.state() == before


#: What goes wrong: what stands there then, in place of the writing, and who notices.
MUTANTS = {
    "a kind is never written": (
        "action is Action.TOTP_OFF or tx.audit(",
        "test_an_act_leaves_one_line[totp.off]",
    ),
    "a line that fails is let be": (
        "with __import__('contextlib').suppress(Exception):\n            tx.audit(",
        "test_what_cannot_be_told_is_not_done[account.rename]",
    ),
}


@pytest.mark.planted
@pytest.mark.parametrize("fault", MUTANTS)
def test_every_fault_is_caught(tmp_path: Path, fault: str) -> None:
    """Each of them is noticed."""
    new, test = MUTANTS[fault]
    assert_caught(tmp_path, "people/office.py", "tx.audit(", new, f"{HERE}::{test}")
