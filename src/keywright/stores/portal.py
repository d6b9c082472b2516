"""What every store promises of portal sessions: the link that begins one, and the session that it becomes.

As in `stores.base`: every method raises `Unavailable` when the database cannot answer, and none knows of rights. Of the
text in a link, and of the text in a cookie, only the SHA-256 is stored.
"""

from __future__ import annotations

from typing import Protocol

from keywright.stores.people import Role
from keywright.values import Value


class PortalSession(Value, frozen=True, gc=False):
    """A link to the portal of one account, or, once it was opened, a browser in which somebody manages its keys.

    Attributes:
        digest: of the text in the link; of the text in the cookie as soon as it was opened.
        id: what it is called in the audit log; opens nothing.
        maker_kind: what kind of actor has made it; see `audit.ActorKind`.
        maker_id: who that was; for a key its id.
        person: whom it is for, in the maker's own words; may be empty.
        role: what they may do: look, or manage keys as well.
        scopes: the most that they may give to a key.
        return_url: where the page leads back to; empty for nowhere.
        seconds: how long it lasts from when it is opened.
        opened: whether the link was used.
        expires_at: until when the link can be opened; until when the session lasts as soon as it was.
    """

    digest: bytes
    id: str
    account_id: str
    maker_kind: str
    maker_id: str
    person: str
    role: Role
    scopes: tuple[str, ...]
    return_url: str
    seconds: int
    opened: bool
    created_at: float
    expires_at: float


class PortalReads(Protocol):
    """Reads of one moment; see `stores.base.Snapshot`."""

    def session(self, digest: bytes) -> PortalSession | None:
        """The session, or the link, whose text has that digest."""
        ...

    def session_by_id(self, session_id: str) -> PortalSession | None:
        """The session, or the link, with that id."""
        ...


class PortalWrites(PortalReads, Protocol):
    """Reads and writes of one transaction; see `stores.base.Transaction`."""

    def insert_session(self, session: PortalSession) -> None:
        """Add a link."""
        ...

    def open_session(self, digest: bytes, new_digest: bytes, expires_at: float) -> bool:
        """Make the link with that digest a session with another one: of any number who try at once, one is told
        True."""
        ...

    def delete_session(self, session_id: str) -> bool:
        """End a session, or take back a link; whether there was one."""
        ...

    def delete_sessions_before(self, expires_at: float) -> None:
        """Remove links and sessions that have ended by then."""
        ...
