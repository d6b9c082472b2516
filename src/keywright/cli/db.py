"""``keywright db``."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import click

import keywright
from keywright.cli.common import confirm, data_dir_option, json_option, me
from keywright.cli.output import ExitCode, say_json, say_table


@click.group()
def command() -> None:
    """Back up, restore and check the databases of a data directory."""


@command.command()
@click.argument("directory", type=click.Path(path_type=Path))
@data_dir_option
@json_option
def backup(directory: Path, data_dir: str | None, as_json: bool) -> None:
    """Copy the databases into a new DIRECTORY, also while servers run.

    The master secret is not in it: keep that in another place.
    """
    from keywright.build import LIMITS_FILE, MASTER_SECRET_FILE
    from keywright.clock import SystemClock
    from keywright.upkeep.backup import back_up

    settings = _settings(data_dir)
    records, usage, resources = databases()
    # The keys last: then nothing in the backup is of a key or account that it does not know.
    manifest = back_up(settings.data_dir, directory, (usage, resources, records), keywright.__version__, SystemClock())
    secret = settings.master_secret_file or settings.data_dir / MASTER_SECRET_FILE
    where = "the setting master_secret" if settings.master_secret is not None else str(secret)
    if as_json:
        say_json({"backup": str(directory), **manifest.members(), "master_secret": where})
        return
    click.echo(str(directory))
    click.echo(
        f"The master secret ({where}) is not in it. Keep that in another place: without it no key of this", err=True
    )
    click.echo("backup can be verified, and whoever has both has everything.", err=True)
    click.echo(f"Not in it either: your settings, and the counters of limits ({LIMITS_FILE}).", err=True)


@command.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--lose-later-deletions", is_flag=True, help="Go on where the database is damaged or missing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@data_dir_option
@json_option
def restore(directory: Path, lose_later_deletions: bool, yes: bool, data_dir: str | None, as_json: bool) -> None:
    """Put the backup in DIRECTORY back, also while servers run: they notice at once.

    Keys that were deleted after the backup stay deleted, and narrowed ones narrowed; keys made after it are gone. Where
    the database is damaged or missing, that cannot be known. Asks first; --yes does not.
    """
    from keywright.build import LIMITS_FILE, master_secret, prepare_directory, require_safe_place
    from keywright.clock import SystemClock
    from keywright.upkeep.restore import Restoring

    settings = _settings(data_dir)
    if not yes:
        question = f"Put {directory} in the place of what is in {settings.data_dir}? Keys made after it stop working."
        confirm(question, "Nothing was changed.")
    require_safe_place(settings.data_dir)
    # Before the directory is made: without the secret there is nothing to make it for.
    secret = master_secret(settings, make=False)
    prepare_directory(settings.data_dir)
    restoring = Restoring(settings, secret, databases(), settings.data_dir / LIMITS_FILE, me(), SystemClock())
    report = restoring.run(directory, lose_later_deletions=lose_later_deletions)
    if as_json:
        say_json(report.members())
        return
    say_table(("", ""), list(report.members().items()))
    if report.later_deletions_lost:
        click.echo(
            f"Keys that were deleted after {report.made_at} are alive again: nothing was there that knew of them.",
            err=True,
        )


@command.command()
@click.argument("directory", type=click.Path(path_type=Path), required=False)
@data_dir_option
@json_option
def check(directory: Path | None, data_dir: str | None, as_json: bool) -> int:
    """Check the databases of the data directory, or the backup in DIRECTORY.

    Exit 1 with a line for each thing that is wrong.
    """
    from keywright.build import LIMITS_FILE
    from keywright.upkeep import check as checks
    from keywright.upkeep.manifest import MANIFEST_FILE

    settings = _settings(data_dir)
    checked = directory or settings.data_dir
    if directory is not None and (directory / MANIFEST_FILE).exists():
        found = checks.check_backup(directory, databases(), _secret(settings))
    else:
        _require_directory(checked)
        own = directory is None or directory.resolve() == settings.data_dir.resolve()
        secret = _secret(settings) if own else None
        found = checks.check_data_directory(checked, databases(), checked / LIMITS_FILE, secret)
    problems = [each._asdict() for each in found]
    if as_json:
        say_json({"ok": not problems, "checked": str(checked), "problems": problems})
    elif problems:
        say_table(("file", "what is wrong"), [list(each.values()) for each in problems])
    else:
        click.echo(f"{checked}: nothing is wrong", err=True)
    return ExitCode.ERROR if problems else ExitCode.OK


def _settings(data_dir: str | None) -> Any:
    from keywright import settings as settings_module

    return settings_module.load({"data_dir": data_dir})


def databases() -> tuple[Any, Any, Any]:
    """The databases: the keys, what they do, and what the resource APIs keep."""
    from keywright.reference import storage
    from keywright.stores.restore import restore_rows
    from keywright.upkeep.parts import RECORDS, USAGE, Part

    def replace(file: Any, copy: Path) -> None:
        restore_rows(file, copy, storage.metadata)

    return RECORDS, USAGE, Part(storage.RESOURCES_FILE, "resource store", storage.Resources, replace, migrated=False)


def _secret(settings: Any) -> Any:
    """The master secret; None where it is not at hand: a backup is often looked at where the secret is not."""
    from keywright.build import master_secret
    from keywright.errors import Misconfigured

    with suppress(Misconfigured):
        return master_secret(settings, make=False)
    return None


def _require_directory(path: Path) -> None:
    from keywright.errors import NotFound

    if not path.is_dir():
        raise NotFound(f"There is no directory {path}.")
