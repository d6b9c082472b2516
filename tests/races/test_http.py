"""S55 and S71 over HTTP: a server with four workers, the command line and the library beside it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import pytest

from keywright.limits.base import Limit
from support.clients import (
    NOTHING,
    Administrator,
    NewKey,
    Reply,
    Wire,
    accepted,
    over_http,
    serving,
    wires_to_each,
    workers_of,
)
from support.crew import watching
from support.faces import beside
from support.history import Kind
from support.installation import ME
from support.races import Races, Tally, given
from support.servers import Server, running
from support.waiting import eventually

WORKERS = 4
WATCHERS = 3
HUNDRED = Limit(100, 900)


@pytest.fixture(scope="module")
def racing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with four workers."""
    with running(tmp_path_factory.mktemp("racing") / "data", "--workers", str(WORKERS)) as server:
        yield server


def new_key(server: Server, limit: str | None = None) -> NewKey:
    """A key made by the library beside the server."""
    with beside(server) as keywright:
        account = keywright.manager.operator_account().id
        created = keywright.manager.create(ME, account, given(rate_limit=limit))
    server.canaries.append(created.key)
    return NewKey(created.row.id, created.key)


def race_deletes(server: Server, over_the_api: int, by_command: int) -> Tally:
    """Three clients, each with a connection to each worker, verify while keys are made over the API and deleted, over
    the API or by the command line."""
    with ExitStack() as ends:
        admin = ends.enter_context(closing(Administrator(server, new_key(server).key)))
        clients = [over_http(ends.enter_context(wires_to_each(server))) for _ in range(WATCHERS)]
        board, seen = ends.enter_context(watching(clients, looks=WORKERS + 1))
        races = Races(board)
        for number in range(over_the_api + by_command):
            made = races.begin(lambda: must(admin.create()))
            delete = partial(delete_by_command, server) if number < by_command else admin.delete
            races.change(Kind.DELETE, partial(delete, made.id))
    return races.judge(seen)


def must(made: NewKey | None) -> NewKey:
    """The key, which was made."""
    assert made
    return made


def delete_by_command(server: Server, key_id: str) -> None:
    """Delete a key as somebody at a terminal does."""
    done = server.command("keys", "delete", key_id, "--yes")
    assert done.returncode == 0, done.stderr


def ask_all(wires: list[Wire], key: str) -> list[Reply]:
    """One request on each connection, all under way at the same time."""
    for wire in wires:
        wire.send("GET", NOTHING, key)
    return [wire.reply() for wire in wires]


def remaining(replies: list[Reply]) -> list[int]:
    """What is left, as those were told who were admitted."""
    return [int(reply.headers["x-ratelimit-remaining"]) for reply in replies if accepted(reply)]


def test_s55_deleted_over_http(racing: Server) -> None:
    """S55: no worker accepts a key whose deletion has been answered to anybody, none refuses one that was just made."""
    race_deletes(racing, 100, 5).assert_kept()


@pytest.mark.full
def test_s55_ten_thousand_deletes_over_http(racing: Server) -> None:
    """S55: the same in ten thousand races, three hundred of them against the command line."""
    race_deletes(racing, 9_700, 300).assert_kept()


def test_s71_a_hundred_and_fifty_calls_at_once(racing: Server) -> None:
    """S71: of 150 calls at once on a fresh key, through four workers, a hundred are admitted and told 99 to 0."""
    with wires_to_each(racing, 38) as wires:
        for _ in range(3):
            replies = ask_all(wires[:150], new_key(racing, str(HUNDRED)).key)
            assert sorted(remaining(replies), reverse=True) == list(range(99, -1, -1))
            assert [reply.status for reply in replies].count(429) == 50
            assert len({reply.headers["x-ratelimit-reset"] for reply in replies}) == 1


def race_with_a_kill(server: Server, limit: Limit, turn_of_the_kill: int) -> None:
    """Spend a key's limit over two connections to each worker, and kill one worker in the middle of a request."""
    assert eventually(lambda: len(serving(server)) == WORKERS, 30), "a killed worker was not replaced"
    key, told = new_key(server, str(limit)).key, list[int]()
    victim = workers_of(server)[0]
    with wires_to_each(server, 2) as all_wires:
        wires = all_wires
        for turn in range(limit.count):
            for wire in wires:
                wire.send("GET", NOTHING, key)
            if turn == turn_of_the_kill:
                os.kill(victim, signal.SIGKILL)
            replies = [_reply_or_end(wire) for wire in wires]
            wires = [wire for wire, reply in zip(wires, replies, strict=True) if reply]
            told.extend(remaining([reply for reply in replies if reply]))
            if 0 in told:
                break
    assert len(wires) == 2 * (WORKERS - 1)
    assert len(told) == len(set(told)), "two requests were told the same"
    assert limit.count - 2 <= len(told) <= limit.count


def _reply_or_end(wire: Wire) -> Reply | None:
    try:
        return wire.reply()
    except ConnectionError:
        return None


def test_s71_a_killed_worker_gives_nothing_away(racing: Server) -> None:
    """S71: while workers are killed in the middle of requests, no allowance is spent twice, and the others go on."""
    for turn in (0, 7):
        race_with_a_kill(racing, Limit(400, 900), turn)


@pytest.mark.full
def test_s71_forty_killed_workers(racing: Server) -> None:
    """S71: the same with forty of them."""
    for turn in range(40):
        race_with_a_kill(racing, Limit(400, 900), turn)


def test_s71_a_restart_in_the_middle_of_a_window(data_dir: Path) -> None:
    """S71: a server that is killed and started again gives nobody a second allowance."""
    key, told, resets = "", list[int](), set[str]()
    for how in (signal.SIGKILL, signal.SIGTERM):
        with running(data_dir, "--workers", "2") as server:
            key = key or new_key(server, str(HUNDRED)).key
            with wires_to_each(server, 30) as wires:
                replies = ask_all(wires, key)
            told.extend(remaining(replies))
            resets |= {reply.headers["x-ratelimit-reset"] for reply in replies}
            server.process.send_signal(how)
            server.process.wait(timeout=40)
    assert sorted(told, reverse=True) == list(range(99, -1, -1))
    assert len(resets) == 1
