"""Many strangers at once: those who wait are few, and whoever is in already waits behind none of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from console.desk import COOKIE, HOST, ORIGIN, OWN
from keywright import Keywright
from keywright.people.passwords import HASHES_AT_ONCE
from keywright.server.app import create_app
from keywright.server.console.app import _THREADS, MOST_WAITING
from people.staff import claimed
from support.installation import Installation
from support.mutants import assert_caught, with_long_form

#: How many come beyond those who may wait.
BEYOND = 12
PATIENCE_SECONDS = 60
#: What the door says, and nothing else: when to come back.
AT_THE_DOOR = "5"


@contextmanager
def slow_hashes(keywright: Keywright) -> Iterator[None]:
    """All turns to make a hash are taken, as by passwords of others."""
    turns = keywright._office["passwords"]._turns
    for _ in range(HASHES_AT_ONCE):
        turns.acquire()
    try:
        yield
    finally:
        for _ in range(HASHES_AT_ONCE):
            turns.release()


async def crowd(
    keywright: Keywright, session: str
) -> tuple[list[httpx.Response], httpx.Response, list[httpx.Response]]:
    """Too many sign in at once while hashes are slow: who is answered before any hash is made, what somebody sees who
    has signed in already, and what all the others are answered afterwards."""
    transport = httpx.ASGITransport(app=create_app(keywright))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        with slow_hashes(keywright):
            coming = [
                asyncio.create_task(client.post("/sign-in", data=entry(number), headers=dict(OWN)))
                for number in range(_THREADS + MOST_WAITING + BEYOND)
            ]
            early: set[asyncio.Task[httpx.Response]] = set()
            waiting = set(coming)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while len(early) < BEYOND:
                    done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                    early |= done
                    if any(each.result().headers.get("retry-after") != AT_THE_DOOR for each in done):
                        break
            inside = await client.get("/profile", headers={"Host": HOST, "Cookie": f"{COOKIE}={session}"})
        late = [await each for each in waiting]
        again = await client.post("/sign-in", data=entry(99), headers=dict(OWN))
    return [each.result() for each in early], inside, [*late, again]


def entry(number: int) -> dict[str, str]:
    """A sign-in of somebody who is not there."""
    return {"email": f"p{number}@example.com", "password": "wrong password 123"}


def test_a_line_at_the_door_has_an_end(installation: Installation) -> None:
    """When so many strangers wait already, the next is told at once to come back, and when; who waits is answered in
    turn; whoever is in notices nothing; and when the line is over, the door is open again."""
    session = claimed(installation)
    early, inside, late = asyncio.run(crowd(installation.keywright, session))

    assert [each.status_code for each in early] == [503] * BEYOND
    assert {each.headers.get("retry-after") for each in early} == {AT_THE_DOOR}
    assert inside.status_code == 200
    assert len(late) == _THREADS + MOST_WAITING + 1
    # Refused as strangers are, or, on a machine that is slow beyond measure, because a hash took too long.
    assert {each.status_code for each in late} <= {403, 503}
    assert AT_THE_DOOR not in {each.headers.get("retry-after") for each in late}


#: What stands there, and what stands there then.
MUTANTS = {
    "nothing bounds the line": ("if self._strangers[threads] >= _THREADS + MOST_WAITING:", "if False:"),
    "who was answered is still counted": ("            self._strangers[threads] -= 1", "            pass"),
}

#: Caught in the long form only: each takes several seconds.
LONG = {
    "nothing bounds the line",
    "who was answered is still counted",
}


@pytest.mark.parametrize("fault", with_long_form(MUTANTS, LONG))
def test_a_fault_in_the_line_is_caught(tmp_path: Path, fault: str) -> None:
    """The test of who waits at the door can fail."""
    test = "tests/console/test_crowd.py::test_a_line_at_the_door_has_an_end"
    assert_caught(tmp_path, "server/console/app.py", *MUTANTS[fault], test)
