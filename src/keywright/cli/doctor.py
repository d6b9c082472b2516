"""``keywright doctor``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from keywright.cli.common import data_dir_option, json_option, require_begun
from keywright.cli.output import ExitCode, say_json, say_table


@click.command()
@data_dir_option
@json_option
def command(data_dir: str | None, as_json: bool) -> int:
    """Check the installation, and tell where each setting comes from. Exit 1 if something is wrong."""
    from keywright import settings as settings_module
    from keywright.build import Keywright
    from keywright.cli.checks import CHECKS

    settings = settings_module.load({"data_dir": data_dir})
    require_begun(settings)
    with Keywright(settings) as keywright:
        checks = [_checked(name, check, keywright) for name, check in CHECKS.items()]
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


def _checked(name: str, check: Callable[[Any], tuple[bool, str]], keywright: Any) -> dict[str, Any]:
    from keywright.errors import Misconfigured, Unavailable

    try:
        ok, found = check(keywright)
    except (Unavailable, Misconfigured, OSError, ValueError) as error:
        ok, found = False, str(error)
    return {"check": name, "ok": ok, "found": found}


def _value(settings: Any, name: str) -> Any:
    from keywright.settings import BY_NAME

    if BY_NAME[name].secret:
        return None if getattr(settings, name) is None else "(hidden)"
    if name == "key_formats":
        return [each.name for each in settings.key_formats]
    if name == "gate_routes":
        return list(settings.gate_routes)
    value = getattr(settings, name)
    if isinstance(value, tuple):
        return [str(each) for each in value]
    return value if value is None or isinstance(value, int | dict) else str(value)
