"""Logging: one line of JSON an event, on stderr, with everything key-shaped hidden. The only module with structlog."""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

import structlog

from keywright.adapters.answers import Fault
from keywright.adapters.asgi import RECORD_NAME, REQUEST_ID_NAME, Scope, client_address
from keywright.key import KeyFormats
from keywright.record import Record

if TYPE_CHECKING:
    from keywright.build import Keywright

_METHOD_CHARACTERS = 16
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
        self._logger = structlog.stdlib.get_logger("keywright.access")

    def answered(self, outer: Scope, inner: Scope, status: int, seconds: float) -> None:
        """One request and how it ended."""
        record: Record | None = inner.get(RECORD_NAME)
        self._logger.info(
            "request",
            method=outer["method"][:_METHOD_CHARACTERS],
            path=_PIECE_OF_A_KEY.sub("[redacted]", self._redact(outer["path"]))[:_PATH_CHARACTERS],
            status=status,
            milliseconds=round(seconds * 1000, 2),
            client=client_address(inner),
            key_id=record.key_id if record else None,
            account_id=record.account_id if record else None,
            request_id=inner[REQUEST_ID_NAME],
        )

    def refused(self, fault: Fault, client: str) -> None:
        """What came was not a request that could be answered; nothing of it is shown."""
        self._logger.info("refused", status=fault.status, code=fault.code, client=client)

    def failed(self, scope: Scope, error: Exception) -> None:
        """A bug: where it happened, for us; the caller has only the request's id."""
        frames = "".join(traceback.format_exception(error))
        self._logger.error("unexpected error", request_id=scope[REQUEST_ID_NAME], exception=self._redact(frames))
