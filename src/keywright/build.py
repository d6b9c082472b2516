"""Settings → objects. The only file that names an implementation."""

from __future__ import annotations

import contextlib
import os
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from keywright import forks, mounts, owners, settings as settings_module
from keywright.cache import RecordCache
from keywright.clock import Clock, SystemClock
from keywright.digest import Digester
from keywright.errors import Misconfigured
from keywright.forks import Forking
from keywright.key import KeyFormats
from keywright.limits.shared import SharedLimiter
from keywright.manage.manager import Manager
from keywright.master import (
    MasterSecret,
    create_master_secret,
    parse_master_secret,
    read_master_secret,
    sync_directory,
)
from keywright.outcome import Outcome
from keywright.provider import CALLBACK, INVITED_ONLY, Provider
from keywright.reason import Reason
from keywright.record import ANY_REQUEST, LimitPolicy, Network, Record, Request
from keywright.settings import Settings
from keywright.stores.sqlite import RECORDS_FILE, SqliteStore, SqliteUsageStore
from keywright.usage import UsageRecorder
from keywright.verify import Verifier
from keywright.watch import Watcher

if TYPE_CHECKING:
    from keywright.manage.browse import Browser
    from keywright.manage.insight import Insight
    from keywright.manage.ledger import Ledger
    from keywright.people.directory import Directory
    from keywright.people.entry import Entry
    from keywright.people.federation import Federation
    from keywright.people.passkeys import Passkeys
    from keywright.people.portals import Portals
    from keywright.people.presence import Presence

MASTER_SECRET_FILE = "master.secret"  # noqa: S105 - a file's name
LIMITS_FILE = "limits.table"


class Keywright(Forking):
    """Everything wired together, over one data directory that any number of processes may share.

    Use as a context manager, or call `close`: it writes the usage that is still in memory.

    Attributes:
        verifier: the hot path.
        manager: create, rotate, change, delete, list.
        gate_token_keys: what the gate's tokens are signed with, by generation of the master secret; may be empty.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        prepare_directory(settings.data_dir)
        secret = master_secret(settings, make=True)
        self.policy = LimitPolicy(settings.default_limit, settings.key_formats)
        digester = Digester(secret.derive("key digest"))
        self.gate_token_keys = secret.derive("gate token") if settings.gate_token_seconds else {}
        self.store = SqliteStore(settings.data_dir)
        tag_keys = self.store.settle_secret(secret.fingerprint(), secret.derive("key tag"))
        self.formats = KeyFormats(settings.ordered_formats(), tag_keys.values())
        self.store.settle_formats({name: each.shape() for name, each in self.formats.by_name.items()})
        self.usage_store = SqliteUsageStore(settings.data_dir)
        self.limiter = SharedLimiter(settings.data_dir / LIMITS_FILE, self.clock)
        self.cache = RecordCache(self.store, settings.cache_max_keys)
        self.watcher = Watcher(self.store, self.cache, self.limiter)
        self.usage = UsageRecorder(self.usage_store, self.clock, self.formats.redact)
        self.verifier = Verifier(
            formats=self.formats,
            digester=digester,
            policy=self.policy,
            store=self.store,
            cache=self.cache,
            limiter=self.limiter,
            usage=self.usage,
            clock=self.clock,
        )
        self.manager = Manager(
            store=self.store,
            usage_store=self.usage_store,
            formats=self.formats,
            digester=digester,
            policy=self.policy,
            clock=self.clock,
        )
        self._sealing_keys = secret.derive("second factor")
        self._closed = False
        forks.register(self)

    @classmethod
    def open(cls, data_dir: str | Path | None = None, *, clock: Clock | None = None, **settings: Any) -> Keywright:
        """Open a data directory, making it if need be; other settings by name, as `keywright.settings` lists them.

        Raises:
            Misconfigured: a setting, the master secret or the database cannot be used; the message says what to do.
            Unavailable: the database cannot be opened now.
        """
        flags = {**settings, "data_dir": str(data_dir) if data_dir is not None else None}
        opened = cls(settings_module.load(flags), clock)
        opened.start()
        return opened

    @cached_property
    def browser(self) -> Browser:
        """Keys as people look at them."""
        from keywright.manage.browse import Browser

        return Browser(store=self.store, usage_store=self.usage_store, policy=self.policy, clock=self.clock)

    @cached_property
    def ledger(self) -> Ledger:
        """The audit log."""
        from keywright.manage.ledger import Ledger

        return Ledger(store=self.store, policy=self.policy, clock=self.clock)

    @cached_property
    def insight(self) -> Insight:
        """How keys do, and the account as a whole."""
        from keywright.manage.insight import Insight

        return Insight(
            store=self.store,
            usage_store=self.usage_store,
            limiter=self.limiter,
            browser=self.browser,
            ledger=self.ledger,
            policy=self.policy,
            clock=self.clock,
        )

    @cached_property
    def entry(self) -> Entry:
        """Setting up, signing in, sessions. Made when it is asked for: who only verifies keys needs no Argon2."""
        from keywright.people.entry import Entry

        return Entry(**self._office)

    @cached_property
    def directory(self) -> Directory:
        """The people of an account."""
        from keywright.people.directory import Directory

        return Directory(**self._office)

    @cached_property
    def portals(self) -> Portals:
        """Links to the portal, and the sessions that they become."""
        from keywright.people.portals import Portals

        return Portals(store=self.store, policy=self.policy, clock=self.clock)

    @cached_property
    def passkeys(self) -> Passkeys:
        """Passkeys: adding them, signing in with them, taking them away."""
        from keywright.people.passkeys import Passkeys

        return Passkeys(**self._office)

    @cached_property
    def presence(self) -> Presence:
        """Whether it is really they who have signed in."""
        from keywright.people.presence import Presence

        return Presence(**self._office)

    @cached_property
    def federation(self) -> Federation:
        """Signing in with an identity provider."""
        from keywright.people.federation import Federation

        return Federation(**self._office)

    @cached_property
    def provider(self) -> Provider | None:
        """See `identity_provider`."""
        return identity_provider(self.settings)

    @cached_property
    def _office(self) -> dict[str, Any]:
        from keywright.people.passwords import Passwords
        from keywright.people.totp import Sealer

        return {
            "store": self.store,
            "passwords": Passwords(),
            "sealer": Sealer(self._sealing_keys),
            "policy": self.policy,
            "clock": self.clock,
        }

    def start(self) -> None:
        """Begin what runs behind: writing usage, and looking for changes that nobody told of. `open` does it."""
        self.usage.start()
        self.watcher.start()

    def verify(self, key: str | None, request: Request = ANY_REQUEST) -> Outcome:
        """See `Verifier.verify`."""
        return self.verifier.verify(key, request)

    def warm(self, key: str, request: Request = ANY_REQUEST) -> Outcome | None:
        """See `Verifier.warm`."""
        return self.verifier.warm(key, request)

    def note_forbidden(self, record: Record, reason: Reason = Reason.SCOPE, address: str = "") -> None:
        """Count a request that was accepted as forbidden: its handler found that the key may not do this.

        Args:
            reason: why not, for people who look at the key.
            address: where the request came from, for them as well; empty where that is not known.
        """
        self.usage.reclassify(record, address, reason)

    def surface_prefix(self, path: str) -> str:
        """The prefix that a refusal on ``path`` speaks of; see the setting ``surfaces``."""
        return self.settings.surface_prefix(path)

    def redact(self, text: str) -> str:
        """``text`` with everything hidden in it that looks like a key."""
        return self.formats.redact(text)

    @property
    def trusted_proxies(self) -> tuple[Network, ...]:
        """Who may say, in X-Forwarded-For, whose request it is; see the setting of the same name."""
        return self.settings.trusted_proxies

    def close(self) -> None:
        """Write what is still in memory, then close everything. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        forks.forget(self)
        try:
            self.watcher.close()
            self.usage.close()
        finally:
            self.limiter.close()
            self.usage_store.close()
            self.store.close()

    def __enter__(self) -> Keywright:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def after_fork(self) -> None:
        """See `Forking.after_fork`. The databases have been told before, because they were registered before."""
        self.limiter.after_fork()
        self.cache.after_fork()
        self.usage.after_fork()
        self.watcher.after_fork()
        self.verifier.after_fork()


def prepare_directory(path: Path) -> None:
    """Make the data directory, or see that it can be used.

    Raises:
        Misconfigured: it cannot be, because of its file system, or because others may write to it, or this user may not
            write to what is in it.
    """
    require_safe_place(path)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Asked for the database, and not for whether we made the directory: an earlier start may have made it and died.
        if not (path / RECORDS_FILE).exists():
            _sync_names(path.resolve())
    except OSError as error:
        # Not `path.is_dir()`, which raises where a directory above cannot be entered.
        done = "read" if os.path.isdir(path) else "made"
        raise Misconfigured(f"The data directory {path} cannot be {done}: {owners.why_closed(error, path)}.") from error
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        whose = owners.whose(path)
        raise Misconfigured(f"The data directory {path} cannot be read and written by this user. {whose}")
    if path.stat().st_mode & 0o022:
        raise Misconfigured(
            f"Others can write to the data directory {path}, and put a database of their own there. Run "
            f"`chmod 700 {path}`."
        )
    if closed := owners.closed_to_us(path):
        raise Misconfigured(f"In the data directory {path} this user cannot read and write {owners.remedy(closed)}.")


def has_begun(path: Path) -> bool:
    """Whether a data directory is one already: whether it holds a database.

    Raises:
        Misconfigured: this user may not look.
    """
    try:
        return (path / RECORDS_FILE).exists()
    except OSError as error:
        raise Misconfigured(f"The data directory {path} cannot be read: {owners.why_closed(error, path)}.") from error


def require_safe_place(path: Path) -> None:
    """See that the directory is, or would be, on a file system that it can be on; Misconfigured if not."""
    # Before anything is asked of it: a file system over a network may not answer.
    kind = mounts.kind_of(path)
    reason = mounts.why_unsafe(kind) if kind else None
    if reason:
        raise Misconfigured(
            f"The data directory {path} is on a file system of the type {kind}: {reason}. Deleted keys could be "
            "accepted there, and the database be destroyed. Choose a directory on a disk of this machine."
        )


def _sync_names(path: Path) -> None:
    """Make the directory's own name, and those above it, survive a power cut: all that is in it would go with them."""
    while not path.is_mount():
        path = path.parent
        # A directory in which one may make others, and which one may not read, cannot be synced by itself.
        with contextlib.suppress(PermissionError):
            sync_directory(path)


def master_secret(settings: Settings, *, make: bool) -> MasterSecret:
    """The secret that the settings name, or the one in the data directory.

    Args:
        make: whether to make one in a data directory that has never held keys.

    Raises:
        Misconfigured: there is none, or it cannot be used.
    """
    if settings.master_secret is not None:
        return parse_master_secret(settings.master_secret, "the setting master_secret")
    if settings.master_secret_file is not None:
        return read_master_secret(settings.master_secret_file)
    path = settings.data_dir / MASTER_SECRET_FILE
    # Asked in this order, because another process may be making both now: the secret first, then the database.
    database_exists = (settings.data_dir / RECORDS_FILE).exists()
    if path.exists():
        return read_master_secret(path)
    if database_exists:
        raise Misconfigured(
            f"The master secret {path} is missing, and the database beside it was made with it. Put it back from your "
            "backup; without it no key of this database can be verified."
        )
    if not make:
        raise Misconfigured(f"There is no master secret. Put the one that the keys were made with at {path} first.")
    return create_master_secret(path)


def identity_provider(settings: Settings) -> Provider | None:
    """The identity provider that the settings name; None without one. Reads the file of its secret.

    Raises:
        Misconfigured: the file cannot be read, or holds nothing.
    """
    if settings.oidc_issuer is None:
        return None
    return Provider(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id or "",
        client_secret=settings.oidc_client_secret or _client_secret(settings.oidc_client_secret_file),
        redirect_uri=f"{settings.public_url}{CALLBACK}",
        label=settings.oidc_label or urlsplit(settings.oidc_issuer).hostname or "",
        domains=settings.oidc_domains,
        new_members="" if settings.oidc_new_members == INVITED_ONLY else settings.oidc_new_members,
        acr=settings.oidc_acr,
        groups=settings.oidc_groups,
        strong=settings.oidc_second_factors,
    )


def _client_secret(path: Path | None) -> str:
    try:
        secret = path.read_text("utf-8").strip() if path else ""
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"oidc_client_secret_file {path} cannot be read: {error}.") from error
    if path and not secret:
        raise Misconfigured(f"oidc_client_secret_file {path} holds nothing.")
    return secret
