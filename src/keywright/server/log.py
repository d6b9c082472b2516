"""Logging: one line of JSON an event, on stderr, with everything key-shaped hidden. The only module with structlog."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import structlog

from keywright.adapters.answers import Fault
from keywright.adapters.asgi import RECORD_NAME, REQUEST_ID_NAME, Scope, client_address
from keywright.clock import timestamp
from keywright.key import KeyFormats
from keywright.record import Record

if TYPE_CHECKING:
    from keywright.build import Keywright

_ACCESS = "keywright.access"
#: A line from behind the request's id up to its time.
_REST = f'", "event": "request", "level": "info", "logger": "{_ACCESS}", "timestamp": "'
_METHOD_CHARACTERS = 16
_USUAL_CHARACTERS = 512
_PATH_CHARACTERS = 200
#: Nothing that our own paths hold looks like this. In other text it would hide half of every traceback.
_PIECE_OF_A_KEY = re.compile(r"(?=[a-z]*[0-9A-Z])[0-9A-Za-z]{12,}")


def configure(level: str, formats: KeyFormats) -> None:
    """Send every log line of this process, ours and the libraries', through one redacting renderer."""

    def redact(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {name: formats.redact(value) if isinstance(value, str) else value for name, value in event.items()}

    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processors=[remove_meta, renderer], foreign_pre_chain=shared)
    )
    # Where a line cannot be written, the complaint about that could only be written to the same place.
    logging.raiseExceptions = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.propagate = name != "uvicorn.access"


class RequestLog:
    """The access log: never the query string, never a header, never a body."""

    def __init__(self, keywright: Keywright) -> None:
        self._redact = keywright.formats.redact
        self._now = keywright.clock.now
        self._logger = structlog.stdlib.get_logger(_ACCESS)
        self.is_wanted = partial(logging.getLogger(_ACCESS).isEnabledFor, logging.INFO)
        # The same paths come again and again, and looking for keys in one takes longer than to write the line.
        self._what = lru_cache(maxsize=4096)(self._what_was_asked)
        self._lines: list[str] = []
        self._unwritten = 0
        self._end = ""

    def answered(self, outer: Scope, inner: Scope, status: int, seconds: float) -> None:
        """One request and how it ended."""
        record: Record | None = inner.get(RECORD_NAME)
        client = client_address(inner)
        self.line(outer["method"], outer["path"], status, seconds, client, record, inner[REQUEST_ID_NAME])

    def line(
        self, method: str, path: str, status: int, seconds: float, client: str, record: Record | None, request_id: str
    ) -> None:
        """The same. Written at the end of this turn of the event loop, with all others of the turn: a line for each
        would take longer than the fastest of the answers."""
        # Asked once a turn, as the time is: both take as long as the rest of a line.
        if not self._lines:
            if not self.is_wanted():
                return
            asyncio.get_running_loop().call_soon(self._write)
            self._end = f'{_REST}{self._timestamp()}"}}\n'
        who = _who(client, record.key_id, record.account_id) if record else _who(client, "", "")
        # Long ones are nobody's usual paths, and thousands of them would fill the memory.
        what = self._what if len(path) <= _USUAL_CHARACTERS else self._what_was_asked
        self._lines.append(f"{what(method, path, status)}{seconds * 1000:.2f}{who}{request_id}{self._end}")

    def _write(self) -> None:
        lines, self._lines = self._lines, []
        try:
            sys.stderr.write("".join(lines))
        except OSError:
            # A full disk. Whoever asked has been answered, and an error that nobody here catches would be one more
            # thing to log. What was buffered is still written when there is room.
            self._unwritten += len(lines)
            return
        if self._unwritten:
            unwritten, self._unwritten = self._unwritten, 0
            self._logger.warning("the log could not be written for a while", lines_in_doubt=unwritten)

    def _timestamp(self) -> str:
        now = self._now()
        return f"{timestamp(now)[:-1]}.{int(now % 1 * 1_000_000):06d}Z"

    def _what_was_asked(self, method: str, path: str, status: int) -> str:
        """A line up to how long it took."""
        shown = _PIECE_OF_A_KEY.sub("[redacted]", self._redact(path))[:_PATH_CHARACTERS]
        return (
            f'{{"method": {_quoted(method[:_METHOD_CHARACTERS])}, "path": {_quoted(shown)}, "status": {status}, '
            '"milliseconds": '
        )

    def refused(self, fault: Fault, client: str) -> None:
        """What came was not a request that could be answered; nothing of it is shown."""
        self._logger.info("refused", status=fault.status, code=fault.code, client=client)

    def failed(self, scope: Scope, error: Exception) -> None:
        """A bug: where it happened, for us; the caller has only the request's id."""
        frames = "".join(traceback.format_exception(error))
        self._logger.error("unexpected error", request_id=scope[REQUEST_ID_NAME], exception=self._redact(frames))


@lru_cache(maxsize=16_384)
def _who(client: str, key_id: str, account_id: str) -> str:
    """A line from there up to the request's id; the ids are empty where no key was recognised."""
    key, account = (_quoted(each) if each else "null" for each in (key_id, account_id))
    return f', "client": {_quoted(client)}, "key_id": {key}, "account_id": {account}, "request_id": "'


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
