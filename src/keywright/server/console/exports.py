"""The audit log as files: CSV for spreadsheets, NDJSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from keywright.clock import timestamp
from keywright.manage.ledger import Line

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
