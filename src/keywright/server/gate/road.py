"""The gate's ordinary road: the same answers as on the fast lane, for every request that the lane leaves alone."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from keywright.adapters import answers, causes
from keywright.adapters.answers import Fault
from keywright.adapters.asgi import RECORD_NAME, App, Receive, Scope, Send, encoded, header, send_fault, sent_of
from keywright.adapters.credentials import Absent, presented_key
from keywright.adapters.guard import Keys, Sent
from keywright.build import Keywright
from keywright.errors import Unavailable
from keywright.outcome import Outcome
from keywright.record import Request
from keywright.route import Route
from keywright.server.edge import PEER_NAME
from keywright.server.gate import identity
from keywright.server.gate.gate import NO_SUCH_ROUTE, NOT_A_PROXY, SECRET_HEADER, Answer, Asked, Gate, path_asked


class ForwardAuth:
    """The layer: answers what is asked of the gate, and passes everything else on."""

    def __init__(self, app: App, keys: Keys, gate: Gate) -> None:
        self._app = app
        self._keys = keys
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._gate.find(scope["path"]) if scope["type"] == "http" else None
        if found is None:
            await self._app(scope, receive, send)
        elif not self._may_ask(scope):
            await self._refuse(scope, send, NOT_A_PROXY)
        elif found[0] is None:
            await self._refuse(scope, send, NO_SUCH_ROUTE)
        else:
            answer = await self._answer(scope, found[0], found[1])
            headers = encoded((*answer.headers, ("Content-Length", str(len(answer.body)))))
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            await send({"type": "http.response.body", "body": answer.body})

    def _may_ask(self, scope: Scope) -> bool:
        peer: tuple[str, int] | None = scope.get(PEER_NAME)
        return self._gate.may_ask(peer[0] if peer else "", header(scope, SECRET_HEADER).encode("latin-1"))

    async def _answer(self, scope: Scope, route: Route, rest: str) -> Answer:
        sent = sent_of(scope)
        # Whoever may ask is believed on where the request came from; his own address is not the client's.
        client = self._gate.client(sent.forwarded_for)
        scope["client"] = (client, 0) if client else None
        presented = presented_key(sent.api_keys, sent.authorizations)
        if isinstance(presented, Absent):
            missing = presented is Absent.MISSING
            return self._refusal(route, sent, answers.missing_key() if missing else answers.conflicting_keys())
        asked = Asked(route, presented.key, path_asked(route, rest, dict(scope["headers"])), sent.accept)
        try:
            outcome = await self._verify(presented.key, self._gate.request(route, client, sent.user_agent))
        except Unavailable as error:
            causes.tell(error, self._keys.redact)
            return self._refusal(route, sent, answers.unavailable(error.retry_after_seconds))
        scope[RECORD_NAME] = outcome.record
        return self._gate.answer(asked, outcome, self._keys.clock.now())

    async def _verify(self, presented: str, request: Request) -> Outcome:
        outcome = self._keys.warm(presented, request)
        return outcome if outcome is not None else await asyncio.to_thread(self._keys.verify, presented, request)

    def _refusal(self, route: Route, sent: Sent, fault: Fault) -> Answer:
        return self._gate.refuse(route, sent.accept, fault, self._keys.clock.now())

    async def _refuse(self, scope: Scope, send: Send, fault: Fault) -> None:
        # All of them blank: a proxy that copies what it is told would else leave a client's own in their places. That
        # the status is blank too tells a proxy that nobody has looked at the request.
        await send_fault(send, fault, header(scope, b"accept"), self._keys.clock.now(), identity.BLANK)


class AskingFree:
    """Keys that are only asked who they are: of whoever asks about other keys, nothing is taken. For `KeyAuth`."""

    def __init__(self, keywright: Keywright) -> None:
        self.clock = keywright.clock
        self.trusted_proxies = keywright.trusted_proxies
        self.verify = keywright.verifier.identify
        self.warm = keywright.verifier.warm_identity
        self.surface_prefix = keywright.surface_prefix
        self.redact = keywright.redact
        self.note_forbidden = keywright.note_forbidden


class ByPath:
    """One application for some paths, another for all others."""

    def __init__(self, paths: Collection[str], there: App, elsewhere: App) -> None:
        self._paths = frozenset(paths)
        self._there = there
        self._elsewhere = elsewhere

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        inside = scope["type"] == "http" and scope["path"] in self._paths
        await (self._there if inside else self._elsewhere)(scope, receive, send)
