"""How commands speak: data on standard output, talk on standard error, JSON where it is asked for."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from enum import IntEnum
from typing import Any

import click

from keywright.clock import SystemClock, timestamp


class ExitCode(IntEnum):
    """What a command's end means to a script."""

    OK = 0
    ERROR = 1
    USAGE = 2
    NOT_FOUND = 3
    FORBIDDEN = 4
    KEY_NOT_VALID = 5
    CONFLICT = 6
    INTERRUPTED = 130


def say_json(value: Any) -> None:
    """``value`` on standard output, as one line of JSON."""
    click.echo(_json(value))


def say_error(code: str, message: str, *, as_json: bool) -> None:
    """An error on standard error: a sentence, or the same shape that the API answers with."""
    if as_json:
        error = {"error": code, "message": message, "timestamp": timestamp(SystemClock.now())}
        click.echo(_json(error), err=True)
    else:
        click.echo(f"Error: {message}", err=True)


def say_note(text: str) -> None:
    """What somebody should know beside what they asked for, on standard error."""
    # What they asked for is done: a standard error that takes nothing must not make it look as if it were not.
    with suppress(OSError):
        click.echo(f"Note: {text}", err=True)


def _json(value: Any) -> str:
    # A terminal obeys control characters beyond ASCII too, and turns text around at others: those stay escaped.
    text = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def say_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table for people where a terminal is looking, else tab-separated values without a header."""
    texts = [[_cell(value) for value in row] for row in rows]
    if not sys.stdout.isatty():
        for row in texts:
            click.echo("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", show_header=any(columns))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in texts:
        table.add_row(*row)
    # Cells are data: square brackets in a name are not markup.
    Console(markup=False, highlight=False).print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return ",".join(map(_cell, value))
    # Names cannot hold control characters, but whatever else is shown must not steer a terminal either.
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value))
