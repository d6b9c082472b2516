"""Starting where something is broken, missing, or being made by somebody else at the same moment."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support import faults
from support.servers import COMMAND, Server, clean_environment, free_port, start

PATIENCE_SECONDS = 20
#: How a server ends that was asked to.
ENDED = (0,)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that was served and stopped; to be copied."""
    server = start(tmp_path_factory.mktemp("stopped") / "data")
    server.key("Before the fault")
    assert server.stop() in ENDED
    return server.data_dir


@pytest.fixture
def copy(stopped: Path, tmp_path: Path) -> Path:
    """A copy to be broken."""
    return Path(shutil.copytree(stopped, tmp_path / "data"))


def _run(data_dir: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
        cwd=data_dir.parent,
        env=clean_environment(data_dir, **environment),
    )


def _garbage(path: Path) -> None:
    path.write_bytes(os.urandom(8192))


def _cut(path: Path) -> None:
    os.truncate(path, 100)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _missing(path: Path) -> None:
    path.unlink()


def _readable(path: Path) -> None:
    path.chmod(0o644)


def _another(path: Path) -> None:
    path.write_text("1:" + "0" * 64 + "\n")


BROKEN: tuple[tuple[str, Callable[[Path], None]], ...] = (
    ("keywright.db", _garbage),
    ("keywright.db", _cut),
    ("keywright.db", _directory),
    ("usage.db", _garbage),
    ("usage.db", _cut),
    ("resources.db", _garbage),
    ("resources.db", _directory),
    ("limits.table", _garbage),
    ("limits.table", _empty),
    ("limits.table", _directory),
    ("coherence.nonce", _empty),
    ("coherence.nonce", _cut),
    ("coherence.nonce", _directory),
    ("master.secret", _garbage),
    ("master.secret", _empty),
    ("master.secret", _cut),
    ("master.secret", _directory),
    ("master.secret", _missing),
    ("master.secret", _readable),
    ("master.secret", _another),
)


@pytest.mark.parametrize(("name", "breaks"), BROKEN, ids=[f"{name} {breaks.__name__[1:]}" for name, breaks in BROKEN])
def test_a_broken_file_at_start_is_a_sentence_that_names_it(
    copy: Path, name: str, breaks: Callable[[Path], None]
) -> None:
    """A server that cannot be right does not serve: one sentence about what is wrong, exit 1, no traceback."""
    breaks(copy / name)

    done = _run(copy, "serve", "--port", str(free_port()))

    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    subject = {"keywright.db": "key store", "usage.db": "usage store", "resources.db": "resource store"}.get(name, name)
    assert subject in done.stderr or "master secret" in done.stderr
    assert done.stdout == ""


SETTINGS: tuple[tuple[str, dict[str, str]], ...] = (
    ("workers = 'x'", {}),
    ("port = ", {}),
    ("prot = 8460", {}),
    ("default_limit = '100'", {}),
    ("[[key_formats]]\nname = 'acme'", {}),
    ("default_format = 'acme'", {}),
    ("", {"KEYWRIGHT_DEFAULT_LIMIT": "lots"}),
    ("", {"KEYWRIGHT_KEY_FORMATS": "{"}),
    ("", {"KEYWRIGHT_KEY_FORMATS": '[{"name": "acme", "prefix": "ss_"}]'}),
    ("", {"KEYWRIGHT_SURFACES": "[1]"}),
    ("", {"KEYWRIGHT_TRUSTED_PROXIES": "everybody"}),
    ("", {"KEYWRIGHT_WORKERS": "0"}),
    ("", {"KEYWRIGHT_MASTER_SECRET": "1:short"}),
    ("", {"KEYWRIGHT_MASTER_SECRET_FILE": "/nowhere/at/all"}),
    ("", {"KEYWRIGHT_CONFIG": "/nowhere/at/all.toml"}),
    ("", {"KEYWRIGHT_DATA_DIR": "/proc/nowhere"}),
    ("", {"KEYWRIGHT_TLS_CERT": "/nowhere.pem", "KEYWRIGHT_TLS_KEY": "/nowhere.key"}),
)


@pytest.mark.parametrize(("text", "environment"), SETTINGS, ids=[f"{e[0]}{e[1]}"[:60] for e in SETTINGS])
def test_a_setting_that_cannot_be_used_is_a_sentence_that_names_it(
    copy: Path, text: str, environment: dict[str, str]
) -> None:
    """A misspelt or impossible setting stops the start: it is never ignored, and never a traceback."""
    (copy.parent / "keywright.toml").write_text(text)

    done = _run(copy, "serve", "--port", str(free_port()), **environment)

    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["usage.db", "resources.db", "limits.table", "coherence.nonce"])
def test_a_missing_file_that_holds_no_authority_is_made_anew(copy: Path, name: str) -> None:
    """What can be made again is: the keys work on, whichever of the lesser files is lost."""
    (copy / name).unlink()

    listed = _run(copy, "keys", "list", "--json")
    server = start(copy)

    assert [each["name"] for each in json.loads(listed.stdout)] == ["Before the fault"]
    assert server.request("GET", "/readyz").status_code == 200
    assert server.stop() in ENDED


def test_a_start_on_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    """A first start that finds no room says so; the next one, with room, works on what is there."""
    with faults.small_disk(tmp_path / "disk", "6m") as disk:
        with faults.full(disk):
            done = _run(disk / "data", "keys", "create", "No room")
        assert done.returncode == 1
        assert done.stderr.startswith("Error: ")
        assert "Traceback" not in done.stderr

        assert _run(disk / "data", "keys", "create", "Room").returncode == 0


def test_two_starts_at_once_on_a_fresh_directory_serve_the_same_keys(tmp_path: Path) -> None:
    """Two servers that both believe to be the first make one database, one operator account, one sample campaign."""
    data_dir = tmp_path / "data"
    with ThreadPoolExecutor(3) as pool:
        servers = list(pool.map(lambda _: start(data_dir), range(3)))
    try:
        key = servers[0].key("Everywhere")["key"]
        assert [each.request("GET", "/v1/account", key).status_code for each in servers] == [200, 200, 200]
        assert len(json.loads(servers[1].command("accounts", "list", "--json").stdout)) == 1
        assert len(json.loads(servers[2].command("campaigns", "list", "--json").stdout)) == 1
        assert not [each.name for each in data_dir.iterdir() if each.name.startswith(".")], "a draft was left behind"
    finally:
        for each in servers:
            each.process.send_signal(signal.SIGTERM)
    assert {each.process.wait(timeout=40) for each in servers} <= set(ENDED)


def test_many_commands_at_once_on_a_fresh_directory_all_work(tmp_path: Path) -> None:
    """Commands that race to make the data directory all find it made, each exactly once."""
    data_dir = tmp_path / "data"
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda number: _run(data_dir, "keys", "create", f"Key {number}"), range(8)))

    assert [each.returncode for each in done] == [0] * 8, [each.stderr for each in done]
    assert len({each.stdout for each in done}) == 8
    assert len(json.loads(_run(data_dir, "keys", "list", "--json").stdout)) == 8
    assert len(json.loads(_run(data_dir, "accounts", "list", "--json").stdout)) == 1


def test_a_port_that_is_taken_is_said_without_a_traceback(server: Server, tmp_path: Path) -> None:
    """The commonest failed start ends in a sentence that holds the port, and exit 1."""
    taken = server.url.rpartition(":")[2]

    done = _run(tmp_path / "data", "serve", "--port", taken)

    assert done.returncode == 1
    sentence = f"Error: 127.0.0.1:{taken} cannot be listened on: Address already in use. Choose another host or port."
    assert done.stderr == sentence + "\n"
