"""Strict JSON: one meaning for every reader, nothing that a database or another parser would trip over."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

MAX_BODY_BYTES = 65_536
MAX_DEPTH = 32
MAX_DIGITS = 64
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_BRACKETS = re.compile(r"[\[\]{}]")
_LONG_NUMBER = re.compile(rf"[0-9]{{{MAX_DIGITS + 1}}}")


class MalformedJson(ValueError):
    """The text is not JSON as we take it; the message says why."""


def parse_json(raw: bytes) -> Any:
    """The value in ``raw``.

    Refuses, besides what is not JSON at all: text that is not UTF-8, a member named twice (readers disagree on which
    one counts), NaN and Infinity, lone surrogates and NUL (databases cannot store them), nesting deeper than 32,
    numbers of more than 64 digits, and those too large for a float (they would come back as Infinity).

    Raises:
        MalformedJson: says which of these.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedJson("The body is not UTF-8.") from error
    if _nests_too_deep(text):
        raise MalformedJson(f"The body is nested deeper than {MAX_DEPTH}.")
    if _LONG_NUMBER.search(_STRING.sub("", text)):
        raise MalformedJson(f"The body has a number of more than {MAX_DIGITS} digits.")
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
    except MalformedJson:
        raise
    except (ValueError, RecursionError) as error:
        raise MalformedJson("The body is not valid JSON.") from error
    _require_storable(value)
    return value


def _nests_too_deep(text: str) -> bool:
    # Counted before parsing, so that no parser recurses over it. Brackets inside strings do not count.
    depth = 0
    for bracket in _BRACKETS.findall(_STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise MalformedJson("The body names a member twice.")
    return found


def _no_constant(name: str) -> NoReturn:
    raise MalformedJson(f"The body has the value {name}, which is not JSON.")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise MalformedJson("The body has a number that is too large.")
    return number


def _require_storable(value: Any) -> None:
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
            raise MalformedJson("The body has a text with a NUL or half a surrogate pair in it.")
    elif isinstance(value, dict):
        for name, member in value.items():
            _require_storable(name)
            _require_storable(member)
    elif isinstance(value, list):
        for item in value:
            _require_storable(item)
