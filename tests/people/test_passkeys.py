"""Passkeys: which answers of an authenticator let somebody in, and all those that do not."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from keywright import Actor, ActorKind
from keywright.audit import Action
from keywright.errors import Conflict, Forbidden, InvalidValue, NotFound
from keywright.manage.ledger import Wanted
from keywright.people import throttle
from keywright.people.ceremony import CHALLENGE_SECONDS, AnswerRefused, Site
from keywright.people.entry import SignInRefused
from keywright.people.passkeys import MOST_PASSKEYS, Passkeys
from keywright.people.presence import PRESENCE_SECONDS, ProofNeeded, ProofRefused
from keywright.people.throttle import TooManyAttempts
from keywright.people.values import Visitor
from keywright.stores.people import Identity, Passkey, Role
from people.staff import PASSWORD, WHERE, claimed, member, signed_in, visitor, with_second_factor
from support.authenticator import Authenticator, data, text
from support.installation import ME, Installation
from support.mutants import assert_caught, with_long_form
from support.servers import COMMAND, clean_environment

HERE = "tests/people/test_passkeys.py::"
SITE = Site("keys.example.com", "https://keys.example.com")


class Owner:
    """Maya, with a passkey.

    Attributes:
        device: her authenticator.
        passkey: what we know of it.
    """

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.session = claimed(installation)
        self.device = Authenticator(SITE.origin)
        self.passkey = self.add(self.device)

    @property
    def me(self) -> Visitor:
        """She, as she has signed in."""
        return visitor(self.installation, self.session)

    @property
    def passkeys(self) -> Passkeys:
        """Where passkeys are added and used."""
        return self.installation.keywright.passkeys

    def add(self, device: Authenticator, name: str = "My telephone") -> Passkey:
        """Add the passkey of a device."""
        answer = device.make(self.passkeys.ask_to_add(self.me, SITE))
        return self.passkeys.add(self.me, SITE, answer, name, WHERE)

    def enter(self, device: Authenticator | None = None) -> str:
        """Sign in with a device: the new session."""
        asked = self.passkeys.ask_to_enter(SITE, WHERE)
        return self.passkeys.enter(SITE, (device or self.device).show(asked), WHERE).text

    def shows(self, device: Authenticator | None = None) -> None:
        """Show with a device that it is she."""
        asked = self.passkeys.ask_to_show(self.me, SITE)
        self.session = self.passkeys.show(self.me, SITE, (device or self.device).show(asked), WHERE).text

    def stale(self) -> None:
        """So much later that her sign-in does not show any more that it is she."""
        self.installation.clock.advance(PRESENCE_SECONDS + 1)


@pytest.fixture
def maya(installation: Installation) -> Owner:
    """An owner with a passkey."""
    return Owner(installation)


def lines(installation: Installation, action: Action) -> int:
    """How many lines of the audit log tell of that."""
    page = installation.keywright.ledger.page(ME, installation.account_id, Wanted())
    return sum(each.line.action == action for each in page.lines)


def test_a_passkey_is_added_and_signs_in(maya: Owner, installation: Installation) -> None:
    """What was added lets its owner in, without password and second factor, and its uses are noted; also from a device
    that does not count."""
    with_second_factor(installation, maya.session)
    entered = visitor(installation, maya.enter())
    uncounted = Authenticator(SITE.origin)
    uncounted.count = None
    other = maya.add(uncounted, "An old key")

    assert entered.member.id == maya.me.member.id
    assert installation.keywright.presence.is_shown(entered)
    assert [maya.enter(uncounted) != maya.enter(uncounted) for _ in range(2)] == [True, True]
    assert [(each.name, each.sign_count, each.used_at is None) for each in maya.passkeys.listed(maya.me)] == [
        ("My telephone", 2, False), ("An old key", 0, False),
    ]  # fmt: skip
    assert maya.passkey.used_at is None
    assert other.party == SITE.party
    assert lines(installation, Action.PASSKEY_ADD) == 2


def test_the_log_says_which_passkey_let_somebody_in(maya: Owner, installation: Installation) -> None:
    """Whoever reads the log sees by which passkey somebody came in, and that they showed who they are with one."""
    maya.enter()
    maya.shows()
    page = installation.keywright.ledger.page(ME, installation.account_id, Wanted())
    entered = next(each.line for each in page.lines if each.line.action == Action.SIGN_IN)
    shown = next(each.line for each in page.lines if each.line.action == Action.PRESENCE)

    assert dict(entered.details) == {"passkey": maya.passkey.id, "name": "My telephone"}
    assert dict(shown.details) == {"by": "passkey"}


def test_a_passkey_shows_that_it_is_they(maya: Owner, installation: Installation) -> None:
    """When the sign-in has been too long ago, one's own passkey is a proof, under a new cookie; also with a second
    factor, which it contains."""
    with_second_factor(installation, maya.session)
    maya.stale()
    old = maya.session
    maya.shows()

    assert installation.keywright.presence.is_shown(maya.me)
    assert installation.keywright.entry.visitor(old) is None


def wrong_origin(device: Authenticator) -> None:
    """Before a page of another site."""
    device.origin = "https://keys.example.com.evil.example"


def wrong_scheme(device: Authenticator) -> None:
    """Before a page that came over plain http."""
    device.origin = "http://keys.example.com"


def wrong_party(device: Authenticator) -> None:
    """For another host."""
    device.party = "evil.example"


def nobody_there(device: Authenticator) -> None:
    """With nobody looked at: found in the street, say."""
    device.verifies = False


def another_key(device: Authenticator) -> None:
    """Signed with another key under the same name."""
    device._key = Authenticator(SITE.origin)._key


LIES: tuple[Callable[[Authenticator], None], ...] = (wrong_origin, wrong_scheme, wrong_party, nobody_there, another_key)


@pytest.mark.parametrize("lie", LIES)
def test_an_answer_that_is_not_theirs_here_is_refused(
    maya: Owner, installation: Installation, lie: Callable[[Authenticator], None]
) -> None:
    """Another site, another host, no look at the person, another key: neither a session nor a proof, and a line in the
    log for each."""
    lie(maya.device)
    with pytest.raises(SignInRefused):
        maya.enter()
    with pytest.raises(ProofRefused):
        maya.shows()

    assert lines(installation, Action.SIGN_IN_REFUSED) == 1
    assert lines(installation, Action.PRESENCE_REFUSED) == 1


@pytest.mark.parametrize("lie", [wrong_origin, wrong_scheme, wrong_party, nobody_there])
def test_no_passkey_is_added_from_elsewhere(maya: Owner, lie: Callable[[Authenticator], None]) -> None:
    """The same holds when a passkey is made: it is not taken."""
    device = Authenticator(SITE.origin)
    lie(device)
    with pytest.raises(AnswerRefused):
        maya.add(device)

    assert len(maya.passkeys.listed(maya.me)) == 1


def test_an_answer_works_once(maya: Owner) -> None:
    """Whoever has overheard an answer, or a refused one, gets nothing for it: its challenge is used up."""
    asked = maya.passkeys.ask_to_enter(SITE, WHERE)
    answer = maya.device.show(asked)
    broken = maya.device.show(asked, signature=text(bytes(70)))
    with pytest.raises(SignInRefused):
        maya.passkeys.enter(SITE, broken, WHERE)
    with pytest.raises(SignInRefused):
        maya.passkeys.enter(SITE, answer, WHERE)
    asked = maya.passkeys.ask_to_add(maya.me, SITE)
    made = Authenticator(SITE.origin).make(asked)
    assert maya.passkeys.add(maya.me, SITE, made, "Once", WHERE)
    with pytest.raises(AnswerRefused):
        maya.passkeys.add(maya.me, SITE, made, "Twice", WHERE)


def test_an_old_challenge_and_one_of_nobody_are_refused(maya: Owner, installation: Installation) -> None:
    """A challenge ends after its time; one that was never given out is none; and what has ended is not kept."""
    asked = maya.passkeys.ask_to_enter(SITE, WHERE)
    invented = json.dumps({**json.loads(asked), "challenge": text(bytes(32))})
    with pytest.raises(SignInRefused):
        maya.passkeys.enter(SITE, maya.device.show(invented), WHERE)
    installation.clock.advance(CHALLENGE_SECONDS)
    with pytest.raises(SignInRefused):
        maya.passkeys.enter(SITE, maya.device.show(asked), WHERE)
    maya.passkeys.ask_to_enter(SITE, WHERE)
    installation.clock.advance(CHALLENGE_SECONDS + 1)
    maya.passkeys.ask_to_enter(SITE, WHERE)
    assert challenges(installation) == 1


def challenges(installation: Installation) -> int:
    """How many challenges are stored."""
    from sqlalchemy import func, select

    from keywright.stores import tables

    with installation.keywright.store.snapshot() as reads:
        kinds = select(func.count()).where(tables.tokens.c.kind.like("passkey%"))
        return int(reads._connection.execute(kinds).scalar_one())


def test_a_challenge_is_good_for_one_purpose_and_one_session(maya: Owner, installation: Installation) -> None:
    """What was asked at the sign-in proves nothing in a session, nor the other way round; nor in another session."""
    to_enter = maya.device.show(maya.passkeys.ask_to_enter(SITE, WHERE))
    with pytest.raises(ProofRefused):
        maya.passkeys.show(maya.me, SITE, to_enter, WHERE)
    to_show = maya.device.show(maya.passkeys.ask_to_show(maya.me, SITE))
    with pytest.raises(SignInRefused):
        maya.passkeys.enter(SITE, to_show, WHERE)
    elsewhere = visitor(installation, signed_in(installation))
    to_show = maya.device.show(maya.passkeys.ask_to_show(elsewhere, SITE))
    with pytest.raises(ProofRefused):
        maya.passkeys.show(maya.me, SITE, to_show, WHERE)


def test_nobody_shows_somebody_elses_passkey(maya: Owner, installation: Installation) -> None:
    """A passkey proves its owner and nobody else: not in another's session, and not under another's handle. And what
    somebody has added, another cannot add."""
    jo = member(installation, "jo@example.com", Role.VIEWER)
    theirs = Authenticator(SITE.origin)
    asked = maya.passkeys.ask_to_add(jo, SITE)
    maya.passkeys.add(jo, SITE, theirs.make(asked), "Jo's", WHERE)
    asked = maya.passkeys.ask_to_show(jo, SITE)
    with pytest.raises(ProofRefused):
        maya.passkeys.show(jo, SITE, maya.device.show(asked), WHERE)
    for handle in (theirs.handle, "", text(b"\xff")):
        asked = maya.passkeys.ask_to_enter(SITE, WHERE)
        with pytest.raises(SignInRefused):
            maya.passkeys.enter(SITE, maya.device.show(asked, userHandle=handle), WHERE)
    with pytest.raises(Conflict):
        maya.add(theirs)
    with pytest.raises(NotFound):
        maya.passkeys.remove(jo, maya.passkey.id, WHERE)


def test_a_copy_of_a_passkey_is_noticed(maya: Owner, installation: Installation) -> None:
    """A counter that has not grown since it was seen last means that there are two: neither a session nor a proof, and
    the log says so. The one that is ahead goes on."""
    maya.enter()
    count = maya.device.count
    assert count
    for behind in (count, count - 1, 0):
        for act in (maya.enter, maya.shows):
            maya.device.count = behind - 1
            with pytest.raises((SignInRefused, ProofRefused)):
                act()
    maya.device.count = None
    with pytest.raises(SignInRefused):
        maya.enter()

    assert lines(installation, Action.PASSKEY_COPIED) == 7
    maya.device.count = count
    assert maya.enter()


def test_a_removed_passkey_opens_nothing(maya: Owner, installation: Installation) -> None:
    """Who removes a passkey is rid of it at once, and of all other sessions; the password goes on working."""
    begun = maya.enter()
    asked = maya.passkeys.ask_to_enter(SITE, WHERE)
    maya.passkeys.remove(maya.me, maya.passkey.id, WHERE)

    with pytest.raises(SignInRefused):
        maya.passkeys.enter(SITE, maya.device.show(asked), WHERE)
    with pytest.raises(ProofRefused):
        maya.passkeys.ask_to_show(maya.me, SITE)
    with pytest.raises(NotFound):
        maya.passkeys.remove(maya.me, maya.passkey.id, WHERE)
    assert installation.keywright.entry.visitor(begun) is None
    assert maya.passkeys.listed(maya.me) == []
    assert lines(installation, Action.PASSKEY_REMOVE) == 1
    assert installation.keywright.entry.sign_in("maya@example.com", PASSWORD, WHERE).complete


def test_nobody_locks_themselves_out(maya: Owner, installation: Installation) -> None:
    """Without a password and an identity at a provider the last passkey stays; one of two goes."""
    with installation.keywright.store.transaction() as tx:
        tx.people.update_member(maya.me.member.id, password=None)
    with pytest.raises(Conflict):
        maya.passkeys.remove(maya.me, maya.passkey.id, WHERE)
    second = maya.add(Authenticator(SITE.origin))
    maya.passkeys.remove(maya.me, second.id, WHERE)

    assert maya.enter()
    with installation.keywright.store.transaction() as tx:
        tx.people.insert_identity(Identity("https://id.example.com", "maya", maya.me.member.id, 0.0))
    maya.passkeys.remove(maya.me, maya.passkey.id, WHERE)


def test_adding_and_removing_ask_who_it_is(maya: Owner) -> None:
    """Whoever sits down at an unlocked screen neither adds a passkey of theirs nor removes one."""
    waiting = Authenticator(SITE.origin).make(maya.passkeys.ask_to_add(maya.me, SITE))
    maya.stale()
    for act in (
        lambda: maya.passkeys.ask_to_add(maya.me, SITE),
        lambda: maya.passkeys.add(maya.me, SITE, waiting, "Mine now", WHERE),
        lambda: maya.passkeys.remove(maya.me, maya.passkey.id, WHERE),
    ):
        with pytest.raises((ProofNeeded, AnswerRefused)):
            act()

    assert [each.id for each in maya.passkeys.listed(maya.me)] == [maya.passkey.id]


def test_a_passkey_works_where_it_was_made(maya: Owner) -> None:
    """After a move to another host the old passkeys prove nothing there, and are not asked for."""
    there = Site("new.example.com", "https://new.example.com")
    maya.device.origin = there.origin
    asked = maya.passkeys.ask_to_enter(there, WHERE)
    with pytest.raises(SignInRefused):
        maya.passkeys.enter(there, maya.device.show(asked), WHERE)
    with pytest.raises(ProofRefused):
        maya.passkeys.ask_to_show(maya.me, there)


def test_there_is_an_end_to_passkeys_and_to_tries(maya: Owner) -> None:
    """One has so many passkeys and no more, with names that are names; and a network has so many tries."""
    with pytest.raises(InvalidValue):
        maya.add(Authenticator(SITE.origin), " ")
    for number in range(1, MOST_PASSKEYS):
        maya.add(Authenticator(SITE.origin), f"Number {number}")
    with pytest.raises(Conflict):
        maya.add(Authenticator(SITE.origin))
    for _ in range(throttle.NETWORK_LIMIT[0]):
        maya.passkeys.ask_to_enter(SITE, WHERE)
    with pytest.raises(TooManyAttempts):
        maya.passkeys.ask_to_enter(SITE, WHERE)
    with pytest.raises(TooManyAttempts):
        maya.passkeys.enter(SITE, "{}", WHERE)


def test_whoever_is_on_the_machine_takes_a_lost_passkey_away(maya: Owner, installation: Installation) -> None:
    """The operator sees somebody's passkeys and takes one away, with all of their sessions; nobody else does."""
    session, me = maya.session, maya.me
    assert [each.id for each in maya.passkeys.of(ME, "Maya@example.com")] == [maya.passkey.id]
    for act in (
        lambda: maya.passkeys.of(me.actor(WHERE), "maya@example.com"),
        lambda: maya.passkeys.take_away(Actor(ActorKind.KEY, "key_x"), "maya@example.com", maya.passkey.id),
    ):
        with pytest.raises(Forbidden):
            act()
    for email, passkey_id in (("nobody@example.com", maya.passkey.id), ("maya@example.com", "psk_123456789")):
        with pytest.raises(NotFound):
            maya.passkeys.take_away(ME, email, passkey_id)
    maya.passkeys.take_away(ME, "maya@example.com", maya.passkey.id)

    assert installation.keywright.entry.visitor(session) is None
    with pytest.raises(SignInRefused):
        maya.enter()


def test_the_command_line_takes_a_lost_passkey_away(maya: Owner, installation: Installation) -> None:
    """`keywright admin passkeys` shows them, `remove-passkey` takes one away, and only one that is there."""
    told, ended = (command(installation, "passkeys", "maya@example.com", *more) for more in (("--json",), ()))
    removed = command(installation, "remove-passkey", "maya@example.com", maya.passkey.id)
    again = command(installation, "remove-passkey", "maya@example.com", maya.passkey.id)

    assert [(each["id"], each["name"], each["last_used_at"]) for each in json.loads(told.stdout)] == [
        (maya.passkey.id, "My telephone", None)
    ]
    assert ended.stdout.startswith(f"{maya.passkey.id}\tMy telephone\t")
    assert (removed.returncode, removed.stdout, again.returncode != 0) == (0, "", True)
    assert installation.keywright.entry.visitor(maya.session) is None


def command(installation: Installation, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`keywright admin`, on the installation's data directory."""
    return subprocess.run(
        [*COMMAND, "admin", *arguments],
        env=clean_environment(installation.keywright.settings.data_dir),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_with_somebody_who_goes_their_passkeys_go(maya: Owner, installation: Installation) -> None:
    """A member who was removed cannot sign in with a passkey, and nothing of it is left."""
    jo = member(installation, "jo@example.com", Role.VIEWER)
    theirs = Authenticator(SITE.origin)
    maya.passkeys.add(jo, SITE, theirs.make(maya.passkeys.ask_to_add(jo, SITE)), "Jo's", WHERE)
    installation.keywright.directory.remove(ME, installation.account_id, jo.member.id)
    with pytest.raises(SignInRefused):
        maya.enter(theirs)

    with installation.keywright.store.snapshot() as reads:
        assert reads.people.passkey(theirs.credential_id) is None


def hostile(answer: str) -> list[str]:
    """Answers that a careless reader trips over."""
    whole = json.loads(answer)
    response = whole["response"]
    said = json.loads(data(response["clientDataJSON"]))
    bodies: list[object] = [
        None, [], 1, "", {}, {"response": None}, {"response": []}, {**whole, "response": {}}, {**whole, "id": 1},
        {**whole, "rawId": "!"}, {**whole, "type": "password"}, {**whole, "id": "x" * 2000},
    ]  # fmt: skip
    for name in response:
        bodies += [{**whole, "response": {**response, name: value}} for value in (None, 1, "", "*", "AAAA", "x" * 9999)]
    changes: list[dict[str, object]] = [
        {"challenge": None}, {"challenge": []}, {"origin": 1}, {"type": "webauthn.create"}, {"type": None},
    ]  # fmt: skip
    for change in changes:
        told = text(json.dumps({**said, **change}).encode())
        bodies.append({**whole, "response": {**response, "clientDataJSON": told}})
    deep = "[" * 20_000
    return [*map(json.dumps, bodies), "", "{", "null", "\x00", deep, "9" * 5000, answer + " " * 40_000, "NaN"]


def test_hostile_answers_are_refused_and_nothing_else(maya: Owner) -> None:
    """Whatever text comes in place of an answer: it is refused, and breaks nothing."""
    asked = maya.passkeys.ask_to_show(maya.me, SITE)
    for number, answer in enumerate(hostile(maya.device.show(asked))):
        maya.installation.clock.advance(throttle.DAY)
        maya.session = signed_in(maya.installation)
        with pytest.raises(SignInRefused):
            maya.passkeys.enter(SITE, answer, WHERE)
        with pytest.raises(ProofRefused):
            maya.passkeys.show(maya.me, SITE, answer, WHERE)
        with pytest.raises(AnswerRefused):
            maya.passkeys.add(maya.me, SITE, answer, f"Number {number}", WHERE)


#: What goes wrong: file, what stands there, what stands there then, who notices.
MUTANTS = {
    "nobody looks who is there": (
        "people/ceremony.py",
        "            credential_current_sign_count=0,\n            require_user_verification=True,",
        "            credential_current_sign_count=0,",
        "test_an_answer_that_is_not_theirs_here_is_refused",
    ),
    "an answer works twice": (
        "people/passkeys.py",
        "            taken = self._take(tx, challenge, kind)",
        "            taken = tx.people.token(values.digest(challenge), kind)",
        "test_an_answer_works_once",
    ),
    "anybody's passkey is a proof": (
        "people/passkeys.py",
        "theirs = passkey is not None and passkey.member_id == member.id",
        "theirs = True",
        "test_nobody_shows_somebody_elses_passkey",
    ),
    "counters are not compared": (
        "stores/people_sql.py",
        "where(theirs.id == passkey_id, grown)",
        "where(theirs.id == passkey_id)",
        "test_a_copy_of_a_passkey_is_noticed",
    ),
    "a challenge is good in every session": (
        "people/passkeys.py",
        "if taken is None or taken.created_by != session_id:",
        "if taken is None:",
        "test_a_challenge_is_good_for_one_purpose_and_one_session",
    ),
    "the handle is not looked at": (
        "people/passkeys.py",
        "if ceremony.read(answer).handle != passkey.member_id:",
        "if False:",
        "test_nobody_shows_somebody_elses_passkey",
    ),
    "a passkey is added without a proof": (
        "people/passkeys.py",
        "        if not is_fresh(visitor, self._clock.now()):\n            raise ProofNeeded\n        theirs",
        "        theirs",
        "test_adding_and_removing_ask_who_it_is",
    ),
    "the last way in can be removed": (
        "people/passkeys.py",
        " and not _other_ways(tx, member):",
        " and False:",
        "test_nobody_locks_themselves_out",
    ),
}


@pytest.mark.parametrize("fault", with_long_form(MUTANTS, list(MUTANTS)[3:]))
def test_a_fault_with_passkeys_is_caught(tmp_path: Path, fault: str) -> None:
    """The tests of which answers let somebody in can fail."""
    file, old, new, test = MUTANTS[fault]
    assert_caught(tmp_path, file, old, new, HERE + test)
