"""Waiting for what a real process does in its own time, with a bound."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

V = TypeVar("V")


def eventually(ask: Callable[[], V], seconds: float = 5.0) -> V:
    """The first answer that is true, asked for again and again; the last one when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer or time.monotonic() > deadline:
            return answer
        time.sleep(0.02)
