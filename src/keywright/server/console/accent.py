"""The operator's colour as a file of style: no page has a style of its own, and the policy of every page forbids it."""

from __future__ import annotations

from keywright.colour import PAPER, POINTED, TEXT_CONTRAST, ink, mix, shade

#: How much of the colour is in what lies softly behind words of it; of black or white in what is pointed at.
_SOFT = {"light": 0.1, "dark": 0.2}
_POINTED = 0.15
_FILE = "portal.css"


def files(accent: tuple[str, str] | None) -> dict[str, str]:
    """The file, by its name; none without a colour of the operator's own."""
    return {_FILE: style(*accent)} if accent else {}


def style(light: str, dark: str) -> str:
    """The tokens of the style that follow from the colour. Words stand out from all that they can be on."""
    tokens = {"light": _tokens(light, "light"), "dark": _tokens(dark, "dark")}
    lines = [f"    --{name}: light-dark({value}, {tokens['dark'][name]});" for name, value in tokens["light"].items()]
    return "\n".join(["@layer tokens {", "  :root {", *lines, "  }", "}", ""])


def _tokens(colour: str, theme: str) -> dict[str, str]:
    soft = mix(PAPER[theme], colour, _SOFT[theme])
    on = ink(colour)
    return {
        "accent": colour,
        # Away from what is written on it.
        "accent-hover": mix(colour, "#000000" if on == "#ffffff" else "#ffffff", _POINTED),
        "accent-text": shade(colour, theme, TEXT_CONTRAST, POINTED[theme], soft),
        "accent-soft": soft,
        "on-accent": on,
        "chart-ok": colour,
        "selection": soft,
    }
