"""The backstop behind the coherence protocol: what nobody told of is noticed all the same, `WATCH_SECONDS` later.

A writer that dies between its commit and its notice has answered nobody, so no promise was broken; but its change must
not wait for the next one. The same holds for a file that was exchanged under a running process, and for somebody who
writes with other tools (who must go through the change feed to be noticed key by key).
"""

from __future__ import annotations

import logging
import threading

from keywright.cache import RecordCache
from keywright.clock import SystemClock
from keywright.limits.base import Limiter
from keywright.stores.base import Disturbance, Store

_log = logging.getLogger("keywright.watch")

#: How often a process looks whether the store was written or exchanged without a word.
WATCH_SECONDS = 0.05
#: If it has not looked for so long, it is late, and says so.
LATE_SECONDS = 2.0


class Watcher:
    """Looks at the store, and makes the cache doubt or forget; looks at the counters, and makes the limiter follow."""

    def __init__(self, store: Store, cache: RecordCache, limiter: Limiter) -> None:
        self._store = store
        self._cache = cache
        self._limiter = limiter
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failing = self._lost = False
        self._looked_at = SystemClock.elapsed()

    def look(self) -> None:
        """Look at the store once.

        Raises:
            Unavailable: it cannot be looked at. Nothing was doubted; whoever needs the store finds out.
        """
        found = self._store.disturbance()
        if found is Disturbance.REPLACED:
            self._cache.forget()
        elif found is Disturbance.WRITTEN:
            self._cache.distrust()

    def look_at_counters(self) -> None:
        """Have the limiter count where others would, if it does not."""
        try:
            if not self._limiter.is_current():
                self._limiter.follow()
                _log.error("The counters of limits were removed or exchanged. It is counted in the new ones now.")
            self._lost = False
        except Exception as error:  # noqa: BLE001 - whatever goes wrong here must not end the looking
            if not self._lost:
                _log.error("The counters of limits were removed or exchanged, and cannot be followed: %s", error)
            self._lost = True

    def start(self) -> None:
        """Look every `WATCH_SECONDS` in a thread of its own, until `close`."""
        if self._thread is None:
            self._looked_at = SystemClock.elapsed()
            self._thread = threading.Thread(target=self._run, name="keywright-watch", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(WATCH_SECONDS):
            self._cache.free_forgotten()
            self.look_at_counters()
            try:
                self.look()
            except Exception:  # noqa: BLE001 - the reason stands below
                # What cannot be looked at is not believed; and whatever goes wrong once must not end the looking.
                self._cache.distrust()
                if not self._failing:
                    _log.exception("the store cannot be looked at; keys are read anew until it can")
                self._failing = True
            else:
                self._failing = False
                self._looked_at = SystemClock.elapsed()

    def age_seconds(self) -> float:
        """How long ago it last looked, and could."""
        return SystemClock.elapsed() - self._looked_at

    def standing(self) -> str:
        """``ok``; ``off`` where it was never started; ``unavailable`` or ``late`` where it does not do its work."""
        if self._thread is None:
            return "off"
        if self._failing or not self._thread.is_alive():
            return "unavailable"
        return "late" if self.age_seconds() > LATE_SECONDS else "ok"

    def after_fork(self) -> None:
        """In a forked child: its own thread, if the parent had one."""
        running = self._thread is not None
        self.__init__(self._store, self._cache, self._limiter)  # type: ignore[misc]
        if running:
            self.start()

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
