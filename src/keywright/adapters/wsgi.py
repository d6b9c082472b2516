"""WSGI middleware: no request reaches the application without a good key.

What the application finds in ``environ["keywright.caller"]`` is a `Caller`. Rate headers are added to whatever it
answers; not to what a server answers when the application raises, which nobody but the server sees.

A WSGI server folds a request's headers into one table, and what it folds cannot be told apart afterwards. Where a
header came twice, servers join the values with a comma: so a comma always separates two keys here. ``X_API_Key`` has
the same place in the table as ``X-API-Key``: gunicorn, waitress, Werkzeug and mod_wsgi drop names with an underscore;
wsgiref joins the two, so that different ones are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from keywright.adapters.guard import ANY_KEY, UNCACHED, Answer, Guard, Keys, Sent, Wanted

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

#: Where the `Caller` is. WSGI wants a dot in the name of what is no text.
ENVIRON_NAME = "keywright.caller"


class KeyAuth:
    """The middleware.

    Args:
        app: what is protected.
        keywright: where keys are verified.
        protect: the paths that need a key; everything at or below them does, whether or not it exists, and also where
            they stand below another path. Other paths pass untouched.
        wanted: what a request must bring besides a good key, told by its environment, before it is known which handler
            it will reach; nothing more if None.

    Raises:
        Misconfigured: ``protect`` names nothing, or something that is not a path.
    """

    def __init__(
        self,
        app: WSGIApplication,
        keywright: Keys,
        protect: Sequence[str] = ("/",),
        wanted: Callable[[WSGIEnvironment], Wanted] | None = None,
    ) -> None:
        self._app = app
        self._guard = Guard(keywright, protect)
        self._wanted = wanted

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        sent = sent_of(environ)
        if not self._guard.protects(sent.path):
            return self._app(environ, start_response)
        verdict = self._guard.decide(sent, self._wanted(environ) if self._wanted else ANY_KEY)
        if isinstance(verdict, Answer):
            start_response(status_line(verdict.status), [*verdict.headers, *UNCACHED])
            return [verdict.body] if environ["REQUEST_METHOD"] != "HEAD" else []
        environ[ENVIRON_NAME] = verdict.caller

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            return start_response(status, [*headers, *verdict.headers_for(int(status[:3]))], *error)

        return self._app(environ, start)


def sent_of(environ: Mapping[str, Any], path: str | None = None) -> Sent:
    """What the guard looks at in a request.

    Args:
        path: the whole path, where a framework has decoded it already.
    """
    get = environ.get
    return Sent(
        path if path is not None else _path(get("SCRIPT_NAME", "") + get("PATH_INFO", "")),
        get("REMOTE_ADDR") or "",
        _values(get("HTTP_X_API_KEY")),
        _values(get("HTTP_AUTHORIZATION")),
        get("HTTP_USER_AGENT", ""),
        get("HTTP_ACCEPT", ""),
        get("HTTP_X_FORWARDED_FOR"),
    )


def status_line(status: int) -> str:
    """A status as WSGI wants it."""
    return f"{status} {HTTPStatus(status).phrase}"


def _values(joined: str | None) -> Sequence[str]:
    """The values that a server may have joined."""
    return () if joined is None else joined.split(",")


def _path(text: str) -> str:
    """A path whose bytes came as Latin-1: what they say in UTF-8."""
    return text if text.isascii() else text.encode("latin-1", "replace").decode("utf-8", "replace")
