"""Whether this process can do its work, for whoever asks how often."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass, replace

from fastapi import Response

from keywright.adapters import answers, causes
from keywright.adapters.answers import JSON, Fault, to_json
from keywright.build import Keywright
from keywright.errors import Unavailable

#: How old an answer may be. Nobody needs a key to ask; if each asking read the store, anybody could keep it busy.
MAX_AGE_SECONDS = 1.0
#: Room on disk below which it is called low.
LEAST_FREE_BYTES = 64 * 1024 * 1024
OK = "ok"
#: What this process must have to be asked anything. The others are told of, and repair themselves.
_REQUIRED = ("store", "limits", "watch")


@dataclass(frozen=True, slots=True)
class Found:
    """What was found when it was last looked.

    Attributes:
        words: check → ``ok``, or what is wrong with it.
        version: of the change feed; None where the store does not answer.
    """

    words: dict[str, str]
    version: int | None
    durability: str
    free_bytes: int


class Readiness:
    """What `/readyz` tells. Words only: whoever reaches the port may ask, and needs to know no version and no path.

    Attributes:
        draining: whether the server has begun to stop; it says so itself.
    """

    def __init__(self, keywright: Keywright) -> None:
        self._keywright = keywright
        self._asking = asyncio.Lock()
        self._asked_at = -MAX_AGE_SECONDS
        self._found = Found({}, None, "", 0)
        self.draining = False

    async def found(self) -> Found:
        """How it stands: what is in memory now, what is on disk at most `MAX_AGE_SECONDS` ago."""
        async with self._asking:
            elapsed = self._keywright.clock.elapsed()
            if elapsed - self._asked_at >= MAX_AGE_SECONDS:
                self._found = await asyncio.to_thread(self._look)
                self._asked_at = elapsed
        watch = self._keywright.watcher.standing()
        usage = OK if self._keywright.usage.writable else "unavailable"
        return replace(self._found, words={**self._found.words, "watch": watch, "usage": usage})

    def is_ready(self, found: Found) -> bool:
        """Whether the process can be asked to verify keys."""
        return not self.draining and not any(found.words[name] not in (OK, "off") for name in _REQUIRED)

    async def answer(self) -> Response:
        """200, or 503 in the shape of every error."""
        found = await self.found()
        if not self.is_ready(found):
            return self._unavailable({**found.words, **({"draining": "yes"} if self.draining else {})})
        more = {"mode": "one machine", "durability": found.durability, "feed_version": found.version}
        return Response(to_json({"status": OK, **found.words, **more}), media_type=JSON)

    def _look(self) -> Found:
        keywright = self._keywright
        version, durability = None, ""
        try:
            version, durability = keywright.store.version(), keywright.store.durability()
        except Unavailable as error:
            causes.tell(error, keywright.redact)
        free = shutil.disk_usage(keywright.settings.data_dir).free
        words = {
            "store": OK if version is not None else "unavailable",
            # Others would be counting in another file. The watcher sees to it, if it can.
            "limits": OK if keywright.limiter.is_current() else "replaced",
            "disk": OK if free >= LEAST_FREE_BYTES else "low",
        }
        return Found(words, version, durability, free)

    def _unavailable(self, details: dict[str, str]) -> Response:
        fault = answers.unavailable(1)
        fault = Fault(fault.code, fault.message, fault.headers, details=details)
        media_type, body = fault.body(self._keywright.clock.now(), "")
        return Response(body, fault.status, dict(fault.headers), media_type)
