"""The tables, for SQLite and PostgreSQL alike. The migrations in ``schema`` build them; a test compares the two.

Two sets that never share a transaction: what keys are (and who changed them), and what keys do.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    false,
)

records = MetaData()
usage = MetaData()

#: SQLite numbers rows of its own accord only where the column is exactly INTEGER.
_NUMBER = BigInteger().with_variant(Integer, "sqlite")

meta = Table(
    "meta",
    records,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

accounts = Table(
    "accounts",
    records,
    # Never used again: the counters of its limits are found by it.
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("name", String(255), nullable=False),
    Column("operator", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("limits", Text),  # JSON list, of all keys together; NULL: none
    Column("disabled", Boolean, nullable=False, server_default=false()),
    sqlite_autoincrement=True,
)

keys = Table(
    "keys",
    records,
    # Never used again after a delete: counters are found by it.
    Column("slot", _NUMBER, primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False),
    Column("name", String(255), nullable=False),
    Column("format", String(32), nullable=False),
    Column("environment", String(8), nullable=False),
    Column("prefix", String(64), nullable=False),
    Column("hint", String(8), nullable=False),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("digest_version", SmallInteger, nullable=False),
    Column("scopes", Text, nullable=False),  # JSON list
    Column("expires_at", Double),
    Column("disabled", Boolean, nullable=False),
    Column("limits", Text),  # JSON list; NULL: the default of the format or the installation
    Column("networks", Text, nullable=False),  # JSON list
    Column("metadata", Text, nullable=False),  # JSON object
    Column("created_at", Double, nullable=False),
    Column("successor_id", String(32)),
    Index("keys_of_account", "account_id", "slot"),
    sqlite_autoincrement=True,
)

tombstones = Table(
    "tombstones",
    records,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("key_id", String(32), nullable=False, unique=True),
    Column("slot", BigInteger, nullable=False),
    Column("account_id", String(32), nullable=False),
    Column("name", String(255), nullable=False),
    Column("deleted_at", Double, nullable=False),
)

#: One row: the version of the newest change. A sequence would not do: numbers must come in the order of the commits.
feed = Table(
    "feed", records, Column("id", SmallInteger, primary_key=True), Column("version", BigInteger, nullable=False)
)

changes = Table(
    "changes",
    records,
    Column("version", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("key_id", String(32), nullable=False),  # empty where the account changed
    Column("account_id", String(32)),  # of an account that changed, with all of its keys
)

audit_log = Table(
    "audit_log",
    records,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False),
    Column("account_id", String(32), nullable=False),
    Column("actor_kind", String(16), nullable=False),
    Column("actor_id", String(64), nullable=False),
    Column("address", String(64), nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("action", String(32), nullable=False),
    Column("target", String(64), nullable=False),
    Column("details", Text, nullable=False),  # JSON object
    Index("audit_log_of_account", "account_id", "number"),
    sqlite_autoincrement=True,
)

idempotency = Table(
    "idempotency",
    records,
    Column("account_id", String(32), primary_key=True),
    Column("idempotency_key", String(255), primary_key=True),
    Column("key_id", String(32), nullable=False),
    Column("created_at", Double, nullable=False),
)

members = Table(
    "members",
    records,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("email", String(255), nullable=False, unique=True),  # in lower case
    Column("name", String(255), nullable=False),
    Column("password", String(255)),  # an Argon2 hash; NULL: signs in by other means only
    Column("totp_secret", LargeBinary(128)),  # sealed; NULL: no second factor
    Column("totp_step", BigInteger, nullable=False),  # of the last code that was taken: none is taken twice
    Column("created_at", Double, nullable=False),
    sqlite_autoincrement=True,
)

memberships = Table(
    "memberships",
    records,
    Column("account_id", String(32), ForeignKey("accounts.id"), primary_key=True),
    Column("member_id", String(32), ForeignKey("members.id"), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("created_at", Double, nullable=False),
    Index("memberships_of_member", "member_id"),
)

sessions = Table(
    "sessions",
    records,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("member_id", String(32), ForeignKey("members.id"), nullable=False),
    Column("account_id", String(32), nullable=False),
    Column("complete", Boolean, nullable=False),  # false: the second factor is still to come
    Column("created_at", Double, nullable=False),
    Column("used_at", Double, nullable=False),
    Column("address", String(64), nullable=False),
    Column("user_agent", String(255), nullable=False),
    Column("proved_at", Double, nullable=False, server_default="0"),
    Index("sessions_of_member", "member_id"),
)

#: Links that work once: to set up, to sign in, to join.
tokens = Table(
    "tokens",
    records,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("account_id", String(32), nullable=False),
    Column("email", String(255), nullable=False),
    Column("role", String(16), nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index("tokens_of_account", "account_id", "kind"),
)

recovery_codes = Table(
    "recovery_codes",
    records,
    Column("member_id", String(32), ForeignKey("members.id"), primary_key=True),
    Column("digest", LargeBinary(32), primary_key=True),
)

#: Who somebody is at an identity provider. No member has two at one provider, and none belongs to two members.
identities = Table(
    "identities",
    records,
    Column("issuer", String(255), primary_key=True),
    Column("subject", String(255), primary_key=True),
    Column("member_id", String(32), ForeignKey("members.id"), nullable=False),
    Column("created_at", Double, nullable=False),
    Index("identities_of_member", "member_id", "issuer", unique=True),
)

#: Hashes of the addresses and identities of members who were removed. Only an invitation lets them in again.
departures = Table(
    "departures",
    records,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("left_at", Double, nullable=False),
)

#: The public halves of key pairs that are in people's authenticators.
passkeys = Table(
    "passkeys",
    records,
    Column("id", String(32), primary_key=True),
    Column("member_id", String(32), ForeignKey("members.id"), nullable=False),
    Column("credential_id", LargeBinary(1023), nullable=False, unique=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("party", String(255), nullable=False),  # the host name that it works at
    Column("name", String(255), nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("used_at", Double),
    Index("passkeys_of_member", "member_id"),
)

attempts = Table(
    "attempts",
    records,
    Column("subject", LargeBinary(32), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("ends_at", Double, nullable=False),
    Index("attempts_by_end", "ends_at"),
)

#: Links to the portal of one account, and the sessions that they become.
portal_sessions = Table(
    "portal_sessions",
    records,
    Column("digest", LargeBinary(32), primary_key=True),  # of the link's text, then of the cookie's
    Column("id", String(32), nullable=False, unique=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False),
    Column("maker_kind", String(16), nullable=False),
    Column("maker_id", String(64), nullable=False),
    Column("person", String(255), nullable=False),
    Column("role", String(16), nullable=False),
    Column("scopes", Text, nullable=False),  # JSON list: the most that keys made there may have
    Column("return_url", Text, nullable=False),
    Column("seconds", Integer, nullable=False),
    Column("opened", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index("portal_sessions_by_end", "expires_at"),
)

last_uses = Table(
    "last_uses",
    usage,
    Column("slot", _NUMBER, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("address", String(64), nullable=False),
    Column("user_agent", String(255), nullable=False),
)

hourly = Table(
    "hourly",
    usage,
    # In this order a report on an account reads one stretch of the table, and the table is its own index.
    Column("account_id", String(32), primary_key=True),
    Column("hour", BigInteger, primary_key=True),
    Column("slot", BigInteger, primary_key=True),
    Column("outcome", String(16), primary_key=True),
    Column("count", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

#: Where each key was used from; those of one key lie side by side.
addresses = Table(
    "addresses",
    usage,
    Column("slot", BigInteger, primary_key=True),
    Column("address", String(64), primary_key=True),
    Column("first_at", Double, nullable=False),
    Column("last_at", Double, nullable=False),
    sqlite_with_rowid=False,
)

#: The last refused requests of each key.
refusals = Table(
    "refusals",
    usage,
    # All of it: what is written twice, or comes back out of a backup, is there once.
    Column("slot", BigInteger, primary_key=True),
    Column("at", Double, primary_key=True),
    Column("reason", String(16), primary_key=True),
    Column("address", String(64), primary_key=True),
    sqlite_with_rowid=False,
)
