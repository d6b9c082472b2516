"""The troubleshooting page: what callers see when a key does not work, and what to do. Served at ``/help``."""

from __future__ import annotations

from importlib import resources


def help_page(support_contact: str | None) -> str:
    """The page, with whom to ask if it does not help."""
    text = resources.files(__package__).joinpath("troubleshooting.md").read_text("utf-8")
    if support_contact:
        text += f"\nStill stuck? Ask {support_contact}.\n"
    return text
