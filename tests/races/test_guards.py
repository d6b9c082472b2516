"""S55 where a random race would need luck: a read of the store that is still under way while the key is deleted."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from core.watched import Watching
from keywright import Accepted, SystemClock
from keywright.manage.manager import Created
from support.crew import together
from support.history import Act, Answer, Kind, broken
from support.installation import ME, Installation
from support.waiting import eventually


class SlowRead:
    """A verifier whose next look-up has its answer, and does not bring it home before it is told to."""

    def __init__(self, installation: Installation) -> None:
        self.watching = Watching(installation)
        self.acts: list[Act] = []
        self._read, self._go_on = threading.Event(), threading.Event()
        self.watching.store.afterwards["find"] = self._pause

    def _pause(self) -> None:
        self.watching.store.afterwards.clear()
        self._read.set()
        assert self._go_on.wait(20)

    def verify(self, key: str) -> None:
        """Verify, and note it down for the judge."""
        invoked_at = SystemClock.elapsed()
        outcome = self.watching.verifier.verify(key)
        answer = Answer.ACCEPTED if isinstance(outcome, Accepted) else Answer.REFUSED
        self.acts.append(Act(Kind.VERIFY, answer, invoked_at, SystemClock.elapsed()))

    @contextmanager
    def reading(self, key: str) -> Iterator[None]:
        """In the block, a thread of this process has read the key's row and not yet remembered it."""
        thread = self.thread(key)
        try:
            assert self._read.wait(20)
            yield
        finally:
            self._go_on.set()
            thread.join()

    def thread(self, key: str) -> threading.Thread:
        """A thread that verifies the key; it runs already."""
        thread = threading.Thread(target=self.verify, args=[key])
        thread.start()
        return thread

    def note(self, kind: Kind, act: Callable[[], object]) -> None:
        """Make a change in another process, and note it down for the judge."""

        def work() -> tuple[float, float]:
            invoked_at = SystemClock.elapsed()
            act()
            return invoked_at, SystemClock.elapsed()

        ((invoked_at, returned_at),) = together([work])
        self.acts.append(Act(kind, Answer.DONE, invoked_at, returned_at))


def made(installation: Installation, slow: SlowRead) -> Created:
    """A key that nobody has verified yet."""
    invoked_at = SystemClock.elapsed()
    created = installation.create(rate_limit=None)
    slow.acts.append(Act(Kind.CREATE, Answer.DONE, invoked_at, SystemClock.elapsed()))
    return created


def test_s55_a_slow_read_brings_no_deleted_key_back(installation: Installation) -> None:
    """S55: a row that was read before the delete and arrives when the process has already heard of it is not
    remembered."""
    slow = SlowRead(installation)
    created = made(installation, slow)
    with slow.reading(created.key):
        slow.note(
            Kind.DELETE, lambda: installation.keywright.manager.delete(ME, installation.account_id, created.row.id)
        )
        slow.watching.cache.catch_up()  # as any other request does
    slow.verify(created.key)
    assert broken(slow.acts) == []


def test_s55_who_waits_for_a_read_does_not_take_its_answer(installation: Installation) -> None:
    """S55: a verification that begins after the delete waits for another's read that began before it, and does not
    believe it."""
    slow = SlowRead(installation)
    created = made(installation, slow)
    with slow.reading(created.key):
        slow.note(
            Kind.DELETE, lambda: installation.keywright.manager.delete(ME, installation.account_id, created.row.id)
        )
        late = slow.thread(created.key)
        assert eventually(lambda: _innermost(late) == "_cold"), "it does not wait for the read"
    late.join()
    assert len([act for act in slow.acts if act.kind is Kind.VERIFY]) == 2
    assert broken(slow.acts) == []


def _innermost(thread: threading.Thread) -> str:
    """The function that a thread is in; waiting for a lock is the business of the one that asked for it."""
    assert thread.ident
    frame = sys._current_frames().get(thread.ident)
    return frame.f_code.co_name if frame else ""
