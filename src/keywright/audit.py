"""Who did what. An event is written in the same transaction as the change it tells of, or neither is.

Events never carry a key or a digest, only ids, names and what changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from keywright.values import Value


class Action(StrEnum):
    """Everything that leaves a trace."""

    ACCOUNT_CREATE = "account.create"
    ACCOUNT_UPDATE = "account.update"
    KEY_CREATE = "key.create"
    KEY_CREATE_MANY = "key.create_many"
    KEY_UPDATE = "key.update"
    KEY_ROTATE = "key.rotate"
    KEY_DELETE = "key.delete"
    KEY_EXPORT = "key.export"
    DATABASE_RESTORE = "database.restore"
    ACCOUNT_RENAME = "account.rename"
    SETUP_LINK = "setup.link"
    SETUP_CLAIM = "setup.claim"
    MEMBER_CREATE = "member.create"
    MEMBER_ROLE = "member.role"
    MEMBER_REMOVE = "member.remove"
    MEMBER_INVITE = "member.invite"
    MEMBER_UNINVITE = "member.uninvite"
    MEMBER_JOIN = "member.join"
    SIGN_IN = "session.sign_in"
    SIGN_IN_REFUSED = "session.refused"
    SIGN_IN_LINK = "session.link"
    SIGN_OUT = "session.sign_out"
    SESSION_END = "session.end"
    PRESENCE = "session.confirm"
    PRESENCE_REFUSED = "session.confirm_refused"
    IDENTITY_LINK = "identity.link"
    IDENTITY_UNLINK = "identity.unlink"
    PASSKEY_ADD = "passkey.add"
    PASSKEY_REMOVE = "passkey.remove"
    PASSKEY_COPIED = "passkey.copied"
    PASSWORD_CHANGE = "password.change"  # noqa: S105 - a word of the log
    TOTP_ON = "totp.on"
    TOTP_OFF = "totp.off"
    RECOVERY_CODES = "totp.recovery_codes"
    AUDIT_EXPORT = "audit.export"
    PORTAL_LINK = "portal.link"
    PORTAL_OPEN = "portal.open"
    PORTAL_END = "portal.end"


class ActorKind(StrEnum):
    """What kind of actor manages."""

    KEY = "key"
    MEMBER = "member"
    PORTAL = "portal"
    COMMAND_LINE = "command_line"
    LIBRARY = "library"
    SYSTEM = "system"


class Actor(Value, frozen=True, gc=False):
    """Whoever manages.

    Attributes:
        kind: a key, a member who has signed in, somebody in a portal session, or somebody on the machine itself (who
            could as well edit the database, and is not restricted).
        id: the key's, the member's or the portal session's id; the user's name on the machine; empty for the system.
        account_id: the account that a key belongs to, or that the others act in; empty for those on the machine.
        address: where the request came from, if it came over a network.
        request_id: the request, if there was one.
        person: of a portal session, whom the operator says that it is for; stands in every line of theirs.
        opened_by: the id of who has made the portal session.
    """

    kind: ActorKind
    id: str = ""
    account_id: str = ""
    address: str = ""
    request_id: str = ""
    person: str = ""
    opened_by: str = ""


SYSTEM = Actor(ActorKind.SYSTEM)


class AuditEvent(Value, frozen=True, gc=False):
    """One line of the audit log.

    Attributes:
        at: Unix seconds.
        account_id: the account it happened in.
        target: the id of what it happened to.
        details: what changed; plain JSON data.
    """

    at: float
    actor: Actor
    account_id: str
    action: Action
    target: str
    details: Mapping[str, Any]

    def told(self) -> dict[str, Any]:
        """The details, and what the log must know of the actor besides its id, which a portal session does not outlive
        for long."""
        besides = {"person": self.actor.person, "opened_by": self.actor.opened_by}
        return {**self.details, **{name: text for name, text in besides.items() if text}}
