"""``keywright verify``."""

from __future__ import annotations

import sys

import click

from keywright.cli.common import data_dir_option, json_option, opened
from keywright.cli.output import ExitCode, say_json


@click.command()
@click.option("--scope", "scopes", multiple=True, metavar="SCOPE", help="A scope that the key must have.")
@click.option("--address", default="", metavar="ADDRESS", help="The address that the key is used from.")
@click.option(
    "--cost", type=click.IntRange(min=1), default=1, metavar="NUMBER", help="What it takes from the limits; default: 1."
)
@data_dir_option
@json_option
def command(scopes: tuple[str, ...], address: str, cost: int, data_dir: str | None, as_json: bool) -> int:
    """Verify the key on standard input: exit 0 if it may pass, 5 if not, with the reason on standard error.

    It is a request like any other: it counts towards the key's limit and is its last use.
    """
    from keywright.key import MAX_KEY_CHARACTERS
    from keywright.outcome import Accepted
    from keywright.record import Request

    _require_address(address)
    # Bounded, because whatever is piped in may be endless; one more than a key can have is enough to refuse it.
    # A standard input that was closed holds no key either.
    presented = sys.stdin.buffer.read(MAX_KEY_CHARACTERS + 2).decode("latin-1").strip() if sys.stdin else ""
    with opened(data_dir) as keywright:
        outcome = keywright.verify(presented, Request(scopes=scopes, address=address, cost=cost))
    record = outcome.record
    if isinstance(outcome, Accepted):
        reason, code = "accepted", ExitCode.OK
    else:
        reason, code = str(outcome.reason), ExitCode.KEY_NOT_VALID
    if as_json:
        identity = {"id": record.key_id, "name": record.name, "account_id": record.account_id} if record else {}
        say_json({"valid": code is ExitCode.OK, "reason": reason, **identity})
    elif code is not ExitCode.OK:
        click.echo(f"Not valid: {reason}", err=True)
    return code


def _require_address(address: str) -> None:
    from keywright.record import parse_address

    if address and parse_address(address) is None:
        raise click.BadParameter(f"{address!r} is not an IP address.", param_hint="--address")
