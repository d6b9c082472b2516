"""Keys that somebody else knows: adapters ask a Keywright server about each request, and need no data directory.

Only the server's word counts. Whatever keeps it from being heard, or makes it doubtful, is `Unavailable`: never a
refusal, because callers throw refused keys away, and never a pass.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
import ssl
import threading
from http import HTTPStatus
from http.client import HTTPException
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from keywright import forks, settings as settings_module
from keywright.adapters.answers import to_json
from keywright.adapters.asking import Line, Reply
from keywright.adapters.verdicts import PATH, outcome_of
from keywright.clock import Clock, SystemClock
from keywright.errors import Misconfigured, Unavailable
from keywright.forks import Forking
from keywright.key import MAX_KEY_CHARACTERS, KeyFormats
from keywright.outcome import Accepted, Outcome, Refused
from keywright.reason import Reason
from keywright.recent import Recent
from keywright.record import ANY_REQUEST, Network, Record, Request, parse_address
from keywright.seldom import Seldom
from keywright.values import Value

#: How long a question may take, unless something else is said.
TIMEOUT_SECONDS = 2.0
#: The longest that a cache may believe an answer.
MAX_CACHE_SECONDS = 60.0
#: Answers that a cache holds at most.
MAX_CACHED = 10_000
#: When to try again where the server did not say.
RETRY_SECONDS = 1
#: The same where somebody must first change something.
REFUSED_RETRY_SECONDS = 10
#: The longest that a server is believed to be away.
MAX_RETRY_SECONDS = 3600
#: The settings that an adapter needs when it asks a server: words, and addresses.
SETTINGS = ("default_format", "key_formats", "surfaces", "trusted_proxies")

_AGENT_CHARACTERS = 1024
_MALFORMED = Refused(Reason.MALFORMED)
_PRINTABLE = re.compile(r"[!-~]+", re.ASCII)
_log = logging.getLogger("keywright.remote")
_log.addHandler(logging.NullHandler())


class RemoteKeywright(Forking):
    """A Keywright server, in the place where adapters take a `Keywright`: each request is one question to it.

    Limits are charged there, exactly, however many applications ask, and a deleted key is refused from the next request
    on. Records that it gives have no slot and no networks: the server looks at those. What a handler finds missing only
    when the request has been let in is refused with 403 all the same, and counted by the server as accepted.

    May be used by any number of threads, and over forks.

    With ``cache_seconds`` above 0 an answer is used again for so long, if it was good and the key has no limits (where
    there are limits, each request has to be charged). This is what it costs: a key that is deleted, disabled, narrowed
    or bound to networks **is accepted up to that much longer** here, and requests that are answered from the cache are
    neither counted nor shown as the key's last use. Without it neither happens.

    Args:
        url: of the server, such as ``https://keys.example.com``; a path in it is put before the server's own. With
            ``http`` everybody on the way can read the keys: for the same machine, or a network that nobody else is in.
        key: what to ask with: a key of that server with the scope `verify`. It should have no limits, and sees the keys
            of its own account only, unless it has the scope `operator`.
        timeout_seconds: how long a question may take in all, from opening a connection to the last byte of the answer.
            Only looking the server's name up may take longer.
        cache_seconds: for how long a good answer is used again; 0, the default, for not at all, and 60 at most.
        tls: how to check the server's certificate, where the machine's own list of authorities does not do.
        clock: the machine's, unless a test brings its own.
        settings: `default_format`, `key_formats`, `surfaces`, `trusted_proxies`, by the names and in the forms that the
            server's settings have, and like those from the environment or ``keywright.toml`` if they are not given. Say
            the same as on the server: its key formats and prefixes are not asked for.

    Raises:
        Misconfigured: one of these cannot be used. Whether there is a server, and whether it takes the key, is found
            out by the first question.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        cache_seconds: float = 0.0,
        tls: ssl.SSLContext | None = None,
        clock: Clock | None = None,
        **settings: Any,
    ) -> None:
        if not 0 < timeout_seconds <= MAX_RETRY_SECONDS:
            raise Misconfigured("timeout_seconds must be more than 0, and an hour at most.")
        if not 0 <= cache_seconds <= MAX_CACHE_SECONDS:
            raise Misconfigured(f"cache_seconds must be from 0 to {MAX_CACHE_SECONDS:.0f}.")
        self.clock: Clock = clock or SystemClock()
        self._settings = _settings(settings)
        self._redact = KeyFormats(self._settings.ordered_formats(), ()).redact
        self._timeout_seconds = timeout_seconds
        self._line, self._head = _line(url, key, tls, self.clock)
        self._cache = _Cache(cache_seconds, self.clock) if cache_seconds else None
        self._seldom = Seldom(self.clock.elapsed)
        forks.register(self)

    def verify(self, key: str | None, request: Request = ANY_REQUEST) -> Outcome:
        """Whether a request with ``key`` may pass, as the server says.

        A question is asked once. Where the server took it and did not answer, the request may have been charged there;
        it is not asked again, because then it might be charged twice. None, which is what a table of headers says where
        there is no key, is malformed.

        Raises:
            Unavailable: the server could not be asked, did not answer in time, cannot answer, does not take the key
                that it is asked with, or its answer cannot be read. Never a verdict on ``key``.
        """
        # What no key can be is not sent on: no server would take it for one.
        if key is None or not _may_be_a_key(key):
            return _MALFORMED
        if self._cache is None:
            return self._ask(key, request)
        known = self._cache.find(key, request)
        if known is not None:
            return known
        # From before the question, because the answer is as old as what the server looked at.
        asked_at = self.clock.elapsed()
        outcome = self._ask(key, request)
        self._cache.keep(key, request, outcome, asked_at)
        return outcome

    def warm(self, key: str, request: Request = ANY_REQUEST) -> Outcome | None:
        """What the cache holds, if there is one; else None, because asking waits."""
        return self._cache.find(key, request) if self._cache is not None and _may_be_a_key(key) else None

    def _ask(self, key: str, request: Request) -> Outcome:
        question = to_json(_question(key, request))
        try:
            reply = self._line.ask(b"%b%d\r\n\r\n%b" % (self._head, len(question), question), self._timeout_seconds)
            if reply.status == HTTPStatus.OK:
                return outcome_of(reply.body, request.cost)
        except (OSError, HTTPException, ValueError) as error:
            # ValueError: no verdict, or something that the parser of HTTP stumbles over.
            # Only what was said may hold a key: the long name of an error looks like one.
            kind, told = type(error).__name__, self._redact(str(error))
            raise self._trouble(kind, f"does not answer as it should ({kind}: {told})", RETRY_SECONDS) from error
        raise self._unanswered(reply)

    def _unanswered(self, reply: Reply) -> Unavailable:
        """The error for an answer that is no verdict."""
        if reply.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            what = "does not take the key that it is asked with: it must be good, and have the scope verify"
        elif reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR or reply.status == HTTPStatus.TOO_MANY_REQUESTS:
            return self._trouble(str(reply.status), f"cannot answer ({reply.status})", _retry_seconds(reply))
        else:
            said = self._redact(reply.body[:300].decode("utf-8", "replace"))
            what = f"does not take the question ({reply.status}: {said!r}), or is none"
        return self._trouble(str(reply.status), what, REFUSED_RETRY_SECONDS, logging.ERROR)

    def _trouble(self, kind: str, what: str, seconds: int, level: int = logging.WARNING) -> Unavailable:
        """The error for the caller. The operator is told by the log, but not of every request that met it."""
        message = f"The Keywright server {what}."
        if self._seldom.may_tell(kind):
            _log.log(level, "%s No key was judged; requests are answered with 503.", message)
        return Unavailable(message, seconds, told=True)

    def note_forbidden(self, record: Record, reason: Reason, address: str) -> None:
        """Nothing: the server has counted the request when it was asked."""

    def surface_prefix(self, path: str) -> str:
        """The prefix that a refusal on ``path`` speaks of; see the setting ``surfaces``."""
        return self._settings.surface_prefix(path)

    def redact(self, text: str) -> str:
        """``text`` with everything hidden in it that looks like a key."""
        return self._redact(text)

    @property
    def trusted_proxies(self) -> tuple[Network, ...]:
        """Who may say, in X-Forwarded-For, whose request it is; see the setting of the same name."""
        return self._settings.trusted_proxies

    def close(self) -> None:
        """Hang up. Whoever asks after it opens a new connection."""
        self._line.close()

    def __enter__(self) -> RemoteKeywright:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def after_fork(self) -> None:
        """See `Forking.after_fork`."""
        if self._cache is not None:
            self._cache.after_fork()


class _Known(Value, frozen=True, gc=False):
    outcome: Accepted
    until: float


class _Cache:
    """Good answers about keys without limits, each for a while. Found by a hash under a key that dies with this
    process: memory and core dumps hold no texts of keys on its account."""

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds, self._clock = seconds, clock
        self._new_hash = hashlib.blake2s(key=secrets.token_bytes(32)).copy
        self._known: Recent[bytes, _Known] = Recent(MAX_CACHED)
        self._lock = threading.Lock()

    def find(self, key: str, request: Request) -> Accepted | None:
        """What is known and still believed."""
        known = self._known.get(self._name(key, request))
        if known is None or known.until <= self._clock.elapsed():
            return None
        # The key's own end is known, and needs no server.
        return known.outcome if self._clock.now() < known.outcome.record.expires_at else None

    def keep(self, key: str, request: Request, outcome: Outcome, asked_at: float) -> None:
        """Remember an answer, if it is one that costs nobody anything and lets somebody in."""
        if isinstance(outcome, Accepted) and outcome.decision is None:
            with self._lock:
                self._known.put(self._name(key, request), _Known(outcome, asked_at + self._seconds))

    def _name(self, key: str, request: Request) -> bytes:
        # All that the verdict depends on, so that what was answered to one question is never taken for another's.
        asked = [key, list(request.scopes), request.address, request.environment, request.account_id]
        named = self._new_hash()
        named.update(to_json(asked))
        return named.digest()

    def after_fork(self) -> None:
        """In a forked child: a lock that no thread of the parent holds."""
        self._lock = threading.Lock()


def _settings(given: dict[str, Any]) -> settings_module.Settings:
    for name in given.keys() - set(SETTINGS):
        raise Misconfigured(f"{name} is not a setting of whoever asks a server. Those are: {', '.join(SETTINGS)}.")
    return settings_module.load(given)


def _line(url: str, key: str, tls: ssl.SSLContext | None, clock: Clock) -> tuple[Line, bytes]:
    """The way to the server, and what every question begins with."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (KeyError, ValueError):
        raise Misconfigured("url must begin with https:// or http://, and name a server.") from None
    if not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc or not _PRINTABLE.fullmatch(url):
        raise Misconfigured("url must be a scheme, a server and perhaps a path, such as https://keys.example.com.")
    if not _PRINTABLE.fullmatch(key):
        raise Misconfigured("key must be the text of a key, with nothing around it.")
    context = None if parts.scheme == "http" else tls or ssl.create_default_context()
    head = (
        f"POST {parts.path.rstrip('/')}{PATH} HTTP/1.1\r\nHost: {parts.netloc}\r\nX-API-Key: {key}\r\n"
        "Content-Type: application/json\r\nUser-Agent: keywright\r\nContent-Length: "
    )
    return Line(parts.hostname, port, context, clock.elapsed), head.encode("ascii")


def _question(key: str, request: Request) -> dict[str, Any]:
    """What is asked. What an application was sent by anybody must not make a question that the server does not take."""
    asked: dict[str, Any] = {"key": key}
    if request.scopes:
        asked["scopes"] = request.scopes
    if request.cost != 1:
        asked["cost"] = request.cost
    if request.environment:
        asked["environment"] = request.environment
    if request.account_id:
        asked["account_id"] = request.account_id
    # An address that is none binds nobody to a network, here as there.
    if request.address and parse_address(request.address) is not None:
        asked["address"] = request.address
    if request.user_agent:
        asked["user_agent"] = _plain(request.user_agent[:_AGENT_CHARACTERS])
    return asked


def _plain(text: str) -> str:
    """What of a text JSON can hold everywhere."""
    return text.replace("\0", "").encode(errors="replace").decode()


def _may_be_a_key(text: str) -> bool:
    """Whether any server may ever have made it. Of the rest, some cannot even be written in JSON."""
    return len(text) <= MAX_KEY_CHARACTERS and _PRINTABLE.fullmatch(text) is not None


def _retry_seconds(reply: Reply) -> int:
    text = reply.retry_after
    if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII):
        return RETRY_SECONDS
    return min(max(int(text), RETRY_SECONDS), MAX_RETRY_SECONDS)
