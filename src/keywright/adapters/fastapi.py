"""FastAPI: scopes as dependencies, strict bodies, and every error in the documented form.

Put `adapters.asgi.KeyAuth` in front of the application; what is here builds on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from fastapi import Depends, FastAPI, Request as HttpRequest, Security
from fastapi.exceptions import RequestValidationError
from fastapi.security import APIKeyHeader, HTTPBearer
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from keywright.adapters import answers, starlette
from keywright.adapters.answers import Fault, FaultRaised
from keywright.adapters.guard import Caller, Keys, wanting
from keywright.adapters.json_body import MalformedJson, parse_json

M = TypeVar("M", bound=BaseModel)

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
    return require_key(scopes=(scope,))


def require_key(*, scopes: Sequence[str] = (), environment: str = "") -> Any:
    """The same for any number of scopes, also none, and for an environment.

    What a route costs is told to `KeyAuth`, which charges before it is known which route it will be.

    Raises:
        Misconfigured: when the route is called, where `KeyAuth` is not in front, or lets the path pass.
    """
    wanted = wanting(scopes, environment=environment)
    listed = list(wanted.scopes)

    # The two schemes are asked for nothing but their place in the API document; the key was verified long before.
    # Asynchronous, because FastAPI would go to a thread for anything else.
    async def dependency(
        request: HttpRequest,
        _header: Any = Security(_HEADER_SCHEME, scopes=listed),
        _bearer: Any = Security(_BEARER_SCHEME, scopes=listed),
    ) -> Caller:
        return starlette.enforce(request, wanted)

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


def fault_of(request: HttpRequest, error: Exception) -> Fault:
    """The answer to anything that a handler may raise."""
    if isinstance(error, RequestValidationError):
        return validation_fault(error)
    return starlette.fault_of(request, error)


def install_errors(app: FastAPI, keywright: Keys) -> None:
    """Answer every error of ``app`` in the documented form; also those of the machine, as 503."""
    starlette.install_errors(app, keywright, fault_of, (RequestValidationError,))
