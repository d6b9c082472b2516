"""Whether it is really they who come from the provider: when they signed in there counts, not when they came here."""

from __future__ import annotations

from typing import Any

import pytest

from identity.test_journeys import came_in, logged, with_codes
from identity.traveller import CALLBACK, SESSION, START, Traveller, below, seen
from keywright.audit import Action
from keywright.people import totp
from keywright.people.presence import PRESENCE_SECONDS
from people.staff import visitor
from support.identity import IdentityProvider
from support.installation import Installation

BUTTON = 'href="/sign-in/oidc?anew=yes&amp;next=/members"'


def shown(installation: Installation, traveller: Traveller) -> bool:
    """Whether the session is a proof of who they are."""
    return installation.keywright.presence.is_shown(visitor(installation, traveller.cookies[SESSION]))


def anew(traveller: Traveller, person: str) -> str:
    """Press the button of the page that asks for a proof, and sign in at the provider; the path back."""
    address = str(traveller.get(f"{START}?anew=yes&next=/members").headers["location"])
    assert "prompt=login" in address
    assert "max_age=0" in address
    return below(traveller.provider.signed_in(address, person))


def test_when_they_signed_in_there(
    installation: Installation, provider: IdentityProvider, traveller: Traveller
) -> None:
    """Somebody whom the provider lets in without asking, because they were there before, has shown nothing: whoever has
    found their screen unlocked gets no further. Where it does not say when, or says nonsense, it was not now."""
    now = installation.clock.now()
    said: tuple[tuple[Any, float], ...] = (
        (now - 10, now - 10), (now - PRESENCE_SECONDS - 1, now - PRESENCE_SECONDS - 1), (now + 5_000, now),
        (None, 0), (0, 0), (-5, 0), (True, 0), (10**400, 0),
    )  # fmt: skip
    for auth_time, proved_at in said:
        provider.told(redirect_uris=[CALLBACK], claims={"auth_time": auth_time})
        each = Traveller(traveller.face, provider)
        assert came_in(each.travel("maya")), auth_time
        assert visitor(installation, each.cookies[SESSION]).session.proved_at == proved_at, auth_time
        assert shown(installation, each) == (now - proved_at <= PRESENCE_SECONDS)


def test_a_code_shows_it(installation: Installation, provider: IdentityProvider, traveller: Traveller) -> None:
    """Whoever shows their code here after the provider has shown who they are, whenever it was there."""
    secret = with_codes(installation)
    provider.told(redirect_uris=[CALLBACK], claims={"auth_time": None})
    traveller.travel("maya")
    code = totp.code(secret, int(installation.clock.now()) // totp.STEP_SECONDS)

    assert came_in(traveller.post("/sign-in/code", {"code": code}))
    assert shown(installation, traveller)


@pytest.mark.parametrize("terms", [{"oidc_new_members": "admin"}])
def test_who_has_only_the_provider(
    installation: Installation, provider: IdentityProvider, traveller: Traveller
) -> None:
    """Whoever has nothing else to show is asked anew by the provider, and goes on, in a session in place of the one
    before; a provider that has not asked, or does not say when, shows nothing."""
    traveller.travel("new")
    installation.clock.advance(PRESENCE_SECONDS + 1)
    now = provider.at = installation.clock.now()
    page = traveller.get("/confirm?next=/members")
    assert BUTTON in page.text
    before = traveller.cookies[SESSION]
    for auth_time in (None, now - 61, 0, True):
        provider.told(redirect_uris=[CALLBACK], claims={"auth_time": auth_time})
        refused = traveller.get(anew(traveller, "new"))
        assert refused.status_code == 403, auth_time
        assert "does not say that you have signed in there just now" in seen(refused)
        assert logged(installation, Action.SIGN_IN_REFUSED)[0]["why"] == "anew"
        assert traveller.cookies[SESSION] == before
    assert not shown(installation, traveller)

    provider.told(redirect_uris=[CALLBACK])

    assert came_in(traveller.get(anew(traveller, "new")), "/members")
    assert shown(installation, traveller)
    assert installation.keywright.entry.visitor(before) is None


def test_the_wish_cannot_be_taken_away(
    installation: Installation, provider: IdentityProvider, traveller: Traveller
) -> None:
    """That the provider is to ask anew is part of what is signed: without it the way back leads nowhere."""
    traveller.travel("maya")
    provider.told(redirect_uris=[CALLBACK], claims={"auth_time": None})
    path = anew(traveller, "maya")

    assert traveller.get(path.replace("n.", ".", 1)).status_code == 403
    assert logged(installation, Action.SIGN_IN_REFUSED)[0]["why"] == "begun"
