"""The HTTP protocol class: what must be refused before there is a request to answer.

uvicorn's own parser road stays as it is; around it stand the bounds that it leaves open. The head of a request, the
time it takes to arrive and the time its answer takes to be read are limited, so that neither an endless header nor one
byte a second nor a client that never reads holds a connection or memory. What is not HTTP at all is answered in the
documented shape. Depends on uvicorn's internals: its version is
locked, and tests send the bytes that matter through a real socket.
"""

from __future__ import annotations

import asyncio
import select
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from keywright.adapters.answers import Fault
from keywright.adapters.asgi import encoded
from keywright.server.edge import IS_CLOSING_NAME, IS_LAST_NAME

if TYPE_CHECKING:
    from keywright.server.edge import Edge

#: A request, head and body, must have arrived this long after its first byte (or after the connection was opened).
REQUEST_SECONDS = 10.0
#: What is waiting to be sent must be read this long after the client stopped reading; then the connection is cut.
READING_SECONDS = 10.0
#: So many connections above a cap are told that they are too many; more are cut without a word, because each that is
#: told holds a descriptor for `LINGER_SECONDS`.
MAX_TOLD = 32
#: How long the answer to what is refused may take to arrive; what comes meanwhile is thrown away.
LINGER_SECONDS = 0.5
#: Of a head that is still incomplete; one that is complete is held to the smaller limit of `edge`.
MAX_UNFINISHED_HEAD_BYTES = 65_536

_MALFORMED = Fault("BAD_REQUEST", "This is not a valid HTTP request.", (("Connection", "close"),))
_HEAD_TOO_LARGE = Fault("HEADERS_TOO_LARGE", "The headers are too large.", (("Connection", "close"),))
_TOO_SLOW = Fault(
    "REQUEST_TIMEOUT",
    f"The request took longer than {REQUEST_SECONDS:.0f} seconds to arrive.",
    (("Connection", "close"),),
)
_LATER = (("Connection", "close"), ("Retry-After", "1"))
#: What is told above a cap, by whose it is; see `counts.CAPS`.
_TOO_MANY = {
    "process": Fault("SERVICE_UNAVAILABLE", "Too many connections are open. Try again in 1 seconds.", _LATER),
    "address": Fault(
        "SERVICE_UNAVAILABLE", "Too many connections are open from your address. Try again in 1 seconds.", _LATER
    ),
}


class Protocol(HttpToolsProtocol):
    """One connection."""

    app: Edge

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._deadline: asyncio.TimerHandle | None = None
        self._unfinished = False
        self._idle_since = 0.0
        self._unread: asyncio.TimerHandle | None = None
        self._unread_since = 0.0
        self._reading_head = True
        # Of a head, or of trailers, that are still incomplete.
        self._head_bytes = 0
        # Whether the parser told of anything in the bytes that came last.
        self._progressed = False
        self._refused = False
        self._draining = False
        self._deaf = False
        self._source = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, and give its first request a time to arrive."""
        super().connection_made(transport)
        self._source = self.app.peers.source(self.client[0]) if self.client else ""
        of_one = self.app.peers.come(self._source)
        of_all = len(self.connections) - self.app.max_connections
        if of_one > 0 or of_all > 0:
            self._turn_away("process" if of_all > 0 else "address", max(of_one, of_all))
            return
        self._start_deadline()
        if self.app.draining:
            self.shutdown()

    def _turn_away(self, cap: str, beyond: int) -> None:
        self.app.too_many(cap)
        if beyond > MAX_TOLD:
            self._refused = True
            self.app.cut()
            self.transport.abort()
        else:
            self._refuse(_TOO_MANY[cap])

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and the deadlines with it."""
        self.app.peers.go(self._source)
        self._stop_deadline()
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, as long as it gets somewhere."""
        if self._refused or self.transport.is_closing() or (self._deaf and self._is_between_requests()):
            return
        self._progressed = False
        super().data_received(data)
        # Most requests arrive whole, and are over by now.
        if self._unfinished and self._deadline is None and not self._refused:
            self._start_deadline()
        # The parser keeps an unfinished header or trailer in memory and tells nobody of it; a head that ended in these
        # bytes is not unfinished, however much came with it, also where the whole request did.
        if not self._progressed:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_UNFINISHED_HEAD_BYTES:
                self._refuse(_HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        """The first byte of a request: its time runs from here."""
        self._reading_head, self._head_bytes = True, 0
        self._unfinished = True
        self._stop_deadline()
        self.begin_scope()

    def begin_scope(self) -> None:
        """Make room for what the request will say."""
        super().on_message_begin()
        self.scope[IS_CLOSING_NAME] = self.transport.is_closing  # type: ignore[literal-required]
        self.scope[IS_LAST_NAME] = partial(self._is_last, self.scope)  # type: ignore[literal-required]

    def on_headers_complete(self) -> None:
        """The head is there; from here on the application decides."""
        self._reading_head, self._progressed, self._head_bytes = False, True, 0
        super().on_headers_complete()
        # Trailers are dropped: among the headers, they would speak for a proxy that has looked at the head only.
        self.headers = []
        if self.parser.should_upgrade():
            # The parser reads nothing after an offer to speak another protocol; a client that goes on in this one must
            # open a new connection.
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """More of it is there."""
        self._progressed, self._head_bytes = True, 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of the request is there: it may now take as long as it takes."""
        self.message_ended()
        super().on_message_complete()

    def message_ended(self) -> None:
        """What comes next is another request."""
        self._stop_deadline()
        self._unfinished = False
        self._reading_head, self._progressed, self._head_bytes = True, True, 0

    def on_response_complete(self) -> None:
        """An answer was handed over. What the client has not read of it holds the connection, also a closed one."""
        self.server_state.total_requests += 1
        if not self.transport.is_closing():
            self.flow.resume_reading()
            if self.pipeline:
                self._start_asgi_task(*self.pipeline.pop())
            else:
                self.begin_idling()
        self._wait_for_reader()
        if self._draining:
            self._hang_up_soon()

    def begin_idling(self) -> None:
        """Everything is answered: the connection may stay open for a while."""
        # One timer that looks when it fires, because to set and cancel one for each request costs as much as an answer.
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._idle_for(self.timeout_keep_alive)

    def _idle_for(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """Hang up on a connection over which nothing has come for `timeout_keep_alive` seconds."""
        self.timeout_keep_alive_task = None
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if self._unfinished or not self._is_idle():
            return  # it begins anew with the next answer
        if left > 0:
            self._idle_for(left)
        elif not self.transport.is_closing():
            self.transport.close()

    def _unset_keepalive_if_required(self) -> None:
        """Nothing: see `begin_idling`."""

    def pause_writing(self) -> None:
        """The client reads slower than it is answered: its time to read on runs from here."""
        super().pause_writing()
        self._wait_for_reader()

    def resume_writing(self) -> None:
        """It has read most of what there was; for the rest its time begins anew."""
        super().resume_writing()
        self._stop_waiting()
        self._wait_for_reader()

    def shutdown(self) -> None:
        """Let all that was asked be answered, and hang up. What may be on its way has a moment to arrive."""
        self._draining = True
        # Not for longer: who asks and asks before the answers come would hold up the stop.
        self.loop.call_later(LINGER_SECONDS, self._stop_listening)
        self._hang_up_soon()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP in the documented shape, and hang up: nobody knows where the next request begins."""
        self._refuse(_MALFORMED)

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing is logged: an offer to speak another protocol is declined by answering in this one."""

    def _is_last(self, scope: Any) -> bool:
        # Asked when the answer begins: what was read after this request is answered too, and then it is not the last.
        return self._draining and self.cycle.scope is scope

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _is_between_requests(self) -> bool:
        return self._reading_head and not self._head_bytes

    def _stop_listening(self) -> None:
        # One that is idle is hung up on instead, once it has nothing that is not read.
        self._deaf = not self._is_idle()

    def _hang_up_soon(self) -> None:
        if self._is_idle():
            self.loop.call_later(LINGER_SECONDS, self._hang_up)

    def _hang_up(self) -> None:
        if self.transport.is_closing():
            # A client that keeps a TLS connection open is not waited for: its goodbye may never come.
            if not self.transport.get_write_buffer_size():
                self.transport.abort()
            return
        if not self._is_idle():
            return
        if not (self._is_between_requests() and self._has_unread()):
            self.transport.close()
        # Else it came, and we were too busy to read it. Its deadline bounds this.
        self._hang_up_soon()

    def _has_unread(self) -> bool:
        found = self.transport.get_extra_info("socket")
        poll = select.poll()
        poll.register(found.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def _start_deadline(self) -> None:
        self._stop_deadline()
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self._too_late)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _wait_for_reader(self) -> None:
        self._unread_since = self.loop.time()
        if self._unread is None and self.transport.get_write_buffer_size():
            self._unread = self.loop.call_later(READING_SECONDS, self._not_read)

    def _stop_waiting(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _not_read(self) -> None:
        # What is written lies in the buffer until the loop turns, so a full buffer alone says nothing: only if none was
        # added to it for all this time, and is not being added now, does it mean that nobody reads.
        self._unread = None
        if not self.transport.get_write_buffer_size():
            return
        writing = self.cycle is not None and not self.cycle.response_complete and not self.flow.write_paused
        left = READING_SECONDS if writing else self._unread_since + READING_SECONDS - self.loop.time()
        if left > 0:
            self._unread = self.loop.call_later(left, self._not_read)
        else:
            self.transport.abort()

    def _too_late(self) -> None:
        if self._reading_head and not self._head_bytes:
            self.transport.close()  # nothing ever came, so there is nothing to answer
        else:
            self._refuse(_TOO_SLOW)

    def _refuse(self, fault: Fault) -> None:
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        self._stop_deadline()
        if self.is_answered_already():
            pass  # a second answer would be taken for that to the next request
        elif self._take_over():
            self.transport.write(self._rendered(fault))
            self.app.refused(fault, self.client)
        else:
            self.transport.close()
            return
        # Not closed at once: with bytes unread, the system would tear the connection down and the answer with it.
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _take_over(self) -> bool:
        """Whether this answer may be written: not in the middle of another one, nor before one that is due earlier.
        A request that has no answer yet loses it to this one, and its application hears that the client is gone."""
        if self.cycle is None or self.cycle.response_complete:
            return True
        if self.cycle.response_started or self.pipeline:
            return False
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        return True

    def is_answered_already(self) -> bool:
        """Whether the request that is being read has its answer, because nobody wanted the rest of it."""
        return (
            not self._reading_head
            and self.cycle is not None
            and self.cycle.response_complete
            and self.cycle.scope is self.scope
        )

    def _rendered(self, fault: Fault) -> bytes:
        media_type, body = fault.body(self.app.now(), "")
        headers = [("Content-Type", media_type), ("Content-Length", str(len(body))), *fault.headers]
        lines = [b"HTTP/1.1 %d %b\r\n" % (fault.status, HTTPStatus(fault.status).phrase.encode())]
        default = [(name, value) for name, value in self.server_state.default_headers]
        lines += [
            b"%b: %b\r\n" % header for header in [*default, *encoded(headers), *self.app.headers_of_every_answer()]
        ]
        return b"".join([*lines, b"\r\n", body])
