"""Why requests are answered with 503: for the operator, in the log. Whoever called is told only when to come again.

The logger is ``keywright.unavailable``. Each process tells a cause once a minute, however many requests meet it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from keywright.clock import SystemClock
from keywright.errors import Unavailable
from keywright.seldom import Seldom

_log = logging.getLogger("keywright.unavailable")
# Without a handler anywhere, `logging` would write warnings to the standard error of whoever embeds us.
_log.addHandler(logging.NullHandler())
_seldom = Seldom(SystemClock.elapsed)


def tell(error: Unavailable, redact: Callable[[str], str]) -> None:
    """Tell the log what keeps a request from being answered, unless whoever raised the error has told it already."""
    cause = str(error)
    if not error.told and _seldom.may_tell(cause):
        _log.warning("Requests are answered with 503. %s", redact(cause))
