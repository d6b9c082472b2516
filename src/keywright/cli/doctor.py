"""``keywright doctor``."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import click

from keywright.cli.common import data_dir_option, json_option
from keywright.cli.output import ExitCode, say_json, say_table


@click.command()
@data_dir_option
@json_option
def command(data_dir: str | None, as_json: bool) -> int:
    """Check the installation, and tell where each setting comes from. Exit 1 if something is wrong."""
    from keywright import settings as settings_module
    from keywright.build import Keywright

    settings = settings_module.load({"data_dir": data_dir})
    with Keywright(settings) as keywright:
        checks = [_checked(name, check) for name, check in _checks(keywright)]
    shown = [
        {"name": name, "value": _value(settings, name), "origin": settings.origins[name]} for name in settings.origins
    ]
    healthy = all(check["ok"] for check in checks)
    if as_json:
        say_json({"ok": healthy, "checks": checks, "settings": shown})
    else:
        say_table(
            ("check", "", ""), [(each["check"], "ok" if each["ok"] else "WRONG", each["found"]) for each in checks]
        )
        click.echo()
        say_table(("setting", "value", "from"), [list(each.values()) for each in shown])
    return ExitCode.OK if healthy else ExitCode.ERROR


def _checks(keywright: Any) -> Iterator[tuple[str, Callable[[], tuple[bool, str]]]]:
    directory = keywright.settings.data_dir

    def private() -> tuple[bool, str]:
        mode = directory.stat().st_mode & 0o777
        return mode & 0o077 == 0, f"{directory} has mode {mode:o}; others should have no rights (chmod 700)"

    def free() -> tuple[bool, str]:
        from keywright.server.ready import LEAST_FREE_BYTES

        left = shutil.disk_usage(directory).free
        return left > LEAST_FREE_BYTES, f"{left // 2**20} MiB free"

    def sqlite() -> tuple[bool, str]:
        from pysqlite3 import dbapi2

        return True, f"SQLite {dbapi2.sqlite_version}"

    def integrity() -> tuple[bool, str]:
        found = keywright.store.integrity()
        return found == "ok", found

    def feed() -> tuple[bool, str]:
        return True, f"version {keywright.store.version()}"

    def operator() -> tuple[bool, str]:
        return True, str(keywright.manager.operator_account().id)

    yield "data directory is private", private
    yield "room on disk", free
    yield "database engine", sqlite
    yield "database is whole", integrity
    yield "change feed", feed
    yield "operator account", operator


def _checked(name: str, check: Callable[[], tuple[bool, str]]) -> dict[str, Any]:
    from keywright.errors import Unavailable

    try:
        ok, found = check()
    except (Unavailable, OSError) as error:
        ok, found = False, str(error)
    return {"check": name, "ok": ok, "found": found}


def _value(settings: Any, name: str) -> Any:
    if name == "master_secret":
        return None if settings.master_secret is None else "(hidden)"
    if name == "key_formats":
        return [each.name for each in settings.key_formats]
    value = getattr(settings, name)
    if isinstance(value, tuple):
        return [str(each) for each in value]
    return value if value is None or isinstance(value, int | dict) else str(value)
