"""How keys and accounts look to whoever may see them: plain data, the same from the API and the command line."""

from __future__ import annotations

from typing import Any

from keywright.clock import timestamp
from keywright.limits.base import Limit, parse_limits
from keywright.manage.manager import AccountSummary, Created, Listed
from keywright.record import NEVER, KeyRow, LimitPolicy
from keywright.stores.base import Account
from keywright.stores.portal import PortalSession


def time_or_none(at: float) -> str | None:
    """A time as the API shows it; None for never."""
    return None if at == NEVER else timestamp(at)


def limits_shape(limits: tuple[Limit, ...]) -> str | list[str] | None:
    """One limit as text, several as a list, none as null."""
    texts = [str(limit) for limit in limits]
    return (texts[0] if len(texts) == 1 else texts) if texts else None


def key_shape(listed: Listed, policy: LimitPolicy, now: float) -> dict[str, Any]:
    """A key as lists show it; the documents' four members first."""
    row = listed.row
    return {
        "id": row.id,
        "name": row.name,
        "last_used_at": timestamp(listed.last_use.at) if listed.last_use else None,
        "created_at": timestamp(row.created_at),
        "prefix": row.prefix,
        **_rest(row, policy, now),
    }


def created_shape(created: Created, policy: LimitPolicy, now: float) -> dict[str, Any]:
    """A new key as the one answer that holds it shows it."""
    row = created.row
    return {
        "id": row.id,
        "name": row.name,
        "key": created.key,
        "prefix": row.prefix,
        "last_used_at": None,
        "created_at": timestamp(row.created_at),
        **_rest(row, policy, now),
    }


def _rest(row: KeyRow, policy: LimitPolicy, now: float) -> dict[str, Any]:
    return {
        "hint": row.hint,
        "environment": row.environment,
        "status": str(row.status(now)),
        "scopes": list(row.scopes),
        "expires_at": time_or_none(row.expires_at),
        "rate_limit": limits_shape(policy.limits(row.format, row.limits)),
        "networks": list(row.networks),
        "metadata": row.metadata_object,
    }


def account_shape(summary: AccountSummary, policy: LimitPolicy) -> dict[str, Any]:
    """An account, and what is in it."""
    return {
        **_account(summary.account),
        "keys": summary.keys,
        "rate_limit": limits_shape(policy.default),
        **_terms(summary.account),
    }


def account_row_shape(account: Account) -> dict[str, Any]:
    """An account as lists of accounts show it."""
    return {**_account(account), **_terms(account)}


def _account(account: Account) -> dict[str, Any]:
    return {"id": account.id, "name": account.name, "created_at": timestamp(account.created_at)}


def _terms(account: Account) -> dict[str, Any]:
    return {
        "account_rate_limit": limits_shape(parse_limits(account.terms.limits)),
        "status": "disabled" if account.terms.disabled else "active",
    }


def portal_link_shape(session: PortalSession, url: str) -> dict[str, Any]:
    """A new link to the portal, as the one answer that holds it shows it."""
    return {
        "id": session.id,
        "account_id": session.account_id,
        "url": url,
        "expires_at": timestamp(session.expires_at),
        "session_seconds": session.seconds,
    }
