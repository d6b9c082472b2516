"""What commands share: opening the data directory, who acts, and how values are written."""

from __future__ import annotations

import getpass
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from keywright.audit import Actor, ActorKind
from keywright.errors import ActError

F = TypeVar("F", bound=Callable[..., Any])

_SPAN = re.compile(r"([1-9][0-9]{0,8})([smhdw])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
#: Members of the API → the options that they are here.
_OPTIONS = {
    "expires_in_seconds": "--expires",
    "grace_seconds": "--grace",
    "networks": "--network",
    "rate_limit": "--limit",
    "scopes": "--scope",
    "session_seconds": "--session",
}
_BOUNDS = re.compile(r"a whole number from ([0-9]+) to ([0-9]+)", re.ASCII)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
data_dir_option = click.option("--data-dir", metavar="PATH", help="The data directory (KEYWRIGHT_DATA_DIR).")
account_option = click.option("--account", metavar="ACCOUNT", help="Id or name; default: the operator's account.")


class Span(click.ParamType[int]):
    """A span such as ``90d``, in seconds."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Seconds; a usage error for anything else."""
        if isinstance(value, int):
            return value
        if value == "0":
            return 0
        match = _SPAN.fullmatch(value)
        if not match:
            self.fail(f"{value!r} is not a span such as 30m, 24h or 90d.", param, ctx)
        return int(match[1]) * _SECONDS[match[2]]


class End(click.ParamType[dict[str, Any]]):
    """When a key is to end, as the API calls it: a span from now, or ``never``."""

    name = "end"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        """The member; a usage error for anything else."""
        if isinstance(value, dict):
            return value
        if value == "never":
            return {"expires_at": None}
        return {"expires_in_seconds": Span().convert(value, param, ctx)}


def in_options(error: ActError) -> str:
    """What an act was refused with, in the words of whoever typed a command: options and spans, and no members."""
    option = _OPTIONS.get(error.member, error.member)
    if not error.member or not error.message.startswith(error.member):
        return error.message
    message = option + error.message.removeprefix(error.member)
    if not error.member.endswith("_seconds"):
        return message
    return _BOUNDS.sub(lambda found: f"a span from {_span(int(found[1]))} to {_span(int(found[2]))}", message)


def _span(seconds: int) -> str:
    """Seconds as somebody would type them."""
    unit = next((unit for unit in "dhm" if seconds and seconds % _SECONDS[unit] == 0), "s")
    return f"{seconds // _SECONDS[unit]}{unit}" if seconds else "0"


@contextmanager
def opened(data_dir: str | None, *, may_be_first: bool = False) -> Iterator[Any]:
    """The data directory, opened beside whatever server is running on it; what was done is written at the end.

    Args:
        may_be_first: whether the command makes a data directory where there is none, which it says then.

    Raises:
        NotFound: there is none.
    """
    from keywright import settings as settings_module
    from keywright.build import Keywright, has_begun

    settings = settings_module.load({"data_dir": data_dir})
    begun = has_begun(settings.data_dir)
    if not may_be_first:
        require_begun(settings)
    with Keywright(settings) as keywright:
        keywright.start()
        if not begun:
            click.echo(f"Made the data directory {settings.data_dir.absolute()}.", err=True)
        yield keywright


def require_begun(settings: Any) -> None:
    """See that the data directory is one: a command that only looks makes none, wherever it is typed.

    Raises:
        NotFound: it is not.
        Misconfigured: this user may not look.
    """
    from keywright.build import has_begun
    from keywright.errors import NotFound

    if not has_begun(settings.data_dir):
        raise NotFound(
            f"There is no data directory {settings.data_dir.absolute()}. Name it with --data-dir or KEYWRIGHT_DATA_DIR."
        )


def me() -> Actor:
    """Whoever is at this machine's keyboard."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "unknown"
    return Actor(ActorKind.COMMAND_LINE, name[:64])


def account_id(keywright: Any, reference: str | None) -> str:
    """The id of the account that ``reference`` means. Raises as `account_of` does."""
    found: str = account_of(keywright, reference).id
    return found


def account_of(keywright: Any, reference: str | None) -> Any:
    """The account that ``reference`` means; the operator's if it is None.

    Raises:
        NotFound: there is none.
        Conflict: several have that name.
    """
    from keywright.errors import Conflict, NotFound

    operator = keywright.manager.operator_account()
    if reference is None:
        return operator
    found = [each for each in keywright.manager.accounts(me()) if reference in (each.id, each.name)]
    if not found:
        raise NotFound(f"There is no account {reference!r}. `keywright accounts list` shows them.")
    if len(found) > 1:
        raise Conflict(f"Several accounts are named {reference!r}; use the id.")
    return found[0]


def confirm(question: str, otherwise: str) -> None:
    """Ask, and end the command for any answer but yes (ClickException) or where nobody can be asked (UsageError)."""
    if not (sys.stdin and sys.stderr and sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError("Nobody can be asked here: there is no terminal. Add --yes to go on without asking.")
    if not click.confirm(question, err=True):
        raise click.ClickException(otherwise)
