"""What has to be done around a fork, told to the interpreter once and in one order.

Whoever holds something that two processes cannot share (a connection, a lock, a thread) is a `Forking` and registers
itself. It need not say when it is gone; but whoever is closed for good forgets itself.
"""

from __future__ import annotations

import os
from itertools import count
from weakref import WeakValueDictionary


class Forking:
    """Something that a fork must not surprise. Its methods are called by the interpreter and must not raise: of what
    is registered after it, nothing would be done."""

    def before_fork(self) -> None:
        """In a process about to fork: let go of what a child must not inherit."""

    def after_fork_in_parent(self) -> None:
        """In the process that has forked: go on."""

    def after_fork(self) -> None:
        """In the child: keep nothing that only the parent can keep true."""


_numbers = count()
_registered: WeakValueDictionary[int, Forking] = WeakValueDictionary()


def register(each: Forking) -> None:
    """Call its methods from now on. Before a fork whoever came last is first, afterwards whoever came first: what
    stands on something else is stopped before it, and starts again after it."""
    _registered[next(_numbers)] = each


def forget(each: Forking) -> None:
    """Call its methods no more."""
    for number, registered in list(_registered.items()):
        if registered is each:
            del _registered[number]


def _before() -> None:
    for each in reversed(list(_registered.values())):
        each.before_fork()


def _after_in_parent() -> None:
    for each in list(_registered.values()):
        each.after_fork_in_parent()


def _after_in_child() -> None:
    for each in list(_registered.values()):
        each.after_fork()


os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
