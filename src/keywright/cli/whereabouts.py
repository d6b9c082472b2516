"""Where the server on a data directory answers: said by the server in a file there, and looked up by commands.

A command may be typed where nobody knows of the flags that the server was started with. The file is locked as long as
its server lives, so that one left behind by a server that was killed is not believed, also in another container, where
process ids mean nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from pathlib import Path
from typing import Any, NamedTuple

from keywright.owners import new_file

_NAMES = "serving-*.json"
_MOST_BYTES = 4096


class Whereabouts(NamedTuple):
    """Where a server answers.

    Attributes:
        url: for people, without a slash at its end.
        host: what it listens on, with its port.
        tls: whether it speaks TLS itself.
    """

    url: str
    host: str
    port: int
    tls: bool


def by_settings(settings: Any) -> Whereabouts:
    """Where the settings say that the server answers."""
    tls = bool(settings.tls_cert)
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 - compared, not bound
    url = f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{settings.port}"
    return Whereabouts(settings.public_url or url, settings.host, settings.port, tls)


def of_server(data_dir: Path) -> Whereabouts | None:
    """What the server says that was started last; None if none runs, or none that could say it."""
    for path in sorted(data_dir.glob(_NAMES), key=_written_at, reverse=True):
        with contextlib.suppress(OSError, ValueError, TypeError), path.open("rb") as file:
            if _is_held(file.fileno()):
                return Whereabouts(**json.loads(file.read(_MOST_BYTES)))
    return None


def _written_at(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime_ns
    return 0


def _is_held(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


class Announcement:
    """The file of a server. It is there from `make` on, and gone when the block ends or the process dies."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / f"serving-{secrets.token_hex(4)}.json"
        self._descriptor: int | None = None

    def make(self, whereabouts: Whereabouts) -> None:
        """Say it. Where that cannot be (on a full disk, say), commands go by their own settings."""
        with contextlib.suppress(OSError):
            _remove_stale(self._path.parent)
            self._descriptor = new_file(self._path)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(self._descriptor, json.dumps(whereabouts._asdict()).encode())

    def __enter__(self) -> Announcement:
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()
            os.close(self._descriptor)


def _remove_stale(data_dir: Path) -> None:
    for path in data_dir.glob(_NAMES):
        with contextlib.suppress(OSError), path.open("rb") as file:
            if not _is_held(file.fileno()):
                path.unlink()
