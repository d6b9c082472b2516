"""``/v1/keys/verify``: a service in any language asks about a key that it was sent. The ordinary road."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from keywright.adapters import causes, openapi
from keywright.adapters.answers import JSON
from keywright.adapters.asgi import Caller
from keywright.adapters.fastapi import read_object, require_members, require_scope
from keywright.adapters.guard import Keys
from keywright.adapters.verdicts import PATH
from keywright.errors import InvalidValue, Unavailable
from keywright.manage import values
from keywright.record import Request
from keywright.route import MAX_COST
from keywright.server.gate.verdict import MAX_BATCH, VERIFY_SCOPE, Verdicts, account_asked, asked

BATCH_PATH = PATH + "/batch"
Body = Annotated[Mapping[str, Any], Depends(read_object)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class VerifyKey(_Shape):
    """The key that is asked about, and what the request with it is for."""

    key: str = Field(max_length=values.NAME_CHARACTERS * 4, description="The key, as the client sent it.")
    scope: str = Field(default="", description="What it must be allowed to do.", examples=["orders:read"])
    scopes: list[str] = Field(default=[], description="Instead of `scope`: all that it must be allowed to do.")
    cost: int = Field(default=1, ge=1, le=MAX_COST, description="What the request takes from the key's limits.")
    address: str = Field(default="", description="The client's address; a key bound to networks is refused without it.")
    environment: str = Field(default="", description="The environment it must be of.", examples=["live"])
    user_agent: str = Field(default="", description="What the client says it is; shown with the key's last use.")
    account_id: str = Field(default="", description="The account it must belong to; others' keys are not found.")


class VerifyBatch(_Shape):
    """Several at once: each is decided and charged for itself, in their order."""

    keys: list[VerifyKey] = Field(min_length=1, max_length=MAX_BATCH)


class LimitStanding(_Shape):
    """Where one limit stands."""

    policy: str = Field(examples=["100/15m"])
    limit: int
    remaining: int
    reset: int = Field(description="When its full allowance is there again, in Unix seconds.")


class RateLimitStanding(LimitStanding):
    """Where the limit with the least left stands, and, if there are several, each of them."""

    limits: list[LimitStanding] = Field(default=[], description="Only where there are several.")
    retry_after_seconds: int = Field(description="0 if the request passed.")


Code = Literal[
    "VALID", "NOT_FOUND", "DISABLED", "EXPIRED", "FORBIDDEN_ADDRESS", "FORBIDDEN_ENVIRONMENT", "RATE_LIMITED",
    "INSUFFICIENT_SCOPE", "UNAVAILABLE",
]  # fmt: skip


class Verdict(_Shape):
    """Whether the request may pass. Another account's key is not found, unless the caller is an operator."""

    valid: bool
    code: Code
    key_id: str | None
    account_id: str | None
    name: str | None
    scopes: list[str] | None
    environment: str | None
    expires_at: str | None
    missing_scopes: list[str] = Field(default=[], description="Only where scopes are missing.")
    retry_after_seconds: int = Field(default=0, description="Only with `UNAVAILABLE`.")
    ratelimit: RateLimitStanding | None = Field(description="Null for a key without limits, or nobody's.")


class VerdictList(_Shape):
    """The verdicts, in the order of the keys."""

    results: list[Verdict]


def router(keys: Keys, verdicts: Verdicts) -> APIRouter:
    """The routes.

    Raises:
        InvalidValue: raised by a handler, for an answer of 422.
    """
    routes = APIRouter(tags=["Verification"])

    def verified(key: str, request: Request) -> bytes:
        return verdicts.write(keys.verify(key, request))

    def verified_or_not(key: str, request: Request) -> bytes:
        # The others were charged, and must be told of.
        try:
            return verified(key, request)
        except Unavailable as error:
            causes.tell(error, keys.redact)
            return verdicts.unavailable(error)

    @routes.post(
        PATH,
        summary="Verify a key",
        operation_id="verifyKey",
        openapi_extra=openapi.body(VerifyKey),
        responses=openapi.answers(200, Verdict, "The verdict.", "UNSUPPORTED_MEDIA_TYPE", "VALIDATION_ERROR"),
    )
    def verify_key(caller: Annotated[Caller, require_scope(VERIFY_SCOPE)], body: Body) -> Response:
        """Whether a request with this key may pass. Charges the key that is asked about, and not the caller's."""
        return Response(verified(*asked(body, account_asked(caller.record))), media_type=JSON)

    @routes.post(
        BATCH_PATH,
        summary="Verify several keys",
        operation_id="verifyKeys",
        openapi_extra=openapi.body(VerifyBatch),
        responses=openapi.answers(200, VerdictList, "The verdicts.", "UNSUPPORTED_MEDIA_TYPE", "VALIDATION_ERROR"),
    )
    def verify_keys(caller: Annotated[Caller, require_scope(VERIFY_SCOPE)], body: Body) -> Response:
        """The same for up to a hundred keys. Nothing is charged if one of the questions is wrong."""
        require_members(body, "keys")
        values.only(body, ("keys",))
        found = body["keys"]
        if not isinstance(found, list) or not 1 <= len(found) <= MAX_BATCH:
            raise InvalidValue(f"keys must be a list of 1 to {MAX_BATCH} objects.", "keys")
        questions = [asked(each, account_asked(caller.record)) for each in found]
        results = b",".join(verified_or_not(*each) for each in questions)
        return Response(b'{"results":[%b]}' % results, media_type=JSON)

    return routes
