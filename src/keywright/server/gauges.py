"""How a process stands, written down each second for whoever reads the counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from keywright.build import Keywright
from keywright.server.counts import CHECKS, Counts
from keywright.server.ready import OK, Readiness


class Gauges:
    """What is not counted as it happens.

    Args:
        connections: tells how many are open.
    """

    def __init__(
        self, keywright: Keywright, readiness: Readiness, counts: Counts, connections: Callable[[], int]
    ) -> None:
        self._keywright = keywright
        self._readiness = readiness
        self._counts = counts
        self._connections = connections
        self._running: asyncio.Task[None] | None = None

    def sample(self) -> None:
        """Begin to write down how it stands, in the event loop, unless the last time has not ended."""
        if self._running is None or self._running.done():
            self._running = asyncio.get_running_loop().create_task(self._sample())

    async def _sample(self) -> None:
        keywright, put = self._keywright, self._counts.put
        found = await self._readiness.found()
        put("keywright_processes", value=1)
        put("keywright_ready", value=self._readiness.is_ready(found))
        for check in CHECKS:
            put("keywright_check", check, value=found.words[check] == OK)
        put("keywright_connections", value=self._connections())
        put("keywright_cache_keys", value=len(keywright.cache))
        put("keywright_cache_catch_ups_total", value=keywright.cache.applied)
        put("keywright_feed_version", value=keywright.cache.version)
        put("keywright_watch_age_seconds", value=keywright.watcher.age_seconds())
        put("keywright_usage_age_seconds", value=keywright.usage.age_seconds())
        put("keywright_usage_failures_total", value=keywright.usage.failures)
        put("keywright_disk_free_bytes", value=found.free_bytes)
