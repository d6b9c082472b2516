"""Running the examples of a page: its blocks in order, by one shell, in a directory of its own."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from docs.pages import ROOT, Block, blocks
from keywright import Keywright
from keywright.settings import load
from support.servers import clean_environment, free_port, running

SERVER = "127.0.0.1:8460"
_OTHER_PORT = re.compile(r"127\.0\.0\.1:(\d+)")
_EXPECTED = re.compile(r"\s+# → (.+)$")
#: What a shell is told first. `make` has done its work already: it is only asked whether it knows the target.
_PRELUDE = """
make() {{ command make --directory {root} --dry-run "$@"; }}
trap 'kill $(jobs -p) 2>/dev/null' EXIT
"""
_WAIT = "for _ in $(seq 200); do curl --silent --output wait.out http://127.0.0.1:{port}/ && break; sleep 0.05; done"


class Step(NamedTuple):
    """One command: where it stands, what the shell is told, and what its output must hold."""

    line: int
    command: str
    expected: str


def steps(text: str) -> Iterator[Step]:
    """The commands of a page. A Python block is one command."""
    for block in blocks(text):
        if block.language == "sh":
            yield from _commands(block)
        elif block.language == "python" and not block.attribute:
            yield Step(block.line, f"python -W error -c {shlex.quote(block.text)}", "")


def _commands(block: Block) -> Iterator[Step]:
    pending = ""
    for number, line in enumerate(block.text.splitlines(), block.line):
        pending += line
        if pending.endswith("\\") or pending.count("'") % 2:
            pending += "\n"
            continue
        expected = _EXPECTED.search(pending)
        if pending.strip():
            yield Step(number, _EXPECTED.sub("", pending), expected[1] if expected else "")
        pending = ""


def files(text: str) -> dict[str, str]:
    """The files that a page tells its reader to write."""
    found = {}
    for block in blocks(text):
        if block.language == "toml":
            found["keywright.toml"] = block.text
        elif block.language == "python" and block.attribute:
            found[block.attribute.removeprefix("file=")] = block.text
    return found


def failures(text: str, directory: Path) -> list[str]:
    """Run a page's examples in ``directory``; what did not go as the page says."""
    (directory / ".venv").symlink_to(sys.prefix)
    for file, content in files(text).items():
        (directory / file).write_text(content, "utf-8")
    told = list(steps(text))
    with ExitStack() as stack:
        ports = {port: str(free_port()) for step in told for port in _OTHER_PORT.findall(step.command)}
        if any(SERVER in step.command for step in told):
            server = stack.enter_context(running(directory / "data"))
            ports[SERVER.rpartition(":")[2]] = server.url.rpartition(":")[2]
        else:
            # Whoever reads on after the first key has a data directory.
            Keywright(load({"data_dir": str(directory / "data")}, environment={})).close()
        _run([_with_ports(step, ports) for step in told], directory)
    return [failure for number, step in enumerate(told) for failure in _failures(step, directory, number)]


def _with_ports(step: Step, ports: dict[str, str]) -> str:
    command = step.command
    for documented, real in ports.items():
        command = command.replace(documented, real)
    waiting = re.search(r"(?:--port |:)(\d+) &$", command.strip())
    return f"{command}\n{_WAIT.format(port=waiting[1])}" if waiting else command


def _run(commands: list[str], directory: Path) -> None:
    script = _PRELUDE.format(root=shlex.quote(str(ROOT)))
    for number, command in enumerate(commands):
        # A group in braces runs in the shell itself: variables that it sets are there for the next.
        script += f"{{\n{command}\n}} > out.{number} 2>&1\necho $? > code.{number}\n"
    environment = clean_environment(directory / "data")
    # The default is the directory the reader has: ./data.
    del environment["KEYWRIGHT_DATA_DIR"]
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    subprocess.run(
        ["bash", "-c", script],
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
        timeout=120,
    )


def _failures(step: Step, directory: Path, number: int) -> Iterator[str]:
    output = (directory / f"out.{number}").read_text("utf-8", errors="replace")
    code = (directory / f"code.{number}").read_text("utf-8").strip()
    if code != "0":
        yield f"line {step.line}: exit {code}: {step.command}\n{output}"
    elif step.expected not in output:
        yield f"line {step.line}: no {step.expected!r} in what {step.command!r} prints:\n{output}"
