"""A real server, the smallest conversation with it."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from keywright.cli.whereabouts import Announcement, Whereabouts, of_server
from support.mutants import assert_caught
from support.servers import COMMAND, Server, clean_environment, running, start
from support.waiting import eventually

HERE = "tests/faces/test_server_starts.py"
#: What commands go by where nobody says where a server is.
_DEFAULT = "http://127.0.0.1:8460"


def typed(place: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A command as it is typed in another terminal, elsewhere: without flags, variables and files of the server's."""
    environment = clean_environment(place)
    del environment["KEYWRIGHT_DATA_DIR"]
    return subprocess.run(
        command, cwd=place, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip


def greeted(server: Server, line: str) -> tuple[str, ...]:
    """The command that stands behind these words in the greeting."""
    found = eventually(lambda: re.search(rf"^{re.escape(line)} +(.+)$", server.log.read_text(), re.MULTILINE), 20)
    assert found
    return tuple(shlex.split(found[1]))


def test_the_commands_of_the_greeting_work_where_they_are_typed(tmp_path: Path) -> None:
    """Whatever the server was started with, its greeting's commands go to its directory and its port, from anywhere."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with running(tmp_path / "some where" / "data") as server:
        made = typed(elsewhere, *greeted(server, "Make a key:"))
        again = typed(elsewhere, *greeted(server, "Lost it?"))
        assert made.stderr == ""
        assert server.request("GET", "/v1/account", made.stdout.strip()).status_code == 200
        assert again.stdout.startswith(f"{server.url}/setup#")
        server.canaries.append(made.stdout.strip())
    assert list(elsewhere.iterdir()) == []
    assert not list(server.data_dir.glob("serving-*"))


def test_a_server_that_was_killed_is_not_where_links_lead(data_dir: Path) -> None:
    """What a killed server has left behind is not believed, and goes when the next one starts."""
    server = start(data_dir)
    lost = greeted(server, "Lost it?")
    server.process.kill()
    server.process.wait(timeout=20)
    assert len(list(data_dir.glob("serving-*"))) == 1
    assert typed(data_dir, *lost).stdout.startswith(f"{_DEFAULT}/setup#")
    with Announcement(data_dir) as next_one:
        next_one.make(Whereabouts(server.url, "127.0.0.1", 1, tls=False))
        assert of_server(data_dir) == Whereabouts(server.url, "127.0.0.1", 1, tls=False)
        assert len(list(data_dir.glob("serving-*"))) == 1
    assert of_server(data_dir) is None


@pytest.mark.parametrize("command", ["keys list", "doctor", "verify", "admin setup-token", "db restore x --yes"])
def test_a_command_that_only_looks_makes_nothing(tmp_path: Path, command: str) -> None:
    """Where there is no data directory none is made, and the sentence says how to name one."""
    done = typed(tmp_path, *COMMAND, *command.split())
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1 if "db" in command else 3, "", 1)
    assert str(tmp_path / "data") in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_first_command_says_what_it_makes(tmp_path: Path) -> None:
    """A command that makes the first thing makes the directory, too, says so once, and only on standard error."""
    first, second = (typed(tmp_path, *COMMAND, "accounts", "create", name) for name in ("One", "Two"))
    assert first.stderr == f"Made the data directory {tmp_path / 'data'}.\n"
    assert re.fullmatch(r"acc_\w{9}\n", first.stdout)
    assert (second.returncode, second.stderr) == (0, "")


GUESSES = {
    "a_command_that_only_looks_makes_nothing[keys list]": ("common", "    if not may_be_first:\n", "    if False:\n"),
    "a_server_that_was_killed_is_not_where_links_lead": ("whereabouts", "if _is_held(file.fileno()):", "if True:"),
}


@pytest.mark.planted
@pytest.mark.parametrize("test", GUESSES)
def test_a_command_that_guesses_is_caught(tmp_path: Path, test: str) -> None:
    """Mutants: a directory is made by whoever looks; a file is believed whose server is gone."""
    module, old, new = GUESSES[test]
    assert_caught(tmp_path, f"cli/{module}.py", old, new, f"{HERE}::test_{test}")
