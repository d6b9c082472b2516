"""All that the console says, from one file for each language."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

DEFAULT_LANGUAGE = "en"
#: Below this stand the sentences that are not the console's own: why an act of management was not done. In the default
#: language they are word for word what the code says, and by them it is known what another language is to say.
SAID = "said."
_PLACE = re.compile(r"\\\{(\w+)\\\}")


class Words:
    """The words of one language, by dotted names such as ``keys.title``.

    Args:
        texts: all of them; None for those in the language's file.

    Raises:
        KeyError: there is no such name; a test asks for every name that a page uses.
    """

    def __init__(self, language: str = DEFAULT_LANGUAGE, texts: Mapping[str, str] | None = None) -> None:
        self.language = language
        self._texts = texts_of(language) if texts is None else texts

    def __call__(self, name: str, /, **values: Any) -> str:
        """The text, with ``values`` where it names them. Numbers are written with thousands apart."""
        shown = {each: f"{value:,}" if isinstance(value, int) else value for each, value in values.items()}
        text = self._texts[name]
        return text.format(**shown) if shown else text

    def count(self, name: str, number: int) -> str:
        """The text for that many: ``name.one`` or ``name.many``."""
        return self(f"{name}.{'one' if number == 1 else 'many'}", n=number)

    def listed(self, name: str) -> list[str]:
        """The texts ``name.1``, ``name.2`` and so on."""
        found: list[str] = []
        while (text := self._texts.get(f"{name}.{len(found) + 1}")) is not None:
            found.append(text)
        return found

    def said(self, message: str) -> str:
        """A sentence of the core in this language, and what is quoted in it as well; itself if the catalogue does not
        know it, as with what the console has said in this language already."""
        for name, sentence in _sentences():
            if found := sentence.fullmatch(message):
                return self(name, **{each: self.said(part) for each, part in found.groupdict().items()})
        return message

    def has(self, name: str) -> bool:
        """Whether there is such a text."""
        return name in self._texts

    def names(self) -> frozenset[str]:
        """Every name there is."""
        return frozenset(self._texts)


@cache
def texts_of(language: str) -> Mapping[str, str]:
    """All texts of a language, by name."""
    text = resources.files(__package__).joinpath("words", f"{language}.toml").read_text("utf-8")
    return dict(_flat(tomllib.loads(text), ""))


@cache
def _sentences() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """The core's sentences; those that say the most by themselves come first, so that none takes another's place."""
    texts = [(name, text) for name, text in texts_of(DEFAULT_LANGUAGE).items() if name.startswith(SAID)]
    found = []
    for name, text in texts:
        pattern, places = _PLACE.subn(r"(?P<\1>.*)", re.escape(text))
        found.append((len(text) - 20 * places, name, re.compile(pattern, re.DOTALL)))
    return tuple((name, sentence) for _, name, sentence in sorted(found, key=lambda each: -each[0]))


def _flat(tree: dict[str, Any], above: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in tree.items():
        found += _flat(value, f"{above}{name}.") if isinstance(value, dict) else [(above + name, value)]
    return found
