"""An installation whose people may come from a real identity provider."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from identity.traveller import CALLBACK, ORIGIN, Traveller
from keywright import ManualClock
from people.staff import cheap_passwords, claimed
from support.faces import InProcess
from support.identity import CLIENT_ID, CLIENT_SECRET, IdentityProvider, providing
from support.installation import Installation


@pytest.fixture(scope="session")
def running_provider() -> Iterator[IdentityProvider]:
    """The provider, for all tests."""
    with providing() as started:
        yield started


@pytest.fixture
def provider(running_provider: IdentityProvider, clock: ManualClock) -> IdentityProvider:
    """The provider as if it had just started, with the console on its list and the clock of the test."""
    running_provider.at = clock.now()
    running_provider.told(redirect_uris=[CALLBACK])
    return running_provider


@pytest.fixture
def terms() -> dict[str, str]:
    """Settings besides those without which nothing goes."""
    return {}


@pytest.fixture
def installation(
    data_dir: Path, clock: ManualClock, provider: IdentityProvider, terms: dict[str, str]
) -> Iterator[Installation]:
    """An installation with an owner, Maya, that knows the provider."""
    settings = {
        "public_url": ORIGIN,
        "oidc_issuer": provider.issuer,
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": CLIENT_SECRET,
        "oidc_label": "Example",
        **terms,
    }
    with Installation(data_dir, clock, **settings) as made:
        cheap_passwords(made.keywright)
        claimed(made)
        yield made


@pytest.fixture
def face(installation: Installation) -> Iterator[InProcess]:
    """The application over it."""
    with InProcess(installation.keywright) as made:
        yield made


@pytest.fixture
def traveller(face: InProcess, provider: IdentityProvider) -> Traveller:
    """Somebody who has not signed in."""
    return Traveller(face, provider)
