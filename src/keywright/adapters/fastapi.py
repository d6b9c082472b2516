"""FastAPI: scopes as dependencies, strict bodies, and every error in the documented form.

Put `adapters.asgi.KeyAuth` in front of the application; what is here builds on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from fastapi import Depends, FastAPI, Request as HttpRequest, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.security import APIKeyHeader, HTTPBearer
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from keywright.adapters import answers
from keywright.adapters.answers import Fault, FaultRaised
from keywright.adapters.asgi import GUARD_NAME, REQUEST_ID_NAME, SCOPE_NAME
from keywright.adapters.guard import Caller, Keys, Wanted, raised
from keywright.adapters.json_body import MalformedJson, parse_json
from keywright.errors import ActError, Unavailable

M = TypeVar("M", bound=BaseModel)

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
#: Of a member's name in an answer.
MEMBER_CHARACTERS = 80

_HEADER_SCHEME = APIKeyHeader(
    name="X-API-Key",
    scheme_name="ApiKey",
    description="The key itself. `Bearer KEY` is understood as well.",
    auto_error=False,
)
_BEARER_SCHEME = HTTPBearer(
    scheme_name="Bearer",
    description="The key as a bearer token. X-API-Key decides where both are sent.",
    auto_error=False,
)


def fault(code: str, message: str, **details: Any) -> FaultRaised:
    """An error to raise from a handler; ``details`` become members of its body."""
    return FaultRaised(Fault(code, message, details=details))


def require_scope(scope: str) -> Any:
    """A dependency that answers with the `Caller`, or 403 if its key lacks ``scope``.

    What it checks is what this process remembers of the key, which is current. A handler that changes rights must
    check again inside its own transaction.
    """
    wanted = Wanted((scope,))

    # The two schemes are asked for nothing but their place in the API document; the key was verified long before.
    def dependency(
        request: HttpRequest,
        _header: Any = Security(_HEADER_SCHEME, scopes=[scope]),
        _bearer: Any = Security(_BEARER_SCHEME, scopes=[scope]),
    ) -> Caller:
        caller: Caller | None = request.scope.get(SCOPE_NAME)
        if caller is None:  # nobody put `KeyAuth` in front, or it was told to let this path pass
            raise FaultRaised(answers.missing_key())
        lacking = request.scope[GUARD_NAME].lacking(caller, wanted)
        if lacking is not None:
            raise FaultRaised(lacking)
        return caller

    return Depends(dependency)


async def read_body(request: HttpRequest) -> Any:
    """The body as strict JSON, whatever it holds.

    Raises:
        FaultRaised: 415 for another media type, 400 for what is not JSON as we take it, or nothing at all.
    """
    content_type = request.headers.get("content-type", answers.JSON).split(";")[0].strip().lower()
    if content_type != answers.JSON and not content_type.endswith("+json"):
        raise fault("UNSUPPORTED_MEDIA_TYPE", "Send the body as application/json.")
    raw = await _raw_body(request)
    if not raw.strip():
        raise fault("BAD_REQUEST", "The body is missing; send a JSON object.")
    try:
        return parse_json(raw)
    except MalformedJson as error:
        raise fault("BAD_REQUEST", str(error)) from error


async def read_object(request: HttpRequest) -> Mapping[str, Any]:
    """As `read_body`, and 400 for anything but an object."""
    value = await read_body(request)
    if not isinstance(value, dict):
        raise fault("BAD_REQUEST", "The body must be a JSON object.")
    return value


async def read_object_or_nothing(request: HttpRequest) -> Mapping[str, Any]:
    """As `read_object`; no body at all is an empty object."""
    if not (await _raw_body(request)).strip():
        return {}
    return await read_object(request)


async def _raw_body(request: HttpRequest) -> bytes:
    try:
        return await request.body()
    except ClientDisconnect as error:
        raise fault("BAD_REQUEST", "The body did not arrive completely.") from error


def require_members(body: Mapping[str, Any], *names: str) -> None:
    """400 for a member that is not there."""
    for name in names:
        if name not in body:
            raise FaultRaised(
                Fault("BAD_REQUEST", f"The member {name} is missing.", details=answers.member_detail(name))
            )


def validated(model: type[M], body: Mapping[str, Any]) -> M:
    """``body`` as a pydantic model; 400 for a member that is missing, 422 for a value that is not allowed."""
    try:
        return model.model_validate(body, strict=True)
    except ValidationError as error:
        # A member's name may be as long as the body that it came in.
        found = [
            (".".join(map(str, each["loc"]))[:MEMBER_CHARACTERS], each["msg"], each["type"] == "missing")
            for each in error.errors()
        ]
    code = "BAD_REQUEST" if any(missing for _, _, missing in found) else "VALIDATION_ERROR"
    details = [{"member": name} for name, _, _ in found]
    raise fault(code, f"{found[0][0]}: {found[0][1]}.", details=details)


def validation_fault(error: RequestValidationError) -> Fault:
    """The answer to path or query parameters that the framework could not read."""
    named = [(str(each["loc"][-1]), each["msg"]) for each in error.errors()]
    message = f"{named[0][0]}: {named[0][1]}." if named else "The request has a value that is not allowed."
    return Fault("VALIDATION_ERROR", message, details={"details": [{"member": name} for name, _ in named]})


def http_fault(request: HttpRequest, error: HTTPException) -> Fault:
    """The answer to what the router itself found: no such path, or no such method on it."""
    if error.status_code == 405:
        allowed = allowed_methods(request)
        message = f"{request.method} is not possible here; use {_either(allowed)}."
        return Fault("METHOD_NOT_ALLOWED", message, (("Allow", ", ".join(allowed)),))
    return Fault("NOT_FOUND", "There is nothing at this path.")


def _either(words: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else "another path"


def allowed_methods(request: HttpRequest) -> list[str]:
    """All methods of all routes at the request's path: the router itself names only those of the first."""
    routes = request.app.router.routes
    found = []
    for method in METHODS:
        scope = {**request.scope, "method": method}
        if any(route.matches(scope)[0] is Match.FULL for route in routes):
            found.append(method)
    return found + (["HEAD"] if "GET" in found else [])


def fault_of(request: HttpRequest, error: Exception) -> Fault:
    """The answer to anything that a handler of ours may raise."""
    ours = raised(error, request.scope.get(SCOPE_NAME))
    if ours is not None:
        return ours
    match error:
        case RequestValidationError():
            return validation_fault(error)
        case HTTPException():
            return http_fault(request, error)
        case _:
            return answers.internal_error(request.scope.get(REQUEST_ID_NAME, ""))


def install_errors(app: FastAPI, keywright: Keys) -> None:
    """Answer every error of ``app`` in the documented form; also those of the machine, as 503."""

    async def answer(request: HttpRequest, error: Exception) -> Response:
        found = fault_of(request, error)
        media_type, text = found.body(keywright.clock.now(), request.headers.get("accept", ""))
        # A message may quote what was sent, and what was sent in the wrong place may be a key.
        body = keywright.redact(text.decode())
        return Response(body, found.status, dict(found.headers), media_type)

    for kind in (FaultRaised, Unavailable, ActError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, answer)
