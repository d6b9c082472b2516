"""The audit log and the list of keys as files: CSV for spreadsheets, NDJSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice

from keywright.clock import timestamp
from keywright.manage.browse import Exported
from keywright.manage.ledger import Line
from keywright.manage.views import key_shape
from keywright.record import LimitPolicy

CSV_TYPE = "text/csv; charset=utf-8; header=present"

COLUMNS = (
    "at", "action", "actor_kind", "actor_id", "actor_name", "target", "target_name", "address", "request_id", "details",
)  # fmt: skip
#: What a spreadsheet takes for the beginning of a formula; the wide forms of East Asian keyboards too.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_UNSEEN = ("\t", "\r", "\n")


def cell(text: str) -> str:
    """A cell of a CSV file, in quotes. What a spreadsheet would carry out gets an apostrophe before it, which makes it
    text: keys are named by whoever makes them, and the log is read by somebody else."""
    if text.startswith(_UNSEEN) or text.lstrip().startswith(_FORMULA):
        text = "'" + text
    return '"' + text.replace('"', '""') + '"'


def csv(lines: Iterable[Line]) -> Iterator[str]:
    """The rows of a CSV file, as RFC 4180 wants them: quoted, and ended by CR LF."""
    yield _row(COLUMNS)
    for each in lines:
        shape = _shape(each)
        details = json.dumps(shape["details"], ensure_ascii=False)
        yield _row(details if name == "details" else str(shape[name]) for name in COLUMNS)


def ndjson(lines: Iterable[Line]) -> Iterator[str]:
    """One JSON object to a line."""
    for each in lines:
        yield json.dumps(_shape(each)) + "\n"


#: Of `key_shape`, and after them what is only seen by people.
KEY_COLUMNS = (
    "id", "name", "prefix", "hint", "environment", "status", "scopes", "created_at", "expires_at", "last_used_at",
    "last_used_from", "accepted_24h", "refused_24h", "rate_limit", "networks", "metadata",
)  # fmt: skip


def key_csv(keys: Iterable[Exported], policy: LimitPolicy, now: float) -> Iterator[str]:
    """The rows of a CSV file of keys. Lists stand in one cell with blanks between; what is not there is empty."""
    yield _row(KEY_COLUMNS)
    for each in keys:
        use = each.listed.last_use
        shape = {
            **key_shape(each.listed, policy, now),
            "last_used_from": use.address if use else "",
            "accepted_24h": each.accepted,
            "refused_24h": each.refused,
        }
        yield _row(_plain(shape[name]) for name in KEY_COLUMNS)


def _plain(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False) if value else ""
    return "" if value is None else str(value)


def pieces(lines: Iterator[str]) -> Iterator[bytes]:
    """Lines sent by the hundred: each piece of an answer costs a turn of the event loop."""
    while piece := "".join(islice(lines, 100)):
        yield piece.encode("utf-8", "replace")


def _row(cells: Iterable[str]) -> str:
    return ",".join(map(cell, cells)) + "\r\n"


def _shape(each: Line) -> dict[str, object]:
    line = each.line
    return {
        "at": timestamp(line.at),
        "action": line.action,
        "actor_kind": line.actor_kind,
        "actor_id": line.actor_id,
        "actor_name": each.actor_name,
        "target": line.target,
        "target_name": each.target_name,
        "address": line.address,
        "request_id": line.request_id,
        "details": line.details,
    }
