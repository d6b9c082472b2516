"""An installation inside the test's own process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from keywright import Actor, ActorKind, Keywright, ManualClock
from keywright.manage.manager import Created
from keywright.settings import load

ME = Actor(ActorKind.LIBRARY, "test")


class Installation:
    """A `Keywright` over a directory of its own, with no thread behind it: usage is written when a test flushes it."""

    def __init__(self, data_dir: Path, clock: ManualClock, **settings: Any) -> None:
        self.clock = clock
        self.keywright = Keywright(load({"data_dir": str(data_dir), **settings}, environment={}), clock)
        self.account_id = self.keywright.manager.operator_account().id

    def create(self, name: str = "Production Server", account_id: str | None = None, **given: Any) -> Created:
        """A key made by somebody on the machine, who may give anything."""
        return self.keywright.manager.create(ME, account_id or self.account_id, {"name": name, **given})

    def account(self, name: str = "Another Company") -> str:
        """Another account's id."""
        return self.keywright.manager.create_account(ME, name).id

    def actor(self, created: Created) -> Actor:
        """The key as an actor."""
        return Actor(ActorKind.KEY, created.row.id, created.row.account_id)

    def __enter__(self) -> Installation:
        return self

    def __exit__(self, *_: object) -> None:
        self.keywright.close()
