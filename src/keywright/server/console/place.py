"""Where the pages about keys stand: each of them is written once, and shown in every place."""

from __future__ import annotations

from keywright.values import Value


class Place(Value, frozen=True, gc=False):
    """One place.

    Attributes:
        layout: the template around its pages.
        above: what the list of keys is a part of, as the name of its word; empty where it is all there is.
        keys: the path of the list of keys, which is where people begin; the paths of single keys begin with it.
        audit: the path of the audit log; empty where there is none.
        help: the path of what to read about keys; empty where there is none.
    """

    layout: str
    above: str
    keys: str
    audit: str = ""
    help: str = ""


CONSOLE = Place(
    layout="layout.html.j2",
    above="nav.settings",
    keys="/settings/api-keys",
    audit="/audit-log",
    help="/settings/help",
)
