"""What ``keywright doctor`` finds: each thing that can be wrong is told, by its name, and the exit is 1."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

from keywright import ManualClock
from keywright.cli.checks import CHECKS, CLOCK_SECONDS, RENEW_SECONDS, validity
from support.installation import Installation
from support.mutants import assert_caught
from support.servers import Server, free_port, running
from support.waiting import eventually

HERE = "tests/faces/test_doctor.py"


@pytest.fixture(scope="module")
def examined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that is broken and mended."""
    with running(tmp_path_factory.mktemp("examined") / "data") as started:
        yield started


def doctor(server: Server, **environment: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code, and what was found by the name of the check."""
    where = {"KEYWRIGHT_PORT": str(urlsplit(server.url).port), **environment}
    done = server.command("doctor", "--json", environment=where)
    found = json.loads(done.stdout)
    assert found["ok"] == (done.returncode == 0)
    return done.returncode, {each["check"]: each for each in found["checks"]}


def wrong(data_dir: Path, **settings: Any) -> dict[str, str]:
    """What is wrong, by the name of the check, looked at in the test's own process."""
    with Installation(data_dir, ManualClock(), **settings) as made:
        found = {name: check(made.keywright) for name, check in CHECKS.items()}
    return {name: text for name, (ok, text) in found.items() if not ok}


def test_a_healthy_installation_is_found_healthy(examined: Server) -> None:
    """Beside a running server everything is as it should be; who has the directory open, and that the server is ready,
    is told."""
    code, found = doctor(examined)

    assert (code, list(found)) == (0, list(CHECKS))
    assert str(examined.process.pid) in found["other processes"]["found"]
    assert "status ok" in found["server"]["found"]
    assert "versions: 1" in found["master secret"]["found"]
    assert found["database engine"]["found"].startswith("SQLite 3.")


@contextmanager
def _mode(path: Path, mode: int) -> Iterator[None]:
    before = path.stat().st_mode & 0o777
    path.chmod(mode)
    yield
    path.chmod(before)


@contextmanager
def _changed_later(path: Path) -> Iterator[None]:
    later = time.time() + CLOCK_SECONDS + 60
    os.utime(path, (later, later))
    yield
    os.utime(path)


@contextmanager
def _large(path: Path) -> Iterator[None]:
    path.touch(0o600)
    os.truncate(path, 2**30)
    yield
    path.unlink()


FAULTS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "others may look in": ("data directory is private", lambda directory: _mode(directory, 0o755)),
    "others may read the counters": ("files are private", lambda directory: _mode(directory / "limits.table", 0o644)),
    "the clock was set back": ("clock", lambda directory: _changed_later(directory / "usage.db")),
    "a log is not emptied": ("write-ahead logs", lambda directory: _large(directory / "old.db-wal")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_told(examined: Server, fault: str) -> None:
    """Each fault is found by the check that is named after it, and by no other; mended, it is gone."""
    check, made = FAULTS[fault]
    port = str(urlsplit(examined.url).port)
    with made(examined.data_dir):
        # The server looks at its files once a second.
        seen = eventually(lambda: wrong(examined.data_dir, port=port), 5)
    assert set(seen) == {check}
    assert eventually(lambda: not wrong(examined.data_dir, port=port), 5)


@contextmanager
def _somebody_else(answer: bytes) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"SSH-2.0-OpenSSH_9\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n[1]",
        b'HTTP/1.1 503 Service Unavailable\r\n\r\n{"store":"unavailable"}',
    ],
    ids=["another program", "another protocol", "not words", "not ready"],
)
def test_who_answers_on_the_port_must_be_ours_and_ready(data_dir: Path, answer: bytes) -> None:
    """What answers on the port of the settings and is no server of ours is wrong, whatever it says; so is one of ours
    that cannot do its work."""
    with _somebody_else(answer) as port:
        assert set(wrong(data_dir, port=str(port))) == {"server"}


def test_a_server_that_does_not_run_is_no_fault(examined: Server) -> None:
    """An installation may be looked at before it is started."""
    code, found = doctor(examined, KEYWRIGHT_PORT=str(free_port()))
    assert code == 0
    assert "nobody listens" in found["server"]["found"]


@pytest.mark.parametrize(
    ("begins", "ends", "fine"),
    [(-10, 100, True), (-10, RENEW_SECONDS / 86_400 - 1, False), (-10, -1, False), (1, 100, False)],
    ids=["valid", "ends soon", "ended", "not yet"],
)
def test_a_certificate_is_looked_at(data_dir: Path, tmp_path: Path, begins: float, ends: float, fine: bool) -> None:
    """A certificate that is not valid now, or not for much longer, is wrong."""
    now = datetime.now(UTC)
    issued = trustme.CA().issue_cert(
        "127.0.0.1", not_before=now + timedelta(days=begins), not_after=now + timedelta(days=ends)
    )
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    found = wrong(data_dir, port=str(free_port()), tls_cert=str(certificate), tls_key=str(key))
    assert set(found) == (set() if fine else {"certificate"})
    assert fine or found["certificate"].startswith(str(certificate))
    assert ("renew it, under 14 days are left" in found.get("certificate", "")) == (0 < ends < 14)


@pytest.mark.parametrize("year", [2026, 2049, 2050, 2080])
def test_both_ways_to_write_a_time_in_a_certificate_are_read(year: int) -> None:
    """Up to 2049 certificates write two digits of the year, from 2050 four."""
    ends = datetime(year, 12, 31, 23, 59, 58, tzinfo=UTC)
    begins = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)
    issued = trustme.CA().issue_cert("127.0.0.1", not_before=begins, not_after=ends)
    pem = issued.cert_chain_pems[0].bytes().decode()
    assert validity(pem) == (begins.timestamp(), ends.timestamp())


def test_a_doctor_that_believes_every_server_is_caught(tmp_path: Path) -> None:
    """The checks fail where whoever answers is taken for a server that is ready."""
    old = 'return status == HTTPStatus.OK, f"{where}: {said}"'
    new = 'return True, f"{where}: {said}"'
    test = f"{HERE}::test_who_answers_on_the_port_must_be_ours_and_ready[not ready]"
    assert_caught(tmp_path, "cli/checks.py", old, new, test)
