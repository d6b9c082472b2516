"""One question to a server over HTTP, over connections that are kept: answered by a deadline, and asked once.

A connection carries one question at a time, and is used again only after an answer that was read to its end. The
hazard is an answer that belongs to another question: it would let a stranger in under somebody's name. So whatever goes
wrong, the connection is thrown away.
"""

from __future__ import annotations

import io
import os
import select
import socket
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPResponse
from typing import Any, NamedTuple

#: How long a connection is kept without a question. A server hangs up after five seconds, and whoever asks at that very
#: moment gets no answer.
KEEP_SECONDS = 2.0
#: Connections that are kept at most; more may be open while they are asked.
MAX_KEPT = 32
#: Of an answer; a verdict is much smaller.
MAX_ANSWER_BYTES = 65_536


class Reply(NamedTuple):
    """An answer, whatever it says. ``retry_after`` is as it came; empty where it did not."""

    status: int
    retry_after: str
    body: bytes


class Deadline:
    """A moment by which everything must be over, however many waits it is made of."""

    def __init__(self, elapsed: Callable[[], float], seconds: float) -> None:
        self._elapsed = elapsed
        self._end = elapsed() + seconds

    def left(self) -> float:
        """The seconds that are left.

        Raises:
            TimeoutError: none.
        """
        left = self._end - self._elapsed()
        if left <= 0:
            raise TimeoutError("the time is over")
        return left


class Line:
    """The way to one server. Any number of threads may ask at once; each has a connection to itself meanwhile.

    Args:
        tls: None for a connection that anybody on the way can read.
        elapsed: see `Clock.elapsed`.
    """

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, elapsed: Callable[[], float]) -> None:
        self._host, self._port, self._tls, self._elapsed = host, port, tls, elapsed
        # Without a lock: a deque gives each of its members to one thread, and nothing has to be mended after a fork.
        self._kept: deque[_Connection] = deque()
        self._process = os.getpid()

    def ask(self, question: bytes, seconds: float) -> Reply:
        """The answer to a whole HTTP request.

        The question is sent a second time only if the connection that was kept did not take all of the first: a server
        does not decide on a part of a request, so it cannot have been decided. Where all of it was taken and no answer
        came, nobody knows whether it was, and it is not asked again.

        Args:
            seconds: for all of it. Only looking a name up may take longer: the system does that, and cannot be hurried.

        Raises:
            OSError: no connection (`ConnectionError`), no answer in time (`TimeoutError`), a bad certificate.
            HTTPException: what came is not HTTP.
        """
        deadline = Deadline(self._elapsed, seconds)
        kept = self._take()
        if kept is not None and kept.send(question, deadline):
            return self._read(kept, deadline)
        fresh = self._open(deadline)
        if not fresh.send(question, deadline):
            raise ConnectionError("the connection was closed before the question was sent")
        return self._read(fresh, deadline)

    def _take(self) -> _Connection | None:
        """A connection that seems to be good, and is nobody else's."""
        if self._process != os.getpid():
            # Forked, perhaps behind the interpreter's back: the parent uses these, and would be given our answers.
            self._kept, self._process = deque(), os.getpid()
        while self._kept:
            try:
                found = self._kept.pop()
            except IndexError:  # another thread was faster
                return None
            if self._elapsed() - found.kept_at < KEEP_SECONDS and found.is_quiet():
                return found
            found.close()
        return None

    def _keep(self, connection: _Connection) -> None:
        connection.kept_at = self._elapsed()
        self._kept.append(connection)
        # Those on the left were used the longest ago.
        with suppress(IndexError):
            while len(self._kept) > MAX_KEPT or self._elapsed() - self._kept[0].kept_at > KEEP_SECONDS:
                self._kept.popleft().close()

    def _open(self, deadline: Deadline) -> _Connection:
        failed = OSError("the name has no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM):
            opened = socket.socket(family, kind, protocol)
            try:
                opened.settimeout(deadline.left())
                opened.connect(address)
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._tls is not None:
                    opened.settimeout(deadline.left())
                    opened = self._tls.wrap_socket(opened, server_hostname=self._host)
            except OSError as error:
                opened.close()
                failed = error
            else:
                return _Connection(opened)
        raise failed

    def _read(self, connection: _Connection, deadline: Deadline) -> Reply:
        try:
            response = HTTPResponse(connection.reading(deadline), method="POST")
            response.begin()
            body = response.read(MAX_ANSWER_BYTES + 1)
            reply = Reply(response.status, response.getheader("Retry-After", ""), body)
        except BaseException:
            connection.close()
            raise
        # Closed means read to its end. Of anything else there may be more to come, before the next answer.
        if response.isclosed() and not response.will_close:
            self._keep(connection)
        else:
            response.close()
            connection.close()
        return reply

    def close(self) -> None:
        """Close the connections that are kept. Whoever asks after it opens another."""
        with suppress(IndexError):
            while True:
                self._kept.pop().close()


class _Connection:
    """A connection, and since when it has been kept."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self._poll = select.poll()
        self._poll.register(opened, select.POLLIN)
        self.kept_at = 0.0

    def is_quiet(self) -> bool:
        """Whether nothing has come since the last answer. A server that hangs up is not quiet, and neither is one that
        says more than it was asked."""
        return not self._poll.poll(0)

    def send(self, question: bytes, deadline: Deadline) -> bool:
        """Hand the question over; False, and closed, if it was not taken whole."""
        try:
            self._socket.settimeout(deadline.left())
            self._socket.sendall(question)
        except TimeoutError:
            self.close()
            raise
        except OSError:
            self.close()
            return False
        return True

    def reading(self, deadline: Deadline) -> Any:
        """What the parser of the standard library takes for a socket."""
        return _Reading(self._socket, deadline)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


class _Reading(io.RawIOBase):
    """The bytes of one answer. Every wait for more of them ends at the deadline: a limit on each wait alone would let a
    server that sends a byte a second hold a thread for as long as it likes."""

    def __init__(self, opened: socket.socket, deadline: Deadline) -> None:
        super().__init__()
        self._socket, self._deadline = opened, deadline

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Itself, with a buffer. Closing it ends the reading, and not the connection."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """See `io.RawIOBase`.

        Raises:
            TimeoutError: the time is over.
        """
        self._socket.settimeout(self._deadline.left())
        return self._socket.recv_into(buffer)
