"""How many connections each address has open, so that one host cannot take all there are.

Whoever opens connections and says nothing, and opens others when those are closed, would hold every place for ever, and
everybody else would be turned away. Nothing is remembered of an address without a connection, so what is remembered is
bounded by the connections that are open.
"""

from __future__ import annotations

from keywright.adapters.address import is_trusted
from keywright.flood import source_of
from keywright.record import parse_network
from keywright.settings import Settings

#: The part of all connections that one address may have, where the settings do not say how many: four hosts must act
#: together to take all, and no single client needs a thousand.
SHARE = 4
#: Who is on the machine itself. A proxy there may be all that ever connects, and nobody may have told us of it.
_OWN_MACHINE = (parse_network("127.0.0.0/8"), parse_network("::1"))


class Peers:
    """The connections of one process, by who they come from. For one thread.

    A source is an IPv4 address or an IPv6 network of 64 bits. Proxies are not counted: everybody comes through them.

    Attributes:
        most: how many connections one source may have.
    """

    def __init__(self, settings: Settings) -> None:
        given = settings.max_connections_per_address
        self.most = given or max(1, settings.max_connections // SHARE)
        proxies = settings.trusted_proxies + settings.gate_proxies
        self._uncounted = proxies if given else proxies + _OWN_MACHINE
        self._open: dict[str, int] = {}

    def __len__(self) -> int:
        """How many sources have a connection."""
        return len(self._open)

    def source(self, address: str) -> str:
        """As what the connections of ``address`` are counted; empty for whoever is not counted."""
        return "" if is_trusted(address, self._uncounted) else source_of(address)

    def come(self, source: str) -> int:
        """One more connection is open; how many of this source are too many now, below 1 if none is."""
        if not source:
            return 0
        count = self._open[source] = self._open.get(source, 0) + 1
        return count - self.most

    def go(self, source: str) -> None:
        """One of them is closed."""
        if not source:
            return
        left = self._open[source] - 1
        if left:
            self._open[source] = left
        else:
            del self._open[source]
