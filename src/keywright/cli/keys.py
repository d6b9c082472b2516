"""``keywright keys``."""

from __future__ import annotations

import sys
from typing import Any

import click

from keywright.cli.common import (
    End,
    Span,
    account_id,
    account_of,
    account_option,
    confirm,
    data_dir_option,
    json_option,
    me,
    opened,
)
from keywright.cli.output import say_json, say_note, say_table

_COLUMNS = ("id", "name", "prefix", "hint", "status", "last_used_at", "created_at", "expires_at")

_SHORT_COLUMNS = ("id", "name", "key", "status", "last used", "created")


@click.group()
def command() -> None:
    """Create, list, show, rotate, disable, delete keys.

    REF is a key's id, its name if only one key has it, or its prefix and last four characters: lwa.sk_live_...Ab3d
    """


@command.command()
@click.argument("name")
@account_option
@click.option("--format", "key_format", metavar="FORMAT", help="lwa, ss, or one of the settings' (default: lwa).")
@click.option("--environment", metavar="live|test", help="Default: live.")
@click.option("--scope", "scopes", multiple=True, metavar="SCOPE", help="What it may do; default: everything (*).")
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="LIMIT",
    help="100/15m, 100/15m sliding, or 10/s burst 50; none for no limit.",
)
@click.option("--network", "networks", multiple=True, metavar="CIDR", help="Where it may be used from.")
@click.option("--expires", "end", type=End(), metavar="SPAN", help="Such as 90d; default: never.")
@data_dir_option
@json_option
def create(name: str, account: str | None, data_dir: str | None, as_json: bool, **given: Any) -> None:
    """Create a key and show it, once. Where output is piped, the bare key is all that is printed."""
    with opened(data_dir, may_be_first=True) as keywright:
        from keywright.manage.views import created_shape

        created = keywright.manager.create(me(), _owner(keywright, account), {"name": name, **_values(given)})
        shown = created_shape(created, keywright.policy, keywright.clock.now())
    _show_once(shown, as_json=as_json)


@command.command("list")
@account_option
@data_dir_option
@json_option
def list_keys(account: str | None, data_dir: str | None, as_json: bool) -> None:
    """List keys, the oldest first."""
    with opened(data_dir) as keywright:
        shown = list(_all_keys(keywright, _owner(keywright, account)))
    if as_json:
        say_json(shown)
    elif sys.stdout.isatty():
        say_table(_SHORT_COLUMNS, [_short(each) for each in shown])
    else:
        say_table(_COLUMNS, [[each[column] for column in _COLUMNS] for each in shown])


@command.command()
@click.argument("ref")
@account_option
@data_dir_option
@json_option
def show(ref: str, account: str | None, data_dir: str | None, as_json: bool) -> None:
    """Show a key, without the key."""
    with opened(data_dir) as keywright:
        found = keywright.manager.find(me(), _owner(keywright, account), ref)
        _say_key(keywright, found, as_json=as_json)


@command.command()
@click.argument("ref")
@click.option(
    "--grace", type=Span(), default="24h", metavar="SPAN", help="How long the old key works on.", show_default=True
)
@click.option(
    "--expires",
    "end",
    type=End(),
    metavar="SPAN",
    help="When the new key ends: 90d, or never; default: as the old one.",
)
@account_option
@data_dir_option
@json_option
def rotate(
    ref: str, grace: int, end: dict[str, Any] | None, account: str | None, data_dir: str | None, as_json: bool
) -> None:
    """Make a key's successor and show it, once; the old key ends after the grace.

    A key that is to end is renewed by --expires alone: without it the new key ends when the old one would have.
    """
    with opened(data_dir) as keywright:
        from keywright.manage.views import created_shape

        owner = _owner(keywright, account)
        old = keywright.manager.find(me(), owner, ref)
        created = keywright.manager.rotate(me(), owner, old.row.id, grace, end)
        shown = created_shape(created, keywright.policy, keywright.clock.now())
    _show_once(shown, as_json=as_json)
    if end is None and shown["expires_at"]:
        say_note(f"The new key ends at {shown['expires_at']}, as the old one would have. --expires gives another end.")


@command.command()
@click.argument("ref")
@account_option
@data_dir_option
@json_option
def disable(ref: str, account: str | None, data_dir: str | None, as_json: bool) -> None:
    """Refuse a key until it is enabled again."""
    _set_disabled(ref, account, data_dir, disabled=True, as_json=as_json)


@command.command()
@click.argument("ref")
@account_option
@data_dir_option
@json_option
def enable(ref: str, account: str | None, data_dir: str | None, as_json: bool) -> None:
    """Accept a disabled key again."""
    _set_disabled(ref, account, data_dir, disabled=False, as_json=as_json)


@command.command()
@click.argument("ref")
@click.option("--yes", is_flag=True, help="Do not ask.")
@account_option
@data_dir_option
@json_option
def delete(ref: str, yes: bool, account: str | None, data_dir: str | None, as_json: bool) -> None:
    """Delete a key, at once and for good. Asks first; --yes does not."""
    with opened(data_dir) as keywright:
        owner = account_id(keywright, account)
        found = keywright.manager.find(me(), owner, ref)
        row = found.row
        if not yes:
            confirm(
                f"Delete {row.name!r} ({row.prefix}…{row.hint})? Whatever uses it gets 401 from now on.",
                "Nothing was deleted.",
            )
        keywright.manager.delete(me(), owner, row.id)
    if as_json:
        say_json({"id": row.id, "deleted": True})
    else:
        click.echo(f"Deleted {row.id}.", err=True)


def _owner(keywright: Any, reference: str | None) -> str:
    """The id of the account whose keys are meant. If it is disabled, that is said: its keys do not show it."""
    account = account_of(keywright, reference)
    if account.terms.disabled:
        say_note(
            f"The account is disabled: all of its keys are refused. `keywright accounts enable {account.id}` ends it."
        )
    found: str = account.id
    return found


def _short(shown: dict[str, Any]) -> list[str]:
    """A row that fits a terminal: the key as it is recognised, times cut short. ``keys show`` has the rest."""
    key = f"{shown['prefix']}…{shown['hint']}"
    last_used = (shown["last_used_at"] or "never")[:16].replace("T", " ")
    return [shown["id"], shown["name"], key, shown["status"], last_used, shown["created_at"][:10]]


def _set_disabled(ref: str, account: str | None, data_dir: str | None, *, disabled: bool, as_json: bool) -> None:
    with opened(data_dir) as keywright:
        owner = _owner(keywright, account)
        found = keywright.manager.find(me(), owner, ref)
        changed = keywright.manager.update(me(), owner, found.row.id, {"disabled": disabled})
        _say_key(keywright, changed, as_json=as_json)


def _values(given: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, as the API calls them."""
    values = {
        "format": given["key_format"],
        "environment": given["environment"],
        "scopes": list(given["scopes"]),
        "networks": list(given["networks"]),
    }
    # Only what was not given is left out: an empty text is an answer, and a wrong one.
    values = {name: value for name, value in values.items() if value is not None and value != []}
    values.update(given["end"] or {})
    if "none" in given["limits"] and len(given["limits"]) > 1:
        raise click.UsageError("--limit none is no limit at all: it cannot stand beside another.")
    if given["limits"]:
        values["rate_limit"] = None if given["limits"] == ("none",) else list(given["limits"])
    return values


def _show_once(shown: dict[str, Any], *, as_json: bool) -> None:
    try:
        if as_json:
            say_json(shown)
            return
        click.echo(shown["key"])
    except OSError as error:
        # The key exists by now, and nobody will ever see it.
        message = f"The key {shown['id']} was made, but could not be written out ({error.strerror}). Delete it."
        raise click.ClickException(message) from error
    if sys.stdout.isatty():
        click.echo(f"\n{shown['id']}  {shown['name']}", err=True)
        click.echo("Store it now: it is shown this once, and nowhere kept.", err=True)


def _all_keys(keywright: Any, owner: str) -> Any:
    from keywright.manage.views import key_shape

    after = 0
    while page := keywright.manager.keys(me(), owner, after):
        for each in page:
            yield key_shape(each, keywright.policy, keywright.clock.now())
        after = page[-1].row.slot


def _say_key(keywright: Any, found: Any, *, as_json: bool) -> None:
    from keywright.manage.views import key_shape

    shown = key_shape(found, keywright.policy, keywright.clock.now())
    if as_json:
        say_json(shown)
    else:
        say_table(("", ""), list(shown.items()))
