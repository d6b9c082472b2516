"""An application server that loads everything and then forks: each child is an ordinary process of its own."""

from __future__ import annotations

from keywright import Accepted, Reason, Refused
from keywright.limits.conformance import in_children
from support.installation import ME, Installation


def test_parent_and_children_change_and_verify(installation: Installation) -> None:
    """Parent and children make, delete and verify keys at once, each sees the others' changes, and the database is
    whole."""
    keywright, account = installation.keywright, installation.account_id
    keys = [installation.create(rate_limit=None) for _ in range(8)]
    for created in keys:
        assert isinstance(keywright.verify(created.key), Accepted)

    def work() -> int:
        made = installation.create()
        keywright.manager.delete(ME, account, made.row.id)
        refused = keywright.verify(made.key) == Refused(Reason.UNKNOWN)
        return int(refused and all(isinstance(keywright.verify(each.key), Accepted) for each in keys[1:]))

    def meanwhile() -> int:
        keywright.manager.delete(ME, account, keys[0].row.id)
        return int(keywright.verify(keys[0].key) == Refused(Reason.UNKNOWN))

    assert in_children(work, 3, meanwhile) == [1, 1, 1, 1]
    assert keywright.store.integrity() == "ok"
    assert len(keywright.manager.keys(ME, account)) == 7


def test_a_child_learns_what_its_parent_changes(installation: Installation) -> None:
    """What a child remembers was never its parent's memory: it sees what has changed since."""
    created = installation.create()
    assert isinstance(installation.keywright.verify(created.key), Accepted)

    def work() -> int:
        installation.keywright.manager.delete(ME, installation.account_id, created.row.id)
        return 1

    assert in_children(work, 1) == [1]
    assert installation.keywright.verify(created.key) == Refused(Reason.UNKNOWN)

    def look() -> int:
        return int(installation.keywright.verify(created.key) == Refused(Reason.UNKNOWN))

    assert in_children(look, 2) == [1, 1]


def test_limits_stay_exact_over_a_fork(installation: Installation) -> None:
    """S71: parent and children together get one allowance."""
    created = installation.create()
    installation.keywright.verify(created.key)

    def work() -> int:
        return sum(isinstance(installation.keywright.verify(created.key), Accepted) for _ in range(60))

    assert sum(in_children(work, 2, work)) == 99
