"""A real store that counts what is asked of it, and can be made slow or out of reach at one of its methods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from keywright import Unavailable
from keywright.cache import RecordCache
from keywright.stores.base import Store, UsageStore
from keywright.usage import UsageRecorder
from keywright.verify import Verifier
from support.installation import Installation


class Watched:
    """Hands every call on to the real store.

    Attributes:
        calls: how often each method was called.
        unreachable: methods that raise `Unavailable` instead of answering.
        afterwards: what is done once a method has its answer, before it returns it.
    """

    def __init__(self, store: Store | UsageStore) -> None:
        self._store = store
        self.calls: Counter[str] = Counter()
        self.unreachable: set[str] = set()
        self.afterwards: dict[str, Callable[[], object]] = {}

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._store, name)

        def watched(*arguments: Any) -> Any:
            self.calls[name] += 1
            if name in self.unreachable:
                raise Unavailable("The store cannot answer: out of reach.")
            answer = real(*arguments)
            self.afterwards.get(name, bool)()
            return answer

        return watched


class Watching:
    """A second verifier beside an installation's own, over the same store, watched."""

    def __init__(self, installation: Installation, max_keys: int = 1000) -> None:
        keywright = installation.keywright
        self.store = Watched(keywright.store)
        self.usage_store = Watched(keywright.usage_store)
        self.cache = RecordCache(self.store, max_keys)
        self.usage = UsageRecorder(self.usage_store, keywright.clock)
        self.verifier = Verifier(
            formats=keywright.formats,
            digester=keywright.verifier._digester,
            policy=keywright.policy,
            store=self.store,
            cache=self.cache,
            limiter=keywright.limiter,
            usage=self.usage,
            clock=keywright.clock,
        )

    def reads(self, *presented: str) -> int:
        """How many look-ups verifying these keys costs."""
        before = self.store.calls["find"]
        for key in presented:
            with suppress(Unavailable):
                self.verifier.verify(key)
        return self.store.calls["find"] - before
