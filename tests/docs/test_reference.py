"""Everything that can be set, called, asked for or refused is documented, or the build fails."""

from __future__ import annotations

import builtins
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import keywright
from docs.pages import DOCS, ROOT
from house.rules import SOURCE, files
from keywright.adapters.answers import ERRORS
from keywright.cli.main import cli
from keywright.cli.output import ExitCode
from keywright.manage.values import KNOWN_SCOPES
from keywright.reason import Reason
from keywright.settings import TABLE, Setting
from support.servers import Server

GENERATE = (sys.executable, str(DOCS / "generate.py"))


def page(name: str) -> str:
    """A page of the reference."""
    return (DOCS / "reference" / name).read_text("utf-8")


def section(text: str, heading: str) -> str:
    """What stands below a heading, to the next one of any level."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", text, re.DOTALL | re.MULTILINE)
    return found[1] if found else ""


def commands(command: click.Command = cli, path: str = "keywright") -> Iterator[tuple[str, click.Command]]:
    """Every command by its full name."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found
            yield from commands(found, f"{path} {name}")


def test_the_generated_pages_are_current() -> None:
    """What the code knows and what the pages say is the same: ``docs/generate.py`` would change nothing."""
    done = subprocess.run([*GENERATE, "--check"], capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_page_that_is_not_current_is_found(tmp_path: Path) -> None:
    """A number that was changed in the code and not in the pages fails the build, and the page is named."""
    copy = tmp_path / "keywright"
    for file, text in files(SOURCE):
        (copy / file).parent.mkdir(parents=True, exist_ok=True)
        (copy / file).write_text(text.replace("VISIBLE_WITHIN_SECONDS = 2.0", "VISIBLE_WITHIN_SECONDS = 3.0"), "utf-8")
    (copy / "server" / "troubleshooting.md").write_text("", "utf-8")

    done = subprocess.run(
        [*GENERATE, "--check"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
    )

    assert done.returncode == 1
    assert "docs/concepts/usage.md is not current" in done.stdout
    assert "docs/reference/limits-and-times.md is not current" in done.stdout


@pytest.mark.parametrize("setting", TABLE, ids=lambda setting: str(setting.name))
def test_every_setting_is_documented(setting: Setting) -> None:
    """Whoever sets something finds its name, its variable and what it does in one row."""
    row = re.escape(f"| `{setting.name}` | `{setting.variable}` |")

    assert re.search(row + r".*" + re.escape(setting.sentence), page("settings.md"))


@pytest.mark.parametrize(
    ("path", "command"), list(commands()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_command_is_documented(path: str, command: click.Command) -> None:
    """Whoever types a command finds it, and each of its options."""
    text = section(page("commands.md"), path)

    assert text
    assert command.help
    for option in command.get_params(click.Context(command)):
        for name in option.opts if isinstance(option, click.Option) else [option.make_metavar(click.Context(command))]:
            assert name in text


def test_every_exit_code_is_documented() -> None:
    """A script can tell from the page why a command ended."""
    for code in ExitCode:
        assert f"\n| {int(code)} | " in page("commands.md")


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_is_documented(code: str) -> None:
    """Whoever gets an error finds its code, its status, and what to do."""
    assert re.search(rf"^\| `{code}` \| {ERRORS[code][0]} \| \S.+ \|$", page("errors.md"), re.MULTILINE)


def test_every_error_that_is_raised_has_a_code() -> None:
    """No code is sent that is not in the table of errors, in whatever file it is written."""
    named = {
        code for _, text in files() for code in re.findall(r"(?:\bfault|Fault)\(\s*\"([A-Z_]+)\"", text, re.DOTALL)
    }

    assert named <= ERRORS.keys()
    assert len(named) >= len(ERRORS) - 1


def test_every_type_that_is_named_is_shown() -> None:
    """Whoever reads the name of a type on the page of the API finds its members there, and those of errors there."""
    text = page("api.md")
    named = set(re.findall(r"\[(\w+)\]\(api\.md#(\w+)\)", text + page("errors.md")))
    assert len(named) > 5
    for name, anchor in named:
        assert anchor == name.lower()
        assert re.search(r"^\| `\w+` \| \S.+ \|$", section(text, name), re.MULTILINE), name
    assert "| `member` |" in page("errors.md")
    for path in ("/v1/gate", "/v1/gate/{route}", "/.well-known/jwks.json"):
        assert f"| `GET {path}` |" in text


def test_every_error_of_the_library_is_documented() -> None:
    """Whatever a page says that the library raises has an entry of its own."""
    text = page("library.md")
    raised = set(re.findall(r"^- `([A-Z]\w+)`: ", "".join(re.findall(r"Raises:\n\n((?:- .*\n)+)", text)), re.MULTILINE))
    own = {name for name in raised if not hasattr(builtins, name)}
    assert {"NotFound", "Conflict", "InvalidValue"} <= own
    assert own <= set(re.findall(r"^## \S*?(\w+)$", text, re.MULTILINE))


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_documented(reason: Reason) -> None:
    """Whoever verifies in their own program finds every reason there can be."""
    assert re.search(rf"^\| `{reason}` \| \S.+ \|$", page("errors.md"), re.MULTILINE)


@pytest.mark.parametrize("scope", KNOWN_SCOPES)
def test_every_scope_is_documented(scope: str) -> None:
    """Whoever gives a key a scope finds what it allows."""
    assert re.search(rf"^\| `{re.escape(scope)}` \| \S.+ \|$", page("api.md"), re.MULTILINE)


def test_every_scope_that_a_route_asks_for_is_known() -> None:
    """No route asks for a scope that nobody has heard of."""
    asked = {
        scope
        for _, text in files()
        for scope in re.findall(r"(?:require_scope\(|authorise\([^,]+, actor, )\"([^\"]+)\"", text)
    }

    assert asked
    assert asked <= set(KNOWN_SCOPES)


def test_every_route_is_documented(server: Server) -> None:
    """Every method of every path that the server's own document names has a section, with its scope and statuses."""
    document = server.request("GET", "/openapi.json").json()
    operations = [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]

    assert len(operations) >= 14
    for heading, operation in operations:
        text = section(page("api.md"), heading)
        assert "Scope: `" in text, heading
        for status in operation["responses"]:
            assert status in text, (heading, status)
        for parameter in operation.get("parameters", ()):
            assert f"| `{parameter['name']}` |" in text


def test_every_open_route_is_documented(server: Server) -> None:
    """What answers without a key is listed; the root of the server names the same addresses."""
    named = server.request("GET", "/").json()
    paths = [each for each in named.values() if each.startswith("/")]

    assert len(paths) == 4
    for path in [*paths, "/"]:
        assert f"| `GET {path}` |" in page("api.md")
        assert server.request("GET", path).status_code == 200


@pytest.mark.parametrize("name", sorted(set(keywright.__all__) - {"__version__"}))
def test_every_public_name_is_documented(name: str) -> None:
    """Whoever imports a name finds what it promises."""
    text = section(page("library.md"), f"keywright.{name}")

    assert len(text.strip()) > 20


def test_the_version_is_documented() -> None:
    """The library page tells which version it describes."""
    assert json.dumps(keywright.__version__).strip('"') in page("library.md")
