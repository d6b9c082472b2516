"""``keywright``: the commands, loaded when they are asked for, and how every one of them ends."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import NoReturn

import click

import keywright
from keywright.cli.common import in_options
from keywright.cli.output import ExitCode, say_error
from keywright.errors import ActError, ActFault, Misconfigured, Unavailable

#: Command → where it is, and what ``--help`` says of it (so that help needs no import).
COMMANDS = {
    "serve": ("serve", "Serve the API."),
    "keys": ("keys", "Create, list, show, rotate, disable, delete keys."),
    "accounts": ("accounts", "Create, list, change and disable accounts."),
    "admin": ("admin", "Members: set up, create, list, let in, take passkeys away."),
    "portal": ("portal", "Let customers manage their own keys."),
    "verify": ("verify", "Verify the key on standard input."),
    "campaigns": ("campaigns", "List trigger campaigns."),
    "db": ("db", "Back up, restore and check the databases."),
    "doctor": ("doctor", "Check the installation."),
}

_EXIT_CODES = {
    ActFault.NOT_FOUND: ExitCode.NOT_FOUND,
    ActFault.CONFLICT: ExitCode.CONFLICT,
    ActFault.INVALID: ExitCode.USAGE,
    ActFault.FORBIDDEN: ExitCode.FORBIDDEN,
    ActFault.CALLER_REFUSED: ExitCode.FORBIDDEN,
}
_ERROR_CODES = {
    ActFault.NOT_FOUND: "NOT_FOUND",
    ActFault.CONFLICT: "CONFLICT",
    ActFault.INVALID: "VALIDATION_ERROR",
    ActFault.FORBIDDEN: "FORBIDDEN",
    ActFault.CALLER_REFUSED: "UNAUTHORIZED",
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used: completion and ``--version`` stay quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"keywright.cli.{COMMANDS[cmd_name][0]}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table itself."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, sentence) for name, (_, sentence) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(keywright.__version__, prog_name="keywright", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show where an unexpected error happened.")
def cli(debug: bool) -> None:
    """Issues, verifies, meters and revokes API keys.

    Settings come from flags, KEYWRIGHT_* variables, keywright.toml, or their defaults, in this order.
    """


def main() -> NoReturn:
    """Run a command and exit with its code; see `ExitCode`."""
    as_json = "--json" in sys.argv
    try:
        result = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        say_error("INTERRUPTED", "Interrupted.", as_json=as_json)
        sys.exit(ExitCode.INTERRUPTED)
    except click.ClickException as error:
        if not as_json and isinstance(error, click.UsageError):
            error.show()
        else:
            code = "USAGE" if isinstance(error, click.UsageError) else "ERROR"
            say_error(code, error.format_message(), as_json=as_json)
        sys.exit(error.exit_code)
    except ActError as error:
        say_error(_ERROR_CODES[error.fault], in_options(error), as_json=as_json)
        sys.exit(_EXIT_CODES[error.fault])
    except Unavailable as error:
        say_error("SERVICE_UNAVAILABLE", str(error), as_json=as_json)
        sys.exit(ExitCode.ERROR)
    except Misconfigured as error:
        say_error("MISCONFIGURED", str(error), as_json=as_json)
        sys.exit(ExitCode.ERROR)
    except OSError as error:
        say_error("ERROR", f"{error}.", as_json=as_json)
        sys.exit(ExitCode.ERROR)
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        say_error(
            "INTERNAL_ERROR", f"{type(error).__name__}: {error}. `keywright --debug` shows where.", as_json=as_json
        )
        sys.exit(ExitCode.ERROR)
    sys.exit(result if isinstance(result, int) else ExitCode.OK)
