"""How often the log is told of the same thing: not by every request that meets it."""

from __future__ import annotations

from collections.abc import Callable

#: How long nothing is said of what was said before.
QUIET_SECONDS = 60.0
#: How many things are remembered. While there are as many, nothing new is told.
MOST_THINGS = 64


class Seldom:
    """Whether a thing may be told, by what it is. For any number of threads; of two that ask for the same thing at the
    same moment both may be told yes, but not as a rule.

    Args:
        elapsed: seconds on a clock that never goes back.
    """

    def __init__(self, elapsed: Callable[[], float]) -> None:
        self._elapsed = elapsed
        self._told: dict[str, float] = {}

    def may_tell(self, thing: str) -> bool:
        """Whether it is to be told now: not if it was in the last `QUIET_SECONDS`. A yes counts as telling it."""
        now = self._elapsed()
        # No lock: a process that forks would hand its child one that nobody opens.
        for each, at in list(self._told.items()):
            if now - at >= QUIET_SECONDS:
                self._told.pop(each, None)
        if thing in self._told or len(self._told) >= MOST_THINGS:
            return False
        return self._told.setdefault(thing, now) is now
