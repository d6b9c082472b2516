"""More promises of a store: what an account lays upon its keys. To be run beside the checks in `conformance`."""

from __future__ import annotations

from contextlib import closing

from keywright.limits.conformance import see
from keywright.record import AccountTerms
from keywright.stores.conformance import MINE, OTHER, Check, OpenStore, digest, insert, publish, row
from keywright.values import replace


def an_accounts_terms_come_with_each_of_its_keys(open_: OpenStore) -> None:
    """What an account lays upon its keys is found with each of them, and with no other account's; the feed tells of its
    change as such; its number is its own."""
    with closing(open_()) as store:
        mine, others = insert(store, row(1), row(2, OTHER.id))
        before, start = store.find([digest(1)]).terms, store.version()
        see(before == AccountTerms(before.number) and before.number > 0, "an account begins without terms")
        for changes in (
            {"limits": ("10/s burst 50", "100/15m")},
            {"disabled": True},
            {"limits": (), "disabled": False},
        ):
            with store.transaction() as tx:
                tx.update_account(MINE.id, changes)
                tx.publish_account(MINE.id)
            before = replace(before, **changes)
            see(store.find([digest(1)]).terms == before, "the terms are those of the last change")
            with store.snapshot() as reads:
                account = reads.account(mine.account_id)
                see(account is not None and account.terms == before, "and are the account's")
        elsewhere = store.find([digest(2)]).terms
        see(elsewhere == AccountTerms(elsewhere.number) and elsewhere.number != before.number, "another's are not")
        told = store.changes_since(start)
        see(told.key_ids == () and told.account_ids == (MINE.id,) * 3, "the feed names the account, and no key")
        publish(store, others.id)
        see(store.changes_since(told.version).account_ids == (), "and only where it changed")


CHECKS: tuple[Check, ...] = (an_accounts_terms_come_with_each_of_its_keys,)
