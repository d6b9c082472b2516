"""``keywright admin``: the people who may sign in to the console."""

from __future__ import annotations

import sys
from typing import Any

import click

from keywright.cli.common import account_id, account_option, data_dir_option, json_option, me, opened
from keywright.cli.output import say_json, say_table
from keywright.cli.whereabouts import by_settings, of_server
from keywright.clock import timestamp

ROLES = ("owner", "admin", "viewer")


def link(settings: Any, path: str, token: str = "") -> str:
    """The address of a page of the console, at the server that runs, if one does. The token stands behind the ``#``,
    which no proxy ever sees."""
    base = settings.public_url or (of_server(settings.data_dir) or by_settings(settings)).url
    return f"{base}{path}#{token}" if token else f"{base}{path}"


@click.group()
def command() -> None:
    """Set up the console, and let people in."""


@command.command("setup-token")
@data_dir_option
@json_option
def setup_token(data_dir: str | None, as_json: bool) -> None:
    """Print a new setup link: whoever opens it first becomes the owner. It works once, for 30 minutes; the one before
    it stops working. Possible until there is an owner."""
    with opened(data_dir) as keywright:
        keywright.manager.operator_account()
        made = link(keywright.settings, "/setup", keywright.entry.new_setup_token(me()))
    _say_link(made, as_json)


@command.command("login-link")
@click.argument("email")
@data_dir_option
@json_option
def login_link(email: str, data_dir: str | None, as_json: bool) -> None:
    """Print a link that signs EMAIL in, once, without password and second factor. It works for 10 minutes."""
    with opened(data_dir) as keywright:
        made = link(keywright.settings, "/sign-in/link", keywright.entry.new_link(me(), email))
    _say_link(made, as_json)


@command.command()
@click.option("--email", required=True, metavar="ADDRESS", help="The e-mail address to sign in with.")
@click.option("--name", metavar="TEXT", help="What to call them; default: what stands before the @.")
@click.option("--role", type=click.Choice(ROLES), default="owner", show_default=True, help="What they may do.")
@click.option("--password-stdin", is_flag=True, required=True, help="Read the password from standard input.")
@account_option
@data_dir_option
@json_option
def create(
    email: str,
    name: str | None,
    role: str,
    password_stdin: bool,
    account: str | None,
    data_dir: str | None,
    as_json: bool,
) -> None:
    """Create a member with a password. For installations that are set up by a program."""
    password = sys.stdin.readline().rstrip("\r\n")
    with opened(data_dir, may_be_first=True) as keywright:
        from keywright.people.values import role as parse_role

        made = keywright.directory.create_member(
            me(),
            account_id(keywright, account),
            email=email,
            name=name or email.partition("@")[0],
            password=password,
            role=parse_role(role),
        )
    if as_json:
        say_json({"id": made.id, "email": made.email, "name": made.name, "role": role})
    else:
        click.echo(made.id)


@command.command("list")
@account_option
@data_dir_option
@json_option
def list_members(account: str | None, data_dir: str | None, as_json: bool) -> None:
    """List the members of an account, the oldest first."""
    with opened(data_dir) as keywright:
        found = keywright.directory.members(me(), account_id(keywright, account))
    shown = [
        {"id": member.id, "email": member.email, "name": member.name, "role": str(theirs.role)}
        for member, theirs in found
    ]
    if as_json:
        say_json(shown)
    else:
        say_table(("id", "e-mail", "name", "role"), [list(each.values()) for each in shown])


@command.command()
@account_option
@data_dir_option
@json_option
def identities(account: str | None, data_dir: str | None, as_json: bool) -> None:
    """List who the members of an account are at the identity provider."""
    with opened(data_dir) as keywright:
        found = keywright.federation.identities(me(), account_id(keywright, account))
    shown = [{"email": member.email, "issuer": each.issuer, "subject": each.subject} for member, each in found]
    if as_json:
        say_json(shown)
    else:
        say_table(("e-mail", "issuer", "subject"), [list(each.values()) for each in shown])


@command.command()
@click.argument("email")
@account_option
@data_dir_option
def unlink(email: str, account: str | None, data_dir: str | None) -> None:
    """Forget who EMAIL is at the identity provider, and end their sessions. Whoever comes from there next with this
    address, confirmed, is linked anew. To keep somebody out, remove them from the account."""
    with opened(data_dir) as keywright:
        keywright.federation.unlink(me(), account_id(keywright, account), email)


@command.command("passkeys")
@click.argument("email")
@data_dir_option
@json_option
def list_passkeys(email: str, data_dir: str | None, as_json: bool) -> None:
    """List the passkeys of EMAIL, the oldest first."""
    with opened(data_dir) as keywright:
        found = keywright.passkeys.of(me(), email)
    shown = [
        {
            "id": each.id,
            "name": each.name,
            "created_at": timestamp(each.created_at),
            "last_used_at": timestamp(each.used_at) if each.used_at is not None else None,
        }
        for each in found
    ]
    if as_json:
        say_json(shown)
    else:
        say_table(("id", "name", "created", "last used"), [[each or "never" for each in one.values()] for one in shown])


@command.command("remove-passkey")
@click.argument("email")
@click.argument("passkey_id", metavar="PASSKEY")
@data_dir_option
def remove_passkey(email: str, passkey_id: str, data_dir: str | None) -> None:
    """Take a passkey away that EMAIL has lost. All of their sessions end; the password goes on working."""
    with opened(data_dir) as keywright:
        keywright.passkeys.take_away(me(), email, passkey_id)


def _say_link(made: str, as_json: bool) -> None:
    if as_json:
        say_json({"link": made})
    else:
        click.echo(made)
