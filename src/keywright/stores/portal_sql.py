"""The statements about portal sessions, the same for every SQL engine."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from keywright.stores import tables
from keywright.stores.people import Role
from keywright.stores.portal import PortalSession

_THEIRS = tables.portal_sessions.c


def _to_session(found: Row[Any] | None) -> PortalSession | None:
    if found is None:
        return None
    values = {name: found._mapping[name] for name in PortalSession.__struct_fields__}
    scopes, role = tuple(json.loads(values["scopes"])), Role(values["role"])
    return PortalSession(**{**values, "scopes": scopes, "role": role, "opened": bool(values["opened"])})


class SqlPortal:
    """`PortalReads` and, in a write transaction, `PortalWrites` over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def session(self, digest: bytes) -> PortalSession | None:
        """See `PortalReads.session`."""
        statement = select(tables.portal_sessions).where(_THEIRS.digest == digest)
        return _to_session(self._connection.execute(statement).first())

    def session_by_id(self, session_id: str) -> PortalSession | None:
        """See `PortalReads.session_by_id`."""
        statement = select(tables.portal_sessions).where(_THEIRS.id == session_id)
        return _to_session(self._connection.execute(statement).first())

    def insert_session(self, session: PortalSession) -> None:
        """See `PortalWrites.insert_session`."""
        values = {name: getattr(session, name) for name in session.__struct_fields__}
        self._connection.execute(insert(tables.portal_sessions), {**values, "scopes": json.dumps(list(session.scopes))})

    def open_session(self, digest: bytes, new_digest: bytes, expires_at: float) -> bool:
        """See `PortalWrites.open_session`."""
        # The count decides: of two who have read the link, one finds it unopened.
        statement = update(tables.portal_sessions).where(_THEIRS.digest == digest, _THEIRS.opened.is_(False))
        changes = {"digest": new_digest, "opened": True, "expires_at": expires_at}
        return self._connection.execute(statement, changes).rowcount > 0

    def delete_session(self, session_id: str) -> bool:
        """See `PortalWrites.delete_session`."""
        statement = delete(tables.portal_sessions).where(_THEIRS.id == session_id)
        return self._connection.execute(statement).rowcount > 0

    def delete_sessions_before(self, expires_at: float) -> None:
        """See `PortalWrites.delete_sessions_before`."""
        self._connection.execute(delete(tables.portal_sessions).where(_THEIRS.expires_at <= expires_at))
