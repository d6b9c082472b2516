"""The gate behind real proxies, with the very files of ``deploy/``."""

from __future__ import annotations

import pytest

from proxies.checks import CHECKS
from proxies.site import Site


@pytest.mark.parametrize("name", CHECKS)
def test_every_proxy(site: Site, name: str) -> None:
    """What is documented of the gate holds through each proxy alike."""
    CHECKS[name](site)
