"""``keywright accounts``."""

from __future__ import annotations

from typing import Any

import click

from keywright.cli.common import account_id, data_dir_option, json_option, me, opened
from keywright.cli.output import say_json, say_table

_COLUMNS = ("id", "name", "created at", "limit of all keys", "status")


@click.group()
def command() -> None:
    """Create, list, show, change, disable accounts: the tenants that own keys.

    ACCOUNT is an account's id, or its name if only one account has it.
    """


@command.command()
@click.argument("name")
@data_dir_option
@json_option
def create(name: str, data_dir: str | None, as_json: bool) -> None:
    """Create an account and print its id."""
    with opened(data_dir, may_be_first=True) as keywright:
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
        say_table(_COLUMNS, [list(each.values()) for each in shown])


@command.command()
@click.argument("account")
@data_dir_option
@json_option
def show(account: str, data_dir: str | None, as_json: bool) -> None:
    """Show an account, and how many keys it has."""
    with opened(data_dir) as keywright:
        from keywright.manage.views import account_shape

        summary = keywright.manager.summary(me(), account_id(keywright, account))
        shown = account_shape(summary, keywright.policy)
    if as_json:
        say_json(shown)
    else:
        counts = [f"{count} {status}" for status, count in shown["keys"].items()]
        say_table(("", ""), list({**shown, "keys": counts}.items()))


@command.command()
@click.argument("account")
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="LIMIT",
    help="What all keys of the account share: 10000/h, 10000/h sliding, or 100/s burst 500.",
)
@click.option("--no-limit", is_flag=True, help="They share no limit.")
@data_dir_option
@json_option
def change(account: str, limits: tuple[str, ...], no_limit: bool, data_dir: str | None, as_json: bool) -> None:
    """Change the limits that all keys of an account share. In force everywhere when the command ends."""
    _change(account, {"rate_limit": _limits(limits, no_limit=no_limit)}, data_dir, as_json=as_json)


@command.command()
@click.argument("account")
@data_dir_option
@json_option
def disable(account: str, data_dir: str | None, as_json: bool) -> None:
    """Refuse every key of an account until it is enabled again."""
    _change(account, {"disabled": True}, data_dir, as_json=as_json)


@command.command()
@click.argument("account")
@data_dir_option
@json_option
def enable(account: str, data_dir: str | None, as_json: bool) -> None:
    """Accept the keys of a disabled account again; a key that was disabled itself stays so."""
    _change(account, {"disabled": False}, data_dir, as_json=as_json)


def _limits(limits: tuple[str, ...], *, no_limit: bool) -> list[str] | None:
    if bool(limits) == no_limit:
        raise click.UsageError("Give --limit, once or several times, or --no-limit.")
    return list(limits) or None


def _change(account: str, given: dict[str, Any], data_dir: str | None, *, as_json: bool) -> None:
    with opened(data_dir) as keywright:
        from keywright.manage.views import account_row_shape

        changed = keywright.manager.change_account(me(), account_id(keywright, account), given)
        shown = account_row_shape(changed)
    if as_json:
        say_json(shown)
    else:
        say_table(("", ""), list(shown.items()))
