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
from itertools import islice

from keywright.outcome import Accepted
from keywright.recent import Recent
from keywright.stores.base import Store
from keywright.values import Value

#: Deleted keys remembered as such, at most 9 MB: they answer without a look-up. They never come back to life.
MAX_DEAD = 65_536
_BURIED = True
#: Into how many parts the memory is divided, each found by the first byte of a fingerprint.
PARTS = 256
#: A part of fewer keys than this is not worth its while.
_LEAST_IN_PART = 64
#: To make room, one part loses the oldest of its keys, one in so many; then it is the next part's turn.
_ONE_IN = 8
#: How many entries that were forgotten as a whole are freed at a time.
_FREED_AT_ONCE = 512


class FillToken(Value, frozen=True, gc=False):
    """Where the cache stood when a read of the store began."""

    applied: int


class RecordCache:
    """Records by the process's private fingerprint of their key.

    No step takes long, however much it remembers: dictionaries of a few thousand keys grow, make room and are freed in
    well under a millisecond each, where one of a million would stop the whole process for 50, 300 and 100 ms. And the
    garbage collector walks none of it.

    Args:
        max_keys: how many records are kept at most.

    Attributes:
        entries: what the hot path looks into, once `seen` equals the store's freshness: `PARTS` dictionaries, of which
            the fingerprint's first byte chooses one.
        seen: the store's freshness when the last change was applied.
    """

    def __init__(self, store: Store, max_keys: int) -> None:
        self._store = store
        self._max_keys = max_keys
        # Where few keys may be kept, several places of `entries` hold the same part.
        self._parts = min(PARTS, max(1, max_keys // _LEAST_IN_PART))
        self._lock = threading.Lock()
        self._forgotten: list[dict[bytes, Accepted] | dict[str, bytes]] = []
        self._begin()
        self._turn = 0
        self._dead: Recent[bytes, bool] = Recent(MAX_DEAD)
        # Equal to nothing the store can answer, and before its first version: the first use catches up, and where the
        # store cannot be read at that moment, nothing is believed.
        self.seen: object = object()
        self._version = -1
        self._applied = 0

    def _begin(self) -> None:
        """Empty parts in the place of whatever there was."""
        parts: list[dict[bytes, Accepted]] = [{} for _ in range(self._parts)]
        self.entries = tuple(parts[place % self._parts] for place in range(PARTS))
        self._by_key: tuple[dict[str, bytes], ...] = tuple({} for _ in range(self._parts))
        self._count = 0

    def __len__(self) -> int:
        """How many keys are remembered."""
        return sum(map(len, self.entries[: self._parts]))

    @property
    def version(self) -> int:
        """The newest change that was applied; -1 where nothing was read yet."""
        return self._version

    @property
    def applied(self) -> int:
        """How often changes were applied, or everything was forgotten."""
        return self._applied

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
                self._forget_all()
            else:
                for key_id in changes.key_ids:
                    self._drop(key_id)
                for account_id in changes.account_ids:
                    self._drop_account(account_id)
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
            self._forget_all()
            self._applied += 1
            self._version = -1
            self.seen = object()

    def begin_fill(self) -> FillToken:
        """To be called before the store is read, after `catch_up`."""
        return FillToken(self._applied)

    def fill(self, token: FillToken, fingerprint: bytes, accepted: Accepted) -> None:
        """Remember what was read since ``token``, unless a change was applied in between."""
        with self._lock:
            self._free_some()
            if token.applied != self._applied:
                return
            if self._count >= self._max_keys:
                self._make_room()
            # In this order: wherever an exception (a signal's, say) cuts in, no record stays that cannot be dropped.
            self._count += 1
            key_id = accepted.record.key_id
            self._ids(key_id)[key_id] = fingerprint
            self.entries[fingerprint[0]][fingerprint] = accepted

    def free_forgotten(self) -> None:
        """Give back some of the memory of what was forgotten as a whole; called again and again, all of it."""
        with self._lock:
            self._free_some()

    def is_dead(self, fingerprint: bytes) -> bool:
        """Whether this is known to be a deleted key."""
        return self._dead.get(fingerprint) is not None

    def bury(self, fingerprint: bytes) -> None:
        """Remember that this key was deleted. True for ever, so no change needs to undo it."""
        with self._lock:
            self._dead.put(fingerprint, _BURIED)

    def after_fork(self) -> None:
        """In a forked child: begin anew. What the parent remembers is the parent's to keep current."""
        self._forget_all()
        forgotten = self._forgotten
        self.__init__(self._store, self._max_keys)  # type: ignore[misc]
        self._forgotten = forgotten

    def _ids(self, key_id: str) -> dict[str, bytes]:
        return self._by_key[hash(key_id) % self._parts]

    def _drop(self, key_id: str) -> None:
        ids = self._ids(key_id)
        fingerprint = ids.get(key_id)
        if fingerprint is not None:
            # The record first: cut short in between, this is done again, and must find the record again.
            self.entries[fingerprint[0]].pop(fingerprint, None)
            del ids[key_id]

    def _drop_account(self, account_id: str) -> None:
        # All that is remembered is looked through, which takes a tenth of a second for a million keys, part by part, so
        # that other threads run in between. An index of keys by account would be paid for by every key that is ever
        # remembered, in memory and in time; the terms of an account change a few times in its life.
        for part in self.entries[: self._parts]:
            for key_id in [known.record.key_id for known in part.values() if known.record.account_id == account_id]:
                self._drop(key_id)

    def _make_room(self) -> None:
        # Counted anew: what was dropped, or filled twice, is only known here.
        self._count = len(self)
        while self._count >= self._max_keys:
            part = self.entries[self._turn]
            self._turn = (self._turn + 1) % self._parts
            # Dictionaries remember their order: these were filled first.
            for fingerprint in list(islice(part, -(-len(part) // _ONE_IN))):
                key_id = part.pop(fingerprint).record.key_id
                self._ids(key_id).pop(key_id, None)
                self._count -= 1

    def _forget_all(self) -> None:
        # Kept for a while, and freed in pieces: to free a million records takes 100 ms, in which no other thread runs.
        self._forgotten += filter(None, self.entries[: self._parts])
        self._forgotten += filter(None, self._by_key)
        # Whoever is looking into an old part at this moment has compared `seen` before this.
        self._begin()

    def _free_some(self) -> None:
        if self._forgotten:
            part = self._forgotten[-1]
            for _ in range(min(len(part), _FREED_AT_ONCE)):
                part.popitem()
            if not part:
                self._forgotten.pop()
