"""The coherent record cache: what a process remembers of keys, and when it may believe it.

The promise. **A verification that begins after a change was acknowledged never uses what was remembered from before
it**, in any process that shares the store. It holds because

* every change is published in the feed in its own transaction, and the store's `freshness` differs for whoever asks
  after the acknowledgement;
* `seen` is compared with it before the cache is looked into, and where something is new, `catch_up` reads the feed and
  drops what changed before anything is used;
* a record that was read from the store is remembered only if no change at all was applied while it was being read
  (the fill guard): a slow read that began before a delete cannot bring the key back after it.

What cannot be read is not believed: if the feed cannot be read, `catch_up` raises `Unavailable` and the cache stays
unused until it can.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from keywright.outcome import Accepted
from keywright.stores.base import Store
from keywright.values import Value

#: Deleted keys remembered as such, 16 bytes each: they answer without a look-up. They never come back to life.
MAX_DEAD = 65_536


class FillToken(Value, frozen=True, gc=False):
    """Where the cache stood when a read of the store began."""

    applied: int


class RecordCache:
    """Records by the process's private fingerprint of their key.

    Args:
        max_keys: how many records are kept; beyond that the oldest half is dropped.

    Attributes:
        entries: what the hot path looks into, once `seen` equals the store's freshness.
        seen: the store's freshness when the last change was applied.
    """

    def __init__(self, store: Store, max_keys: int) -> None:
        self._store = store
        self._max_keys = max_keys
        self._lock = threading.Lock()
        self.entries: dict[bytes, Accepted] = {}
        self._by_key: dict[str, bytes] = {}
        self._dead: OrderedDict[bytes, None] = OrderedDict()
        # Equal to nothing the store can answer, and before its first version: the first use catches up, and where the
        # store cannot be read at that moment, nothing is believed.
        self.seen: object = object()
        self._version = -1
        self._applied = 0

    def catch_up(self) -> None:
        """Apply every change that is not yet applied.

        Raises:
            Unavailable: the feed cannot be read.
        """
        with self._lock:
            fresh = self._store.freshness()
            if fresh == self.seen:
                return
            changes = self._store.changes_since(self._version)
            if changes.key_ids is None:
                self.entries.clear()
                self._by_key.clear()
            else:
                for key_id in changes.key_ids:
                    self._drop(key_id)
            self._applied += 1
            self._version = changes.version
            # Last: until everything is dropped, no other thread may take the cache for current.
            self.seen = fresh

    def distrust(self) -> None:
        """Believe nothing until the feed has been read again: somebody has written and may not have told."""
        # Under the lock: a `catch_up` that is just ending must not take the distrust away again.
        with self._lock:
            self.seen = object()

    def forget(self) -> None:
        """Drop everything and begin anew: what it was read from is gone. Deleted keys stay deleted."""
        with self._lock:
            self.entries.clear()
            self._by_key.clear()
            self._applied += 1
            self._version = -1
            self.seen = object()

    def begin_fill(self) -> FillToken:
        """To be called before the store is read, after `catch_up`."""
        return FillToken(self._applied)

    def fill(self, token: FillToken, fingerprint: bytes, accepted: Accepted) -> None:
        """Remember what was read since ``token``, unless a change was applied in between."""
        with self._lock:
            if token.applied != self._applied:
                return
            if len(self.entries) >= self._max_keys:
                self._make_room()
            # In this order: wherever an exception (a signal's, say) cuts in, no record stays that cannot be dropped.
            self._by_key[accepted.record.key_id] = fingerprint
            self.entries[fingerprint] = accepted

    def is_dead(self, fingerprint: bytes) -> bool:
        """Whether this is known to be a deleted key."""
        return fingerprint in self._dead

    def bury(self, fingerprint: bytes) -> None:
        """Remember that this key was deleted. True for ever, so no change needs to undo it."""
        with self._lock:
            self._dead[fingerprint] = None
            if len(self._dead) > MAX_DEAD:
                self._dead.popitem(last=False)

    def after_fork(self) -> None:
        """In a forked child: begin anew. What the parent remembers is the parent's to keep current."""
        self.__init__(self._store, self._max_keys)  # type: ignore[misc]

    def _drop(self, key_id: str) -> None:
        fingerprint = self._by_key.get(key_id)
        if fingerprint is not None:
            # The record first: cut short in between, this is done again, and must find the record again.
            self.entries.pop(fingerprint, None)
            del self._by_key[key_id]

    def _make_room(self) -> None:
        # Dictionaries remember their order, so the first half is the half that was filled first. Rare and linear.
        for fingerprint in list(self.entries)[: self._max_keys // 2 + 1]:
            accepted = self.entries.pop(fingerprint)
            self._by_key.pop(accepted.record.key_id, None)
