"""A limiter whose counters all processes of one machine share, in files beside the database.

A decision locks the key's entry in the kernel (2 to 3 µs), which releases it when the process dies, whatever it was
doing. Where the key's account has limits of its own, its entry is locked as well, always after the key's: two requests
never wait for each other. Counters survive ``kill -9`` and a restart; after a power cut the last seconds' counts may be
lost, which can admit again what they had admitted.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from keywright.clock import Clock
from keywright.errors import Unavailable
from keywright.limits.base import AccountLimits, Decision, Limit
from keywright.limits.counters import Counters
from keywright.limits.standing import Standing, decide, look

#: How long a decision waits for another process that holds the same entry (it may be stopped in a debugger).
LOCK_WAIT_SECONDS = 0.25
_HELD = "Another process holds this key's counters and does not move."
#: Somebody who has limits: where they are counted, by what number, and the limits.
_Holder: TypeAlias = tuple[Counters, int, tuple[Limit, ...]]


def accounts_file(path: Path) -> Path:
    """Where the counters of accounts are, beside those of keys at ``path``."""
    return path.with_name(path.name + ".accounts")


class SharedLimiter:
    """A `Limiter` over one file for keys and one beside it for accounts, shared by all processes that open the same
    path. The second is made when an account first has limits.

    Raises:
        Misconfigured: a file is not one of counters.
        Unavailable: a file cannot be made or opened.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._keys = Counters(path, clock)
        self._accounts = Counters(accounts_file(path), clock)
        # At the start, not at the first request: whoever starts is told of a disk that is full.
        self._keys.entry(0)

    def take(
        self, slot: int, limits: tuple[Limit, ...], cost: int, now: float, account: AccountLimits | None = None
    ) -> Decision:
        """See `Limiter.take`."""
        decision = self._take(slot, limits, cost, now, account, LOCK_WAIT_SECONDS)
        if decision is None:
            raise Unavailable(_HELD)
        return decision

    def try_take(
        self, slot: int, limits: tuple[Limit, ...], cost: int, now: float, account: AccountLimits | None = None
    ) -> Decision | None:
        """See `Limiter.try_take`."""
        return self._take(slot, limits, cost, now, account, 0.0)

    def _take(
        self,
        slot: int,
        limits: tuple[Limit, ...],
        cost: int,
        now: float,
        account: AccountLimits | None,
        wait_seconds: float,
    ) -> Decision | None:
        if account is not None or len(limits) != 1 or limits[0].kind:
            return self._take_all(self._holders(slot, limits, account), len(limits), cost, now, wait_seconds)
        # One fixed window and nothing else, as most keys have.
        return self._keys.take_fixed(slot, limits[0], cost, now, wait_seconds)

    def _holders(self, slot: int, limits: tuple[Limit, ...], account: AccountLimits | None) -> tuple[_Holder, ...]:
        """Whose counters decide, in the order in which they are locked: the same for everybody."""
        of_key = ((self._keys, slot, limits),) if limits else ()
        return of_key if account is None else (*of_key, (self._accounts, account.number, account.limits))

    def _take_all(
        self, holders: tuple[_Holder, ...], of_key: int, cost: int, now: float, wait_seconds: float
    ) -> Decision | None:
        held: list[tuple[Counters, int, int]] = []
        try:
            found: list[tuple[list[int], list[Standing]]] = []
            for counters, number, limits in holders:
                offset = counters.entry(number)
                if not counters.acquire(number, offset, wait_seconds):
                    return None
                held.append((counters, number, offset))
                found.append(counters.read(number, offset, limits, now))
            decision, spent = decide([each for _, standings in found for each in standings], of_key, cost)
            if decision.admitted:
                of_holder = (spent[:of_key], spent[of_key:]) if len(held) == 2 else (spent,)
                for (counters, number, offset), (places, _), standings in zip(held, found, of_holder, strict=True):
                    counters.write(number, offset, places, standings)
            return decision
        finally:
            for counters, number, offset in reversed(held):
                counters.release(number, offset)

    def peek(self, slot: int, limits: tuple[Limit, ...], now: float, account: AccountLimits | None = None) -> Decision:
        """See `Limiter.peek`."""
        standings: list[Standing] = []
        for counters, number, each in self._holders(slot, limits, account):
            # Without the lock: cells are written whole, and a state that is a moment old is as good as any.
            standings += counters.read(number, counters.entry(number), each, now, settle=False)[1]
        return look(standings, len(limits))

    def is_current(self) -> bool:
        """Whether this process counts where a process that starts now would count."""
        return self._keys.is_current() and self._accounts.is_current()

    def follow(self) -> None:
        """Go over to the files that stand at the paths now, made anew where none do. What was counted before in this
        process is in a file that nobody can find any more.

        Raises:
            Misconfigured: what stands there is not a file of counters.
            Unavailable: it cannot be opened or made.
        """
        for each in (self._keys, self._accounts):
            if not each.is_current():
                each.follow()

    def after_fork(self) -> None:
        """See `Limiter.after_fork`."""
        self._keys.after_fork()
        self._accounts.after_fork()

    def close(self) -> None:
        """Unmap and close the files; the counters stay in them."""
        self._keys.close()
        self._accounts.close()
