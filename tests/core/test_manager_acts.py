"""Creating, changing, rotating and deleting: whole, traced, and never undone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pysqlite3 import dbapi2

from keywright import Accepted, ManualClock, Reason, Refused, timestamp
from keywright.errors import Conflict, Forbidden, InvalidValue, NotFound
from keywright.limits.conformance import in_children
from keywright.manage.manager import BULK_KEYS, DEFAULT_GRACE_SECONDS, IDEMPOTENCY_SECONDS, MAX_GRACE_SECONDS
from keywright.record import NEVER, KeyStatus
from keywright.stores.sqlite import RECORDS_FILE
from support.installation import ME, Installation


def audit(data_dir: Path) -> list[tuple[str, str, str, dict[str, Any]]]:
    """The audit log: action, actor, target, details."""
    with closing(dbapi2.connect(data_dir / RECORDS_FILE)) as connection:
        found = connection.execute("SELECT action, actor_id, target, details FROM audit_log ORDER BY number")
        return [(action, actor, target, json.loads(details)) for action, actor, target, details in found]


def test_s41_an_id_says_nothing(installation: Installation) -> None:
    """S41: ids are ``key_`` and nine characters, each another, and no part of the key."""
    made = [installation.create() for _ in range(50)]
    assert all(re.fullmatch(r"key_[A-Za-z0-9]{9}", created.row.id) for created in made)
    assert len({created.row.id for created in made}) == 50
    assert not [created for created in made if created.row.id[4:] in created.key]
    assert re.fullmatch(r"acc_[A-Za-z0-9]{9}", installation.account())


def test_s12_s14_the_key_is_in_one_answer_only(installation: Installation) -> None:
    """S12, S14: what is stored, listed or printed of a new key does not hold it."""
    created = installation.create()
    listed = installation.keywright.manager.keys(ME, installation.account_id)
    assert created.key[-32:] not in repr((created, created.row, listed))
    assert created.row.hint == created.key[-4:]


def test_s44_s45_the_list_is_the_accounts_oldest_first(installation: Installation) -> None:
    """S44, S45: the list has all keys of the account and nobody else's, the oldest first, in pages if asked."""
    mine = [installation.create(f"Key {number}").row for number in range(5)]
    installation.create(account_id=installation.account())
    manager = installation.keywright.manager
    manager.delete(ME, installation.account_id, mine.pop(2).id)
    assert [each.row for each in manager.keys(ME, installation.account_id)] == mine
    first = manager.keys(ME, installation.account_id, 0, 3)
    rest = manager.keys(ME, installation.account_id, first[-1].row.slot, 3)
    assert [each.row for each in (*first, *rest)] == mine


def test_s56_s58_deleted_is_for_good(installation: Installation) -> None:
    """S56, S58: a deleted key is gone from the list and from every act; nothing brings it back."""
    manager, account = installation.keywright.manager, installation.account_id
    created = installation.create()
    manager.delete(ME, account, created.row.id)
    assert manager.keys(ME, account) == []
    acts = (
        lambda: manager.delete(ME, account, created.row.id),
        lambda: manager.update(ME, account, created.row.id, {"disabled": False}),
        lambda: manager.rotate(ME, account, created.row.id),
        lambda: manager.key(ME, account, created.row.id),
        lambda: manager.find(ME, account, created.row.id),
    )
    for act in acts:
        with pytest.raises(NotFound):
            act()
    assert installation.keywright.verify(created.key) == Refused(Reason.UNKNOWN)


def test_s60_a_key_may_delete_itself_and_the_last_one(installation: Installation) -> None:
    """S60: no key is kept against its owner's will."""
    created = installation.create()
    installation.keywright.manager.delete(installation.actor(created), installation.account_id, created.row.id)
    assert installation.keywright.manager.keys(ME, installation.account_id) == []
    assert installation.keywright.verify(created.key) == Refused(Reason.UNKNOWN)


def test_s61_a_rotation_leaves_no_gap(installation: Installation, clock: ManualClock) -> None:
    """S61: during the grace both keys are good, then only the new one; it can do all that the old one could."""
    manager, account = installation.keywright.manager, installation.account_id
    old = installation.create(
        "Old", scopes=["a"], networks=["192.0.2.0/24"], rate_limit="7/m", metadata={"a": 1}, environment="test"
    )
    new = manager.rotate(ME, account, old.row.id)
    for name in ("name", "scopes", "networks", "limits", "metadata", "environment", "format", "expires_at"):
        assert getattr(new.row, name) == getattr(old.row, name)
    rotating = manager.key(ME, account, old.row.id).row
    assert (rotating.status(clock.now()), rotating.successor_id) == (KeyStatus.ROTATING, new.row.id)
    assert rotating.expires_at == clock.now() + DEFAULT_GRACE_SECONDS
    assert _reasons(installation, old.key, new.key) == [Reason.NETWORK, Reason.NETWORK]
    clock.advance(DEFAULT_GRACE_SECONDS)
    assert _reasons(installation, old.key, new.key) == [Reason.EXPIRED, Reason.NETWORK]


def _reasons(installation: Installation, *keys: str) -> list[Reason | None]:
    outcomes = [installation.keywright.verify(key) for key in keys]
    return [each.reason if isinstance(each, Refused) else None for each in outcomes]


@pytest.mark.parametrize(("life", "grace", "ends"), [(60, 3_600, 60), (3_600, 60, 60), (60, 60, 60), (None, 0, 0)])
def test_s61_a_rotated_key_never_lives_longer(
    installation: Installation, clock: ManualClock, life: int | None, grace: int, ends: int
) -> None:
    """S61: the old key ends with its grace or its own expiry, whichever is first; its successor as it would have."""
    given: dict[str, Any] = {"expires_in_seconds": life} if life else {}
    old = installation.create(**given)
    new = installation.keywright.manager.rotate(ME, installation.account_id, old.row.id, grace)
    found = installation.keywright.manager.key(ME, installation.account_id, old.row.id).row
    assert found.expires_at == clock.now() + ends
    assert new.row.expires_at == (clock.now() + life if life else NEVER)
    assert _reasons(installation, old.key) == [None if ends else Reason.EXPIRED]


@pytest.mark.parametrize(
    ("end", "ends"),
    [({"expires_in_seconds": 7_200}, 7_200), ({"expires_in_seconds": 30}, 30), ({"expires_at": None}, None)],
)
def test_s61_a_rotation_renews_a_key_whose_end_is_said(
    installation: Installation, clock: ManualClock, end: dict[str, Any], ends: int | None
) -> None:
    """S61: the successor ends when that is asked for, later or sooner; the old key as if nothing had been said, and the
    audit log holds both ends."""
    old = installation.create(expires_in_seconds=60)
    manager, account = installation.keywright.manager, installation.account_id
    new = manager.rotate(ME, account, old.row.id, 3_600, end)
    assert new.row.expires_at == (clock.now() + ends if ends else NEVER)
    assert manager.key(ME, account, old.row.id).row.expires_at == clock.now() + 60
    line = installation.keywright.ledger.of_key(ME, account, old.row.id, 1)[0].line
    said = timestamp(clock.now() + ends) if ends else None
    assert line.details == {
        "successor": new.row.id, "ends_at": timestamp(clock.now() + 60), "successor_expires_at": said
    }  # fmt: skip


@pytest.mark.parametrize(
    ("end", "member"),
    [
        ({"expires_in_seconds": 0}, "expires_in_seconds"),
        ({"expires_in_seconds": None}, "expires_in_seconds"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": None, "expires_in_seconds": 60}, "expires_in_seconds"),
        ({"scopes": ["*"]}, "scopes"),
    ],
)
def test_a_wrong_end_rotates_nothing(installation: Installation, end: dict[str, Any], member: str) -> None:
    """A successor's end is what a new key's may be, and nothing else of it can be chosen; its name is said."""
    created = installation.create(expires_in_seconds=60, scopes=["a"])
    with pytest.raises(InvalidValue) as raised:
        installation.keywright.manager.rotate(ME, installation.account_id, created.row.id, 60, end)
    assert raised.value.member == member
    assert [each.row for each in installation.keywright.manager.keys(ME, installation.account_id)] == [created.row]


@pytest.mark.parametrize("grace", [-1, MAX_GRACE_SECONDS + 1, 1.5, "60", None, True])
def test_a_wrong_grace_rotates_nothing(installation: Installation, grace: Any) -> None:
    """A grace that is no span is a wrong value, and no key is made."""
    created = installation.create()
    with pytest.raises(InvalidValue) as raised:
        installation.keywright.manager.rotate(ME, installation.account_id, created.row.id, grace)
    assert raised.value.member == "grace_seconds"
    assert [each.row for each in installation.keywright.manager.keys(ME, installation.account_id)] == [created.row]


def test_a_key_is_rotated_once(installation: Installation, clock: ManualClock) -> None:
    """A repeated rotation makes no second successor, and names the first; if that one is gone, it says what to do."""
    manager, account = installation.keywright.manager, installation.account_id
    created = installation.create()
    successor = manager.rotate(ME, account, created.row.id, 60)
    for _ in range(2):
        with pytest.raises(Conflict) as raised:
            manager.rotate(ME, account, created.row.id)
        assert raised.value.member == successor.row.id
        clock.advance(60)
    assert len(manager.keys(ME, account)) == 2
    manager.delete(ME, account, successor.row.id)
    with pytest.raises(Conflict, match=f"{successor.row.id}, which is deleted. Create a new key") as raised:
        manager.rotate(ME, account, created.row.id)
    assert raised.value.member == ""


@pytest.mark.parametrize("end", ["disabled", "expired"])
def test_only_an_active_key_is_rotated(installation: Installation, clock: ManualClock, end: str) -> None:
    """Rotating gives no new life to a key that has none."""
    created = installation.create(expires_in_seconds=60)
    manager, account = installation.keywright.manager, installation.account_id
    if end == "disabled":
        manager.update(ME, account, created.row.id, {"disabled": True})
    clock.advance(60)
    with pytest.raises(Conflict, match=end):
        manager.rotate(ME, account, created.row.id)
    assert len(manager.keys(ME, account)) == 1


def test_a_weaker_key_cannot_rotate_a_stronger_one(installation: Installation) -> None:
    """S20: who has fewer rights does not get a key with more by rotating it."""
    weak, strong = installation.create(scopes=["keys:write"]), installation.create()
    with pytest.raises(Forbidden):
        installation.keywright.manager.rotate(installation.actor(weak), installation.account_id, strong.row.id)
    assert len(installation.keywright.manager.keys(ME, installation.account_id)) == 2


@pytest.mark.parametrize("later", [{"expires_at": None}, {"expires_in_seconds": 7_200}])
@pytest.mark.parametrize("end", ["expired", "rotating", "rotated away"])
def test_s58_a_life_that_has_ended_is_not_given_back(
    installation: Installation, clock: ManualClock, later: dict[str, Any], end: str
) -> None:
    """S58: neither an expired key nor one that is being replaced can be made to live longer; another may."""
    manager, account = installation.keywright.manager, installation.account_id
    created, free = installation.create(expires_in_seconds=3_600), installation.create(expires_in_seconds=3_600)
    if end != "expired":
        manager.rotate(ME, account, created.row.id, 1_800)
    clock.advance(0 if end == "rotating" else 3_600)
    before = manager.key(ME, account, created.row.id)
    with pytest.raises(Conflict):
        manager.update(ME, account, created.row.id, {"name": "Alive", **later})
    assert manager.key(ME, account, created.row.id) == before
    if end == "rotating":
        assert manager.update(ME, account, free.row.id, later).row.expires_at > free.row.expires_at
        manager.update(ME, account, created.row.id, {"expires_in_seconds": 60})


def test_an_idempotent_create_makes_one_key(installation: Installation) -> None:
    """A repeated call with one Idempotency-Key makes no second key, even when the first is deleted; it names it."""
    manager, account = installation.keywright.manager, installation.account_id
    created = manager.create(ME, account, {"name": "Once"}, "retry-1")
    for _ in range(2):
        with pytest.raises(Conflict) as raised:
            manager.create(ME, account, {"name": "Once"}, "retry-1")
        assert raised.value.member == created.row.id
    elsewhere = installation.account()
    others = [
        manager.create(ME, account, {"name": "Once"}, "retry-2"),
        manager.create(ME, elsewhere, {"name": "Once"}, "retry-1"),
    ]
    assert len({created.key, *(each.key for each in others)}) == 3
    manager.delete(ME, account, created.row.id)
    with pytest.raises(Conflict):
        manager.create(ME, account, {"name": "Once"}, "retry-1")


def test_a_failed_idempotent_create_can_be_repeated(installation: Installation) -> None:
    """A call that made nothing has not used up its Idempotency-Key."""
    manager, account = installation.keywright.manager, installation.account_id
    weak = installation.create(scopes=["keys:write"])
    with pytest.raises(InvalidValue):
        manager.create(installation.actor(weak), account, {"name": "x", "scopes": ["*"]}, "retry-1")
    assert manager.create(ME, account, {"name": "x"}, "retry-1").row.name == "x"


def test_retries_at_once_make_one_key(installation: Installation) -> None:
    """Of processes that retry one call at the same moment, one makes the key."""

    def work() -> int:
        try:
            installation.keywright.manager.create(ME, installation.account_id, {"name": "Once"}, "retry-1")
        except Conflict:
            return 0
        return 1

    assert sorted(in_children(work, 4)) == [0, 0, 0, 1]
    assert len(installation.keywright.manager.keys(ME, installation.account_id)) == 1


def test_many_keys_are_made_in_few_transactions(installation: Installation, data_dir: Path) -> None:
    """Keys made in bulk are stored when they are handed out, a thousand to a transaction and a line of the log."""
    taken = 0

    def bodies() -> Iterator[Mapping[str, Any]]:
        nonlocal taken
        for number in range(BULK_KEYS + 500):
            taken += 1
            yield {"name": f"Key {number}"}

    made = installation.keywright.manager.create_many(ME, installation.account_id, bodies())
    first = next(made)
    assert taken == BULK_KEYS, "no more is held than one transaction takes"
    assert isinstance(installation.keywright.verify(first.key), Accepted)
    rest = list(made)
    assert [each.row.name for each in (first, *rest)] == [f"Key {number}" for number in range(BULK_KEYS + 500)]
    assert len({each.key for each in rest}) == BULK_KEYS + 499
    lines = [details["count"] for action, _, _, details in audit(data_dir) if action == "key.create_many"]
    assert lines == [BULK_KEYS, 500]


def test_many_keys_end_with_the_first_wrong_one(installation: Installation) -> None:
    """A wrong value among many makes nothing of its transaction and leaves what was handed out before."""
    given = [{"name": f"Key {number}"} for number in range(BULK_KEYS + 2)] + [{"name": ""}]
    made = installation.keywright.manager.create_many(ME, installation.account_id, given)
    for _ in range(BULK_KEYS):
        next(made)
    with pytest.raises(InvalidValue):
        next(made)
    counts = installation.keywright.manager.summary(ME, installation.account_id).keys
    assert counts == {"active": BULK_KEYS, "disabled": 0, "expired": 0, "rotating": 0}


def test_every_act_leaves_its_line(installation: Installation, data_dir: Path) -> None:
    """Each change is in the audit log once, with who did it and to what, and holds nothing secret."""
    manager, account = installation.keywright.manager, installation.account_id
    caller = installation.create("Caller")
    actor = installation.actor(caller)
    created = manager.create(actor, account, {"name": "Made"})
    manager.update(actor, account, created.row.id, {"name": "New", "disabled": False})
    successor = manager.rotate(actor, account, created.row.id)
    manager.delete(actor, account, created.row.id)
    log = audit(data_dir)
    assert [(action, who, target) for action, who, target, _ in log] == [
        ("account.create", "", account),
        ("key.create", "test", caller.row.id),
        ("key.create", caller.row.id, created.row.id),
        ("key.update", caller.row.id, created.row.id),
        ("key.rotate", caller.row.id, created.row.id),
        ("key.delete", caller.row.id, created.row.id),
    ]
    assert (log[3][3], log[4][3]["successor"]) == ({"changed": ["disabled", "name"]}, successor.row.id)
    assert not [each for each in (caller, created, successor) if each.key[-32:-4] in str(log)]


def test_what_was_not_done_leaves_no_line(installation: Installation, data_dir: Path) -> None:
    """An act that is refused, or changes nothing, is not in the log."""
    manager, account = installation.keywright.manager, installation.account_id
    weak, strong = installation.create(scopes=["keys:write"]), installation.create()
    before = audit(data_dir)
    acts = (
        lambda: manager.create(installation.actor(weak), account, {"name": "x", "scopes": ["*"]}),
        lambda: manager.rotate(installation.actor(weak), account, strong.row.id),
        lambda: manager.keys(installation.actor(weak), account),
        lambda: manager.delete(ME, account, "key_000000000"),
    )
    for act in acts:
        with pytest.raises((InvalidValue, Forbidden, NotFound)):
            act()
    manager.update(ME, account, strong.row.id, {})
    assert audit(data_dir) == before


def test_there_is_one_operators_account(data_dir: Path) -> None:
    """Processes that start at once on a new directory agree on the operator's account."""
    with Installation(data_dir, ManualClock()):
        pass
    other = data_dir.parent / "other"

    def work() -> int:
        with Installation(other, ManualClock()) as mine:
            return len(mine.keywright.manager.accounts(ME))

    assert in_children(work, 4) == [1] * 4


def test_a_reference_means_one_key(installation: Installation) -> None:
    """A key is found by its id, a name that only it has, or its prefix and last characters; never one of several."""
    manager, account = installation.keywright.manager, installation.account_id
    one, two = installation.create("Mine"), installation.create("Twice")
    twin = installation.create("Twice")
    for reference in (one.row.id, "Mine", f"{one.row.prefix}…{one.row.hint}", f"{one.row.prefix}...{one.row.hint}"):
        assert manager.find(ME, account, reference).row == one.row
    assert manager.find(ME, account, two.row.id).row == two.row
    with pytest.raises(Conflict, match="Several") as several:
        manager.find(ME, account, "Twice")
    assert {two.row.id, twin.row.id} <= set(re.split("[ ;]", several.value.message))
    for reference in ("", "None", one.row.prefix, one.row.hint, "…"):
        with pytest.raises(NotFound):
            manager.find(ME, account, reference)


def test_s16_an_idempotency_key_is_known_for_a_day(installation: Installation, clock: ManualClock) -> None:
    """A create call that is repeated within the time that is promised makes nothing; after it, it is a new call."""
    create = installation.keywright.manager.create
    first = create(ME, installation.account_id, {"name": "once"}, "6f1c")
    clock.advance(IDEMPOTENCY_SECONDS)
    with pytest.raises(Conflict) as conflict:
        create(ME, installation.account_id, {"name": "once"}, "6f1c")
    assert conflict.value.member == first.row.id

    clock.advance(1)
    second = create(ME, installation.account_id, {"name": "once"}, "6f1c")

    assert second.row.id != first.row.id
    with pytest.raises(Conflict) as conflict:
        create(ME, installation.account_id, {"name": "once"}, "6f1c")
    assert conflict.value.member == second.row.id
