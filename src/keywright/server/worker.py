"""One of several serving processes, started by `supervisor`.

``python -m keywright.server.worker CONTROL BOARD ROWS ROW SOCKET…``. The arguments are the numbers of open files that
it inherited: the control socket, over which it says that it is ready, that it lives, or why it cannot start; the shared
counts, how many rows they have and which is its own; and the sockets to serve on. Everything else it needs is in its
environment.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from enum import IntEnum

from keywright import settings as settings_module
from keywright.errors import Misconfigured, Unavailable
from keywright.server.counts import Board, Counts
from keywright.server.listening import cannot_listen
from keywright.server.process import forbid_core_dumps
from keywright.server.serving import Process

#: What a worker says: each word is one message.
READY = b"ready"
ALIVE = b"alive"
FAILED = b"failed "


class WorkerExit(IntEnum):
    """How a worker ends."""

    CLEAN = 0
    FAILED = 1


class Link:
    """The worker's end of the control socket. It closes when the worker dies, the other when the parent does."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(False)

    def say(self, message: bytes) -> None:
        """Tell the parent, if it listens."""
        # A parent that is stopped in a debugger or dead is no reason to fail: what is full is full.
        with contextlib.suppress(OSError):
            self._socket.send(message)

    def watch(self, process: Process) -> None:
        """Stop ``process`` when the parent is gone: nobody else would, and the port would stay taken."""

        def gone() -> None:
            loop.remove_reader(self._socket)
            process.stop()

        loop = asyncio.get_running_loop()
        loop.add_reader(self._socket, gone)


def main(control: int, counts: Counts, listening: list[int]) -> WorkerExit:
    """Serve until told to stop."""
    forbid_core_dumps()
    # From a terminal these reach every process of the group; what they mean is for the parent to say.
    for each in (signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    link = Link(control)
    sockets = [socket.socket(fileno=each) for each in listening]
    try:
        settings = settings_module.load()
        process = Process(settings, sockets, alone=False, signals=(signal.SIGTERM,), counts=counts)
        process.when_ready(lambda: link.watch(process))
        process.when_ready(lambda: link.say(READY))
        process.every_second(lambda: link.say(ALIVE))
        written = process.run()
    except (Misconfigured, Unavailable) as error:
        link.say(FAILED + str(error).encode())
        return WorkerExit.FAILED
    except OSError as error:
        link.say(FAILED + cannot_listen(settings.host, settings.port, error).encode())
        return WorkerExit.FAILED
    return WorkerExit.CLEAN if written else WorkerExit.FAILED


if __name__ == "__main__":
    _control, _board, _rows, _row, *_listening = map(int, sys.argv[1:])
    sys.exit(main(_control, Board(_board, _rows).counts(_row), _listening))
