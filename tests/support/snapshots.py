"""Installations as earlier versions left them: what an upgrade is tried on.

A snapshot is what one version's `support.workload` left behind, as text: the statements that make its databases again,
and what it had said. It is made by the version itself, before the next migration is written:

    PYTHONPATH=src:tests .venv/bin/python -m support.snapshots
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from pysqlite3 import dbapi2

from keywright.build import MASTER_SECRET_FILE
from keywright.stores.schema import HEADS
from keywright.stores.sqlite import RECORDS_FILE, USAGE_FILE
from support.judge import Heard
from support.mutants import ROOT
from support.workload import environment, program

SNAPSHOTS = ROOT / "tests" / "faults" / "snapshots"
DATABASES = {"records": RECORDS_FILE, "usage": USAGE_FILE}
TOLD = "told.jsonl"
#: Of the snapshots, and of nothing else.
SECRET = "1:" + "5a" * 32
_SEED = 1
_ACTS = 20


def take() -> Path:
    """Make the snapshot of this version; where it is."""
    to = SNAPSHOTS / " ".join(f"{line} {revision}" for line, revision in HEADS.items())
    to.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        data_dir = Path(scratch)
        _put_secret(data_dir)
        done = subprocess.run(program(data_dir, _SEED, _ACTS), env=environment(), capture_output=True, check=True)
        for name in DATABASES.values():
            with closing(sqlite3.connect(data_dir / name)) as connection:
                (to / f"{name}.sql").write_text("\n".join(connection.iterdump()) + "\n", "utf-8")
    (to / TOLD).write_text("".join(_split(line) for line in done.stdout.splitlines()), "utf-8")
    return to


def restore(snapshot: Path, data_dir: Path) -> Heard:
    """Make the directory as it was; what had been said."""
    data_dir.mkdir(mode=0o700)
    _put_secret(data_dir)
    for name in DATABASES.values():
        (data_dir / name).touch(0o600)
        with closing(dbapi2.connect(data_dir / name, isolation_level=None)) as connection:
            connection.executescript((snapshot / f"{name}.sql").read_text("utf-8"))
    heard = Heard()
    heard.hear(b"".join(_joined(line) for line in (snapshot / TOLD).read_text("utf-8").splitlines()))
    return heard


def revision(snapshot: Path, line: str) -> str:
    """Which migration of that line was its newest."""
    words = snapshot.name.split()
    return words[words.index(line) + 1]


def _put_secret(data_dir: Path) -> None:
    (data_dir / MASTER_SECRET_FILE).touch(0o600)
    (data_dir / MASTER_SECRET_FILE).write_text(f"{SECRET}\n", "ascii")


def _split(line: bytes) -> str:
    """No key stands in the repository in one piece."""
    told = json.loads(line)
    for key_id, text in told.get("end", {}).get("texts", {}).items():
        told["end"]["texts"][key_id] = [text[: len(text) // 2], text[len(text) // 2 :]]
    return json.dumps(told) + "\n"


def _joined(line: str) -> bytes:
    told = json.loads(line)
    for key_id, pieces in told.get("end", {}).get("texts", {}).items():
        told["end"]["texts"][key_id] = "".join(pieces)
    return json.dumps(told).encode() + b"\n"


if __name__ == "__main__":
    sys.stdout.write(f"{take()}\n")
