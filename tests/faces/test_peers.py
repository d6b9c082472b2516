"""How many connections one address may have: none of the others are turned away because of it."""

from __future__ import annotations

import re
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from faces.test_http_edge import GET, answered, assert_flat
from keywright.server.http import MAX_TOLD
from keywright.server.peers import Peers
from keywright.settings import load
from support.load import address_of
from support.mutants import assert_caught, with_long_form
from support.servers import Server, free_port, running
from support.waiting import eventually

HERE = "tests/faces/test_peers.py"
#: Nobody else comes from there, so nothing that a test before left open is counted with it.
GREEDY, TRUSTED, GATEWAY = "127.0.0.2", "127.0.0.3", "127.0.0.4"
MOST = 2


def peers(**settings: Any) -> Peers:
    """Counted by these settings."""
    return Peers(load(settings, environment={}))


def beyond(found: Peers, *addresses: str) -> list[int]:
    """How many are too many after each of them has come."""
    return [found.come(found.source(address)) for address in addresses]


def test_each_source_has_its_own_number() -> None:
    """An IPv4 address, also in IPv6 clothes, and an IPv6 network of 64 bits have a number each."""
    found = peers(max_connections_per_address=1)
    assert beyond(found, "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1", "127.0.0.1") == [0] * 5
    assert beyond(found, "192.0.2.1", "::ffff:192.0.2.1", "2001:db8::ffff", "127.0.0.1") == [1, 2, 1, 1]


def test_a_proxy_has_as_many_as_it_likes() -> None:
    """Proxies that are named, for either purpose, are not counted; nor is this machine, unless a number was set."""
    named = {"trusted_proxies": "192.0.2.0/24", "gate_proxies": "2001:db8::/32"}
    assert beyond(peers(max_connections_per_address=1, **named), *["192.0.2.1", "2001:db8::1"] * 2) == [0] * 4
    unset = peers(max_connections=8)
    assert unset.most == 2
    assert beyond(unset, *["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] * 2) == [0] * 8
    assert beyond(unset, *["192.0.2.1"] * 3) == [-1, 0, 1]
    assert peers(max_connections=1).most == 1


def test_nothing_is_kept_of_who_has_gone() -> None:
    """Ten thousand addresses that come and go leave nothing in memory, and each begins anew."""
    found = peers(max_connections_per_address=1)
    sources = [found.source(f"10.0.{number >> 8}.{number & 255}") for number in range(10_000)]
    for source in sources:
        assert found.come(source) == 0
    assert len(found) == len(sources)
    for source in sources:
        found.go(source)
    assert len(found) == 0
    assert found.come(sources[0]) == 0


def connect(stack: ExitStack, server: Server, address: str) -> socket.socket:
    """A connection from this address of the machine, which is closed in the end."""
    found = socket.create_connection(address_of(server.url), timeout=20, source_address=(address, 0))
    return stack.enter_context(found)


def said(connection: socket.socket) -> bytes:
    """All that comes before the server hangs up; nothing where it does so without a word."""
    received = b""
    try:
        while more := connection.recv(65_536):
            received += more
    except ConnectionError:
        return b""
    return received


def refused(port: int) -> dict[str, int]:
    """What the metrics say of connections that were too many, and of those that were cut."""
    text = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=20).text
    found = re.findall(r'^keywright_(?:connections_)?refused_total\{(?:cap|code)="(\w+)"\} (\d+)', text, re.MULTILINE)
    return {name: int(count) for name, count in found if name in ("process", "address", "cut")}


def test_one_address_takes_no_place_from_another(tmp_path: Path) -> None:
    """Whoever has all that one address may have is told so, then cut without a word, and counted; everybody else is
    answered meanwhile, proxies have more, and a place that was given back can be had again."""
    port = free_port()
    settings = {
        "KEYWRIGHT_MAX_CONNECTIONS_PER_ADDRESS": str(MOST),
        "KEYWRIGHT_TRUSTED_PROXIES": TRUSTED,
        "KEYWRIGHT_GATE_PROXIES": GATEWAY,
        "KEYWRIGHT_METRICS_PORT": str(port),
    }
    with running(tmp_path / "data", **settings) as server, ExitStack() as stack:
        held = [connect(stack, server, GREEDY) for _ in range(MOST)]
        assert all(answered(each) for each in held)
        told = said(connect(stack, server, GREEDY))
        assert_flat(told, 503, "SERVICE_UNAVAILABLE")
        assert b"from your address" in told
        assert b"\r\nretry-after: 1\r\n" in told
        assert server.request("GET", "/healthz").ok
        for proxy in (TRUSTED, GATEWAY):
            assert all(answered(each) for each in [connect(stack, server, proxy) for _ in range(MOST + 1)])
        heard = [told]
        # Who is told has a moment to read it, and only so many may have that moment at once. How many come in one
        # depends on the machine.
        while b"" not in heard:
            assert all(answered(each) for each in held)
            heard += [said(each) for each in [connect(stack, server, GREEDY) for _ in range(MAX_TOLD + 8)]]
        counted = refused(port)
        assert (counted["process"], counted["address"]) == (0, len(heard))
        assert counted["cut"] == heard.count(b"")
        assert all(answered(each) for each in held)
        held[0].close()
        assert eventually(lambda: _has_place(server), 10)


def _has_place(server: Server) -> bool:
    with ExitStack() as stack:
        connection = connect(stack, server, GREEDY)
        connection.sendall(GET + b"Connection: close\r\n\r\n")
        return said(connection).startswith(b"HTTP/1.1 200 ")


#: What goes wrong: in which file below server, what stands there, what stands there then, who notices.
MUTANTS = {
    "nobody is held to it": (
        "http.py",
        "if of_one > 0 or of_all > 0:",
        "if of_all > 0:",
        "test_one_address_takes_no_place_from_another",
    ),
    "who goes is counted on": (
        "http.py",
        "        self.app.peers.go(self._source)\n",
        "",
        "test_one_address_takes_no_place_from_another",
    ),
    "all are one": ("peers.py", "else source_of(address)", 'else "all"', "test_each_source_has_its_own_number"),
    "each IPv6 address counts": (
        "peers.py",
        "else source_of(address)",
        "else address",
        "test_each_source_has_its_own_number",
    ),
    "proxies count": (
        "peers.py",
        "is_trusted(address, self._uncounted)",
        "False",
        "test_a_proxy_has_as_many_as_it_likes",
    ),
    "zeros are kept": (
        "peers.py",
        "            del self._open[source]",
        "            self._open[source] = 0",
        "test_nothing_is_kept_of_who_has_gone",
    ),
}
#: They need a server to be seen.
LONG = ("nobody is held to it", "who goes is counted on")


@pytest.mark.parametrize("fault", with_long_form(MUTANTS, LONG))
def test_every_fault_is_caught(tmp_path: Path, fault: str) -> None:
    """Each of them is noticed."""
    file, old, new, test = MUTANTS[fault]
    assert_caught(tmp_path, f"server/{file}", old, new, f"{HERE}::{test}")
