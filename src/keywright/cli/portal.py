"""``keywright portal``: links under which the people of one account manage that account's keys."""

from __future__ import annotations

from typing import Any

import click

from keywright.cli.admin import link as console_link
from keywright.cli.common import Span, account_id, data_dir_option, json_option, me, opened
from keywright.cli.output import say_json


@click.group()
def command() -> None:
    """Let the people of an account manage its keys, and nothing else."""


@command.command()
@click.option("--account", required=True, metavar="ACCOUNT", help="Whose keys: an account's id or name.")
@click.option("--for", "person", metavar="TEXT", help="Whom it is for; stands in the audit log at all that they do.")
@click.option("--read-only", is_flag=True, help="They look and change nothing.")
@click.option("--scope", "scopes", multiple=True, metavar="SCOPE", help="The most that keys made there may have.")
@click.option(
    "--session", "seconds", type=Span(), metavar="SPAN", help="How long it lasts from when it is opened: 15m."
)
@click.option("--return-url", metavar="URL", help="Where the page leads back to.")
@data_dir_option
@json_option
def link(
    account: str,
    person: str | None,
    read_only: bool,
    scopes: tuple[str, ...],
    seconds: int | None,
    return_url: str | None,
    data_dir: str | None,
    as_json: bool,
) -> None:
    """Print a link to the portal of an account. It works once, for 5 minutes."""
    given: dict[str, Any] = {
        "actor": person,
        "access": "read" if read_only else None,
        "scopes": list(scopes) or None,
        "session_seconds": seconds,
        "return_url": return_url,
    }
    with opened(data_dir) as keywright:
        from keywright.links import portal_url
        from keywright.manage.views import portal_link_shape

        wanted = {name: value for name, value in given.items() if value is not None}
        made = keywright.portals.new_link(me(), {"account_id": account_id(keywright, account), **wanted})
        shown = portal_link_shape(made.session, portal_url(console_link(keywright.settings, ""), made.text))
    if as_json:
        say_json(shown)
    else:
        click.echo(shown["url"])


@command.command()
@click.argument("session")
@data_dir_option
def end(session: str, data_dir: str | None) -> None:
    """End SESSION, a portal session or a link that nobody has opened yet, by its id (prt_…)."""
    with opened(data_dir) as keywright:
        keywright.portals.end(me(), session)
    click.echo(f"Ended {session}.", err=True)
