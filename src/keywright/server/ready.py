"""Whether this process can do its work, for whoever asks how often."""

from __future__ import annotations

import asyncio

from fastapi import Response

from keywright.adapters import answers
from keywright.adapters.answers import JSON, Fault, to_json
from keywright.build import Keywright
from keywright.errors import Unavailable

#: How old an answer may be. Nobody needs a key to ask; if each asking read the store, anybody could keep it busy.
MAX_AGE_SECONDS = 1.0


class Readiness:
    """What `/readyz` tells: whether the store answers, and whether the last usage could be written."""

    def __init__(self, keywright: Keywright) -> None:
        self._keywright = keywright
        self._asking = asyncio.Lock()
        self._asked_at = -MAX_AGE_SECONDS
        self._version: int | None = None

    async def answer(self) -> Response:
        """200, or 503 in the shape of every error."""
        async with self._asking:
            elapsed = self._keywright.clock.elapsed()
            if elapsed - self._asked_at >= MAX_AGE_SECONDS:
                self._version = await asyncio.to_thread(self._read)
                self._asked_at = elapsed
        usage = "ok" if self._keywright.usage.writable else "unavailable"
        if self._version is None:
            return self._unavailable({"store": "unavailable", "usage": usage})
        found = {"status": "ok", "store": "ok", "usage": usage, "feed_version": self._version}
        return Response(to_json(found), media_type=JSON)

    def _read(self) -> int | None:
        try:
            return self._keywright.store.version()
        except Unavailable:
            return None

    def _unavailable(self, found: dict[str, str]) -> Response:
        fault = answers.unavailable(1)
        fault = Fault(fault.code, fault.message, fault.headers, details=found)
        media_type, body = fault.body(self._keywright.clock.now(), "")
        return Response(body, fault.status, dict(fault.headers), media_type)
