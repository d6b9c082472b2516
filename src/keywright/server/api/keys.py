"""``/v1/account/api-keys``: create, list, change, rotate, delete. Handlers translate; `manage` decides."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from keywright.adapters import openapi
from keywright.adapters.answers import JSON, to_json
from keywright.adapters.asgi import REQUEST_ID_NAME, Caller, client_address
from keywright.adapters.fastapi import read_object, read_object_or_nothing, require_members, require_scope
from keywright.audit import Actor, ActorKind
from keywright.build import Keywright
from keywright.errors import InvalidValue
from keywright.manage import values
from keywright.manage.manager import DEFAULT_GRACE_SECONDS, MAX_PAGE_KEYS, Listed
from keywright.manage.views import created_shape, key_shape
from keywright.server.api import shapes

PATH = "/v1/account/api-keys"
MAX_IDEMPOTENCY_CHARACTERS = 255

ReadKeys = Annotated[Caller, require_scope("keys:read")]
WriteKeys = Annotated[Caller, require_scope("keys:write")]
Body = Annotated[Mapping[str, Any], Depends(read_object)]


def actor_of(request: Request, caller: Caller) -> Actor:
    """Who manages: the calling key, from where, in which request."""
    return Actor(
        ActorKind.KEY,
        caller.record.key_id,
        caller.record.account_id,
        client_address(request.scope),
        request.scope[REQUEST_ID_NAME],
    )


def json_answer(value: Any, status: int = 200) -> Response:
    """``value`` as JSON."""
    return Response(to_json(value), status, media_type=JSON)


def router(keywright: Keywright) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix=PATH, tags=["API keys"])
    _add_reading(routes, keywright)
    _add_creating(routes, keywright)
    _add_changing(routes, keywright)
    return routes


def _add_reading(routes: APIRouter, keywright: Keywright) -> None:
    @routes.get(
        "",
        summary="List keys",
        operation_id="listKeys",
        responses=openapi.answers(200, shapes.KeyList, "The account's keys, oldest first.", "VALIDATION_ERROR"),
    )
    def list_keys(
        request: Request,
        caller: ReadKeys,
        limit: Annotated[
            int | None, Query(ge=1, le=MAX_PAGE_KEYS, description="Keys in a page; all if left out.")
        ] = None,
        cursor: Annotated[str | None, Query(max_length=64, description="`next_cursor` of the page before.")] = None,
    ) -> Response:
        """All keys of the account of the calling key; with `limit`, a page of them."""
        actor, account_id = actor_of(request, caller), caller.record.account_id
        after = _after(cursor)
        if limit is None:
            first = keywright.manager.keys(actor, account_id, after)
            return StreamingResponse(_whole_list(keywright, actor, account_id, first), media_type=JSON)
        found = keywright.manager.keys(actor, account_id, after, limit + 1)
        page = {"keys": _shapes(keywright, found[:limit])}
        if len(found) > limit:
            page["next_cursor"] = _cursor(found[limit - 1].row.slot)  # type: ignore[assignment]
        return json_answer(page)

    @routes.get(
        "/{key_id}",
        summary="Show a key",
        operation_id="getKey",
        responses=openapi.answers(200, shapes.Key, "The key, without the key.", "NOT_FOUND"),
    )
    def get_key(request: Request, caller: ReadKeys, key_id: str) -> Response:
        """One key of the account."""
        found = keywright.manager.key(actor_of(request, caller), caller.record.account_id, key_id)
        return json_answer(_shapes(keywright, [found])[0])


def _add_creating(routes: APIRouter, keywright: Keywright) -> None:
    @routes.post(
        "",
        status_code=201,
        summary="Create a key",
        operation_id="createKey",
        openapi_extra=openapi.body(shapes.CreateKey),
        responses=openapi.answers(
            201, shapes.CreatedKey, "The new key. It is shown in this answer and never again.",
            "CONFLICT", "UNSUPPORTED_MEDIA_TYPE", "VALIDATION_ERROR",
        ),
    )  # fmt: skip
    def create_key(
        request: Request,
        caller: WriteKeys,
        body: Body,
        idempotency_key: Annotated[
            str | None,
            Header(
                min_length=1,
                max_length=MAX_IDEMPOTENCY_CHARACTERS,
                description="Makes a retry safe: in 24 hours at most one key is made for it in the account.",
            ),
        ] = None,
    ) -> Response:
        """A new key of the same account. Only `name` is required; the rest is the calling key's own, or within it."""
        require_members(body, "name")
        account_id = caller.record.account_id
        created = keywright.manager.create(actor_of(request, caller), account_id, body, idempotency_key)
        return json_answer(created_shape(created, keywright.policy, keywright.clock.now()), 201)

    @routes.post(
        "/{key_id}/rotate",
        status_code=201,
        summary="Rotate a key",
        operation_id="rotateKey",
        openapi_extra=openapi.body(shapes.RotateKey, required=False),
        responses=openapi.answers(
            201, shapes.CreatedKey, "The successor. It is shown in this answer and never again.",
            "NOT_FOUND", "CONFLICT", "UNSUPPORTED_MEDIA_TYPE", "VALIDATION_ERROR",
        ),
    )  # fmt: skip
    def rotate_key(
        request: Request,
        caller: WriteKeys,
        key_id: str,
        body: Annotated[Mapping[str, Any], Depends(read_object_or_nothing)],
    ) -> Response:
        """A successor with the same rights; the old key ends after the grace, and never later than it would have.

        The successor ends when the old key would have ended without this, unless the body says another end: it is given
        as on creating, and lies within the calling key's own.
        """
        values.only(body, values.ROTATE_MEMBERS)
        grace_seconds = body.get("grace_seconds", DEFAULT_GRACE_SECONDS)
        end = {member: body[member] for member in values.END_MEMBERS if member in body}
        actor = actor_of(request, caller)
        created = keywright.manager.rotate(actor, caller.record.account_id, key_id, grace_seconds, end)
        return json_answer(created_shape(created, keywright.policy, keywright.clock.now()), 201)


def _add_changing(routes: APIRouter, keywright: Keywright) -> None:
    @routes.patch(
        "/{key_id}",
        summary="Change a key",
        operation_id="updateKey",
        openapi_extra=openapi.body(shapes.UpdateKey),
        responses=openapi.answers(
            200, shapes.Key, "The key as it is now, in force everywhere.",
            "NOT_FOUND", "CONFLICT", "UNSUPPORTED_MEDIA_TYPE", "VALIDATION_ERROR",
        ),
    )  # fmt: skip
    def update_key(request: Request, caller: WriteKeys, key_id: str, body: Body) -> Response:
        """Change what a key is called or may do, or disable it. What is left out stays."""
        found = keywright.manager.update(actor_of(request, caller), caller.record.account_id, key_id, body)
        return json_answer(_shapes(keywright, [found])[0])

    @routes.delete(
        "/{key_id}",
        status_code=204,
        summary="Delete a key",
        operation_id="deleteKey",
        responses=openapi.answers(204, None, "Deleted: no request that starts now is accepted with it.", "NOT_FOUND"),
    )
    def delete_key(request: Request, caller: WriteKeys, key_id: str) -> Response:
        """Delete a key, at once and for good. A key may delete itself."""
        keywright.manager.delete(actor_of(request, caller), caller.record.account_id, key_id)
        return Response(status_code=204)


def _shapes(keywright: Keywright, found: list[Listed]) -> list[dict[str, Any]]:
    now = keywright.clock.now()
    return [key_shape(each, keywright.policy, now) for each in found]


def _whole_list(keywright: Keywright, actor: Actor, account_id: str, page: list[Listed]) -> Iterator[bytes]:
    """The whole list, read page by page: an account with a million keys never stands in memory at once."""
    yield b'{"keys":['
    comma = b""
    while page:
        yield comma + b",".join(to_json(each) for each in _shapes(keywright, page))
        comma = b","
        page = keywright.manager.keys(actor, account_id, page[-1].row.slot) if len(page) == MAX_PAGE_KEYS else []
    yield b"]}"


def _cursor(slot: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([slot]).encode()).decode().rstrip("=")


def _after(cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        (slot,) = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError, binascii.Error) as error:
        raise InvalidValue("cursor must be the next_cursor of an earlier answer.", "cursor") from error
    return values.whole(slot, "cursor", 0, 2**62)
