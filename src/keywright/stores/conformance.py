"""The promises of a store, as checks that anybody can run on their own one.

A check takes a function that opens the store; its data must be new and empty for each check, and every further call
must open the same data again, as another process would.

    for check in CHECKS:
        check(open_mine_on_new_data())
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, TypeAlias

from keywright.audit import SYSTEM, Action, AuditEvent
from keywright.digest import Digest
from keywright.errors import Unavailable
from keywright.limits.conformance import see
from keywright.record import NEVER, NO_TERMS, KeyRow
from keywright.stores.base import (
    Account,
    Found,
    Store,
    Transaction,
)
from keywright.values import replace

OpenStore: TypeAlias = Callable[[], Store]
Check: TypeAlias = Callable[[OpenStore], None]

NOW = 1_737_369_000.25
MINE = Account("acc_mine00001", "Größe / 株式会社 🦔", False, NOW)
OTHER = Account("acc_other0001", "Another", True, NOW + 1)


def digest(number: int, version: int = 1) -> Digest:
    """The digest of the key with that number."""
    return Digest(version, hashlib.sha256(f"{version} {number}".encode()).digest())


def row(number: int, account_id: str = MINE.id, **changes: Any) -> KeyRow:
    """A key that is told from others by its number."""
    plain = KeyRow(
        slot=0,
        id=f"key_{number:09}",
        account_id=account_id,
        name=f"Key {number}",
        format="lwa",
        environment="live",
        prefix="lwa.sk_live_",
        hint=f"{number:04}",
        digest=digest(number).value,
        digest_version=1,
        scopes=("*",),
        expires_at=NEVER,
        disabled=False,
        limits=None,
        networks=(),
        metadata="{}",
        created_at=NOW,
    )
    return replace(plain, **changes)


def insert(store: Store, *rows: KeyRow) -> list[KeyRow]:
    """Store keys; both accounts are made if there are none."""
    with store.transaction() as tx:
        if not tx.accounts():
            tx.insert_account(MINE)
            tx.insert_account(OTHER)
        return tx.insert_keys(rows)


def remove(store: Store, gone: KeyRow) -> None:
    """Delete a key as management does."""
    with store.transaction() as tx:
        tx.delete_key(gone, NOW + 5)
        tx.publish(gone.id)


def publish(store: Store, *key_ids: str) -> None:
    """Publish changes, each in a transaction of its own."""
    for key_id in key_ids:
        with store.transaction() as tx:
            tx.publish(key_id)


@contextmanager
def refused(sentence: str) -> Iterator[None]:
    """See that the block raises `Unavailable`."""
    raised = False
    try:
        yield
    except Unavailable:
        raised = True
    see(raised, sentence)


def every_field_comes_back(open_: OpenStore) -> None:
    """What is stored of a key is what was given, to the last field."""
    rich = row(
        2,
        name="  中文 / עברית 🦔 <b>",
        scopes=("a:b", "keys:read"),
        expires_at=NOW + 86_400.5,
        disabled=True,
        limits=("10/s", "100/15m"),
        networks=("203.0.113.0/24", "2001:db8::/32"),
        metadata='{"team":"ü","n":[1,null]}',
        successor_id="key_000000009",
        digest_version=7,
    )
    with closing(open_()) as store:
        given = [row(1), rich, row(3, limits=())]
        stored = insert(store, *given)
        see([replace(each, slot=0) for each in stored] == given, "only the slots are new")
    with closing(open_()) as again, again.snapshot() as reads:
        see(reads.keys(MINE.id, 0, 10) == stored, "a list has every field, also after a restart")
        see([reads.caller(each.id) for each in stored] == stored, "a caller's row has every field")
        see([reads.key(MINE.id, each.id) for each in stored] == stored, "a key's row has every field")
        see(again.find([digest(2)]).row == stored[1], "a look-up finds every field")
        see(
            [replace(each, terms=NO_TERMS) for each in reads.accounts()] == [MINE, OTHER],
            "accounts come back, the oldest first",
        )
        see(reads.account("acc_nobody000") is None, "there is no account that was not made")


def every_column_can_be_changed(open_: OpenStore) -> None:
    """A change sets the columns it names, and no others."""
    changes: dict[str, Any] = {
        "name": "New",
        "scopes": ("keys:read",),
        "expires_at": NOW + 60,
        "disabled": True,
        "limits": ("5/s",),
        "networks": ("192.0.2.7/32",),
        "metadata": '{"a":1}',
        "successor_id": "key_000000002",
    }
    with closing(open_()) as store:
        one, other = insert(store, row(1), row(2))
        for back in ({}, {"expires_at": NEVER, "limits": None, "successor_id": None}):
            wanted = {**changes, **back}
            with store.transaction() as tx:
                tx.update_key(one.id, wanted)
            see(store.find([digest(1)]).row == replace(one, **wanted), "what was named has changed, the rest has not")
        see(store.find([digest(2)]).row == other, "another key is as it was")


def slots_rise_and_are_never_used_again(open_: OpenStore) -> None:
    """Each key has a slot above all that were ever given, in the order of the call; deleting gives none free."""
    with closing(open_()) as store:
        first = insert(store, *(row(number) for number in range(50)))
        slots = [each.slot for each in first]
        see(slots == sorted(set(slots)) and [each.id for each in first] == [row(n).id for n in range(50)], "in order")
        remove(store, first[-1])
    with closing(open_()) as again:
        (later,) = insert(again, row(99))
        see(later.slot > slots[-1], "the slot of a deleted key is not given again")


def found_under_any_digest(open_: OpenStore) -> None:
    """A look-up finds the key whichever of the digests is the stored one, and nobody where none is."""
    with closing(open_()) as store:
        (stored,) = insert(store, row(1, digest=digest(1, 3).value, digest_version=3))
        for digests in ([digest(1, 3)], [digest(1, 4), digest(1, 3)], [digest(1, 3), digest(1, 2)]):
            see(store.find(digests).row == stored, "found by its digest among others")
        see(store.find([digest(1, 4), digest(2, 3)]) == Found(), "no such key, and none deleted")


def a_new_digest_replaces_the_old(open_: OpenStore) -> None:
    """After a rehash the key is found by its new digest only, and all else is as it was."""
    with closing(open_()) as store:
        (stored,) = insert(store, row(1))
        store.rehash(stored.id, digest(1, 2))
        renewed = replace(stored, digest=digest(1, 2).value, digest_version=2)
        see(store.find([digest(1, 2)]).row == renewed, "found by the new digest")
        see(store.find([digest(1)]) == Found(), "not found by the old one")


def a_deleted_key_leaves_a_tombstone(open_: OpenStore) -> None:
    """A deleted key is in no list, and is known as deleted by each of its possible digests, for good."""
    with closing(open_()) as store:
        (stored,) = insert(store, row(1, name="Gone"))
        remove(store, stored)
    with closing(open_()) as again, again.snapshot() as reads:
        for digests in ([digest(1)], [digest(1, 2), digest(1)]):
            see(again.find(digests) == Found(deleted=True), "known as deleted")
        see(reads.key(MINE.id, stored.id) is None and reads.caller(stored.id) is None, "gone by its id")
        see(reads.keys(MINE.id, 0, 10) == [] and reads.keys_named(MINE.id, "Gone") == [], "gone from every list")
        see(reads.slot_of(MINE.id, stored.id) == stored.slot, "its slot can still be reported on")
        see(reads.slot_of(OTHER.id, stored.id) is None, "but not by another account")


def ids_and_digests_are_used_once(open_: OpenStore) -> None:
    """Neither an id nor a digest is taken twice, not even after its key was deleted; and then nothing is stored."""
    with closing(open_()) as store:
        living, gone = insert(store, row(1), row(2))
        remove(store, gone)
        for name, taken in (("living", living), ("deleted", gone)):
            for part in ({"id": taken.id}, {"digest": taken.digest}):
                with refused(f"the {next(iter(part))} of a {name} key is in use"):
                    insert(store, row(3), row(4, **part))
        see(store.find([digest(3)]) == Found(), "a refused insert stores none of its keys")
        see(store.find([digest(2)]) == Found(deleted=True), "the deleted key stays deleted")


def an_exception_undoes_everything(open_: OpenStore) -> None:
    """A transaction that is left by an exception changes nothing at all, and the store works on."""
    with closing(open_()) as store:
        one, two = insert(store, row(1), row(2))
        version = store.version()
        try:
            with store.transaction() as tx:
                _change_everything(tx, one, two)
                raise LookupError
        except LookupError:
            pass
        see(store.version() == version, "no change was published")
        see(store.find([digest(1)]).row == one and store.find([digest(2)]).row == two, "no key was changed or deleted")
        see(store.find([digest(3)]) == Found(), "no key was made")
        with store.snapshot() as reads:
            see([each.id for each in reads.accounts()] == [MINE.id, OTHER.id], "no account was made")
            see(not reads.accounts()[0].terms.disabled, "and none was changed")
            see(reads.made_by(MINE.id, "again", 0) is None, "nothing is remembered")
        insert(store, row(3))


def _change_everything(tx: Transaction, one: KeyRow, two: KeyRow) -> None:
    tx.insert_account(Account("acc_third0001", "Third", False, NOW))
    tx.update_account(MINE.id, {"disabled": True})
    tx.insert_keys([row(3)])
    tx.update_key(one.id, {"name": "Changed"})
    tx.delete_key(two, NOW)
    tx.remember(MINE.id, "again", one.id, NOW, 0)
    tx.audit(AuditEvent(NOW, SYSTEM, MINE.id, Action.KEY_DELETE, two.id, {}))
    tx.publish(one.id)
    tx.publish(two.id)


def the_feed_has_every_change_in_order(open_: OpenStore) -> None:
    """Whoever reads on from a version learns of every change after it, in the order of the commits."""
    with closing(open_()) as store, closing(open_()) as reader:
        start = reader.version()
        see(reader.changes_since(start).key_ids == (), "nothing is new")
        publish(store, "key_a", "key_b")
        publish(reader, "key_a")
        changes = reader.changes_since(start)
        see(changes.key_ids == ("key_a", "key_b", "key_a"), "every change, in order")
        see(changes.version == store.version() > start, "and up to which version")
        publish(store, "key_c")
        see(reader.changes_since(changes.version).key_ids == ("key_c",), "reading on gives what is new, once")


def what_the_feed_cannot_tell_is_everything(open_: OpenStore) -> None:
    """Where the feed cannot say what has changed, everything has: nobody goes on believing what they remember."""
    with closing(open_()) as store:
        publish(store, "key_a", "key_b")
        see(store.changes_since(-1).key_ids is None, "a reader who has read nothing yet does not know what it missed")
        ahead = store.changes_since(store.version() + 3)
        see(ahead.key_ids is None, "a reader ahead of the store remembers a time that never was")
        see(ahead.version == store.version(), "and begins again from the store's own version")


def freshness_tells_of_every_change(open_: OpenStore) -> None:
    """After a change was acknowledged, every opening of the store answers another freshness than before."""
    with closing(open_()) as one, closing(open_()) as other:
        (stored,) = insert(one, row(1))
        for store in (one, other, one):
            before = (one.freshness(), other.freshness())
            see(before == (one.freshness(), other.freshness()), "without a change it stays")
            publish(store, stored.id)
            see(one.freshness() != before[0] and other.freshness() != before[1], "a change moves it for all")


def settle_tells_of_what_is_committed(open_: OpenStore) -> None:
    """Settling moves the freshness of every opening, whoever made the last change."""
    with closing(open_()) as one, closing(open_()) as other:
        before = (one.freshness(), other.freshness())
        one.settle()
        see(one.freshness() != before[0] and other.freshness() != before[1], "everybody looks again")


def transactions_come_one_after_the_other(open_: OpenStore) -> None:
    """What a transaction has read cannot change before it ends: no increment is lost, whoever makes it where."""
    with closing(open_()) as one, closing(open_()) as other:
        (stored,) = insert(one, row(1, metadata="0"))

        def add(store: Store) -> None:
            for _ in range(10):
                with store.transaction() as tx:
                    found = tx.caller(stored.id)
                    tx.update_key(stored.id, {"metadata": str(int(found.metadata if found else 0) + 1)})

        threads = [threading.Thread(target=add, args=(store,)) for store in (one, other, one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = other.find([digest(1)]).row
        see(found is not None and found.metadata == "40", "40 increments make 40")


def a_snapshot_sees_one_state(open_: OpenStore) -> None:
    """All reads of a snapshot see the state that its first read saw."""
    with closing(open_()) as one, closing(open_()) as other:
        (stored,) = insert(one, row(1))
        with one.snapshot() as reads:
            see(reads.keys(MINE.id, 0, 10) == [stored], "the state there is")
            remove(other, stored)
            insert(other, row(2))
            see(reads.keys(MINE.id, 0, 10) == [stored], "and not what came after")
            see(one.find([digest(1)]) == Found(deleted=True), "while a look-up sees every commit before it")


def an_account_sees_its_own_keys(open_: OpenStore) -> None:
    """No read that names an account finds another's keys."""
    with closing(open_()) as store:
        mine, others = insert(store, row(1, name="Same"), row(2, OTHER.id, name="Same", hint="0001"))
        with store.transaction() as tx:
            tx.remember(MINE.id, "once", mine.id, NOW, 0)
        with store.snapshot() as reads:
            see(reads.key(OTHER.id, mine.id) is None and reads.slot_of(OTHER.id, mine.id) is None, "by its id")
            see(reads.keys(OTHER.id, 0, 10) == [others] and reads.keys(MINE.id, 0, 10) == [mine], "in lists")
            see(reads.keys_named(MINE.id, "Same") == [mine], "by its name")
            see(reads.keys_hinted(MINE.id, mine.prefix, "0001") == [mine], "by its last characters")
            see(reads.count_keys(OTHER.id, NOW) == {"active": 1}, "in counts")
            see(reads.made_by(OTHER.id, "once", 0) is None, "by what made it")


def lists_come_in_pages(open_: OpenStore) -> None:
    """Pages that begin after the last slot of the one before hold every key once, the oldest first."""
    with closing(open_()) as store:
        stored = insert(store, *(row(number, name="Same", hint="same") for number in range(7)))
        with store.snapshot() as reads:
            pages, after = [], 0
            while page := reads.keys(MINE.id, after, 3):
                pages.append(page)
                after = page[-1].slot
            see([len(page) for page in pages] == [3, 3, 1], "no page is longer than asked for")
            see([each for page in pages for each in page] == stored, "together they are the list")
            see(len(reads.keys_named(MINE.id, "Same")) == 2, "two of a name tell that it is not the only one")
            see(len(reads.keys_hinted(MINE.id, "lwa.sk_live_", "same")) == 2, "and so do two of a hint")


def keys_are_counted_by_status(open_: OpenStore) -> None:
    """Counts follow the same rules as a row's own status."""
    with closing(open_()) as store:
        insert(
            store,
            row(1),
            row(2, expires_at=NOW),
            row(3, expires_at=NOW + 1, successor_id="key_x"),
            row(4, disabled=True, expires_at=NOW - 1, successor_id="key_y"),
            row(5, disabled=True, expires_at=NOW + 1, successor_id="key_z"),
        )
        with store.snapshot() as reads:
            rows = reads.keys(MINE.id, 0, 10)
            for now in (NOW, NOW + 1):
                statuses = [str(each.status(now)) for each in rows]
                counted = {status: statuses.count(status) for status in statuses}
                see(reads.count_keys(MINE.id, now) == counted, "as many as have that status")
                replaced = [reads.has_predecessor(MINE.id, f"key_{each}", now) for each in "xyzw"]
                see(replaced == [now == NOW, False, now == NOW, False], "who is replaced by whom, until it has ended")
            see(not reads.has_predecessor("acc_other", "key_x", NOW), "no key of another account is meant")


def what_was_made_is_remembered_once(open_: OpenStore) -> None:
    """An idempotency key names what it made as long as is asked for, and cannot name anything else in that time."""
    with closing(open_()) as store:
        (stored,) = insert(store, row(1))
        with store.transaction() as tx:
            tx.remember(MINE.id, "once", stored.id, NOW, NOW)
            see(tx.made_by(MINE.id, "once", NOW) == stored.id, "at once in the transaction")
        with refused("it is taken"), store.transaction() as tx:
            tx.remember(MINE.id, "once", "key_other0001", NOW + 1, NOW)
        remove(store, stored)
    with closing(open_()) as again:
        with again.snapshot() as reads:
            see(reads.made_by(MINE.id, "once", NOW) == stored.id, "also when the key is gone")
            see(reads.made_by(MINE.id, "once", NOW + 1) is None, "no longer than is asked for")
        with again.transaction() as tx:
            tx.remember(MINE.id, "once", "key_other0001", NOW + 2, NOW + 1)
        with again.snapshot() as reads:
            see(reads.made_by(MINE.id, "once", NOW) == "key_other0001", "then it may name another")


def what_was_made_is_forgotten_in_the_end(open_: OpenStore) -> None:
    """What need not be remembered any more does not fill the database, and what must be is not forgotten with it."""
    with closing(open_()) as store:
        with store.transaction() as tx:
            for number in range(100):
                tx.remember(MINE.id, f"old {number}", "key_old000001", NOW, NOW)
                tx.remember(MINE.id, f"young {number}", "key_young0001", NOW + 10, NOW)
            for number in range(1000):
                tx.remember(OTHER.id, f"new {number}", "key_new000001", NOW + 20, NOW + 10)
        with store.snapshot() as reads:
            old = [reads.made_by(MINE.id, f"old {number}", 0) for number in range(100)]
            young = [reads.made_by(MINE.id, f"young {number}", 0) for number in range(100)]
        see(old == [None] * 100, "the old are gone")
        see(young == ["key_young0001"] * 100, "the young are not")


CHECKS: tuple[Check, ...] = (
    every_field_comes_back,
    every_column_can_be_changed,
    slots_rise_and_are_never_used_again,
    found_under_any_digest,
    a_new_digest_replaces_the_old,
    a_deleted_key_leaves_a_tombstone,
    ids_and_digests_are_used_once,
    an_exception_undoes_everything,
    the_feed_has_every_change_in_order,
    what_the_feed_cannot_tell_is_everything,
    freshness_tells_of_every_change,
    settle_tells_of_what_is_committed,
    transactions_come_one_after_the_other,
    a_snapshot_sees_one_state,
    an_account_sees_its_own_keys,
    lists_come_in_pages,
    keys_are_counted_by_status,
    what_was_made_is_remembered_once,
    what_was_made_is_forgotten_in_the_end,
)
