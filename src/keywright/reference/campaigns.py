"""``/api/campaigns``: campaigns that another system triggers, one message at a time. Each trigger is stored before it
is acknowledged; handing it to a channel comes later."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from typing import Annotated, Any

import phonenumbers
from fastapi import APIRouter, Depends, Header, Response
from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy import Connection, Row, insert, select, update

from keywright import timestamp
from keywright.adapters.answers import JSON, to_json
from keywright.adapters.asgi import Caller
from keywright.adapters.fastapi import fault, read_body, read_object, require_scope, validated
from keywright.adapters.openapi import answers, body
from keywright.reference.storage import Resources, campaigns, new_id, triggers

SAMPLE_NAME = "Order confirmation"
MAX_ATTRIBUTES = 50
MAX_IDEMPOTENCY_CHARACTERS = 255
_NO_CAMPAIGN = "There is no such campaign."
#: The bidirectional classes of characters that turn the text after them around.
_TURNING = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})


class CampaignBody(BaseModel):
    """A new campaign."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=255, examples=["Order confirmation"])
    deployed: bool = Field(default=False, description="Whether it may be triggered at once.")

    @field_validator("name")
    @classmethod
    def _printable(cls, name: str) -> str:
        stripped = name.strip()
        if not stripped or any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in stripped):
            raise ValueError("must be printable text")
        if any(unicodedata.bidirectional(c) in _TURNING for c in stripped):
            raise ValueError("must not contain text-direction characters")
        return stripped


class Campaign(BaseModel):
    """One campaign."""

    id: str = Field(pattern=r"^camp_[0-9A-Za-z]{9}$")
    name: str
    deployed: bool
    created_at: str


class CampaignList(BaseModel):
    """All campaigns of the account, the oldest first."""

    campaigns: list[Campaign]


class TriggerBody(BaseModel):
    """Whom to send to; every other member is an attribute of the message."""

    model_config = ConfigDict(extra="allow")

    phone: str = Field(description="E.164.", pattern=r"^\+[1-9][0-9]{6,14}$", examples=["+14155552671"])


class Trigger(BaseModel):
    """One accepted trigger."""

    id: str = Field(pattern=r"^trg_[0-9A-Za-z]{9}$")
    campaign_id: str
    status: str
    created_at: str


def router(resources: Resources) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/campaigns", tags=["Campaigns"])
    _add_managing(routes, resources)
    _add_triggering(routes, resources)
    return routes


def ensure_sample(resources: Resources, account_id: str) -> None:
    """Make one campaign, ready to be triggered, where there has never been any."""
    with resources.transaction() as connection:
        if connection.execute(select(campaigns.c.id).limit(1)).first() is None:
            _insert(connection, account_id, SAMPLE_NAME, deployed=True, now=resources.now())


def list_campaigns(resources: Resources, account_id: str) -> list[dict[str, Any]]:
    """The account's campaigns, the oldest first."""
    statement = select(campaigns).where(campaigns.c.account_id == account_id).order_by(campaigns.c.number)
    with resources.reading() as connection:
        return [_shape(row) for row in connection.execute(statement)]


def _add_managing(routes: APIRouter, resources: Resources) -> None:
    @routes.get(
        "",
        summary="List campaigns",
        operation_id="listCampaigns",
        responses=answers(200, CampaignList, "The account's campaigns."),
    )
    def get_campaigns(caller: Annotated[Caller, require_scope("campaigns:read")]) -> Response:
        """All campaigns of the account, the oldest first."""
        return Response(to_json({"campaigns": list_campaigns(resources, caller.record.account_id)}), media_type=JSON)

    @routes.post(
        "",
        status_code=201,
        summary="Create a campaign",
        operation_id="createCampaign",
        openapi_extra=body(CampaignBody),
        responses=answers(201, Campaign, "The campaign.", "UNSUPPORTED_MEDIA_TYPE", "VALIDATION_ERROR"),
    )
    def create_campaign(
        caller: Annotated[Caller, require_scope("campaigns:write")], given: Annotated[Any, Depends(read_object)]
    ) -> Response:
        """A campaign that can be triggered once it is deployed."""
        wanted = validated(CampaignBody, given)
        with resources.transaction() as connection:
            account_id = caller.record.account_id
            row = _insert(connection, account_id, wanted.name, deployed=wanted.deployed, now=resources.now())
        return Response(to_json(_shape(row)), 201, media_type=JSON)

    @routes.post(
        "/{campaign_id}/deploy",
        summary="Deploy a campaign",
        operation_id="deployCampaign",
        responses=answers(200, Campaign, "The campaign, ready to be triggered.", "NOT_FOUND"),
    )
    def deploy_campaign(caller: Annotated[Caller, require_scope("campaigns:write")], campaign_id: str) -> Response:
        """Make a campaign answer to triggers. Deploying it again changes nothing."""
        with resources.transaction() as connection:
            _existing(connection, caller.record.account_id, campaign_id)
            connection.execute(update(campaigns).where(campaigns.c.id == campaign_id).values(deployed=True))
            row = _existing(connection, caller.record.account_id, campaign_id)
        return Response(to_json(_shape(row)), media_type=JSON)


def _add_triggering(routes: APIRouter, resources: Resources) -> None:
    @routes.post(
        "/{campaign_id}/trigger",
        status_code=202,
        summary="Trigger a campaign",
        operation_id="triggerCampaign",
        openapi_extra=body(TriggerBody),
        responses=answers(
            202, Trigger, "Stored, and queued to be sent.",
            "NOT_FOUND", "CONFLICT", "UNSUPPORTED_MEDIA_TYPE", "VALIDATION_ERROR",
        ),
    )  # fmt: skip
    def trigger_campaign(
        caller: Annotated[Caller, require_scope("campaigns:trigger")],
        campaign_id: str,
        given: Annotated[Any, Depends(read_body)],
        idempotency_key: Annotated[
            str | None,
            Header(
                alias="Idempotency-Key",
                min_length=1,
                max_length=MAX_IDEMPOTENCY_CHARACTERS,
                description="Makes a retry safe: the same key and body for the same campaign send one message, and are "
                "answered with the trigger that was stored first; another body is a 409.",
            ),
        ] = None,
    ) -> Response:
        """Send one message: an object with `phone` and any attributes, or a list with one such object."""
        attributes = _one_object(given)
        row = {
            "id": new_id("trg"),
            "campaign_id": campaign_id,
            "account_id": caller.record.account_id,
            "phone": _phone(attributes),
            "attributes": json.dumps(attributes),
            "status": "queued",
            "created_at": resources.now(),
            "idempotency_digest": _digest_of(idempotency_key),
        }
        with resources.transaction() as connection:
            stored = _stored(connection, row)
        shown = {name: stored[name] for name in ("id", "campaign_id", "status")}
        return Response(to_json({**shown, "created_at": timestamp(stored["created_at"])}), 202, media_type=JSON)


def _stored(connection: Connection, row: dict[str, Any]) -> dict[str, Any]:
    """The trigger as it is stored now: ``row``, or the one that an earlier try of the same request stored."""
    campaign = _existing(connection, row["account_id"], row["campaign_id"])
    if row["idempotency_digest"] is not None:
        same = [triggers.c[name] == row[name] for name in ("account_id", "campaign_id", "idempotency_digest")]
        first = connection.execute(select(triggers).where(*same)).first()
        if first is not None:
            if _canonical(first.attributes) != _canonical(row["attributes"]):
                message = "This Idempotency-Key was used with another body. Use a new one for another message."
                raise fault("CONFLICT", message, details=[{"existing": first.id}])
            return first._asdict()
    if not campaign.deployed:
        raise fault("CONFLICT", "This campaign is not deployed.")
    connection.execute(insert(triggers), row)
    return row


def _canonical(attributes: str) -> str:
    return json.dumps(json.loads(attributes), sort_keys=True)


def _digest_of(idempotency_key: str | None) -> str | None:
    """What is stored of it: it may be any text, and some callers make theirs of their API key."""
    return None if idempotency_key is None else hashlib.sha256(idempotency_key.encode()).hexdigest()


def _one_object(given: Any) -> dict[str, Any]:
    if isinstance(given, list) and len(given) == 1:
        given = given[0]
    if not isinstance(given, dict):
        raise fault("BAD_REQUEST", "The body must be a JSON object, or a list with one.")
    if len(given) > MAX_ATTRIBUTES:
        raise fault("VALIDATION_ERROR", f"A trigger has at most {MAX_ATTRIBUTES} members.")
    return given


def _phone(attributes: dict[str, Any]) -> str:
    phone = attributes.get("phone")
    try:
        if isinstance(phone, str) and phone.startswith("+") and phone[1:].isascii() and phone[1:].isdigit():
            number = phonenumbers.parse(phone)
            if phonenumbers.is_possible_number(number):
                return phone
    except phonenumbers.NumberParseException:
        pass
    raise fault(
        "VALIDATION_ERROR", "phone must be a number in E.164, such as +14155552671.", details=[{"member": "phone"}]
    )


def _insert(connection: Connection, account_id: str, name: str, *, deployed: bool, now: float) -> Row[Any]:
    row = {"id": new_id("camp"), "account_id": account_id, "name": name, "deployed": deployed, "created_at": now}
    connection.execute(insert(campaigns), row)
    return _existing(connection, account_id, row["id"])


def _existing(connection: Connection, account_id: str, campaign_id: Any) -> Row[Any]:
    columns = campaigns.c
    statement = select(campaigns).where(columns.id == campaign_id, columns.account_id == account_id)
    row = connection.execute(statement).first()
    if row is None:
        raise fault("NOT_FOUND", _NO_CAMPAIGN)
    return row


def _shape(row: Row[Any]) -> dict[str, Any]:
    return {"id": row.id, "name": row.name, "deployed": bool(row.deployed), "created_at": timestamp(row.created_at)}
