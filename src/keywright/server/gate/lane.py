"""The gate's fast lane: the plain case answered as soon as the parser has it, without a task, a scope or a thread.

The lane answers only what it can answer at once and in full: a request of the most ordinary form, with a key that this
process remembers or that is plainly no key. For anything else it returns None, having charged and noted nothing, and
the request takes the ordinary road. What it does answer is byte for byte what the ordinary road answers; a test drives
both.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from keywright.adapters import answers
from keywright.adapters.address import client_address
from keywright.adapters.answers import Fault, FaultRaised
from keywright.adapters.asgi import encoded
from keywright.adapters.credentials import Absent, presented_key
from keywright.adapters.guard import Keys
from keywright.build import Keywright
from keywright.errors import ActError, Unavailable
from keywright.outcome import Accepted, Outcome, Refused
from keywright.reason import NOT_A_KEY
from keywright.record import Network, Record, Request, missing_scopes
from keywright.route import Route
from keywright.server.edge import REQUEST_ID_BYTES
from keywright.server.gate import dialects, identity, verdict
from keywright.server.gate.gate import PATH, SECRET_HEADER, Asked, Gate, path_asked
from keywright.server.gate.verdict import Verdicts
from keywright.server.gate.written import OncePerRecord
from keywright.values import Value, from_json

RawHeaders: TypeAlias = Sequence[tuple[bytes, bytes]]

#: What a request on the lane may bring at most; more is for the ordinary road to count and refuse.
MAX_HEADERS = 50
MAX_HEAD_BYTES = 8192
MAX_BODY_BYTES = 4096

_API_KEY, _AUTHORIZATION, _FORWARDED_FOR = b"x-api-key", b"authorization", b"x-forwarded-for"
_ACCEPT, _AGENT, _CONTENT_TYPE, _LENGTH = b"accept", b"user-agent", b"content-type", b"content-length"
#: Headers that the lane reads. Twice the same one is for the ordinary road.
_READ = frozenset(
    {_API_KEY, _AUTHORIZATION, _FORWARDED_FOR, _ACCEPT, _AGENT, _CONTENT_TYPE, _LENGTH, SECRET_HEADER}
    | {each.uri_header for each in dialects.TABLE.values()}
) - {b""}
#: Headers with which a request is not of the most ordinary form.
_UNUSUAL = frozenset({b"expect", b"transfer-encoding", b"upgrade", b"connection"})
_JSON_TYPE = b"content-type: application/json\r\n"
_VERIFY = (verdict.VERIFY_SCOPE,)
#: A route behind which a proxy appends what it is asked for; anything that would have to be decoded is left to others.
_FOLLOWED = re.compile(rb"(/v1/gate/[a-z0-9_-]+)(/[A-Za-z0-9/._~-]*)(?:\?[!-~]*)?")
_MANY_IDS = 512
#: Too long to be a scheme without anything behind it, and without a blank there is nothing behind one.
_PLAIN_KEY = re.compile(rb"[!-~]{8,}")


class Answered(Value, frozen=True, gc=False):
    """What the lane answered.

    Attributes:
        status: as it was sent.
        tail: the answer from the first header after the server's own; ends with the body.
        record: the key's, where it was recognised.
        client: whose request it was.
        request_id: in the answer and in the log.
    """

    status: int
    tail: bytes
    record: Record | None
    client: str
    request_id: bytes


class Lane:
    """Answers on the fast lane. All methods belong to the event loop, and none of them waits."""

    def __init__(
        self, keywright: Keywright, keys: Keys, gate: Gate, verdicts: Verdicts, every_answer: RawHeaders
    ) -> None:
        self._gate = gate
        self._verdicts = verdicts
        self._verifier = keywright.verifier
        # Bound once: this is asked of every request.
        self._warm, self._now = keys.warm, keywright.clock.now
        self._trusted: tuple[Network, ...] = keywright.settings.trusted_proxies
        self._ending = _block(every_answer) + b"x-request-id: "
        self._identity = OncePerRecord(_identity)
        self._refusals: dict[tuple[str, str], tuple[int, bytes, bytes]] = {}
        self._refused_at = 0
        self._ids: list[bytes] = []
        paths = {f"{PATH}/{name}".rstrip("/").encode(): route for name, route in gate.routes.items()}
        self._routes = {path: route for path, route in paths.items() if dialects.TABLE[route.dialect].uri_header}
        self._followed = {path: route for path, route in paths.items() if path not in self._routes}

    def forward(self, url: bytes, headers: RawHeaders, peer: str) -> Answered | None:
        """The answer to a proxy that asks about a request; None for the ordinary road."""
        found = self._route(url)
        read = None if found is None else _read(headers)
        if found is None or read is None or read.get(_LENGTH, b"0") != b"0":
            return None
        if not self._gate.may_ask(peer, read.get(SECRET_HEADER, b"")):
            return None
        route, rest = found
        client = self._gate.client(_text(read, _FORWARDED_FOR))
        key = self._presented(read)
        if key is None:
            return self._not_a_key(route, answers.missing_key(), self._now(), None, client)
        outcome = self._verified_now(key, self._gate.request(route, client, _text(read, _AGENT) or ""))
        if outcome is None:
            return None
        now = self._now()
        if isinstance(outcome, Accepted):
            return self._told(200, self._accepted(outcome, route, now), b"", outcome.record, client)
        return self._refused(Asked(route, key, path_asked(route, rest, read), ""), outcome, now, client)

    def _verified_now(self, key: str, request: Request) -> Outcome | None:
        try:
            return self._warm(key, request)
        except Unavailable:
            return None

    def _route(self, url: bytes) -> tuple[Route, str] | None:
        route = self._routes.get(url)
        if route is not None:
            return route, ""
        match = _FOLLOWED.fullmatch(url)
        route = self._followed.get(match[1]) if match else None
        return (route, match[2].decode()) if match and route else None

    def _refused(self, asked: Asked, outcome: Refused, now: float, client: str) -> Answered:
        if outcome.reason in NOT_A_KEY:
            return self._not_a_key(asked.route, self._gate.refusal(asked, outcome), now, outcome.record, client)
        answer = self._gate.answer(asked, outcome, now)
        return self._told(answer.status, _block(encoded(answer.headers)), answer.body, outcome.record, client)

    def _accepted(self, outcome: Accepted, route: Route, now: float) -> bytes:
        # The same as `identity.headers` and `answers.rate_headers` in bytes, in one piece.
        head, token = self._identity(outcome.record), self._gate.make_token(outcome.record, route, now)
        if outcome.decision is None:
            return f"{head}{token}\r\nx-auth-limits: \r\nx-auth-status: 200\r\nx-auth-error: \r\n".encode()
        (_, limit), (_, left), (_, reset), (_, policy), (_, limits) = answers.rate_headers(outcome.decision, now)
        return (
            f"{head}{token}\r\nx-auth-limits: {limits}\r\nx-auth-status: 200\r\nx-auth-error: \r\n"
            f"x-ratelimit-limit: {limit}\r\nx-ratelimit-remaining: {left}\r\nx-ratelimit-reset: {reset}\r\n"
            f"ratelimit-policy: {policy}\r\nratelimit: {limits}\r\n"
        ).encode()

    def _not_a_key(self, route: Route, fault: Fault, now: float, record: Record | None, client: str) -> Answered:
        """The answer to garbage, which comes in floods: written once a second for each way to say it."""
        if int(now) != self._refused_at:
            self._refusals.clear()
            self._refused_at = int(now)
        written = self._refusals.get((route.name, fault.message))
        if written is None:
            answer = self._gate.refuse(route, "", fault, now)
            written = answer.status, _block(encoded(answer.headers)), answer.body
            self._refusals[route.name, fault.message] = written
        return self._told(*written, record, client)

    def verify(self, headers: RawHeaders, peer: str, body: bytes) -> Answered | None:
        """The answer to a service that asks about one key; None for the ordinary road."""
        read = _read(headers)
        if read is None or read.get(_CONTENT_TYPE) != b"application/json":
            return None
        key = self._presented(read)
        if key is None:
            return None
        try:
            return self._verified(key, read, peer, body)
        except (Unavailable, FaultRaised, ActError):
            # What is wrong with the question is for the ordinary road to say.
            return None

    def _verified(self, key: str, read: Mapping[bytes, bytes], peer: str, body: bytes) -> Answered | None:
        # Who asks comes first: what strangers send is not even read.
        caller = self._verifier.remembered(key)
        # The limits of a caller who has any stand in the answer, and cannot be read without waiting.
        if caller is None or not caller.plain or missing_scopes(caller.scopes, _VERIFY):
            return None
        question = _unambiguous(body)
        if question is None:
            return None
        outcome = self._warm(*verdict.asked(question, verdict.account_asked(caller)))
        if outcome is None:
            return None
        client = client_address(peer, _text(read, _FORWARDED_FOR), self._trusted)
        self._verifier.note_use(caller, Request(address=client, user_agent=_text(read, _AGENT) or ""))
        return self._told(200, b"", self._verdicts.write(outcome), caller, client, _JSON_TYPE)

    def _presented(self, read: Mapping[bytes, bytes]) -> str | None:
        """The key; None where none came. There are not two: `_read` has seen to that."""
        plain = read.get(_API_KEY, b"")
        if _PLAIN_KEY.fullmatch(plain):
            return plain.decode("ascii")
        key, bearer = _text(read, _API_KEY), _text(read, _AUTHORIZATION)
        presented = presented_key(() if key is None else (key,), () if bearer is None else (bearer,))
        return None if isinstance(presented, Absent) else presented.key

    def _request_id(self) -> bytes:
        # Drawn by the hundred: one system call for each would cost as much as the verification.
        if not self._ids:
            drawn = secrets.token_hex(REQUEST_ID_BYTES * _MANY_IDS).encode()
            size = 2 * REQUEST_ID_BYTES
            self._ids = [b"req_" + drawn[start : start + size] for start in range(0, len(drawn), size)]
        return self._ids.pop()

    def _told(
        self, status: int, block: bytes, body: bytes, record: Record | None, client: str, after: bytes = b""
    ) -> Answered:
        """The whole answer: ``block`` before the length, ``after`` behind it, then what every answer has."""
        request_id = self._request_id()
        pieces = block, len(body), after, self._ending, request_id, body
        return Answered(status, b"%bcontent-length: %d\r\n%b%b%b\r\n\r\n%b" % pieces, record, client, request_id)


def _identity(record: Record) -> str:
    """The headers of a record, up to where its token goes."""
    pairs = zip(identity.NAMES, (*identity.of_record(record), ""), strict=False)
    return _block(encoded(pairs)).removesuffix(b"\r\n").decode("latin-1")


def _read(headers: RawHeaders) -> dict[bytes, bytes] | None:
    """The headers that the lane looks at; None if there is anything about them that it leaves to others."""
    if len(headers) > MAX_HEADERS:
        return None
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _READ:
            # Two of the same are joined or refused elsewhere, and an error may be wanted in another form.
            if name in found or (name == _ACCEPT and b"problem" in value.lower()):
                return None
            found[name] = value
        elif name in _UNUSUAL and not (name == b"connection" and value.lower() == b"keep-alive"):
            return None
    return found


def _text(read: Mapping[bytes, bytes], name: bytes) -> str | None:
    value = read.get(name)
    return None if value is None else value.decode("latin-1")


def _unambiguous(body: bytes) -> Any:
    """The JSON object in ``body``, if every reader finds the same in it; else None.

    What two readers could take differently (a member named twice, an escape) is for the strict and slow one. A text
    without escapes has exactly two quotes for each member and each string, so a member that was dropped shows.
    """
    if b"\\" in body:
        return None
    try:
        value = from_json(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    texts = len(value)
    for each in value.values():
        if isinstance(each, str):
            texts += 1
        elif isinstance(each, list) and all(isinstance(item, str) for item in each):
            texts += len(each)
        elif type(each) is not int:
            return None
    return value if body.count(b'"') == 2 * texts else None


def _block(headers: RawHeaders) -> bytes:
    return b"".join([b"%b: %b\r\n" % header for header in headers])
