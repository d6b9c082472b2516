"""How commands end: the exit codes, errors as sentences or as JSON, and the question before a delete."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.servers import COMMAND, Server, clean_environment

_PATIENCE_SECONDS = 20
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

#: Whatever runs the tests may ignore interrupts, and its children would with it; somebody at a terminal does not.
_HEARS_INTERRUPTS = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """A command with a terminal around it."""

    def __init__(self, server: Server, *arguments: str) -> None:
        self._main, side = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", _HEARS_INTERRUPTS, *COMMAND, *arguments],
            stdin=side,
            stdout=side,
            stderr=side,
            cwd=server.data_dir.parent,
            env=clean_environment(server.data_dir, TERM="xterm", COLUMNS="200"),
            start_new_session=True,
        )
        os.close(side)
        self.shown = ""

    def read_until(self, text: str | None) -> str:
        """What was shown, once it holds ``text``; or all of it, once the command has ended."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (text is None or text not in self.shown) and time.monotonic() < deadline:
            if not select.select([self._main], [], [], 0.2)[0]:
                continue
            try:
                read = os.read(self._main, 4096)
            except OSError:  # the other side is closed: the command has ended
                break
            if not read:
                break
            self.shown += read.decode()
        assert text is None or text in self.shown, self.shown
        return self.shown

    def type(self, text: str) -> None:
        """Type, with the return key where it stands in the text."""
        os.write(self._main, text.encode())

    def interrupt(self) -> None:
        """Press Ctrl-C until it is heard: Python misses one that comes just before it begins to wait for input."""
        for _ in range(_PATIENCE_SECONDS):
            self.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=1)
                return

    def end(self) -> int:
        """The exit code."""
        self.read_until(None)
        code = self.process.wait(timeout=_PATIENCE_SECONDS)
        os.close(self._main)
        return code


def _names(server: Server) -> list[str]:
    return [each["name"] for each in json.loads(server.command("keys", "list", "--json").stdout)]


ERRORS: Sequence[tuple[tuple[str, ...], int, str]] = (
    (("keys", "show", "nobody's"), 3, "NOT_FOUND"),
    (("keys", "rotate", "nobody's"), 3, "NOT_FOUND"),
    (("keys", "disable", "nobody's"), 3, "NOT_FOUND"),
    (("keys", "enable", "nobody's"), 3, "NOT_FOUND"),
    (("keys", "delete", "nobody's", "--yes"), 3, "NOT_FOUND"),
    (("keys", "show", "key_000000000"), 3, "NOT_FOUND"),
    (("keys", "show", ""), 3, "NOT_FOUND"),
    (("keys", "show", "lwa.sk_live_...zzzz"), 3, "NOT_FOUND"),
    (("keys", "list", "--account", "nobody"), 3, "NOT_FOUND"),
    (("keys", "create", "x", "--account", "nobody"), 3, "NOT_FOUND"),
    (("keys", "create", "x", "--account", ""), 3, "NOT_FOUND"),
    (("campaigns", "list", "--account", "nobody"), 3, "NOT_FOUND"),
    (("keys", "create", ""), 2, "VALIDATION_ERROR"),
    (("keys", "create", "   "), 2, "VALIDATION_ERROR"),
    (("keys", "create", "a\x1b[31mb"), 2, "VALIDATION_ERROR"),
    (("keys", "create", "a\u202eb"), 2, "VALIDATION_ERROR"),
    (("keys", "create", "x" * 256), 2, "VALIDATION_ERROR"),
    (("keys", "create", "x", "--format", "nope"), 2, "VALIDATION_ERROR"),
    (("keys", "create", "x", "--format", ""), 2, "VALIDATION_ERROR"),
    (("keys", "create", "x", "--environment", "production"), 2, "VALIDATION_ERROR"),
    (("keys", "create", "x", "--environment", ""), 2, "VALIDATION_ERROR"),
    (("keys", "create", "x", "--format", "ss", "--environment", "test"), 2, "VALIDATION_ERROR"),
    (("keys", "create", "x", "--scope", ""), 2, "VALIDATION_ERROR"),
    (("keys", "create", "x", "--scope", "All of it"), 2, "VALIDATION_ERROR"),
    (("keys", "create", "x", "--limit", "lots"), 2, "VALIDATION_ERROR"),
    (("keys", "create", "x", "--limit", "none", "--limit", "5/m"), 2, "USAGE"),
    (("keys", "create", "x", "--limit", ""), 2, "VALIDATION_ERROR"),
    (("keys", "create", "x", "--network", "localhost"), 2, "VALIDATION_ERROR"),
    (("keys", "create", "x", "--network", "10.0.0.1/8"), 2, "VALIDATION_ERROR"),
    (("keys", "create", "x", "--expires", "0"), 2, "VALIDATION_ERROR"),
    (("keys", "create", "x", "--expires", "999999999w"), 2, "VALIDATION_ERROR"),
    (("keys", "create", "x", "--expires", "soon"), 2, "USAGE"),
    (("keys", "create", "x", "--expires", "-1d"), 2, "USAGE"),
    (("keys", "create", "x", "--expires", ""), 2, "USAGE"),
    (("keys", "create"), 2, "USAGE"),
    (("keys", "create", "x", "y"), 2, "USAGE"),
    (("keys", "create", "x", "--bogus"), 2, "USAGE"),
    (("keys", "show"), 2, "USAGE"),
    (("keys", "nope"), 2, "USAGE"),
    (("nope",), 2, "USAGE"),
    (("accounts", "create", "\x07"), 2, "VALIDATION_ERROR"),
    (("accounts", "create"), 2, "USAGE"),
    (("serve", "--port", "0"), 1, "MISCONFIGURED"),
    (("serve", "--port", "http"), 1, "MISCONFIGURED"),
    (("serve", "--tls-cert", "/nowhere.pem"), 1, "MISCONFIGURED"),
    (("serve", "--tls-cert", "/nowhere.pem", "--tls-key", "/nowhere.key"), 1, "MISCONFIGURED"),
    (("keys", "create", "x", "--data-dir", "/proc/nowhere"), 1, "MISCONFIGURED"),
)


#: What somebody typed → what they are told, in the words of what they can type: no members of the API.
SAID: dict[tuple[str, ...], str] = {
    ("--scope", "All of it"): "--scope: 'All of it' is not a scope such as keys:read.",
    ("--limit", "lots"): "--limit: 'lots' is not a limit: write it as",
    ("--limit", "5/m"): "--limit none is no limit at all: it cannot stand beside another.",
    ("--network", "10.0.0.1/8"): "--network: '10.0.0.1/8' is an address with a length. Its network is 10.0.0.0/8.",
    ("--expires", "0"): "--expires must be a span from 1s to 36600d.",
}


@pytest.mark.parametrize(
    ("arguments", "code", "error"), ERRORS, ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else ""
)
def test_an_error_ends_with_its_code_and_is_json_where_json_was_asked_for(
    server: Server, arguments: tuple[str, ...], code: int, error: str
) -> None:
    """Scripts tell errors apart by the exit code, and with `--json` read them in the shape the API uses. What is
    said speaks of options and spans, and never of members of the API, which nobody typed."""
    done = server.command(*arguments, *(() if arguments[0] == "serve" else ("--json",)))

    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    if arguments[0] == "serve":
        assert done.stderr.startswith("Error: ")
        return
    said = json.loads(done.stderr)
    assert list(said) == ["error", "message", "timestamp"]
    assert said["error"] == error
    assert said["message"].startswith(SAID.get(arguments[-2:], ""))
    assert _TIME.fullmatch(said["timestamp"])


def test_an_error_is_one_sentence_where_people_read(server: Server) -> None:
    """Without `--json` an error is a sentence on standard error, and what to do about it."""
    done = server.command("keys", "list", "--account", "nobody")

    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr == "Error: There is no account 'nobody'. `keywright accounts list` shows them.\n"


def test_a_name_that_two_keys_have_is_a_conflict(server: Server) -> None:
    """Exit 6: a name that several keys have never means one of them by chance."""
    account = server.account("Twins")
    for _ in range(2):
        server.key("Twin", "--account", account)

    done = server.command("keys", "delete", "Twin", "--yes", "--account", account, "--json")

    assert done.returncode == 6
    assert json.loads(done.stderr)["error"] == "CONFLICT"
    assert len(json.loads(server.command("keys", "list", "--account", account, "--json").stdout)) == 2


def test_rotating_twice_is_a_conflict_that_names_the_successor(server: Server) -> None:
    """Exit 6: a second rotation by mistake makes no third key."""
    made = server.key("Rotated twice")
    successor = json.loads(server.command("keys", "rotate", made["id"], "--json").stdout)
    server.canaries.append(successor["key"])

    done = server.command("keys", "rotate", made["id"])

    assert done.returncode == 6
    assert successor["id"] in done.stderr


def test_a_delete_that_can_ask_nobody_deletes_nothing_and_names_the_flag(server: Server) -> None:
    """Exit 2: a script that forgot `--yes` is told so, and no key is lost; not even where input says y."""
    made = server.key("Asked for in vain")

    for stdin in (None, "y\n"):
        done = server.command("keys", "delete", made["id"], stdin=stdin)
        assert done.returncode == 2
        assert "--yes" in done.stderr
        assert done.stdout == ""
    assert "--yes" in json.loads(server.command("keys", "delete", made["id"], "--json").stderr)["message"]
    assert "Asked for in vain" in _names(server)


def test_a_closed_standard_input_is_no_fault(server: Server) -> None:
    """Programs started without a standard input get the same answers, never a traceback."""
    made = server.key("No input")

    for arguments, code in ((("verify",), 5), (("keys", "delete", made["id"]), 2)):
        done = subprocess.run(
            ["sh", "-c", 'exec "$@" <&-', "sh", *COMMAND, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env=clean_environment(server.data_dir),
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr


def test_delete_with_yes(server: Server) -> None:
    """`--yes` deletes without a word on standard output; with `--json` it says what."""
    first, second = server.key("Deleted"), server.key("Deleted as JSON")

    plain = server.command("keys", "delete", first["id"], "--yes")
    as_json = server.command("keys", "delete", second["id"], "--yes", "--json")

    assert (plain.returncode, plain.stdout, plain.stderr) == (0, "", f"Deleted {first['id']}.\n")
    assert json.loads(as_json.stdout) == {"id": second["id"], "deleted": True}
    assert server.command("keys", "delete", first["id"], "--yes").returncode == 3


def test_s54_delete_asks_and_says_what_stops_working(server: Server) -> None:
    """At a terminal the question names the key and the consequence; n and Return keep it, y deletes it."""
    made = server.key("Asked about")

    for typed in ("n\r", "\r"):
        terminal = Terminal(server, "keys", "delete", made["id"])
        question = terminal.read_until("[y/N]")
        assert "Asked about" in question
        assert "401" in question
        terminal.type(typed)
        assert terminal.end() == 1
        assert "Nothing was deleted" in terminal.shown
        assert "Asked about" in _names(server)

    terminal = Terminal(server, "keys", "delete", made["id"])
    terminal.read_until("[y/N]")
    terminal.type("y\r")
    assert terminal.end() == 0
    assert "Asked about" not in _names(server)
    assert server.request("GET", "/v1/account", made["key"]).status_code == 401


def test_an_interrupted_question_deletes_nothing(server: Server) -> None:
    """Exit 130: whoever interrupts at the question keeps the key."""
    made = server.key("Interrupted")
    terminal = Terminal(server, "keys", "delete", made["id"])
    terminal.read_until("[y/N]")

    terminal.interrupt()

    assert terminal.end() == 130
    assert "Traceback" not in terminal.shown
    assert "Interrupted" in _names(server)


def test_at_a_terminal_create_shows_the_key_once_and_says_so(server: Server) -> None:
    """Whoever makes a key by hand is told that this is the only time."""
    terminal = Terminal(server, "keys", "create", "By hand")

    assert terminal.end() == 0
    key = re.search(r"lwa\.sk_live_[0-9A-Za-z]{32}", terminal.shown)
    assert key is not None
    server.canaries.append(key[0])
    assert "once" in terminal.shown
    assert terminal.shown.count(key[0]) == 1


def test_a_key_that_cannot_be_written_out_is_named(server: Server) -> None:
    """Where the disk behind standard output is full the key is lost: the sentence says which to delete."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "keys", "create", "Lost"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
            env=clean_environment(server.data_dir),
        )

    assert done.returncode == 1
    lost = re.search(r"key_[0-9A-Za-z]{9}", done.stderr)
    assert lost is not None
    assert server.command("keys", "delete", lost[0], "--yes").returncode == 0


def test_nothing_that_is_stored_can_steer_a_terminal(server: Server) -> None:
    """Escape sequences and text-direction characters in a caller's own data are shown as what they are."""
    hostile = "a\x1b[31mb\x9b31mc\u202ed\u2066e\x7ff\u2028g"
    made = server.key("Steering")
    changed = server.request(
        "PATCH", f"/v1/account/api-keys/{made['id']}", made["key"], json={"metadata": {"x": hostile}}
    )
    assert changed.status_code == 200
    named = server.request("POST", "/api/campaigns", made["key"], json={"name": "a\u202eb"})
    assert named.status_code == 422

    for arguments in (("keys", "show", made["id"]), ("keys", "show", made["id"], "--json"), ("keys", "list", "--json")):
        piped = server.command(*arguments)
        terminal = Terminal(server, *arguments)
        assert terminal.end() == 0
        for text in (piped.stdout.replace("\n", "").replace("\t", ""), _without_colours(terminal.shown)):
            assert [c for c in text if not c.isprintable()] == []
    shown = json.loads(server.command("keys", "show", made["id"], "--json").stdout)
    assert shown["metadata"] == {"x": hostile}


def _without_colours(shown: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", shown).replace("\r\n", "")


def test_a_terminal_shows_brackets_as_they_are(server: Server) -> None:
    """A name such as [bold red] is a name, not an instruction to the table."""
    made = server.key("[bold red]x[/] [link=http://a]y[/link]")

    terminal = Terminal(server, "keys", "show", made["id"])

    assert terminal.end() == 0
    assert "[bold red]x[/] [link=http://a]y[/link]" in terminal.shown


@pytest.mark.parametrize("flag", ["--version", "--help"])
def test_version_and_help_take_at_most_100_ms_of_cpu(flag: str) -> None:
    """Completion and scripts call these all the time; they must not load what they do not use."""
    spent = []
    for _ in range(5):
        process = subprocess.Popen([*COMMAND, flag], stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        spent.append(used.ru_utime + used.ru_stime)

    assert min(spent) <= 0.100


@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("keys", "--help"), ("keys", "create", "--help")])
def test_version_and_help_load_no_library_that_they_do_not_need(arguments: tuple[str, ...]) -> None:
    """Neither tables, nor the database, nor the web are loaded where nothing is drawn, stored or served."""
    heavy = ("rich", "sqlalchemy", "alembic", "fastapi", "starlette", "pydantic", "uvicorn", "structlog", "pysqlite3")
    program = (
        f"import sys; sys.argv = ['keywright', *{arguments!r}]\n"
        "from keywright.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        f"print('LOADED', [name for name in {heavy!r} if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.splitlines()[-1] == "LOADED []"
