"""What the gate costs: CPU for each request, next to nginx answering nothing and to the same check in a framework.

Servers run on one core, the load generator (wrk) on the other; what counts is the servers' CPU time divided by the
requests, and the ratios of one run. Keywright is the real one: 10,000 keys with limits, usage, coherence and metrics,
and the access log in a file. Needs the programs nginx and wrk; each figure is the median of `ROUNDS`.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from bench.common import ME, installation
from bench.load import (
    BOTH,
    Found,
    Server,
    free_port,
    keywright as serve,
    keywright_environment,
    missing,
    nginx,
    one_round,
    started,
    warm,
    write_script,
)

KEYS = 10_000
SECONDS = 3
ROUNDS = 5
GOAL_NGINX = 1.8
GOAL_FRAMEWORK = 5.0
GOAL_P99_MILLISECONDS = 2.0
GOAL_WORKERS = 1.6

_GATE = 'return wrk.format("GET", "%s", {["X-API-Key"] = keys[n], ["X-Forwarded-For"] = "192.0.2.7"})'
#: Something that differs from request to request, as a trace id does: each must be read.
_NEW = (
    'return wrk.format("GET", "%s", {["X-API-Key"] = keys[n], ["X-Forwarded-For"] = "192.0.2.7", '
    '["X-Trace"] = string.format("%%016d", math.random(1000000000))})'
)
_VERIFY = (
    'return wrk.format("POST", "/v1/keys/verify", {["X-API-Key"] = "%s", ["Content-Type"] = "application/json"}, '
    '"{\\"key\\":\\"" .. keys[n] .. "\\"}")'
)
_FRAMEWORK = """
import sys
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException
from keywright import Keywright, Accepted, Request
from typing import Annotated

keywright = Keywright.open(sys.argv[1])
app = FastAPI()

def checked(x_api_key: Annotated[str, Header()] = ""):
    outcome = keywright.verify(x_api_key, Request(address="192.0.2.7"))
    if not isinstance(outcome, Accepted):
        raise HTTPException(401)
    return outcome.record

@app.get("/v1/gate")
async def gate(record: Annotated[object, Depends(checked)]):
    return {"key_id": record.key_id}

uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), loop="uvloop", http="httptools", log_level="warning",
            access_log=False)
"""


def main() -> None:
    """Measure, and print one table."""
    if missing():
        print(f"  NOT MEASURED: the bench of the gate needs {', '.join(missing())}.")
        return
    with ExitStack() as stack:
        keywright = stack.enter_context(installation())
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        account_id = keywright.manager.operator_account().id
        given = ({"name": f"key {number}", "rate_limit": "1000000000/1h"} for number in range(KEYS))
        good = [made.key for made in keywright.manager.create_many(ME, account_id, given)]
        asker = keywright.manager.create(
            ME, account_id, {"name": "asker", "scopes": ["verify"], "rate_limit": None}
        ).key
        data_dir = keywright.settings.data_dir
        ports = [free_port() for _ in range(4)]
        told, told_pair = keywright_environment(data_dir), keywright_environment(data_dir)
        framework = [sys.executable, "-c", _FRAMEWORK, str(data_dir), str(ports[2])]
        nothing = stack.enter_context(started(nginx(directory, ports[0]), ports[0]))
        ours = stack.enter_context(started(serve(data_dir, ports[1]), ports[1], directory / "access.log", told))
        pair = stack.enter_context(
            started(
                serve(data_dir, ports[3], "--workers", "2"), ports[3], directory / "pair.log", told_pair, cores=BOTH
            )
        )
        theirs = stack.enter_context(started(framework, ports[2], directory / "framework.log"))
        garbage = ["lwa.sk_live_" + "x" * 20 + f"{number:012d}" for number in range(KEYS)]
        rounds = {
            "nginx, return 200": (nothing, good, _GATE % "/"),
            "forward-auth": (ours, good, _GATE % "/v1/gate"),
            "forward-auth, never two alike": (ours, good, _NEW % "/v1/gate"),
            "forward-auth, garbage, never two alike": (ours, garbage, _NEW % "/v1/gate"),
            "forward-auth, 2 workers": (pair, good, _GATE % "/v1/gate"),
            "verify endpoint": (ours, good, _VERIFY % asker),
            "forward-auth, ordinary road": (ours, good, _GATE % "/api/v1/gate"),
            "the same in a FastAPI dependency": (theirs, good, _GATE % "/v1/gate"),
        }
        _table({name: _measured(directory, *what) for name, what in rounds.items()})


def _measured(directory: Path, server: Server, keys: list[str], request: str) -> Found:
    script = write_script(directory, keys, request)
    warm(server.port, "/v1/gate", ({"X-API-Key": key, "X-Forwarded-For": "192.0.2.7"} for key in keys))
    # Long enough for every key to have come in these very bytes, and to every worker.
    one_round(script, server, SECONDS)
    found = [one_round(script, server, SECONDS) for _ in range(ROUNDS)]
    return Found(*(statistics.median(values) for values in zip(*found, strict=True)))


def _table(found: dict[str, Found]) -> None:
    base, framework = found["nginx, return 200"], found["the same in a FastAPI dependency"]
    print(f"  {'':40}{'CPU µs':>8}{'/ nginx':>9}{'/ s':>9}{'p99 ms':>8}")
    for name, each in found.items():
        ratio = each.cpu_microseconds / base.cpu_microseconds
        print(f"  {name:40}{each.cpu_microseconds:8.1f}{ratio:9.2f}{each.per_second:9.0f}{each.p99_milliseconds:8.2f}")
    _goal("forward-auth / nginx", found["forward-auth"].cpu_microseconds / base.cpu_microseconds, "≤", GOAL_NGINX)
    _goal("verify endpoint / nginx", found["verify endpoint"].cpu_microseconds / base.cpu_microseconds, "≤", GOAL_NGINX)
    cheaper = framework.cpu_microseconds / found["forward-auth"].cpu_microseconds
    _goal("FastAPI dependency / forward-auth", cheaper, "≥", GOAL_FRAMEWORK)
    new, garbage = found["forward-auth, never two alike"], found["forward-auth, garbage, never two alike"]
    _goal("garbage / a good key", garbage.cpu_microseconds / new.cpu_microseconds, "≤", 1.0)
    # Of the two cores here one is the load's. What a second worker would bring shows in what a request costs then.
    alone, together = found["forward-auth"].cpu_microseconds, found["forward-auth, 2 workers"].cpu_microseconds
    _goal("2 workers, if each had a core / 1", 2 * alone / together, "≥", GOAL_WORKERS)
    _goal("p99 of forward-auth, ms", found["forward-auth"].p99_milliseconds, "≤", GOAL_P99_MILLISECONDS)


_HOLDS: dict[str, Callable[[float, float], bool]] = {"≤": lambda a, b: a <= b, "≥": lambda a, b: a >= b}


def _goal(name: str, value: float, sign: str, goal: float) -> None:
    print(f"  {name:40}{value:7.2f}   goal {sign} {goal:g}: {'met' if _HOLDS[sign](value, goal) else 'MISSED'}")


if __name__ == "__main__":
    main()
