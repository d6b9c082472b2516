"""What all adapters share: a request as it came → it may pass, or the answer that it gets instead.

Knows no framework. An adapter makes a `Sent` of what its framework hands it, asks the `Guard`, and either passes the
request on with a `Caller` or sends the `Answer`. On an event loop it asks `Guard.at_once` first, and goes to a thread
with `Guard.decide` only where that says None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, wraps
from inspect import iscoroutinefunction
from typing import Any, Protocol, TypeAlias, cast

from keywright.adapters import answers, causes
from keywright.adapters.address import client_address
from keywright.adapters.answers import Fault, FaultRaised
from keywright.adapters.credentials import Absent, presented_key
from keywright.clock import Clock
from keywright.errors import ActError, CallerRefused, Misconfigured, Unavailable
from keywright.limits.base import Decision
from keywright.outcome import Accepted, Outcome, Refused
from keywright.reason import Reason
from keywright.record import Network, Record, Request, missing_scopes
from keywright.values import Value

Headers: TypeAlias = Sequence[tuple[str, str]]

#: Where adapters leave the `Caller` for the application.
CALLER_NAME = "keywright"
#: Where a view, a handler or its class says what it wants.
WANTED_NAME = "keywright_wanted"
#: Answers that say nothing about the key's limits: nobody was recognised, or nothing is known.
WITHOUT_RATE_HEADERS = frozenset({401, 503})
#: Headers of every refusal: what was refused once may be allowed a moment later, and to somebody else.
UNCACHED: Headers = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))

_UNKNOWN = Refused(Reason.UNKNOWN)
_ABSENT = {Absent.MISSING: answers.missing_key(), Absent.CONFLICTING: answers.conflicting_keys()}


class Keys(Protocol):
    """Whoever can say whether a key is good. `Keywright` can, over its own data directory."""

    @property
    def clock(self) -> Clock:
        """What time it is for the answers."""
        ...

    @property
    def trusted_proxies(self) -> tuple[Network, ...]:
        """Who may say, in X-Forwarded-For, whose request it is."""
        ...

    def verify(self, key: str, request: Request) -> Outcome:
        """Whether a request with ``key`` may pass. May wait.

        Raises:
            Unavailable: nobody can tell now. Never a verdict on the key.
        """
        ...

    def warm(self, key: str, request: Request) -> Outcome | None:
        """The same, without waiting for anything; None where that cannot be. Charges nothing then.

        Raises:
            Unavailable: see `verify`.
        """
        ...

    def surface_prefix(self, path: str) -> str:
        """The prefix that keys are told to have where ``path`` is asked for."""
        ...

    def note_forbidden(self, record: Record, reason: Reason, address: str) -> None:
        """Count a request that was accepted as forbidden: its handler wants more than was asked for before."""
        ...

    def redact(self, text: str) -> str:
        """``text`` with everything hidden in it that looks like a key."""
        ...


class Wanted(Value, frozen=True, gc=False):
    """What a request must bring besides a good key.

    Attributes:
        scopes: all that the key must have.
        cost: what the request takes from the key's limits; at least 1.
        environment: the environment that the key must be of; empty for any.
        account_id: the account that the key must belong to; empty for any. Keys of others are told that they are not
            good.
    """

    scopes: tuple[str, ...] = ()
    cost: int = 1
    environment: str = ""
    account_id: str = ""

    def __post_init__(self) -> None:
        # A text is a sequence of letters, each of which would be taken for a scope that nobody has.
        if not isinstance(self.scopes, tuple):
            raise TypeError("scopes are a tuple of texts")
        if self.cost < 1:
            raise ValueError("a request costs at least 1")


#: Nothing but a good key.
ANY_KEY = Wanted()


def wanting(scopes: Sequence[str] = (), cost: int = 1, environment: str = "") -> Wanted:
    """The same with the scopes in any form; a single one may be a text.

    Raises:
        ValueError: the cost is less than 1.
    """
    return Wanted((scopes,) if isinstance(scopes, str) else tuple(scopes), cost, environment)


class Sent(Value, frozen=True, gc=False):
    """A request as it came, as far as its key is concerned. Values of headers are their bytes as Latin-1.

    Attributes:
        path: the whole path that was asked for, whatever part of it the application was told to ignore.
        peer: the address that the request came from, as far as the server knows; empty where it does not.
        api_keys: the value of each ``X-API-Key``.
        authorizations: the value of each ``Authorization``.
        user_agent: what the client says it is.
        accept: all of ``Accept``, joined by commas.
        forwarded_for: all of ``X-Forwarded-For``, joined by commas; None where it was not sent.
    """

    path: str
    peer: str
    api_keys: Sequence[str] = ()
    authorizations: Sequence[str] = ()
    user_agent: str = ""
    accept: str = ""
    forwarded_for: str | None = None


class Caller(Value, frozen=True, gc=False):
    """Whose request it is.

    Attributes:
        record: the key's record: its id, account, name, environment and scopes.
        decision: where its limits stand after this request; None for a key without limits.
        if_refused: the answer, should the key turn out to be gone while the request is being handled.
        wanted: what was asked of the key before the request was let in.
        address: the client's, as in `keywright.Request`.
    """

    record: Record
    decision: Decision | None
    if_refused: Fault
    wanted: Wanted = ANY_KEY
    address: str = ""


class Passed(Value, frozen=True, gc=False):
    """The request may go on.

    Attributes:
        caller: whose it is.
        headers: for whatever is answered, but not with a status of `WITHOUT_RATE_HEADERS`.
    """

    caller: Caller
    headers: Headers

    def headers_for(self, status: int) -> Headers:
        """The headers to add to an answer with ``status``."""
        return () if status in WITHOUT_RATE_HEADERS else self.headers


class Answer(Value, frozen=True, gc=False):
    """What is answered instead; whole, and to be sent as it is (without its body to ``HEAD``).

    Attributes:
        headers: the type and the length of the body among them; not those of `UNCACHED`.
        record: that of the key, where it was recognised all the same. For logs.
    """

    status: int
    headers: Headers
    body: bytes
    record: Record | None = None


Verdict: TypeAlias = Passed | Answer


class Guard:
    """Asks for keys, and words the refusals.

    Args:
        keys: who knows them.
        protect: the paths that need a key; everything at or below them does, whether or not it exists, and also where
            they stand below another path.

    Raises:
        Misconfigured: ``protect`` names nothing, or something that is not a path.
    """

    def __init__(self, keys: Keys, protect: Sequence[str] = ("/",)) -> None:
        if isinstance(protect, str) or not protect or not all(path.startswith("/") for path in protect):
            raise Misconfigured("protect must name paths, each with a leading '/'; '/' is every path.")
        self.keys = keys
        self._everything = "/" in protect
        self._protected = tuple(path.rstrip("/") + "/" for path in protect)
        # Bound once: this is asked of every request.
        self._verify, self._warm, self._now = keys.verify, keys.warm, keys.clock.now
        self._surface_prefix, self._trusted = keys.surface_prefix, keys.trusted_proxies

    def protects(self, path: str) -> bool:
        """Whether whatever is at ``path`` needs a key."""
        if self._everything:
            return True
        # At any depth, not only at the start: an application that is mounted below another path, or told of a
        # `root_path`, takes that prefix away before it looks for its handler. Too much is protected rather than too
        # little. (A loop, because `any` costs three times as much, of every request.)
        below = path + "/"
        for each in self._protected:  # noqa: SIM110
            if each in below:
                return True
        return False

    def decide(self, sent: Sent, wanted: Wanted = ANY_KEY) -> Verdict:
        """Whether the request may pass, and what it is answered if not. May wait for the store."""
        # Never None: whoever may wait answers, or raises.
        return cast(Verdict, self._ask(self._verify, sent, wanted))

    def at_once(self, sent: Sent, wanted: Wanted = ANY_KEY) -> Verdict | None:
        """The same where it can be said without waiting; else None, and nothing has been charged."""
        return self._ask(self._warm, sent, wanted)

    def _ask(self, verify: Callable[[str, Request], Outcome | None], sent: Sent, wanted: Wanted) -> Verdict | None:
        presented = presented_key(sent.api_keys, sent.authorizations)
        if isinstance(presented, Absent):
            return self.answer(_ABSENT[presented], sent.accept)
        address = client_address(sent.peer, sent.forwarded_for, self._trusted) if self._trusted else sent.peer
        agent = sent.user_agent
        request = Request(wanted.scopes, address, wanted.environment, wanted.cost, agent, wanted.account_id)
        try:
            outcome = verify(presented.key, request)
        except Unavailable as error:
            causes.tell(error, self.keys.redact)
            return self.answer(answers.unavailable(error.retry_after_seconds), sent.accept)
        if outcome is None:
            return None
        rate = answers.rate_headers(outcome.decision, self._now())
        surface_prefix = self._surface_prefix(sent.path)
        if isinstance(outcome, Accepted):
            gone = _gone(surface_prefix, presented.key.startswith(surface_prefix))
            return Passed(Caller(outcome.record, outcome.decision, gone, wanted, address), rate)
        fault = answers.refusal(outcome, presented.key, surface_prefix)
        return self.answer(fault, sent.accept, rate, outcome.record)

    def lacking(self, caller: Caller, wanted: Wanted) -> Fault | None:
        """What a caller who was let in is told by a handler that wants more of the key than was asked before; None if
        the key has it. A handler that changes rights must check again inside its own transaction.

        Raises:
            Misconfigured: the handler costs more than was charged, and nothing can be charged twice: whoever let the
                caller in was not told of it.
        """
        if wanted is caller.wanted:
            return None
        if wanted.cost > caller.wanted.cost:
            raise Misconfigured(
                f"A handler wants cost={wanted.cost}, and {caller.wanted.cost} was charged before it was known which "
                "handler it would be. Say what it wants where the adapter can see it."
            )
        if wanted.account_id and wanted.account_id != caller.record.account_id:
            return caller.if_refused
        fault, reason = None, Reason.SCOPE
        if wanted.environment and wanted.environment != caller.record.environment:
            reason = Reason.ENVIRONMENT
            fault = answers.refusal(Refused(reason), "", "")
        elif missing := missing_scopes(caller.record.scopes, wanted.scopes):
            fault = answers.lacks_scope(missing)
        if fault is not None:
            self.keys.note_forbidden(caller.record, reason, caller.address)
        return fault

    def answer(self, fault: Fault, accept: str, rate: Headers = (), record: Record | None = None) -> Answer:
        """An error in the form that the request prefers."""
        media_type, body = fault.body(self._now(), accept)
        headers = [("Content-Type", media_type), ("Content-Length", str(len(body))), *fault.headers, *rate]
        return Answer(fault.status, headers, body, record)

    def answer_to(self, error: Exception, accept: str, caller: Caller | None) -> Answer | None:
        """The answer to what a handler raised, without rate headers; None for an error of the application's own.

        A message may quote what was sent, and what was sent in the wrong place may be a key: such texts are hidden.
        """
        fault = raised(error, caller)
        if fault is None:
            return None
        if isinstance(error, Unavailable):
            causes.tell(error, self.keys.redact)
        media_type, body = fault.body(self._now(), accept)
        shown = self.keys.redact(body.decode()).encode()
        headers = [("Content-Type", media_type), ("Content-Length", str(len(shown))), *fault.headers]
        return Answer(fault.status, headers, shown)


@lru_cache(maxsize=64)
def _gone(surface_prefix: str, has_it: bool) -> Fault:
    """The answer to a key that is gone by now; of the key only its beginning matters."""
    return answers.refusal(_UNKNOWN, surface_prefix if has_it else "", surface_prefix)


def raised(error: Exception, caller: Caller | None) -> Fault | None:
    """What an error that Keywright itself raises means to whoever called; None for any other error."""
    match error:
        case FaultRaised():
            return error.fault
        case Unavailable():
            return answers.unavailable(error.retry_after_seconds)
        case CallerRefused():
            return caller.if_refused if caller is not None else None
        case ActError():
            return answers.act_fault(error)
        case _:
            return None


def required_caller(found: Mapping[str, Any], name: str = CALLER_NAME) -> Caller:
    """The caller whom an adapter has left in a request's own table, by this name.

    Raises:
        Misconfigured: it has left none: no adapter has asked for a key there.
    """
    caller: Caller | None = found.get(name)
    if caller is None:
        raise Misconfigured("Nobody asked for a key here: KeyAuth is not in front, or lets this path pass.")
    return caller


def checked_first(view: Callable[..., Any], check: Callable[..., Any]) -> Callable[..., Any]:
    """``view``, before which ``check`` is called with the same arguments: what that returns is the answer, and the view
    is not called, unless it is None. Where the view is a coroutine function, so is what is returned."""
    if iscoroutinefunction(view):

        @wraps(view)
        async def wrapper(*args: Any, **values: Any) -> Any:
            instead = check(*args, **values)
            return await view(*args, **values) if instead is None else instead
    else:

        @wraps(view)
        def wrapper(*args: Any, **values: Any) -> Any:
            instead = check(*args, **values)
            return view(*args, **values) if instead is None else instead

    return wrapper
