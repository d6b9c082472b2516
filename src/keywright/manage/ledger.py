"""The audit log as people read it: a page at a time, filtered, with names beside ids; and all of it, to take along."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from keywright.audit import Action, Actor, ActorKind, AuditEvent
from keywright.clock import Clock, timestamp
from keywright.errors import NotFound
from keywright.manage.paging import cut
from keywright.manage.rights import authorise, settled
from keywright.record import LimitPolicy
from keywright.stores.base import Snapshot, Store
from keywright.stores.survey import AuditFilter, AuditLine
from keywright.values import Value

PAGE_LINES = 50
#: So many lines of an export are in memory at a time.
EXPORT_LINES = 1000
_READ = "audit:read"
_EXPORT = "audit:export"


class Wanted(Value, frozen=True, gc=False):
    """What somebody looks for in the log. Whatever is left empty is not asked for.

    Attributes:
        action: one of `Action`.
        actor: a kind of actor, an id, the name or e-mail address of a member, the name of a key, or whom a portal
            session was for.
        target: an id, or such a name.
        since: Unix seconds.
        until: Unix seconds, itself not included.
    """

    action: str = ""
    actor: str = ""
    target: str = ""
    since: float | None = None
    until: float | None = None


class Line(Value, frozen=True, gc=False):
    """A line of the log.

    Attributes:
        actor_name: what the member or key that acted is called now, or whom the portal session was for; empty where
            that is not known.
        target_name: the same of what it happened to.
    """

    line: AuditLine
    actor_name: str
    target_name: str


class LedgerPage(Value, frozen=True, gc=False):
    """A page of lines, the newest first.

    Attributes:
        newer: the number above which the page before begins; None on the first page.
        older: the number below which the next page begins; None on the last page.
    """

    lines: tuple[Line, ...]
    newer: int | None
    older: int | None


class Ledger:
    """Who reads the audit log comes here. Raises as `Manager` does."""

    def __init__(self, *, store: Store, policy: LimitPolicy, clock: Clock) -> None:
        self._store = store
        self._policy = policy
        self._clock = clock

    def page(
        self, actor: Actor, account_id: str, wanted: Wanted, *, below: int | None = None, above: int | None = None
    ) -> LedgerPage:
        """The newest lines that are wanted, or those right below or above a number."""
        with settled(self._store), self._store.snapshot() as reads:
            authorise(reads, actor, _READ, self._policy, self._clock.now(), account_id)
            filtered = _filter(reads, account_id, wanted)
            found = reads.survey.audit_lines(account_id, filtered, PAGE_LINES + 1, below=below, above=above)
            shown, newer, older = cut(found, PAGE_LINES, lambda line: line.number, below=below, above=above)
            return LedgerPage(_named(reads, account_id, shown), newer, older)

    def of_key(self, actor: Actor, account_id: str, key_id: str, most: int) -> tuple[Line, ...]:
        """The newest lines about one key, by its id. For whoever may see keys: they are a part of what it is.

        Raises:
            NotFound: the account has, and had, no such key.
        """
        with settled(self._store), self._store.snapshot() as reads:
            authorise(reads, actor, "keys:read", self._policy, self._clock.now(), account_id)
            if reads.slot_of(account_id, key_id) is None:
                raise NotFound("There is no such API key.")
            found = reads.survey.audit_lines(account_id, AuditFilter(targets=(key_id,)), most, below=None, above=None)
            return _named(reads, account_id, found)

    def export(self, actor: Actor, account_id: str, wanted: Wanted, form: str) -> Iterator[Line]:
        """All lines that are wanted, the newest first, `EXPORT_LINES` at a time. That somebody takes the log along is a
        line of it, which is written before the first one is handed out.

        Each part is authorised anew: who is taken out of the account meanwhile gets no further, and an error ends the
        iteration.

        Args:
            form: what they take it as; a word for the log.
        """
        now = self._clock.now()
        details = {"as": form, **_told(wanted)}
        with settled(self._store), self._store.transaction() as tx:
            authorise(tx, actor, _EXPORT, self._policy, now, account_id)
            tx.audit(AuditEvent(now, actor, account_id, Action.AUDIT_EXPORT, account_id, details))
        return self._exported(actor, account_id, wanted)

    def _exported(self, actor: Actor, account_id: str, wanted: Wanted) -> Iterator[Line]:
        below: int | None = None
        while True:
            with settled(self._store), self._store.snapshot() as reads:
                authorise(reads, actor, _EXPORT, self._policy, self._clock.now(), account_id)
                filtered = _filter(reads, account_id, wanted)
                found = reads.survey.audit_lines(account_id, filtered, EXPORT_LINES, below=below, above=None)
                part = _named(reads, account_id, found)
            # Outside the snapshot: whoever reads slowly must not hold it open.
            yield from part
            if len(found) < EXPORT_LINES:
                return
            below = found[-1].number


def _told(wanted: Wanted) -> dict[str, str]:
    """What was looked for, for the log."""
    texts = {name: getattr(wanted, name) for name in ("action", "actor", "target")}
    times = {"since": wanted.since, "until": wanted.until}
    return {name: text for name, text in texts.items() if text} | {
        name: timestamp(at) for name, at in times.items() if at is not None
    }


def _filter(reads: Snapshot, account_id: str, wanted: Wanted) -> AuditFilter:
    return AuditFilter(
        action=wanted.action,
        actor_kind=wanted.actor,
        person=wanted.actor,
        actors=_ids(reads, account_id, wanted.actor),
        targets=_ids(reads, account_id, wanted.target),
        since=wanted.since,
        until=wanted.until,
    )


def _ids(reads: Snapshot, account_id: str, text: str) -> tuple[str, ...] | None:
    """The ids that a text may mean; itself is always one of them."""
    return (text, *reads.survey.ids_named(account_id, text)) if text else None


def _named(reads: Snapshot, account_id: str, found: Sequence[AuditLine]) -> tuple[Line, ...]:
    ids = {each.actor_id for each in found} | {each.target for each in found}
    names = reads.survey.names(account_id, sorted(ids))
    return tuple(Line(each, names.get(each.actor_id) or _person(each), names.get(each.target, "")) for each in found)


def _person(line: AuditLine) -> str:
    return str(line.details.get("person", "")) if line.actor_kind == ActorKind.PORTAL else ""
