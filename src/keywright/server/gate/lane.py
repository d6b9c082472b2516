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
from math import ceil
from typing import Any, TypeAlias

from keywright.adapters import answers
from keywright.adapters.address import client_address
from keywright.adapters.answers import Fault, FaultRaised
from keywright.adapters.asgi import encoded
from keywright.adapters.credentials import Absent, presented_key
from keywright.build import Keywright
from keywright.errors import ActError, Unavailable
from keywright.limits.base import Holder
from keywright.outcome import Accepted, Outcome, Refused
from keywright.reason import NOT_A_KEY
from keywright.record import Network, Record, Request, missing_scopes
from keywright.route import Route
from keywright.server.edge import REQUEST_ID_BYTES
from keywright.server.gate import dialects, identity, verdict
from keywright.server.gate.gate import PATH, SECRET_HEADER, Asked, Gate, path_asked
from keywright.server.gate.seen import Line, Seen, SeenPassage, SeenQuestion, SeenRequests
from keywright.server.gate.verdict import Verdicts
from keywright.server.gate.written import OncePerRecord, Written
from keywright.server.verifying import CountedKeys
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
        seen: what was read of the request, if it may be kept for the next one of the same bytes.
    """

    status: int
    tail: bytes
    record: Record | None
    client: str
    request_id: str
    seen: Seen | None = None


class Lane:
    """Answers on the fast lane. All methods belong to the event loop, and none of them waits."""

    def __init__(
        self, keywright: Keywright, keys: CountedKeys, gate: Gate, verdicts: Verdicts, every_answer: RawHeaders
    ) -> None:
        self._gate = gate
        self._verdicts = verdicts
        self._verifier = keywright.verifier
        # Bound once: this is asked of every request.
        self._warm, self._now = keys.warm, keywright.clock.now
        self._trusted: tuple[Network, ...] = keywright.settings.trusted_proxies
        self._ending = (_block(every_answer) + b"x-request-id: ").decode()
        self._written = OncePerRecord(_written)
        self._again, self._seen = keys.again, SeenRequests()
        self._refusals: dict[tuple[str, str], tuple[int, bytes, bytes]] = {}
        self._refused_at = 0
        self._ids: list[str] = []
        paths = {f"{PATH}/{name}".rstrip("/").encode(): route for name, route in gate.routes.items()}
        self._routes = {path: route for path, route in paths.items() if dialects.TABLE[route.dialect].uri_header}
        self._followed = {path: route for path, route in paths.items() if path not in self._routes}

    def again(self, data: bytes, peer: str) -> tuple[Line, Answered] | Refused | None:
        """The answer to a request of which nothing is read, because one of the same bytes was answered before; and what
        the log says of such.

        None where there was none, or where what it says must be looked at anew. Or a refusal, which was noted and must
        be told: read the request, and give it to `forward`.
        """
        found = self._seen.find(data)
        if found is None:
            return None
        line, seen = found
        if seen.peer != peer:
            return None
        try:
            answered = self._passes_again(seen) if isinstance(seen, SeenPassage) else self._asked_again(seen)
        except Unavailable:
            return None
        return (line, answered) if isinstance(answered, Answered) else answered

    def keep(self, data: bytes, line: Line, answered: Answered) -> None:
        """Remember a request that was just answered, and is the whole of ``data``."""
        if answered.seen is not None:
            self._seen.keep(data, line, answered.seen)

    def _passes_again(self, seen: SeenPassage) -> Answered | Refused | None:
        now = self._now()
        outcome = self._again(seen.digest, seen.known, seen.request, now)
        if outcome is None or isinstance(outcome, Refused):
            return outcome
        return self._passed(outcome, seen.route, seen.written, seen.request.address, now)

    def _asked_again(self, seen: SeenQuestion) -> Answered | None:
        # What else the caller's key must be was looked at, and is as it was if the record is.
        caller, now = seen.caller.record, self._now()
        if not self._verifier.is_current(seen.caller_digest, seen.caller) or caller.expires_at <= now:
            return None
        outcome = self._again(seen.digest, seen.known, seen.request, now)
        if outcome is None:
            return None
        return self._told_verdict(caller, seen.use, outcome)

    def forward(self, url: bytes, headers: RawHeaders, peer: str, decided: Refused | None = None) -> Answered | None:
        """The answer to a proxy that asks about a request; None for the ordinary road.

        Args:
            decided: what `again` has come to, if it was asked.
        """
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
        request = self._gate.request(route, client, _text(read, _AGENT) or "")
        outcome = self._verified_now(key, request) if decided is None else decided
        if outcome is None:
            return None
        now = self._now()
        if isinstance(outcome, Refused):
            return self._refused(Asked(route, key, path_asked(route, rest, read), ""), outcome, now, client)
        written = self._written(outcome.record)
        held = self._held(key, outcome.record)
        seen = held and SeenPassage(peer, *held, request, route, written)
        return self._passed(outcome, route, written, client, now, seen)

    def _held(self, key: str, record: Record | None) -> tuple[bytes, Accepted] | None:
        """Where the verifier remembers the record of which all was said and checked; None if it remembers another by
        now. That one must be looked at before anything is kept of it."""
        held = self._verifier.recall(key)
        return held if held and held[1].record is record else None

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

    def _passed(
        self,
        outcome: Accepted,
        route: Route,
        written: Written,
        client: str,
        now: float,
        seen: SeenPassage | None = None,
    ) -> Answered:
        # The same as `identity.headers` and `answers.rate_headers`, in one piece with what every answer has.
        token, decision, request_id = (
            self._gate.make_token(outcome.record, route, now),
            outcome.decision,
            self._request_id(),
        )
        if decision is None:
            limits = rate = ""
        elif written.limit:
            state = decision.states[0]
            name, policy, capacity = written.limit
            left = state.remaining
            limits = f"{name};r={left};t={max(0, ceil(state.resets_at - now))}"
            rate = (
                f"x-ratelimit-limit: {capacity}\r\nx-ratelimit-remaining: {left}\r\n"
                f"x-ratelimit-reset: {ceil(state.resets_at)}\r\nratelimit-policy: {policy}\r\nratelimit: {limits}\r\n"
            )
        else:
            headers = answers.rate_headers(decision, now)
            limits, rate = headers[-1][1], _block(encoded(headers)).decode()
        tail = (
            f"{written.identity}{token}\r\nx-auth-limits: {limits}\r\nx-auth-status: 200\r\nx-auth-error: \r\n"
            f"{rate}content-length: 0\r\n{self._ending}{request_id}\r\n\r\n"
        )
        return Answered(200, tail.encode(), outcome.record, client, request_id, seen)

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
        asked, request = verdict.asked(question, verdict.account_asked(caller))
        outcome = self._warm(asked, request)
        if outcome is None:
            return None
        client = client_address(peer, _text(read, _FORWARDED_FOR), self._trusted)
        use = Request(address=client, user_agent=_text(read, _AGENT) or "")
        seen = None
        if outcome.record is not None:
            callers, held = self._held(key, caller), self._held(asked, outcome.record)
            seen = callers and held and SeenQuestion(peer, *callers, use, *held, request)
        return self._told_verdict(caller, use, outcome, seen)

    def _told_verdict(
        self,
        caller: Record,
        use: Request,
        outcome: Outcome,
        seen: SeenQuestion | None = None,
    ) -> Answered:
        self._verifier.note_use(caller, use)
        return self._told(200, b"", self._verdicts.write(outcome), caller, use.address, _JSON_TYPE, seen)

    def _presented(self, read: Mapping[bytes, bytes]) -> str | None:
        """The key; None where none came. There are not two: `_read` has seen to that."""
        plain = read.get(_API_KEY, b"")
        if _PLAIN_KEY.fullmatch(plain):
            return plain.decode("ascii")
        key, bearer = _text(read, _API_KEY), _text(read, _AUTHORIZATION)
        presented = presented_key(() if key is None else (key,), () if bearer is None else (bearer,))
        return None if isinstance(presented, Absent) else presented.key

    def _request_id(self) -> str:
        # Drawn by the hundred: one system call for each would cost as much as the verification.
        if not self._ids:
            drawn = secrets.token_hex(REQUEST_ID_BYTES * _MANY_IDS)
            size = 2 * REQUEST_ID_BYTES
            self._ids = ["req_" + drawn[start : start + size] for start in range(0, len(drawn), size)]
        return self._ids.pop()

    def _told(
        self,
        status: int,
        block: bytes,
        body: bytes,
        record: Record | None,
        client: str,
        after: bytes = b"",
        seen: Seen | None = None,
    ) -> Answered:
        """The whole answer: ``block`` before the length, ``after`` behind it, then what every answer has."""
        request_id = self._request_id()
        pieces = block, len(body), after, f"{self._ending}{request_id}\r\n\r\n".encode(), body
        return Answered(status, b"%bcontent-length: %d\r\n%b%b%b" % pieces, record, client, request_id, seen)


def _written(record: Record) -> Written:
    pairs = zip(identity.NAMES, (*identity.of_record(record), ""), strict=False)
    head = _block(encoded(pairs)).removesuffix(b"\r\n").decode("latin-1")
    account = record.account_limits.limits if record.account_limits else ()
    limits = [(each, Holder.KEY) for each in record.limits] + [(each, Holder.ACCOUNT) for each in account]
    return Written(head, answers.written_limit(*limits[0]) if len(limits) == 1 else None)


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
