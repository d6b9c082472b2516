"""A table that forgets: it holds so many entries at most, and lets go of the oldest.

Made of two dictionaries. When the younger is full, it becomes the older, and what was the older is dropped as a whole.
So the newest half is always there, nothing is ever moved, and the garbage collector need not walk it (an `OrderedDict`
of as many entries stops the process for milliseconds at every full collection).
"""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """The newest entries of a table. Whoever writes holds a lock; reading needs none.

    Args:
        most: how many are held at most; at least half as many of the newest are.
    """

    def __init__(self, most: int) -> None:
        self._half = most // 2
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def get(self, name: K) -> V | None:
        """What was put last under ``name``, unless it is forgotten."""
        # In this order: an entry only ever goes from the younger to the older, so it cannot slip past a reader.
        found = self._young.get(name)
        return found if found is not None else self._old.get(name)

    def put(self, name: K, value: V) -> None:
        """Remember ``value`` as the newest. It must not be None."""
        if len(self._young) >= self._half and name not in self._young:
            self._old, self._young = self._young, {}
        self._young[name] = value

    def __len__(self) -> int:
        """How many entries are held, those counted twice that were put again."""
        return len(self._young) + len(self._old)
