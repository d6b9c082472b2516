"""Where the pages about keys stand: the console, and the portal. Each of them is written once, and shown in both."""

from __future__ import annotations

from keywright.links import PORTAL_DOOR
from keywright.settings import Settings
from keywright.values import Value

#: Where people begin who have signed in.
HOME = "/overview"


class Place(Value, frozen=True, gc=False):
    """One place.

    Attributes:
        root: what the paths of its pages begin with; empty where others' do not.
        layout: the template around its pages.
        above: what the list of keys is a part of, as the name of its word; empty where it is all there is.
        door: where whoever has no session is led.
        keys: the path of the list of keys; the paths of single keys begin with it.
        cookie: the name of the cookie of its sessions. Each place has its own: a session of one opens nothing in
            another.
        audit: the path of the audit log; empty where there is none.
        help: the path of what to read about keys; empty where there is none.
        brand: what it calls itself; empty for Keywright's own name.
        style: the file of its own colours; empty for the console's.
        back: the address that it leads back to where a session says nothing else; empty for nowhere.
        sample_url: what the samples beside a new key ask; empty for nothing, None for this server's own routes.
        variable: what they call the variable that holds the key.
    """

    root: str
    layout: str
    above: str
    door: str
    keys: str
    cookie: str
    audit: str = ""
    help: str = ""
    brand: str = ""
    style: str = ""
    back: str = ""
    sample_url: str | None = None
    variable: str = "SALESWEBHOOKS_API_KEY"


CONSOLE = Place(
    root="",
    layout="layout.html.j2",
    above="nav.settings",
    door="/sign-in",
    keys="/settings/api-keys",
    cookie="keywright",
    audit="/audit-log",
    help="/settings/help",
)


def portal(settings: Settings) -> Place:
    """The portal, in the operator's name and colour."""
    return Place(
        root="/portal",
        layout="portal.html.j2",
        above="",
        door=PORTAL_DOOR,
        keys="/portal/api-keys",
        cookie="portal",
        brand=settings.portal_name or "",
        style="portal.css" if settings.portal_accent else "",
        back=settings.portal_return_url or "",
        # Keys made there are for the operator's own API: this server's routes would refuse most of them.
        sample_url=settings.portal_sample_url or "",
        variable=settings.portal_variable,
    )
