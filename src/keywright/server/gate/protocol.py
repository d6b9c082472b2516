"""The HTTP protocol class that answers the gate's requests itself, and lets all others take the ordinary road.

A request is answered here only between two others that are over, so answers leave in the order of the requests. What is
unusual about it in the least (an older version, a connection that is to be closed, an expectation, a head that came in
pieces) sends it down the ordinary road, from its first byte, as if this class were not there.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from keywright.adapters.verdicts import PATH as VERIFY_PATH
from keywright.outcome import Refused
from keywright.server.gate.gate import PATH
from keywright.server.gate.lane import MAX_BODY_BYTES, MAX_HEAD_BYTES, Answered, Lane
from keywright.server.gate.seen import MAX_SEEN_BYTES, Line
from keywright.server.http import Protocol

_GATE = PATH.encode()
_VERIFY = VERIFY_PATH.encode()
#: Their answers have no body, or are not answers at all.
_NOT_HERE = frozenset({b"HEAD", b"CONNECT"})
#: The headers that the server itself adds, as it has them and as they are sent.
_default_headers: list[tuple[bytes, bytes]] = []
_written_default = b""


class LaneProtocol(Protocol):
    """One connection, with the lane on it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._lane: Lane | None = self.app.lane
        self._arrived_bytes = 0
        self._began_here = False
        # Whether the scope of the request that is being read is still to be made.
        self._bare = False
        # The head of a request that may be answered here: trailers are not part of it.
        self._head: list[tuple[bytes, bytes]] = []
        # The body so far of such a request; None for one that is on the ordinary road.
        self._body: bytes | None = None
        self._started = 0.0
        # Of the bytes that came last: how many requests began in them, what of the first was answered here, and what
        # is decided of it already.
        self._begun = 0
        self._passed: Answered | None = None
        self._decided: Refused | None = None

    def data_received(self, data: bytes) -> None:
        """See `Protocol`. What was answered before is answered again without being read."""
        if self._lane is None or len(data) > MAX_SEEN_BYTES or not self._is_between():
            self._read(data)
            return
        started = self.app.elapsed()
        try:
            found = self._lane.again(data, self.client[0] if self.client else "")
        except Exception as error:  # noqa: BLE001 - the connection would be cut; what is read is answered all the same
            self.app.lane_failed(error)
            found = None
        if isinstance(found, tuple):
            self._stop_deadline()
            self._send(*found, started)
            return
        self._decided, self._begun, self._passed = found, 0, None
        self._read(data)
        # One request and nothing behind it: what are two in one packet must be two the next time as well.
        if self._passed is not None and self._begun == 1 and not self._unfinished and not self._refused:
            self._lane.keep(data, self._line(), self._passed)
        self._decided = self._passed = None

    def _read(self, data: bytes) -> None:
        self._arrived_bytes, self._began_here = len(data), False
        super().data_received(data)

    def _is_between(self) -> bool:
        """Whether a request that begins now may be answered now, whatever it is."""
        return not (
            self._unfinished
            or self._head_bytes
            or self._draining
            or self._refused
            or not self._is_idle()
            or self.flow.write_paused
            or self.transport.is_closing()
        )

    def begin_scope(self) -> None:
        """Nothing yet: most of what the ordinary road needs would be made for nothing."""
        if self._lane is None:
            super().begin_scope()
            return
        self._bare, self._began_here = True, True
        self._begun += 1
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_headers_complete(self) -> None:
        """Choose the road."""
        if self._lane is not None and self._may_take_lane():
            self._started = self.app.elapsed()
            self._reading_head, self._progressed, self._head_bytes = False, True, 0
            self._body = b""
            self._head, self.headers = self.headers, []
        else:
            self._take_ordinary_road()

    def on_body(self, body: bytes) -> None:
        """Keep it, as long as it is small."""
        if self._body is None:
            super().on_body(body)
            return
        self._progressed, self._head_bytes = True, 0
        self._body += body
        if len(self._body) > MAX_BODY_BYTES:
            self._take_ordinary_road()

    def on_message_complete(self) -> None:
        """Answer, or hand everything over to the ordinary road."""
        if self._body is not None:
            answered = self._answered(self._body)
            if answered is not None:
                self._body = None
                self.message_ended()
                self._bare, self._passed = False, answered
                self._send(self._line(), answered, self._started)
                return
            self._take_ordinary_road()
        super().on_message_complete()

    def shutdown(self) -> None:
        """See `Protocol`. A request whose body is still to come is waited for on the ordinary road: here, nobody would
        know of it."""
        if self._body is not None and not self.transport.is_closing():
            self._take_ordinary_road()
        super().shutdown()

    def is_answered_already(self) -> bool:
        """See `Protocol`. One whose body is kept here has no scope of its own."""
        return self._body is None and super().is_answered_already()

    def _may_take_lane(self) -> bool:
        return (self.url.startswith(_GATE) or self.url == _VERIFY) and (
            # The whole head came at once, and is small: what is larger is counted on the other road.
            self._began_here
            and self._arrived_bytes <= MAX_HEAD_BYTES
            and self._is_idle()
            and not self._draining
            and not self.expect_100_continue
            and not self.flow.write_paused
            and self.parser.get_http_version() == "1.1"
            and self.parser.should_keep_alive()
            and not self.parser.should_upgrade()
        )

    def _take_ordinary_road(self) -> None:
        """Go on as if the lane did not exist: the scope, the head, and the body so far."""
        if self._bare:
            headers = self.headers if self._body is None else self._head
            url, expects = self.url, self.expect_100_continue and self._body is None
            super().begin_scope()
            self.url, self.expect_100_continue = url, expects
            self.headers.extend(headers)
            self._bare = False
        body, self._body = self._body, None
        super().on_headers_complete()
        if body:
            super().on_body(body)

    def _default_block(self) -> bytes:
        # The server makes a new list each second, with the new date.
        global _default_headers, _written_default  # noqa: PLW0603 - one for all connections of the process
        if self.server_state.default_headers is not _default_headers:
            _default_headers = self.server_state.default_headers
            _written_default = b"".join([b"%b: %b\r\n" % header for header in _default_headers])
        return _written_default

    def _answered(self, body: bytes) -> Answered | None:
        if self._lane is None or self.transport.is_closing():
            return None
        method = self.parser.get_method()
        peer = self.client[0] if self.client else ""
        try:
            if self.url == _VERIFY:
                return self._lane.verify(self._head, peer, body) if method == b"POST" else None
            return (
                None if body or method in _NOT_HERE else self._lane.forward(self.url, self._head, peer, self._decided)
            )
        except Exception as error:  # noqa: BLE001 - the parser would take it for a fault of the client's
            self.app.lane_failed(error)
            return None

    def _line(self) -> Line:
        """The method and the path, for the log."""
        return self.parser.get_method().decode(), self.url.partition(b"?")[0].decode("latin-1")

    def _send(self, line: Line, answered: Answered, started: float) -> None:
        self.transport.write(STATUS_LINE[answered.status] + self._default_block() + answered.tail)
        self.server_state.total_requests += 1
        self.begin_idling()
        if self.transport.get_write_buffer_size():
            self._wait_for_reader()
        self.app.answered_on_lane(line, answered, started)
