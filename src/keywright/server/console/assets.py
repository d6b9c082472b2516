"""What never changes while a server runs: style, script, icons, fonts. Read once, served with a name that changes when
they do, so that a browser asks for each of them once."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable

from starlette.responses import Response

from keywright.values import Value

PREFIX = "/static"
_CACHED = "public, max-age=31536000, immutable"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
_SMALL_ALREADY = frozenset({".woff2"})


class Asset(Value, frozen=True, gc=False):
    """One file, plain and compressed."""

    content: bytes
    zipped: bytes | None
    media_type: str


class Assets:
    """The files.

    Args:
        made: more of them, which are made of the settings: the content of each, by its name.

    Attributes:
        base: where they are, with a version in it: ``/static/3f2a…``.
    """

    def __init__(self, made: Mapping[str, str]) -> None:
        self._files = dict(_files(resources.files(__package__).joinpath("static"), ""))
        self._files |= {name: _asset(name, text.encode()) for name, text in made.items()}
        together = hashlib.sha256()
        for name in sorted(self._files):
            together.update(name.encode() + b"\0" + self._files[name].content)
        self.base = f"{PREFIX}/{together.hexdigest()[:16]}"

    def names(self) -> list[str]:
        """Every file there is."""
        return sorted(self._files)

    def answer(self, name: str, accept_encoding: str) -> Response | None:
        """The file, to be kept for ever; None if there is none of that name."""
        asset = self._files.get(name)
        if asset is None:
            return None
        headers = {"Cache-Control": _CACHED, "Vary": "Accept-Encoding", "Cross-Origin-Resource-Policy": "same-origin"}
        if asset.zipped is None or not accepts_gzip(accept_encoding):
            return Response(asset.content, media_type=asset.media_type, headers=headers)
        return Response(asset.zipped, media_type=asset.media_type, headers={**headers, "Content-Encoding": "gzip"})


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether a browser says that it can read gzip."""
    return any(each.strip().lower() == "gzip" for each in accept_encoding.split(","))


def _files(directory: Traversable, above: str) -> list[tuple[str, Asset]]:
    found = []
    for each in directory.iterdir():
        if each.is_dir():
            found += _files(each, f"{above}{each.name}/")
            continue
        if _ending(each.name) in _TYPES:
            found.append((above + each.name, _asset(each.name, each.read_bytes())))
    return found


def _asset(name: str, content: bytes) -> Asset:
    ending = _ending(name)
    zipped = None if ending in _SMALL_ALREADY else gzip.compress(content, 9, mtime=0)
    return Asset(content, zipped, _TYPES[ending])


def _ending(name: str) -> str:
    return name[name.rfind(".") :]
