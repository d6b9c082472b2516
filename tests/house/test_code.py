"""The source keeps our own rules, and each rule can fail."""

from __future__ import annotations

import sys

import pytest

from house import rules
from house.rules import Rule

CODE_RULES = (
    rules.long_file,
    rules.long_function,
    rules.clock,
    rules.status_code,
    rules.asynchronous,
    rules.undocumented,
    rules.unannounced,
    rules.third_party,
    rules.guessable,
)

#: Rule → a file's place and a text that breaks it exactly once.
BAD: tuple[tuple[Rule, str, str], ...] = (
    (rules.long_file, "key.py", "x = 1\n" * (rules.MAX_FILE_LINES + 1)),
    (rules.long_function, "key.py", "def f():\n" + "    x = 1\n" * (rules.MAX_BODY_LINES + 1)),
    (rules.clock, "usage.py", "import time\n"),
    (rules.clock, "usage.py", "from time import monotonic\n"),
    (rules.clock, "usage.py", "import datetime\nat = datetime.datetime.now()\n"),
    (rules.clock, "usage.py", "from datetime import date\nday = date.today()\n"),
    (rules.clock, "server/edge.py", "import asyncio\nawaited = asyncio.sleep(1)\n"),
    (rules.status_code, "manage/manager.py", "answer = 404\n"),
    (rules.status_code, "verify.py", "def f(status=503): ...\n"),
    (rules.asynchronous, "verify.py", "async def verify(): ...\n"),
    (rules.undocumented, "key.py", "x = 1\n"),
    (rules.undocumented, "key.py", '"""A module."""\nclass Key:\n    """A key."""\n    def mint(self): ...\n'),
    (rules.undocumented, "key.py", '"""A module."""\ndef mint(): ...\n'),
    (rules.unannounced, "key.py", 'def mint():\n    """A key."""\n    raise Misconfigured("no")\n'),
    (
        rules.unannounced,
        "key.py",
        'class Key:\n    """A key."""\n    def __init__(self):\n        raise errors.Misconfigured\n',
    ),
    (rules.third_party, "verify.py", "import sqlalchemy.exc\n"),
    (rules.third_party, "server/edge.py", "from pysqlite3 import dbapi2\n"),
    (rules.third_party, "usage.py", "def f():\n    import msgspec\n"),
    (rules.guessable, "key.py", "import random\n"),
    (rules.guessable, "digest.py", "def f():\n    from random import SystemRandom\n"),
    (rules.silent_test, "core/test_key.py", "def test_mint(): ...\n"),
    (rules.sleeping_test, "core/test_key.py", "import time\ntime.sleep(1)\n"),
)

#: Rule → a file's place and a text that looks like a breach and is none.
GOOD: tuple[tuple[Rule, str, str], ...] = (
    (rules.clock, "clock.py", "import time\nnow = time.time\n"),
    (rules.clock, "usage.py", "def f(clock): return clock.now()\n"),
    (rules.status_code, "server/app.py", "answer = 503\n"),
    (rules.status_code, "key.py", "flag = True\n"),
    (rules.asynchronous, "adapters/asgi.py", "async def f(): ...\n"),
    (rules.undocumented, "key.py", '"""A module."""\ndef _tag(): ...\n'),
    (
        rules.unannounced,
        "key.py",
        'def mint():\n    """A key. Misconfigured if not."""\n    raise Misconfigured("no")\n',
    ),
    (
        rules.unannounced,
        "key.py",
        'def mint():\n    """A key."""\n    try:\n        raise A\n    except A:\n        pass\n',
    ),
    (rules.third_party, "stores/sql.py", "from sqlalchemy import select\n"),
    (rules.guessable, "key.py", "import secrets\nrandom = secrets.token_bytes\n"),
    (rules.sleeping_test, "support/servers.py", "import time\ntime.sleep(1)\n"),
    (rules.long_function, "key.py", "def f():\n    def g():\n" + "        x = 1\n" * rules.MAX_BODY_LINES),
)


@pytest.mark.parametrize("rule", CODE_RULES, ids=lambda rule: rule.__name__)
def test_the_source_keeps_the_rule(rule: Rule) -> None:
    """Nothing in the source breaks a rule of the house."""
    assert rules.breaches(rule) == []


@pytest.mark.parametrize("rule", [rules.silent_test, rules.sleeping_test], ids=lambda rule: rule.__name__)
def test_the_tests_keep_the_rule(rule: Rule) -> None:
    """Every test says what it protects, and none waits for time to pass."""
    assert rules.breaches(rule, rules.ROOT / "tests") == []


@pytest.mark.parametrize(("rule", "file", "text"), BAD, ids=[f"{rule.__name__}-{file}" for rule, file, _ in BAD])
def test_the_rule_catches(rule: Rule, file: str, text: str) -> None:
    """A rule that cannot fail protects nothing: each finds the one breach in a text that has one."""
    assert len(list(rule(file, text))) == 1


@pytest.mark.parametrize(("rule", "file", "text"), GOOD, ids=[f"{rule.__name__}-{file}" for rule, file, _ in GOOD])
def test_the_rule_allows(rule: Rule, file: str, text: str) -> None:
    """A rule that forbids what is right would be worked around: each lets its own exceptions pass."""
    assert list(rule(file, text)) == []


def test_functions_are_short() -> None:
    """Nine of ten function bodies can be read at a glance."""
    lengths = sorted(rules.body_lines(each) for _, text in rules.files() for each in rules.functions(text))

    assert lengths[len(lengths) * 9 // 10] <= rules.P90_BODY_LINES


def test_every_library_has_its_place() -> None:
    """A library that nobody decided on cannot creep in: the table names every one that is imported, and no other."""
    imported = set().union(*(rules.imported_names(text) for _, text in rules.files()))

    assert imported - sys.stdlib_module_names - {"keywright"} == set(rules.THIRD_PARTY)
