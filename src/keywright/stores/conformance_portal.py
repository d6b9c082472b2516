"""More promises of a store: links to a portal, and the sessions that they become. To be run beside `conformance`."""

from __future__ import annotations

from contextlib import closing

from keywright.limits.conformance import see
from keywright.stores.conformance import MINE, NOW, Check, OpenStore, digest, insert, row
from keywright.stores.people import Role
from keywright.stores.portal import PortalSession
from keywright.values import replace


def session(number: int) -> PortalSession:
    """The link with that number."""
    return PortalSession(
        digest=digest(number).value,
        id=f"prt_{number:09}",
        account_id=MINE.id,
        maker_kind="key",
        maker_id="key_123456789",
        person="Größe, 株式会社 🦔",
        role=Role.VIEWER,
        scopes=("keys:read", "usage:read"),
        return_url="https://example.com/settings",
        seconds=600,
        opened=False,
        created_at=NOW,
        expires_at=NOW + number,
    )


def a_link_becomes_a_session_once(open_: OpenStore) -> None:
    """A link is found as it was stored; it becomes a session for the first who opens it; under the session's digest it
    is found from then on, and under its own no more."""
    link, new = session(1), digest(11).value
    with closing(open_()) as store:
        insert(store, row(1))
        with store.transaction() as tx:
            tx.portal.insert_session(link)
        with store.transaction() as tx:
            see(tx.portal.session(link.digest) == tx.portal.session_by_id(link.id) == link, "every field comes back")
            see(tx.portal.open_session(link.digest, new, NOW + 99), "the first opens it")
            see(not tx.portal.open_session(link.digest, digest(12).value, NOW + 99), "and nobody after them")
            see(not tx.portal.open_session(new, digest(12).value, NOW + 99), "nor is a session opened again")
    with closing(open_()) as again, again.snapshot() as reads:
        opened = replace(link, digest=new, opened=True, expires_at=NOW + 99)
        see(reads.portal.session(new) == reads.portal.session_by_id(link.id) == opened, "it is a session now")
        see(reads.portal.session(link.digest) is None, "and a link no more")


def sessions_end(open_: OpenStore) -> None:
    """A session is ended by its id, once; those that have ended by themselves go together, and no others."""
    with closing(open_()) as store:
        insert(store, row(1))
        with store.transaction() as tx:
            for number in (1, 2, 3, 4):
                tx.portal.insert_session(session(number))
            see(tx.portal.delete_session(session(1).id), "it is there")
            see(not tx.portal.delete_session(session(1).id), "and then it is not")
            tx.portal.delete_sessions_before(NOW + 3)
        with store.snapshot() as reads:
            left = [number for number in (1, 2, 3, 4) if reads.portal.session_by_id(session(number).id)]
            see(left == [4], "one that ends now has ended, one that ends later has not")


CHECKS: tuple[Check, ...] = (a_link_becomes_a_session_once, sessions_end)
