"""``/v1/subscriptions``: which people and companies an account follows. Listing, looking at one, and adding; no
more yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row, func, insert, or_, select

from keywright import timestamp
from keywright.adapters.answers import JSON, to_json
from keywright.adapters.asgi import Caller
from keywright.adapters.fastapi import fault, read_object, require_scope, validated
from keywright.adapters.openapi import answers, body
from keywright.reference.storage import Resources, new_id, subscriptions

MAX_PAGE = 100
EntityType = Literal["contact", "company"]
Status = Literal["active", "cancelled"]


class SubscriptionBody(BaseModel):
    """Whom to follow: by id, by address, or both."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "anyOf": [
                {"required": [name], "properties": {name: {"type": "string"}}}
                for name in ("linkedin_id", "linkedin_url")
            ]
        },
    )

    entity_type: EntityType
    linkedin_id: str | None = Field(
        default=None, min_length=1, max_length=255, pattern=r"^\S+$", examples=["jane-smith"]
    )
    linkedin_url: str | None = Field(
        default=None, max_length=2048, pattern=r"^https://\S+$", examples=["https://www.linkedin.com/in/jane-smith"]
    )


class Subscription(BaseModel):
    """One subscription."""

    id: str = Field(pattern=r"^sub_[0-9A-Za-z]{9}$")
    entity_type: EntityType
    linkedin_id: str | None
    linkedin_url: str | None
    status: Status
    last_checked_at: str | None
    created_at: str
    updated_at: str


class Pagination(BaseModel):
    """Where a page lies."""

    total: int
    limit: int
    offset: int
    has_more: bool


class SubscriptionList(BaseModel):
    """A page of subscriptions, the oldest first."""

    data: list[Subscription]
    pagination: Pagination


def router(resources: Resources) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1/subscriptions", tags=["Subscriptions"])

    @routes.get(
        "",
        summary="List subscriptions",
        operation_id="listSubscriptions",
        responses=answers(200, SubscriptionList, "A page of subscriptions.", "VALIDATION_ERROR"),
    )
    def list_subscriptions(
        caller: Annotated[Caller, require_scope("subscriptions:read")],
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 20,
        offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
        entity_type: Annotated[EntityType | None, Query()] = None,
        status: Annotated[Status | None, Query()] = None,
        search: Annotated[str | None, Query(max_length=255, description="Part of an id or address.")] = None,
    ) -> Response:
        """The account's subscriptions, the oldest first."""
        columns = subscriptions.c
        wanted = [columns.account_id == caller.record.account_id]
        wanted += [columns.entity_type == entity_type] if entity_type else []
        wanted += [columns.status == status] if status else []
        if search:
            found_in = (columns.linkedin_id, columns.linkedin_url)
            wanted.append(or_(*(each.icontains(search, autoescape=True) for each in found_in)))
        with resources.reading() as connection:
            total = connection.execute(select(func.count()).where(*wanted)).scalar_one()
            statement = select(subscriptions).where(*wanted).order_by(columns.number)
            rows = connection.execute(statement.limit(limit).offset(offset)).all()
        pagination = {"total": total, "limit": limit, "offset": offset, "has_more": offset + len(rows) < total}
        return Response(to_json({"data": [_shape(row) for row in rows], "pagination": pagination}), media_type=JSON)

    _add_looking(routes, resources)
    _add_creating(routes, resources)
    return routes


def _add_looking(routes: APIRouter, resources: Resources) -> None:
    @routes.get(
        "/{subscription_id}",
        summary="Show a subscription",
        operation_id="getSubscription",
        responses=answers(200, Subscription, "The subscription.", "NOT_FOUND"),
    )
    def get_subscription(
        caller: Annotated[Caller, require_scope("subscriptions:read")], subscription_id: str
    ) -> Response:
        """One subscription of the account, also a cancelled one."""
        columns = subscriptions.c
        mine = (columns.id == subscription_id, columns.account_id == caller.record.account_id)
        with resources.reading() as connection:
            row = connection.execute(select(subscriptions).where(*mine)).first()
        if row is None:
            raise fault("NOT_FOUND", "There is no such subscription.")
        return Response(to_json(_shape(row)), media_type=JSON)


def _add_creating(routes: APIRouter, resources: Resources) -> None:
    @routes.post(
        "",
        status_code=201,
        summary="Add a subscription",
        operation_id="createSubscription",
        openapi_extra=body(SubscriptionBody),
        responses=answers(
            201, Subscription, "The subscription.", "CONFLICT", "UNSUPPORTED_MEDIA_TYPE", "VALIDATION_ERROR"
        ),
    )
    def create_subscription(
        caller: Annotated[Caller, require_scope("subscriptions:write")],
        given: Annotated[Mapping[str, Any], Depends(read_object)],
    ) -> Response:
        """Follow somebody. At least one of `linkedin_id` and `linkedin_url` is needed."""
        wanted = validated(SubscriptionBody, given)
        if wanted.linkedin_id is None and wanted.linkedin_url is None:
            raise fault("BAD_REQUEST", "linkedin_id or linkedin_url is missing.", details=[{"member": "linkedin_id"}])
        now = resources.now()
        times = {"last_checked_at": None, "created_at": now, "updated_at": now}
        row = {"id": new_id("sub"), "account_id": caller.record.account_id, "status": "active", **times}
        columns = subscriptions.c
        same = func.coalesce(columns.linkedin_id, columns.linkedin_url) == (wanted.linkedin_id or wanted.linkedin_url)
        with resources.transaction() as connection:
            existing = select(columns.id).where(
                columns.account_id == row["account_id"],
                columns.entity_type == wanted.entity_type,
                columns.status == "active",
                same,
            )
            found = connection.execute(existing).scalar()
            if found:
                raise fault("CONFLICT", f"{found} follows it already.", details=[{"existing": found}])
            connection.execute(insert(subscriptions), {**row, **wanted.model_dump()})
            made = connection.execute(select(subscriptions).where(columns.id == row["id"])).one()
        return Response(to_json(_shape(made)), 201, media_type=JSON)


def _shape(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "entity_type": row.entity_type,
        "linkedin_id": row.linkedin_id,
        "linkedin_url": row.linkedin_url,
        "status": row.status,
        "last_checked_at": None if row.last_checked_at is None else timestamp(row.last_checked_at),
        "created_at": timestamp(row.created_at),
        "updated_at": timestamp(row.updated_at),
    }
