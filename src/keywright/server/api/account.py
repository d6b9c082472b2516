"""``/v1/account`` and ``/v1/account/usage``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from keywright.adapters import openapi
from keywright.adapters.asgi import Caller
from keywright.adapters.fastapi import require_scope
from keywright.build import Keywright
from keywright.clock import parse_timestamp, timestamp
from keywright.errors import InvalidValue
from keywright.manage.views import account_shape
from keywright.server.api import shapes
from keywright.server.api.keys import actor_of, json_answer

DEFAULT_REPORT_SECONDS = 86_400
_FROM = "Default: a day before `to`. Moved back to the beginning of its hour or day."
_TO = "Default: now. Moved on to the end of its hour or day, and then at most 366 days after `from`."
_SPANS = {"hour": 3_600, "day": 86_400}
#: The last second that can be written as a time.
_LAST = 253_402_300_799


def router(keywright: Keywright) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1/account", tags=["Account"])

    @routes.get(
        "",
        summary="Show the account",
        operation_id="getAccount",
        responses=openapi.answers(200, shapes.Account, "The account of the calling key."),
    )
    def get_account(request: Request, caller: Annotated[Caller, require_scope("account:read")]) -> Response:
        """The account, and how many keys it has."""
        summary = keywright.manager.summary(actor_of(request, caller), caller.record.account_id)
        return json_answer(account_shape(summary, keywright.policy))

    @routes.get(
        "/usage",
        summary="Report usage",
        operation_id="getUsage",
        responses=openapi.answers(200, shapes.Usage, "Requests by outcome.", "NOT_FOUND", "VALIDATION_ERROR"),
    )
    def get_usage(
        request: Request,
        caller: Annotated[Caller, require_scope("usage:read")],
        from_: Annotated[str | None, Query(alias="from", description=_FROM)] = None,
        to: Annotated[str | None, Query(description=_TO)] = None,
        interval: Annotated[Literal["hour", "day"], Query(description="Days are those of UTC.")] = "hour",
        key_id: Annotated[str | None, Query(max_length=64, description="Only this key.")] = None,
    ) -> Response:
        """How many requests ended how, in whole hours or days; `from` and `to` of the answer are where they begin and
        end."""
        until = _time(to, "to", keywright.clock.now())
        start, end = _whole(_time(from_, "from", until - DEFAULT_REPORT_SECONDS), until, _SPANS[interval])
        rows = keywright.manager.report(
            actor_of(request, caller), caller.record.account_id, start, end, key_id=key_id, daily=interval == "day"
        )
        data = [{"start": timestamp(each.start), "outcome": each.outcome, "count": each.count} for each in rows]
        report: dict[str, Any] = {"data": data, "interval": interval, "from": timestamp(start), "to": timestamp(end)}
        return json_answer(report)

    return routes


def _whole(start: float, end: float, span: int) -> tuple[float, float]:
    """The whole hours or days around what was asked for: of a part, nobody knows the counts. What is empty or the wrong
    way round stays so."""
    if start >= end:
        return start, end
    return start // span * span, min(-(-end // span) * span, _LAST)


def _time(text: str | None, member: str, default: float) -> float:
    if text is None:
        return default
    try:
        return parse_timestamp(text)
    except ValueError as error:
        raise InvalidValue(f"{member}: {error}.", member) from error
