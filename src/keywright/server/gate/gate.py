"""Forward-auth, decided: what a proxy asks, what it is answered. Both roads to the gate end here.

The answer to a proxy is about somebody else's request. So everything that is said of that request (where it came from,
what it was for) is believed only because the asker is a proxy that the settings name, and is checked to be one first.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import unquote

from keywright.adapters import answers
from keywright.adapters.address import forwarded_address, is_trusted
from keywright.adapters.answers import Fault
from keywright.build import Keywright
from keywright.outcome import Accepted, Outcome, Refused
from keywright.record import Network, Record, Request
from keywright.route import Route
from keywright.server.gate import dialects, identity
from keywright.values import Value

PATH = "/v1/gate"
SECRET_HEADER = b"x-gate-secret"
NOT_A_PROXY = Fault(
    "FORBIDDEN",
    "This address may not ask the gate. Name the proxy in gate_proxies, or send gate_secret in X-Gate-Secret.",
)
NO_SUCH_ROUTE = Fault("NOT_FOUND", "There is no such route. The setting gate_routes names them.")

#: Makes a token that says who passes; empty for none.
MakeToken: TypeAlias = Callable[[Record, Route, float], str]


class Asked(Value, frozen=True, gc=False):
    """What a proxy asks about.

    Attributes:
        presented: the key, as it came.
        path: of the request that is asked about, without its query; empty if the proxy does not tell.
        accept: what the client likes to be answered with.
    """

    route: Route
    presented: str
    path: str
    accept: str


class Answer(Value, frozen=True, gc=False):
    """What a proxy is told.

    Attributes:
        status: in the proxy's dialect.
        headers: all of the gate's own, in their order.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Gate:
    """Decides who may ask, and answers."""

    def __init__(self, keywright: Keywright, make_token: MakeToken) -> None:
        settings = keywright.settings
        self._surface_prefix = settings.surface_prefix
        self._secret = settings.gate_secret.encode() if settings.gate_secret else b""
        self.make_token = make_token
        # Few ask often, and looking an address up in networks takes longer than all the rest.
        self._is_proxy = _remembering(settings.gate_proxies)
        self._is_any_proxy = _remembering((*settings.gate_proxies, *settings.trusted_proxies))
        self._client = lru_cache(maxsize=4096)(self._nearest)
        self.routes = dict(settings.gate_routes)
        self.routes[""] = self.routes["plain"]

    def find(self, path: str) -> tuple[Route | None, str] | None:
        """The route that a path means, and what follows it there; None for a path that is not the gate's."""
        if path != PATH and not path.startswith(PATH + "/"):
            return None
        name, slash, rest = path[len(PATH) + 1 :].partition("/")
        route = self.routes.get(name)
        if route is not None and slash and dialects.TABLE[route.dialect].uri_header:
            return None, ""  # only where the proxy appends what it is asked for may anything follow
        return route, slash + rest

    def may_ask(self, peer: str, secret: bytes) -> bool:
        """Whether somebody at this address, with this secret (empty for none), may ask."""
        return self._is_proxy(peer) or (bool(self._secret) and hmac.compare_digest(self._secret, secret))

    def client(self, forwarded_for: str | None) -> str:
        """Whose request it is, in the word of whoever may ask: the nearest address that is no proxy's own, or the
        farthest if all are. Empty where nobody is named or the entry that counts cannot be read: the proxy's own
        address is not the client's, and a key may be bound to it."""
        return self._client(forwarded_for) if forwarded_for else ""

    def _nearest(self, forwarded_for: str) -> str:
        found = ""
        for text in reversed(forwarded_for.split(",")):
            found = forwarded_address(text.strip()) or ""
            if not found or not self._is_any_proxy(found):
                break
        return found

    def request(self, route: Route, address: str, user_agent: str) -> Request:
        """What the route asks of a key that comes from there."""
        return Request(
            scopes=route.scopes,
            address=address,
            environment=route.environment,
            cost=route.cost,
            user_agent=user_agent,
            account_id=route.account_id,
        )

    def answer(self, asked: Asked, outcome: Outcome, now: float) -> Answer:
        """The answer to a request whose key was looked at."""
        if isinstance(outcome, Accepted):
            rate = answers.rate_headers(outcome.decision, now)
            token = self.make_token(outcome.record, asked.route, now)
            limits = rate[-1][1] if rate else ""
            return Answer(200, (*identity.headers(outcome, limits=limits, token=token, status=200), *rate), b"")
        return self.refuse(asked.route, asked.accept, self.refusal(asked, outcome), now, outcome)

    def refusal(self, asked: Asked, refused: Refused) -> Fault:
        """What a refused request is told."""
        return answers.refusal(refused, asked.presented, self._surface_prefix(asked.path))

    def refuse(self, route: Route, accept: str, fault: Fault, now: float, outcome: Outcome | None = None) -> Answer:
        """The answer to a request that may not pass, for whatever reason."""
        dialect = dialects.TABLE[route.dialect]
        media_type, body = fault.body(now, accept)
        told = "" if dialect.carries_body else body.decode()
        rate = answers.rate_headers(outcome.decision, now) if outcome else ()
        headers = (
            ("Content-Type", media_type),
            *fault.headers,
            *identity.headers(outcome, status=fault.status, error=told),
            *rate,
        )
        return Answer(dialect.status(fault.status), headers, body)


def _remembering(networks: tuple[Network, ...]) -> Callable[[str], bool]:
    return lru_cache(maxsize=4096)(lambda address: is_trusted(address, networks))


def path_asked(route: Route, rest: str, headers: Mapping[bytes, bytes]) -> str:
    """The path of the request that is asked about: what follows the route, or what the dialect's header says."""
    name = dialects.TABLE[route.dialect].uri_header
    return unquote(headers.get(name, b"").decode("latin-1").partition("?")[0]) if name else rest
