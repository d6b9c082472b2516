"""What is said when something cannot be done can be said in another language: the console's catalogue knows each
sentence."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from house.rules import SOURCE
from keywright.server.console.words import SAID, Words, texts_of

_ERRORS = frozenset({"InvalidValue", "Conflict", "Forbidden", "NotFound", "CallerRefused"})
#: Where sentences come from that a page may show; of these files errors of plain Python as well, which are quoted.
PLACES = ("manage", "people", "server/console")
QUOTED = ("limits/base.py", "record.py", "clock.py")


def sentences(source: str, errors: frozenset[str]) -> Iterator[tuple[int, str]]:
    """The sentences that errors are raised with in a file, and where; with a 7 wherever a value stands."""
    tree = ast.parse(source)
    named = {
        target.id: text
        for each in tree.body
        if isinstance(each, ast.Assign) and (text := said(each.value, {}))
        for target in each.targets
        if isinstance(target, ast.Name)
    }
    for each in ast.walk(tree):
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id in errors and each.args:
            text = said(each.args[0], named)
            if text:
                yield each.lineno, text


def said(node: ast.expr, named: dict[str, str]) -> str:
    """The text that an expression stands for; empty if that is only known when it runs."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.Name):
        return named.get(node.id, "")
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values)
    return ""


def unknown(source: str, errors: frozenset[str] = _ERRORS) -> list[str]:
    """The sentences of a file that the catalogue does not know."""
    words = Words("xx", {name: f"[{text}]" for name, text in texts_of("en").items()})
    return [f"line {line}: {text}" for line, text in sentences(source, errors) if words.said(text) == text]


FILES = [path for place in PLACES for path in sorted((SOURCE / place).glob("*.py"))]


@pytest.mark.parametrize("path", [*FILES, *(SOURCE / name for name in QUOTED)], ids=lambda path: path.name)
def test_every_sentence_of_the_core_is_in_the_catalogue(path: object) -> None:
    """Whatever an act is refused with stands under [said] in server/console/words/en.toml, word for word, with a name
    in braces for each value: add it there."""
    errors = _ERRORS | {"ValueError"} if getattr(path, "name", "") in {"base.py", "record.py", "clock.py"} else _ERRORS
    assert unknown(path.read_text("utf-8"), errors) == []  # type: ignore[attr-defined]


def test_no_sentence_in_the_catalogue_is_left_over() -> None:
    """What nobody says any more is not translated any more."""
    every = [text for path in FILES for _, text in sentences(path.read_text("utf-8"), _ERRORS)]
    errors = _ERRORS | {"ValueError"}
    every += [text for name in QUOTED for _, text in sentences((SOURCE / name).read_text("utf-8"), errors)]
    patterns = {
        name: re.compile(re.sub(r"\\\{\w+\\\}", ".*", re.escape(text)), re.DOTALL)
        for name, text in texts_of("en").items()
        if name.startswith(SAID) and name != "said.limit_help"
    }
    assert [name for name, pattern in patterns.items() if not any(map(pattern.fullmatch, every))] == []


def test_a_sentence_nobody_knows_is_found() -> None:
    """The rule can fail, also over a text with values in it."""
    assert unknown('raise NotFound("This was never said.")')
    assert unknown('raise InvalidValue(f"{x} is odd.", "x")')
    assert unknown('raise NotFound("There is no such member.")') == []


def test_quoted_sentences_are_said_in_the_same_language() -> None:
    """A sentence within a sentence is another language's as well, and what somebody typed is nobody's."""
    words = Words("xx", {name: f"[{text}]" for name, text in texts_of("en").items()})
    inner = (
        "'many' is not a limit: write it as count/window, such as 100/15m, or as 100/15m sliding, or as 10/s burst 50"
    )

    assert words.said(f"rate_limit: {inner}.").count("[") == 3
    assert Words().said(f"rate_limit: {inner}.") == f"rate_limit: {inner}."
    assert words.said("as it was typed") == "as it was typed"
