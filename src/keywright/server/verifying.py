"""Verification as the server's guard sees it: Keywright itself, with every outcome counted."""

from __future__ import annotations

import threading

from keywright.build import Keywright
from keywright.clock import Clock
from keywright.errors import Unavailable
from keywright.outcome import Accepted, Outcome
from keywright.reason import Reason
from keywright.record import Network, Record, Request
from keywright.server.counts import OUTCOMES, PLACES, Counts

_NAME = "keywright_verifications_total"
_HITS = {outcome: PLACES[_NAME, outcome, "hit"] for outcome in OUTCOMES}
_MISSES = {outcome: PLACES[_NAME, outcome, "miss"] for outcome in OUTCOMES}
_PASSED = _HITS["accepted"]


class CountedKeys:
    """See `guard.Keys`. The outcome is the verifier's; what a handler finds out later is not in it."""

    def __init__(self, keywright: Keywright, counts: Counts) -> None:
        self._keywright = keywright
        # Bound once: this is asked of every request.
        self._warm, self._again = keywright.verifier.warm, keywright.verifier.again
        self._counts = counts
        self._cells = counts.cells
        # What is remembered is answered by the event loop, alone; misses come from many threads.
        self._misses = threading.Lock()

    @property
    def clock(self) -> Clock:
        """See `Keys`."""
        return self._keywright.clock

    @property
    def trusted_proxies(self) -> tuple[Network, ...]:
        """See `Keys`."""
        return self._keywright.trusted_proxies

    def warm(self, key: str, request: Request) -> Outcome | None:
        """See `Keys`."""
        return self._counted(self._warm(key, request))

    def again(self, digest: bytes, known: Accepted, request: Request, now: float) -> Outcome | None:
        """See `Verifier.again`."""
        return self._counted(self._again(digest, known, request, now))

    def _counted(self, outcome: Outcome | None) -> Outcome | None:
        # The one that comes most often first: this is on the hot path.
        if type(outcome) is Accepted:
            self._cells[_PASSED] += 1
        elif outcome is not None:
            self._cells[_HITS[_name(outcome)]] += 1
        return outcome

    def verify(self, key: str, request: Request) -> Outcome:
        """See `Keys`."""
        try:
            outcome = self._keywright.verify(key, request)
        except Unavailable:
            with self._misses:
                self._counts.add("keywright_verifications_unavailable_total")
            raise
        with self._misses:
            self._cells[_MISSES[_name(outcome)]] += 1
        return outcome

    def surface_prefix(self, path: str) -> str:
        """See `Keys`."""
        return self._keywright.surface_prefix(path)

    def note_forbidden(self, record: Record, reason: Reason, address: str) -> None:
        """See `Keys`."""
        self._keywright.note_forbidden(record, reason, address)

    def redact(self, text: str) -> str:
        """See `Keys`."""
        return self._keywright.redact(text)


def _name(outcome: Outcome) -> Reason | str:
    return getattr(outcome, "reason", "accepted")
