"""All that the console says, from one file for each language."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any

DEFAULT_LANGUAGE = "en"


class Words:
    """The words of one language, by dotted names such as ``keys.title``.

    Raises:
        KeyError: there is no such name; a test asks for every name that a page uses.
    """

    def __init__(self, language: str = DEFAULT_LANGUAGE) -> None:
        text = resources.files(__package__).joinpath("words", f"{language}.toml").read_text("utf-8")
        self.language = language
        self._texts = dict(_flat(tomllib.loads(text), ""))

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

    def has(self, name: str) -> bool:
        """Whether there is such a text."""
        return name in self._texts

    def names(self) -> frozenset[str]:
        """Every name there is."""
        return frozenset(self._texts)


def _flat(tree: dict[str, Any], above: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in tree.items():
        found += _flat(value, f"{above}{name}.") if isinstance(value, dict) else [(above + name, value)]
    return found
