"""One serving process, from the moment it is ready to the moment everything it did is written.

The order of the end is the promise: nobody new is let in; every request whose headers were read is answered; then the
usage is flushed; then the stores are closed. The only module that runs uvicorn.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import uvicorn

from keywright.build import Keywright
from keywright.server import log
from keywright.server.app import create_app, end
from keywright.server.counts import Counts
from keywright.server.edge import Edge
from keywright.server.gate.protocol import LaneProtocol
from keywright.server.gauges import Gauges
from keywright.server.listening import have_waiting, stop_arrivals
from keywright.server.process import allow_connections, spare_from_collection
from keywright.settings import Settings

#: How long a stopping server finishes what it has begun; what is not finished then is cut.
DRAIN_SECONDS = 30
#: How long the connections that came before the end may take to be accepted.
TAKE_IN_SECONDS = 1.0
TICK_SECONDS = 1.0
_LOOK_SECONDS = 0.005


class Process:
    """A process that serves.

    Args:
        sockets: bound; they are closed when the process stops.
        alone: whether it is the only one on its sockets. If not, somebody else sees that nobody new comes.
        signals: what asks it to stop. The same a second time ends the wait for what is unfinished.
        counts: where it counts what happens.

    Raises:
        Misconfigured: see `Keywright.open`.
        Unavailable: the store does not answer.
    """

    def __init__(
        self,
        settings: Settings,
        sockets: Sequence[socket.socket],
        *,
        alone: bool,
        signals: Sequence[signal.Signals],
        counts: Counts,
    ) -> None:
        allow_connections(settings.max_connections)
        self._sockets = list(sockets)
        self.keywright = Keywright(settings)
        try:
            log.configure(settings.log_level, self.keywright.formats)
            # Ready means that keys can be verified, not that a socket is open.
            self.keywright.store.version()
            edge = create_app(self.keywright, counts)
            self._server = _Server(_config(settings, edge), alone, signals)
            if settings.metrics_port is not None:
                connections = self._server.server_state.connections
                self.every_second(Gauges(self.keywright, edge.readiness, counts, lambda: len(connections)).sample)
            spare_from_collection()
        except BaseException:
            self.keywright.close()
            raise

    def when_ready(self, call: Callable[[], None]) -> None:
        """Call once, in the event loop, when requests are accepted and will be answered."""
        self._server.when_ready.append(call)

    def every_second(self, call: Callable[[], None]) -> None:
        """Call each `TICK_SECONDS`, in the event loop, from then on."""
        self._server.each_tick.append(call)

    def stop(self) -> None:
        """Begin the end, as a signal would. To be called in the event loop."""
        self._server.should_exit = True

    def run(self) -> bool:
        """Serve until asked to stop, and end in order; whether everything that was noted could be written.

        Raises:
            OSError: another process listens on the port.
        """
        try:
            self.keywright.start()
            self._server.run(self._sockets)
        finally:
            # Done already, unless somebody could not wait.
            end(self.keywright)
        return self.keywright.usage.writable


def _config(settings: Settings, edge: Edge) -> uvicorn.Config:
    return uvicorn.Config(
        edge,
        lifespan="on",
        loop="uvloop",
        http=LaneProtocol,
        ws="none",
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        # We log ourselves, and believe only the proxies of the settings.
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


class _Server(uvicorn.Server):
    """uvicorn's, with a beginning that is told, an end that loses nobody, and no death by the signal that asked."""

    def __init__(self, config: uvicorn.Config, alone: bool, signals: Sequence[signal.Signals]) -> None:
        super().__init__(config)
        self._alone = alone
        self._signals = signals
        self.when_ready: list[Callable[[], None]] = []
        self.each_tick: list[Callable[[], None]] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen; then tell."""
        await super().startup(sockets)
        for call in self.when_ready:
            call()
        self._tick(asyncio.get_running_loop())

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_later(TICK_SECONDS, self._tick, loop)
        for call in self.each_tick:
            call()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take in who is waiting, and let everything that was asked be answered."""
        edge: Edge = self.config.loaded_app
        edge.drain()
        if self._alone:
            stop_arrivals(sockets or ())
        await self._take_in(sockets or [])
        await super().shutdown(sockets)

    async def _take_in(self, sockets: list[socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + TAKE_IN_SECONDS
        while have_waiting(sockets) and loop.time() < deadline:
            turn = loop.create_future()
            loop.call_later(_LOOK_SECONDS, turn.set_result, None)
            await turn

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Hear the signals. uvicorn raises them again when it has ended, and the process would seem to have failed."""
        before = {each: signal.signal(each, self.handle_exit) for each in self._signals}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first asks for the end, the second for a quick one."""
        self.force_exit = self.should_exit
        self.should_exit = True
