"""``keywright campaigns``."""

from __future__ import annotations

import click

from keywright.cli.common import account_id, account_option, data_dir_option, json_option, opened
from keywright.cli.output import say_json, say_table


@click.group()
def command() -> None:
    """List trigger campaigns."""


@command.command("list")
@account_option
@data_dir_option
@json_option
def list_campaigns(account: str | None, data_dir: str | None, as_json: bool) -> None:
    """List campaigns, the oldest first."""
    from keywright.reference import campaigns, storage

    with opened(data_dir) as keywright:
        resources = storage.Resources(keywright.settings.data_dir)
        campaigns.ensure_sample(resources, keywright.manager.operator_account().id)
        shown = campaigns.list_campaigns(resources, account_id(keywright, account))
        resources.close()
    if as_json:
        say_json(shown)
    else:
        say_table(("id", "name", "deployed", "created at"), [list(each.values()) for each in shown])
