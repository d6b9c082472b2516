"""A Keywright that stops, that hangs, and that is back."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from proxies.checks import no_word_from_the_gate_is_503
from proxies.site import House, Site, house, key_line
from support.proxies import PROXIES, Ports, started


def sites(stack: ExitStack, directory: Path, at: House, ports: Ports) -> list[Site]:
    """A house behind every proxy that is installed."""
    return [
        Site(name, stack.enter_context(started(proxy, directory / name, ports)), at)
        for name, proxy in PROXIES.items()
        if proxy.program() is not None
    ]


def test_a_keywright_that_was_stopped_is_503(stack: ExitStack, tmp_path: Path) -> None:
    """Kept connections end with Keywright; from then on nothing passes, and no good key is called bad."""
    made = stack.enter_context(house(tmp_path / "house"))
    created = made.key()
    fronts = sites(stack, tmp_path, made, made.ports)
    for front in fronts:
        assert front.ask(front.marker(), key_line(created)).status == 200
    made.keywright.server.stop()
    for front in fronts:
        no_word_from_the_gate_is_503(front, created)


def test_a_route_that_is_not_there_is_503(stack: ExitStack, tmp_path: Path, at_home: House) -> None:
    """A proxy whose own question is wrong says so as if there were no gate: the client can do nothing about it, and is
    not told that its key is bad."""
    created = at_home.key()
    for name in ("nginx", "haproxy"):
        proxy = PROXIES[name]
        if proxy.program() is None:
            continue
        astray = replace(proxy, route=(proxy.route[0], proxy.route[1].replace("_orders", "_nowhere")))
        url = stack.enter_context(started(astray, tmp_path / name, at_home.ports))
        no_word_from_the_gate_is_503(Site(name, url, at_home), created)


def test_a_keywright_that_hangs_is_503(stack: ExitStack, tmp_path: Path, at_home: House) -> None:
    """A gate that takes the question and never answers is given up, and nothing passes."""
    with closing(socket.create_server(("127.0.0.1", 0))) as hanging:
        ports = Ports(hanging.getsockname()[1], at_home.application.port)
        fronts = sites(stack, tmp_path, at_home, ports)
        created = at_home.key()
        with ThreadPoolExecutor(len(fronts)) as pool:
            for done in [pool.submit(no_word_from_the_gate_is_503, front, created) for front in fronts]:
                done.result()
