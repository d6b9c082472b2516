"""Pages of what stands in an order, cut by where they end and not by their number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
P = TypeVar("P")


def cut(
    found: Sequence[T], size: int, place: Callable[[T], P], *, below: P | None, above: P | None
) -> tuple[Sequence[T], P | None, P | None]:
    """A page of up to ``size``, of up to one more that was found below (after) or above (before) a place.

    Returns:
        The page; the place above which the page before it begins, None on the first page; the place below which the
        next one begins, None on the last.
    """
    more = len(found) > size
    page = (found[1:] if above is not None else found[:size]) if more else found
    first = (above is None and below is None) or (above is not None and not more)
    last = above is None and not more
    return page, None if first or not page else place(page[0]), None if last or not page else place(page[-1])
