"""Keywright issues, verifies, meters and revokes API keys.

    >>> from keywright import Keywright
    >>> keywright = Keywright.open("data")
    >>> outcome = keywright.verify("a key as it came")

The names below are the public ones; each is imported when it is first asked for, so that the command line and small
programs start fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from keywright.adapters.remote import RemoteKeywright as RemoteKeywright
    from keywright.audit import Actor as Actor, ActorKind as ActorKind
    from keywright.build import Keywright as Keywright
    from keywright.clock import ManualClock as ManualClock, SystemClock as SystemClock, timestamp as timestamp
    from keywright.errors import (
        ActError as ActError,
        KeywrightError as KeywrightError,
        Misconfigured as Misconfigured,
        Unavailable as Unavailable,
    )
    from keywright.limits.base import Decision as Decision, Limit as Limit
    from keywright.outcome import Accepted as Accepted, Outcome as Outcome, Refused as Refused
    from keywright.reason import Reason as Reason
    from keywright.record import Record as Record, Request as Request
    from keywright.stores.sqlite_file import SqliteFile as SqliteFile

_HOME = {
    "Accepted": "outcome",
    "ActError": "errors",
    "Actor": "audit",
    "ActorKind": "audit",
    "Decision": "limits.base",
    "KeywrightError": "errors",
    "Keywright": "build",
    "Limit": "limits.base",
    "ManualClock": "clock",
    "Misconfigured": "errors",
    "Outcome": "outcome",
    "Reason": "reason",
    "Record": "record",
    "Refused": "outcome",
    "RemoteKeywright": "adapters.remote",
    "Request": "record",
    "SqliteFile": "stores.sqlite_file",
    "SystemClock": "clock",
    "Unavailable": "errors",
    "timestamp": "clock",
}

__all__ = ["__version__", *_HOME]  # noqa: PLE0604 - the table above is the one place where they stand


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'keywright' has no attribute {name!r}")
    return getattr(import_module(f"keywright.{_HOME[name]}"), name)
