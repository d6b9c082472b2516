"""A program that changes keys and says so: what may be cut short anywhere and must have kept its word.

It prints one line before each act (what it is about to do) and one after it (what was acknowledged), each in one write,
so that whoever reads them, or records the writes, knows at every moment what was promised. `support.judge` reads them.

    python -m support.workload DATA_DIR SEED ACTS
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from keywright import Accepted, Actor, ActorKind, Keywright, KeywrightError, Reason, Refused, Unavailable
from keywright.audit import Action
from keywright.manage.manager import Created
from keywright.record import NEVER, KeyRow

ME = Actor(ActorKind.LIBRARY, "workload")
#: Stands in an announcement for what is known only afterwards: the id of what is made, the moment that a key ends.
LATER = "*"
#: The directory could not be opened, or not be closed properly, and that was said.
NOT_DONE = 3
_MANY = 3
_USES = 4


def shown(row: KeyRow) -> dict[str, Any]:
    """All of a key that can be changed, as JSON has it."""
    return {
        "account_id": row.account_id,
        "name": row.name,
        "scopes": list(row.scopes),
        "expires_at": None if row.expires_at == NEVER else row.expires_at,
        "disabled": row.disabled,
        "limits": None if row.limits is None else list(row.limits),
        "networks": list(row.networks),
        "metadata": row.metadata,
        "successor_id": row.successor_id,
    }


def _is_good(row: KeyRow) -> bool:
    return not row.disabled and row.expires_at == NEVER and not row.networks


class Workload:
    """One process's work, in an account of its own.

    Args:
        say: takes what is told.
    """

    def __init__(self, keywright: Keywright, seed: int, say: Callable[[dict[str, Any]], object]) -> None:
        self._manager = keywright.manager
        self._keywright = keywright
        self._random = random.Random(seed)  # noqa: S311 - what it does must be what it did the last time
        self._tell = say
        self._rows: dict[str, KeyRow] = {}
        self._texts: dict[str, str] = {}
        self._dead: list[str] = []
        self._account_id = ""
        self._uses = 0

    def run(self, acts: int) -> None:
        """Make the account and keys to work on, then act so many times, each kind before any comes again."""
        self._open_accounts()
        for _ in range(3):
            self._create()
        kinds = self._kinds()
        for _ in range(acts):
            next(kinds)()

    def _kinds(self) -> Iterator[Callable[[], None]]:
        while True:
            kinds = [
                self._create,
                self._create_twice_the_same,
                self._create_many,
                self._rename,
                self._narrow,
                self._bind,
                self._limit,
                self._disable,
                self._enable,
                self._end_sooner,
                self._rotate,
                self._replace,
                self._delete,
                self._delete_itself,
                self._open_accounts,
                self._use,
            ]
            self._random.shuffle(kinds)
            yield from kinds

    def _open_accounts(self) -> None:
        if not any(each.operator for each in self._manager.accounts(ME)):
            entry = (Action.ACCOUNT_CREATE, LATER, {"name": "Operator"})
            self._act(entry, lambda: {"accounts": [self._manager.operator_account().id]}, accounts=1)
        entry = (Action.ACCOUNT_CREATE, LATER, {"name": "Company"})
        done = self._act(entry, lambda: {"accounts": [self._manager.create_account(ME, "Company").id]}, accounts=1)
        self._account_id = self._account_id or done["accounts"][0]

    def _create(self, **options: Any) -> None:
        given = {"name": self._name(), "scopes": ["a:read", "a:write"]}
        entry = (Action.KEY_CREATE, LATER, {"name": given["name"]})
        self._act(entry, lambda: self._made(self._manager.create(ME, self._account_id, given, **options)), made=1)

    def _create_twice_the_same(self) -> None:
        self._create(idempotency_key=self._name())

    def _create_many(self) -> None:
        entry = (Action.KEY_CREATE_MANY, self._account_id, {"count": _MANY})
        given = [{"name": self._name()} for _ in range(_MANY)]
        self._act(entry, lambda: self._made(*self._manager.create_many(ME, self._account_id, given)), made=len(given))

    def _rename(self) -> None:
        self._change({"name": self._name()})

    def _narrow(self) -> None:
        self._change({"scopes": ["a:read"]})

    def _bind(self) -> None:
        self._change({"networks": ["192.0.2.0/24"], "metadata": {"n": self._name()}}, metadata=LATER)

    def _limit(self) -> None:
        limits = ["10/s burst 50", "500/15m sliding", "1000/h"]
        self._change({"rate_limit": limits}, limits=limits)

    def _disable(self) -> None:
        self._change({"disabled": True})

    def _enable(self) -> None:
        self._change({"disabled": False})

    def _end_sooner(self) -> None:
        self._change({"expires_in_seconds": 86_400}, expires_at=LATER)

    def _change(self, given: dict[str, Any], **stored: Any) -> None:
        key_id = self._pick(lambda row: row.successor_id is None and row.expires_at == NEVER)
        entry = (Action.KEY_UPDATE, key_id, {"changed": sorted(given)})
        expected = {name: value for name, value in given.items() if name not in {"expires_in_seconds", "rate_limit"}}

        def change() -> dict[str, Any]:
            self._rows[key_id] = self._manager.update(ME, self._account_id, key_id, given).row
            return {"rows": {key_id: shown(self._rows[key_id])}}

        self._act(entry, change, changes={key_id: {**expected, **stored}})

    def _rotate(self, grace_seconds: int = 86_400) -> None:
        key_id = self._pick(lambda row: row.successor_id is None and row.expires_at == NEVER and not row.disabled)

        def rotate() -> dict[str, Any]:
            made = self._made(self._manager.rotate(ME, self._account_id, key_id, grace_seconds))
            old = self._manager.key(ME, self._account_id, key_id).row
            self._rows[key_id] = old
            return {**made, "rows": {**made["rows"], key_id: shown(old)}}

        entry = (Action.KEY_ROTATE, key_id, {"successor": LATER})
        self._act(entry, rotate, made=1, changes={key_id: {"expires_at": LATER, "successor_id": LATER}})

    def _replace(self) -> None:
        self._rotate(grace_seconds=0)

    def _delete(self, actor: Actor = ME, key_id: str = "") -> None:
        gone = key_id or self._pick(lambda _: True)

        def delete() -> dict[str, Any]:
            self._manager.delete(actor, self._account_id, gone)
            self._rows.pop(gone)
            self._dead.append(self._texts.pop(gone))
            return {"gone": [gone]}

        self._act((Action.KEY_DELETE, gone, {"name": self._rows[gone].name}), delete, gone=[gone])

    def _delete_itself(self) -> None:
        made = self._manager.create
        given = {"name": self._name(), "scopes": ["keys:write"]}
        entry = (Action.KEY_CREATE, LATER, {"name": given["name"]})
        done = self._act(entry, lambda: self._made(made(ME, self._account_id, given)), made=1)
        for key_id in done["rows"]:
            self._delete(Actor(ActorKind.KEY, key_id, self._account_id), key_id)

    def _use(self) -> None:
        self._pick(_is_good)
        self._verify(_USES)
        with suppress(Unavailable):
            self._keywright.usage.flush()
            self._tell({"flushed": self._uses, "account": self._account_id})

    def _verify(self, times: int) -> None:
        good = [key_id for key_id, row in self._rows.items() if _is_good(row)]
        for key_id in self._random.sample(good, min(1, len(good))):
            self._uses += times
            self._tell({"uses": self._uses, "account": self._account_id})
            for _ in range(times):
                outcome = self._keywright.verify(self._texts[key_id])
                assert isinstance(outcome, Accepted), f"a good key was refused: {outcome}"

    # How it is told

    def _act(
        self, entry: tuple[Action, str, dict[str, Any]], call: Callable[[], dict[str, Any]], **announced: Any
    ) -> dict[str, Any]:
        """Announce an act, do it, and tell what was acknowledged. What fails has changed nothing, and is tried once
        more: the fault may have been of a moment."""
        for _ in range(2):
            self._tell({"begin": {"entry": entry, **announced}})
            try:
                done = call()
            except Unavailable as error:
                self._tell({"failed": str(error)})
                self._see_that_nothing_changed()
            else:
                self._tell({"end": {"entry": entry, **done}})
                return done
        raise Unavailable("It failed twice.")

    def _see_that_nothing_changed(self) -> None:
        with suppress(Unavailable):
            found = {each.row.id: each.row for each in self._manager.keys(ME, self._account_id)}
            assert found == self._rows, "a change that failed has changed something"
        self._verify(1)
        for text in self._dead[-3:]:
            assert self._keywright.verify(text) == Refused(Reason.UNKNOWN), "a deleted key is back"

    def _made(self, *created: Created) -> dict[str, Any]:
        self._rows |= {each.row.id: each.row for each in created}
        self._texts |= {each.row.id: each.key for each in created}
        return {
            "rows": {each.row.id: shown(each.row) for each in created},
            "texts": {each.row.id: each.key for each in created},
        }

    def _pick(self, suits: Callable[[KeyRow], bool]) -> str:
        fitting = [key_id for key_id, row in self._rows.items() if suits(row)]
        if not fitting:
            self._create()
            return list(self._rows)[-1]
        return self._random.choice(fitting)

    def _name(self) -> str:
        return f"Key {self._random.randrange(10**9)}"


def work(data_dir: Path, seed: int, acts: int, out: int) -> int:
    """Open the directory, work, close it; the exit code.

    Args:
        seed: also who it is, where several processes write to the same pipe.
        out: the descriptor that the lines are written to.
    """

    def say(told: dict[str, Any]) -> None:
        os.write(out, json.dumps({**told, "who": seed}).encode() + b"\n")

    try:
        with Keywright.open(data_dir) as keywright:
            with suppress(Unavailable):  # told already
                Workload(keywright, seed, say).run(acts)
            say({"closing": True})
    except KeywrightError as error:
        say({"failed": str(error)})
        return NOT_DONE
    return 0


def program(data_dir: Path, seed: int, acts: int) -> list[str]:
    """The command that does `work` in a process of its own, and says it on its standard output."""
    return [sys.executable, "-m", "support.workload", str(data_dir), str(seed), str(acts)]


def environment() -> dict[str, str]:
    """What that process needs in order to be found."""
    paths = (os.environ.get("PYTHONPATH"), str(Path(__file__).parents[1]))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


if __name__ == "__main__":
    sys.exit(work(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), 1))
