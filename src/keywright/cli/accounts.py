"""``keywright accounts``."""

from __future__ import annotations

import click

from keywright.cli.common import data_dir_option, json_option, me, opened
from keywright.cli.output import say_json, say_table


@click.group()
def command() -> None:
    """Create and list accounts: the tenants that own keys."""


@command.command()
@click.argument("name")
@data_dir_option
@json_option
def create(name: str, data_dir: str | None, as_json: bool) -> None:
    """Create an account and print its id."""
    with opened(data_dir) as keywright:
        from keywright.manage.views import account_row_shape

        keywright.manager.operator_account()
        shown = account_row_shape(keywright.manager.create_account(me(), name))
    if as_json:
        say_json(shown)
    else:
        click.echo(shown["id"])


@command.command("list")
@data_dir_option
@json_option
def list_accounts(data_dir: str | None, as_json: bool) -> None:
    """List accounts, the oldest first."""
    with opened(data_dir) as keywright:
        from keywright.manage.views import account_row_shape

        keywright.manager.operator_account()
        shown = [account_row_shape(each) for each in keywright.manager.accounts(me())]
    if as_json:
        say_json(shown)
    else:
        say_table(("id", "name", "created at"), [list(each.values()) for each in shown])
