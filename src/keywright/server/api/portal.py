"""``/v1/portal/sessions``: links under which the people of one account manage that account's keys."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response

from keywright.adapters import openapi
from keywright.adapters.asgi import Caller, header
from keywright.adapters.fastapi import require_members, require_scope
from keywright.build import Keywright
from keywright.links import portal_url
from keywright.manage.views import portal_link_shape
from keywright.record import OPERATOR_SCOPE
from keywright.server.api import shapes
from keywright.server.api.keys import Body, actor_of, json_answer

PATH = "/v1/portal/sessions"

Operator = Annotated[Caller, require_scope(OPERATOR_SCOPE)]


def router(keywright: Keywright) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix=PATH, tags=["Portal"])

    @routes.post(
        "",
        status_code=201,
        summary="Make a link to the portal",
        operation_id="createPortalSession",
        openapi_extra=openapi.body(shapes.CreatePortalSession),
        responses=openapi.answers(
            201, shapes.PortalSession, "The link. It works once and is shown in this answer only.",
            "NOT_FOUND", "CONFLICT", "UNSUPPORTED_MEDIA_TYPE", "VALIDATION_ERROR",
        ),
    )  # fmt: skip
    def create_portal_session(request: Request, caller: Operator, body: Body) -> Response:
        """A link under which somebody sees and manages the keys of one account, and nothing else. Send them there: it
        is traded for a session in their browser, which ends by itself, with the calling key, or when you say so."""
        require_members(body, "account_id")
        made = keywright.portals.new_link(actor_of(request, caller), body)
        base = keywright.settings.public_url or f"{request.scope['scheme']}://{header(request.scope, b'host')}"
        return json_answer(portal_link_shape(made.session, portal_url(base, made.text)), 201)

    @routes.delete(
        "/{session_id}",
        status_code=204,
        summary="End a portal session",
        operation_id="endPortalSession",
        responses=openapi.answers(204, None, "Ended, or the link taken back.", "NOT_FOUND"),
    )
    def end_portal_session(request: Request, caller: Operator, session_id: str) -> Response:
        """Take back a link, or end the session that it became; no request that starts now is answered in it."""
        keywright.portals.end(actor_of(request, caller), session_id)
        return Response(status_code=204)

    return routes
