"""The shapes of the API, as its document shows them. `manage.views` makes the values; a test holds the two together."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from keywright.adapters.openapi import TIME_PATTERN
from keywright.links import MAX_URL_CHARACTERS
from keywright.manage.manager import DEFAULT_GRACE_SECONDS, MAX_GRACE_SECONDS
from keywright.manage.values import MAX_EXPIRY_SECONDS, MAX_NETWORKS, MAX_SCOPES, NAME_CHARACTERS
from keywright.people.portals import LEAST_SESSION_SECONDS, MOST_SESSION_SECONDS, PORTAL_SESSION_SECONDS

Environment = Literal["live", "test"]
Time = Field(pattern=TIME_PATTERN, examples=["2025-01-20T09:30:00Z"])


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Key(_Shape):
    """A key, without the key."""

    id: str = Field(pattern=r"^key_[0-9A-Za-z]{9}$", examples=["key_6Vw4Ig8Kl"])
    name: str = Field(max_length=NAME_CHARACTERS, examples=["Production Server"])
    last_used_at: str | None = Field(description="Last authenticated request; null if there was none.")
    created_at: str = Time
    prefix: str = Field(examples=["lwa.sk_live_"])
    hint: str = Field(description="The last four characters of the key.", examples=["Ab3d"])
    environment: Environment
    status: Literal["active", "disabled", "expired", "rotating"]
    scopes: list[str] = Field(description="What it may do; `*` is everything but `operator`.", examples=[["*"]])
    expires_at: str | None
    rate_limit: str | list[str] | None = Field(description="The limit in force; null for none.", examples=["100/15m"])
    networks: list[str] = Field(description="Where it may be used from; empty for anywhere.")
    metadata: dict[str, Any]


class CreatedKey(_Shape):
    """A new key. The only answer that ever holds the key itself."""

    id: str = Field(pattern=r"^key_[0-9A-Za-z]{9}$", examples=["key_8Yx9Kj2Mn"])
    name: str = Field(max_length=NAME_CHARACTERS, examples=["Development Server"])
    key: str = Field(description="The key. It is not stored and cannot be shown again.")
    prefix: str = Field(examples=["lwa.sk_live_"])
    last_used_at: None
    created_at: str = Time
    hint: str = Field(examples=["Ab3d"])
    environment: Environment
    status: Literal["active"]
    scopes: list[str] = Field(examples=[["*"]])
    expires_at: str | None
    rate_limit: str | list[str] | None = Field(examples=["100/15m"])
    networks: list[str]
    metadata: dict[str, Any]


class KeyList(_Shape):
    """Keys, the oldest first. ``next_cursor`` is there if ``limit`` was given and there are more."""

    keys: list[Key]
    next_cursor: str | None = Field(default=None, description="Where the next page begins.")


class _End(_Shape):
    expires_at: str | None = Field(
        default=None, description="A time in the future; null for never.", examples=["2040-01-31T09:00:00Z"]
    )
    expires_in_seconds: int = Field(
        default=0, ge=1, le=MAX_EXPIRY_SECONDS, description="Instead of `expires_at`.", examples=[7776000]
    )


class _Values(_End):
    scopes: list[str] = Field(
        default=[],
        min_length=1,
        max_length=MAX_SCOPES,
        description="What it may do. A new key that names none has the calling key's.",
        examples=[["keys:read"]],
    )
    rate_limit: str | list[str] | None = Field(
        default=None,
        description="`100/15m`, `100/15m sliding` or `10/s burst 50`, or a list of up to four; null for none.",
        examples=["100/15m"],
    )
    networks: list[str] = Field(
        default=[], max_length=MAX_NETWORKS, description="CIDR blocks.", examples=[["203.0.113.0/24"]]
    )
    metadata: dict[str, Any] = Field(
        default={}, description="Your own data, up to 4 kB.", examples=[{"team": "payments"}]
    )


class CreateKey(_Values):
    """What a new key is to be. Only the name is required; what is left out is the calling key's own."""

    name: str = Field(
        min_length=1, max_length=NAME_CHARACTERS, description="What the key is for.", examples=["Development Server"]
    )
    format: str = Field(default="lwa", description="The key format.", examples=["lwa"])
    environment: Environment = Field(default="live", description="`live`, or `test`.")


class UpdateKey(_Values):
    """What is to change."""

    name: str = Field(default="", min_length=1, max_length=NAME_CHARACTERS, examples=["Production API Server"])
    disabled: bool = Field(default=False, description="A disabled key is refused until it is enabled again.")


class RotateKey(_End):
    """How long the old key goes on, and when the new one ends: unless it says so, when the old one would have."""

    grace_seconds: int = Field(
        default=DEFAULT_GRACE_SECONDS,
        ge=0,
        le=MAX_GRACE_SECONDS,
        description="How long the old key still works; never longer than its own life.",
        examples=[86400],
    )


class KeyCounts(_Shape):
    """How many keys there are, by status."""

    active: int
    disabled: int
    expired: int
    rotating: int


class Account(_Shape):
    """The account of the calling key."""

    id: str = Field(pattern=r"^acc_[0-9A-Za-z]{9}$", examples=["acc_3Fw8Lq1Zt"])
    name: str
    created_at: str = Time
    keys: KeyCounts
    rate_limit: str | list[str] | None = Field(description="The limit of keys that name none.", examples=["100/15m"])
    account_rate_limit: str | list[str] | None = Field(
        description="The limit that all keys of the account share; null for none.", examples=["10000/h sliding"]
    )
    status: Literal["active", "disabled"] = Field(description="All keys of a disabled account are refused.")


class CreatePortalSession(_Shape):
    """Whom a link to the portal is for, and what they may do. Only the account is required."""

    account_id: str = Field(
        description="Whose keys it is about; never the operator's own account.", examples=["acc_3Fw8Lq1Zt"]
    )
    actor: str = Field(
        default="",
        min_length=1,
        max_length=NAME_CHARACTERS,
        description="Whom it is for, in your own words: stands in the audit log at all that they do.",
        examples=["jane@example.com"],
    )
    access: Literal["manage", "read"] = Field(default="manage", description="`read` looks and changes nothing.")
    scopes: list[str] = Field(
        default=["*"],
        min_length=1,
        max_length=MAX_SCOPES,
        description="The most that keys made there may have; never `operator`.",
        examples=[["orders:read"]],
    )
    session_seconds: int = Field(
        default=PORTAL_SESSION_SECONDS,
        ge=LEAST_SESSION_SECONDS,
        le=MOST_SESSION_SECONDS,
        description="How long it lasts from when the link is opened.",
        examples=[900],
    )
    return_url: str = Field(
        default="",
        max_length=MAX_URL_CHARACTERS,
        description="Where the page leads back to; the setting `portal_return_url` if left out.",
        examples=["https://app.example.com/settings"],
    )


class PortalSession(_Shape):
    """A link to the portal. The only answer that ever holds it."""

    id: str = Field(pattern=r"^prt_[0-9A-Za-z]{9}$", examples=["prt_5Tg2Hn8Xc"])
    account_id: str
    url: str = Field(description="Send the person there. What stands behind the `#` is secret.")
    expires_at: str = Field(pattern=TIME_PATTERN, description="Until when the link can be opened.")
    session_seconds: int


class UsageRow(_Shape):
    """How many requests ended so, in the hour or day that began at ``start``."""

    start: str = Time
    outcome: Literal["accepted", "rate_limited", "forbidden", "refused"]
    count: int


class Usage(_Shape):
    """A report. Hours and days without requests are left out."""

    data: list[UsageRow]
    interval: Literal["hour", "day"]
    from_: str = Field(alias="from", pattern=TIME_PATTERN)
    to: str = Field(pattern=TIME_PATTERN)
