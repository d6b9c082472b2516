"""``python -m bench [NAME] …``: everything, or what is named."""

from __future__ import annotations

import platform
import sys
from importlib import import_module

NAMES = (
    "verify",
    "adapters",
    "coherence",
    "limits",
    "usage",
    "delete",
    "gate",
    "flood",
    "pauses",
    "million",
    "console",
)
# These install other people's packages, so they run only where they are named.
ON_REQUEST = ("peers",)


def main() -> None:
    """Run the measurements one after another."""
    print(f"Python {platform.python_version()} on {platform.machine()}")
    for name in sys.argv[1:] or NAMES:
        if name not in (*NAMES, *ON_REQUEST):
            sys.exit(f"There is no measurement {name!r}; there are: {', '.join((*NAMES, *ON_REQUEST))}.")
        print(f"{name}:")
        import_module(f"bench.{name}").main()


if __name__ == "__main__":
    main()
