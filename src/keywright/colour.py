"""Colours as pages have them: how well one stands out from another, and shades that do so better.

Contrast is that of WCAG 2.2: from 1, for a colour on itself, to 21, for black on white.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

#: What a shape must have before what is behind it, such as a button; and what words must have.
SHAPE_CONTRAST = 3.0
TEXT_CONTRAST = 4.5
#: What stands behind shapes and words on the pages of a theme: of the colours there, those that are hardest to stand
#: out from. The style has them too; a test holds the two together.
PAPER = {"light": "#f6f7f9", "dark": "#171b20"}
#: The same where the pointer is.
POINTED = {"light": "#eef0f3", "dark": "#1e2329"}
_AWAY = {"light": "#000000", "dark": "#ffffff"}
_HEX = re.compile(r"#[0-9a-f]{6}")
_STEPS = 100


def parse(text: str) -> str:
    """A colour such as ``#2563eb``, in small letters. ValueError for anything else."""
    colour = text.strip().lower()
    if not _HEX.fullmatch(colour):
        raise ValueError(f"{text[:40]!r} is not a colour such as #2563eb")
    return colour


def pair(texts: Sequence[str]) -> tuple[str, str]:
    """The colours for light and for dark: one for both, or one for each.

    Raises:
        ValueError: not that; or one of them stands out too little from the pages of its theme. Says which would do.
    """
    if len(texts) not in (1, len(PAPER)):
        raise ValueError("must be a colour such as #2563eb, or two with a comma: for light and for dark")
    chosen = {theme: parse(text) for theme, text in zip(PAPER, (*texts, *texts), strict=False)}
    for theme, colour in chosen.items():
        found = contrast(colour, PAPER[theme])
        if found < SHAPE_CONTRAST:
            better = ", ".join(shade(chosen[each], each, SHAPE_CONTRAST) for each in PAPER)
            raise ValueError(
                f"{colour} stands out too little from the {theme} pages: its contrast is {found:.2f} and must be at "
                f"least {SHAPE_CONTRAST:g}. One colour for light and one for dark would do: {better}"
            )
    return chosen["light"], chosen["dark"]


def contrast(one: str, other: str) -> float:
    """How well one colour stands out from the other."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def mix(one: str, other: str, share: float) -> str:
    """A colour with ``share`` of the other in it."""
    pairs = zip(_channels(one), _channels(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def ink(colour: str) -> str:
    """White or nearly black: whichever can be read better on it. One of the two always can."""
    return max(("#ffffff", "#0b0d10"), key=lambda each: contrast(each, colour))


def shade(colour: str, theme: str, wanted: float, *more: str) -> str:
    """The nearest shade of a colour that stands out by ``wanted`` from the pages of a theme, and from ``more``."""
    grounds = (PAPER[theme], *more)
    shades = (mix(colour, _AWAY[theme], step / _STEPS) for step in range(_STEPS))
    good = (each for each in shades if all(contrast(each, ground) >= wanted for ground in grounds))
    return next(good, _AWAY[theme])


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    linear = [_linear(each / 255) for each in _channels(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)
