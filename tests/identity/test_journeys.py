"""Who comes in from the identity provider, as whom, and what is asked of them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from identity.traveller import CALLBACK, HOME, ORIGIN, SESSION, START, Traveller, seen
from keywright.audit import Action
from keywright.errors import NotFound
from keywright.people import totp
from keywright.server.oidc.client import FRESH_SECONDS, announces
from keywright.stores.people import Member, Role
from keywright.stores.survey import AuditFilter
from people.staff import PASSWORD, WHERE, signed_in
from support.identity import PUBLIC_CLIENT_ID, IdentityProvider
from support.installation import ME, Installation


def logged(installation: Installation, action: Action) -> list[dict[str, Any]]:
    """The details of what the audit log says of an action, the newest first."""
    wanted = AuditFilter(action=action)
    with installation.keywright.store.snapshot() as reads:
        found = reads.survey.audit_lines(installation.account_id, wanted, 100, below=None, above=None)
    return [dict(each.details) for each in found]


def who(installation: Installation, traveller: Traveller) -> tuple[Member, Role]:
    """As whom somebody is in."""
    visitor = installation.keywright.entry.visitor(traveller.cookies[SESSION])
    assert visitor
    return visitor.member, visitor.membership.role


def came_in(answer: httpx.Response, path: str = HOME) -> bool:
    """Whether somebody was let in, and led on."""
    return (answer.status_code, answer.headers.get("location")) == (303, path)


def test_a_member_comes_in_by_their_confirmed_address(installation: Installation, traveller: Traveller) -> None:
    """Whoever has a member's address, as the provider confirms, is that member: with their role, in a new session,
    and with a line in the log for the link and for the sign-in."""
    answer = traveller.travel("maya")

    assert came_in(answer)
    assert traveller.is_in()
    member, role = who(installation, traveller)
    assert (member.email, role) == ("maya@example.com", Role.OWNER)
    assert logged(installation, Action.IDENTITY_LINK) == [
        {"issuer": traveller.provider.issuer, "subject": "248289761001", "email": "maya@example.com"}
    ]
    assert len(logged(installation, Action.SIGN_IN)) == 1
    cookies = answer.headers.get_list("set-cookie")
    assert len(cookies) == 1
    assert "HttpOnly; " in f"{cookies[0]}; "
    assert "SameSite=Lax" in cookies[0]


def test_who_is_linked_stays_linked(
    installation: Installation, provider: IdentityProvider, traveller: Traveller
) -> None:
    """Once linked, neither another address, nor an unconfirmed one, nor none changes who somebody is."""
    traveller.travel("maya")
    for changed in ({"email": "maya.chen@elsewhere.org"}, {"email_verified": False}, {"email": None}):
        provider.told(redirect_uris=[CALLBACK], claims=changed)
        again = Traveller(traveller.face, provider)
        assert came_in(again.travel("maya"))
        assert who(installation, again)[0].email == "maya@example.com"
    assert len(logged(installation, Action.IDENTITY_LINK)) == 1


def test_a_used_address_takes_nobody_over(installation: Installation, traveller: Traveller) -> None:
    """Somebody else who is given a linked member's address is not that member."""
    traveller.travel("maya")
    other = Traveller(traveller.face, traveller.provider)

    answer = other.travel("again")

    assert answer.status_code == 403
    assert "belongs to a member who signs in with another account of Example" in seen(answer)
    assert not other.is_in()
    assert logged(installation, Action.SIGN_IN_REFUSED)[0]["why"] == "taken"


def test_nobody_comes_in_who_was_not_invited(installation: Installation, traveller: Traveller) -> None:
    """By default being known to the provider is not enough; an invitation to the confirmed address is, whatever its
    case, and makes a member with the role that it names."""
    refused = traveller.travel("vic")
    assert refused.status_code == 403
    assert "not invited" in seen(refused)
    installation.keywright.directory.invite(ME, installation.account_id, "vic@example.com", Role.ADMIN)

    assert came_in(traveller.travel("vic"))

    member, role = who(installation, traveller)
    assert (member.email, member.name, member.password, role) == ("vic@example.com", "Vic", None, Role.ADMIN)
    assert installation.keywright.directory.invitations(ME, installation.account_id) == []


def test_an_invitation_that_ended_lets_nobody_in(installation: Installation, traveller: Traveller) -> None:
    """An invitation whose days are over is none at the provider's door either."""
    installation.clock.advance(-8 * 86_400)
    installation.keywright.directory.invite(ME, installation.account_id, "vic@example.com", Role.ADMIN)
    installation.clock.advance(8 * 86_400)

    assert traveller.travel("vic").status_code == 403


@pytest.mark.parametrize("terms", [{"oidc_new_members": "viewer", "oidc_domains": "example.com"}])
def test_everybody_of_a_domain_comes_in(installation: Installation, traveller: Traveller) -> None:
    """If the operator says so, whoever has a confirmed address of the domain becomes what the operator says; an address
    of another domain does not, also not by an invitation."""
    assert came_in(traveller.travel("new"))
    assert who(installation, traveller)[1] is Role.VIEWER

    installation.keywright.directory.invite(ME, installation.account_id, "strange@elsewhere.org", Role.ADMIN)
    refused = Traveller(traveller.face, traveller.provider).travel("strange")

    assert refused.status_code == 403
    assert "cannot sign in here" in seen(refused)


@pytest.mark.parametrize("terms", [{"oidc_new_members": "viewer"}])
@pytest.mark.parametrize("returns", ["the same", "another address", "another subject"])
def test_who_was_removed_stays_out(
    installation: Installation, provider: IdentityProvider, traveller: Traveller, returns: str
) -> None:
    """A member who was removed is out at once, and does not come back by the door that is open to everybody, neither as
    the same subject nor with the same address; an invitation lets them in again."""
    traveller.travel("new")
    member, _ = who(installation, traveller)
    installation.keywright.directory.remove(ME, installation.account_id, member.id)
    changes: dict[str, Any] = {
        "the same": {},
        "another address": {"email": "newer@example.com"},
        "another subject": {"sub": "88"},
    }[returns]
    provider.told(redirect_uris=[CALLBACK], claims=changes)

    assert not traveller.is_in()
    assert traveller.travel("new").status_code == 403
    assert not traveller.is_in()
    email = changes.get("email", "new@example.com")
    installation.keywright.directory.invite(ME, installation.account_id, email, Role.VIEWER)
    assert came_in(traveller.travel("new"))


def test_the_second_factor_is_still_asked(installation: Installation, traveller: Traveller) -> None:
    """Of a member with one-time codes the code is asked after the provider, too; until it is shown nobody is in."""
    secret = with_codes(installation)

    answer = traveller.travel("maya", "/audit-log")

    assert answer.headers["location"] == "/sign-in/code?next=/audit-log"
    assert not traveller.is_in()
    code = totp.code(secret, int(installation.clock.now()) // totp.STEP_SECONDS)
    assert came_in(traveller.post("/sign-in/code?next=/audit-log", {"code": code, "next": "/audit-log"}), "/audit-log")
    assert traveller.is_in()


@pytest.mark.parametrize("terms", [{"oidc_second_factors": "mfa, phr"}])
@pytest.mark.parametrize(
    ("claims", "enough"), [({"amr": ["pwd", "mfa"]}, True), ({"acr": "phr"}, True), ({"amr": ["pwd"]}, False)]
)
def test_the_provider_may_stand_for_it(
    installation: Installation,
    provider: IdentityProvider,
    traveller: Traveller,
    claims: dict[str, Any],
    *,
    enough: bool,
) -> None:
    """Where the operator says what at the provider is as good as our code, whoever has shown it there is not asked for
    the code."""
    with_codes(installation)
    provider.told(redirect_uris=[CALLBACK], claims=claims)

    assert came_in(traveller.travel("maya"), HOME if enough else "/sign-in/code")
    assert traveller.is_in() == enough


def with_codes(installation: Installation) -> bytes:
    """Maya asks for a code from now on; the secret. The last code was of long ago."""
    secret = totp.new_secret()
    visitor = installation.keywright.entry.visitor(signed_in(installation))
    assert visitor
    step = int(installation.clock.now()) // totp.STEP_SECONDS
    installation.clock.advance(-10 * totp.STEP_SECONDS)
    installation.keywright.directory.set_totp(visitor, secret, totp.code(secret, step - 10), PASSWORD, WHERE)
    installation.clock.advance(10 * totp.STEP_SECONDS)
    return secret


@pytest.mark.parametrize("terms", [{"oidc_groups": "staff, guests", "oidc_acr": "phr, phrh"}])
def test_groups_and_classes_are_asked_for_each_time(
    installation: Installation, provider: IdentityProvider, traveller: Traveller
) -> None:
    """Who is in none of the groups, or was not asked for enough at the provider, is not let in, linked or not; and the
    provider is told what is wanted."""
    callback = [CALLBACK]
    installation.keywright.directory.invite(ME, installation.account_id, "vic@example.com", Role.VIEWER)
    for claims, why in (
        ({"acr": "phr"}, ""), ({"acr": "pwd"}, "acr"), ({"acr": None}, "acr"), ({"acr": "phr", "groups": []}, "groups"),
        ({"acr": "phrh", "groups": ["guests"]}, ""), ({"acr": "phr", "groups": "staff"}, "groups"),
    ):  # fmt: skip
        provider.told(redirect_uris=callback, claims=claims)
        each = Traveller(traveller.face, provider)
        address = each.leave()
        assert "acr_values=phr+phrh" in address
        assert "scope=openid+email+profile+groups" in address
        answer = each.travel("vic")
        assert came_in(answer) == (why == "")
        if why:
            assert logged(installation, Action.SIGN_IN_REFUSED)[0]["why"] == why


def test_two_tabs_at_once(traveller: Traveller) -> None:
    """Somebody who has begun in two tabs comes back in both, each to the page that it was begun from."""
    one, two = traveller.away(following="/audit-log"), traveller.away(following="/overview")

    assert came_in(traveller.get(two), "/overview")
    assert came_in(traveller.get(one), "/audit-log")


@pytest.mark.parametrize("terms", [{"oidc_groups": "staff"}])
def test_lists_that_are_none(provider: IdentityProvider, traveller: Traveller) -> None:
    """Where a provider has something else in place of a list of what it can do, it is as if it said nothing."""
    for odd in (5, "groups", {"groups": 1}):
        lists = ("token_endpoint_auth_methods_supported", "scopes_supported", "code_challenge_methods_supported")
        traveller.face.keywright.clock.pause(FRESH_SECONDS + 1)
        provider.at = traveller.face.keywright.clock.now()
        provider.told(redirect_uris=[CALLBACK], discovery=dict.fromkeys(lists, odd), claims={"groups": ["staff"]})
        each = Traveller(traveller.face, provider)
        assert "groups" not in each.leave()
        assert came_in(each.travel("maya")), odd
    assert not announces({"methods": None}, "methods", "S256")
    assert announces({"methods": None}, "methods", "S256", otherwise=True)


def test_claims_from_the_userinfo_endpoint(provider: IdentityProvider, traveller: Traveller) -> None:
    """A provider whose tokens name no address is asked for it, and not believed where it speaks of somebody else."""
    callback = [CALLBACK]
    provider.told(redirect_uris=callback, thin=True, userinfo={"sub": "somebody else"})
    assert traveller.travel("maya").status_code == 403

    provider.told(redirect_uris=callback, thin=True)

    assert came_in(traveller.travel("maya"))


@pytest.mark.parametrize("methods", [["client_secret_post"], ["private_key_jwt", "client_secret_basic"], None])
def test_how_we_show_who_we_are(provider: IdentityProvider, traveller: Traveller, methods: list[str] | None) -> None:
    """The secret goes to the provider in the way that it takes it."""
    changes = {"token_endpoint_auth_methods_supported": methods}
    provider.told(redirect_uris=[CALLBACK], discovery=changes)

    assert came_in(traveller.travel("maya"))


@pytest.mark.parametrize("terms", [{"oidc_client_id": PUBLIC_CLIENT_ID, "oidc_client_secret": None}])
def test_a_client_without_a_secret(traveller: Traveller) -> None:
    """A public client comes in by PKCE alone."""
    assert came_in(traveller.travel("maya"))


def test_keys_that_are_changed(provider: IdentityProvider, traveller: Traveller) -> None:
    """A key that the provider begins to use is fetched when the first token with it comes."""
    assert came_in(traveller.travel("maya"))
    traveller.face.keywright.clock.pause(61)
    provider.told(redirect_uris=[CALLBACK], signs="second", publishes=True)

    assert came_in(Traveller(traveller.face, provider).travel("maya"))
    assert provider.counts()["/keys"] == 1


def test_from_another_address_of_ours(traveller: Traveller) -> None:
    """Whoever presses the button at another address than people come back to is led there first."""
    answer = traveller.get(f"{START}?next=/overview", ("Host", "localhost:8460"))

    assert (answer.status_code, answer.headers["location"]) == (303, f"{ORIGIN}{START}?next=/overview")
    assert "set-cookie" not in answer.headers


def test_who_is_in_is_led_on(traveller: Traveller) -> None:
    """Somebody who has signed in already does not leave."""
    traveller.travel("maya")

    assert came_in(traveller.get(f"{START}?next=/overview"), "/overview")
    assert came_in(traveller.get(START))


def test_the_sign_in_page(traveller: Traveller) -> None:
    """It offers the provider by its name, and passwords beside it; both lead to the page that was wanted."""
    page = traveller.get("/sign-in?next=/overview")

    assert "Sign in with Example" in seen(page)
    assert 'href="/sign-in/oidc?next=/overview"' in page.text
    entry = {"email": "maya@example.com", "password": PASSWORD, "next": "/overview"}
    assert came_in(traveller.post("/sign-in", entry), "/overview")


@pytest.mark.parametrize("terms", [{"oidc_new_members": "admin"}])
def test_who_has_no_password_may_choose_one(installation: Installation, traveller: Traveller) -> None:
    """A member without a password is not asked for one, chooses one right after signing in, and signs in with it then;
    a while later they show first that it is they, by signing in anew."""
    traveller.travel("new")
    assert 'name="old"' not in traveller.get("/profile").text
    assert 'name="password"' not in traveller.get("/profile/second-factor").text
    installation.clock.advance(20 * 60)
    asked = traveller.post("/profile/password", {"new": PASSWORD})
    assert came_in(asked, "/confirm?next=/profile")
    assert "Sign in anew with Example" in seen(traveller.get("/confirm?next=/profile"))

    traveller.provider.at = installation.clock.now()
    traveller.provider.told(redirect_uris=[CALLBACK])
    traveller.post("/sign-out", {})
    traveller.travel("new")
    assert came_in(traveller.post("/profile/password", {"new": PASSWORD}), "/profile?changed=password")

    other = Traveller(traveller.face, traveller.provider)
    assert came_in(other.post("/sign-in", {"email": "new@example.com", "password": PASSWORD}))
    assert 'name="old"' in other.get("/profile").text


def test_the_operator_unlinks(installation: Installation, provider: IdentityProvider, traveller: Traveller) -> None:
    """Unlinking ends the sessions, is written down, and lets another subject with the member's confirmed address in."""
    federation = installation.keywright.federation
    traveller.travel("maya")
    [(member, identity)] = federation.identities(ME, installation.account_id)
    assert (member.email, identity.subject, identity.issuer) == ("maya@example.com", "248289761001", provider.issuer)

    assert federation.unlink(ME, installation.account_id, "Maya@example.com") == 1

    assert not traveller.is_in()
    assert federation.identities(ME, installation.account_id) == []
    assert logged(installation, Action.IDENTITY_UNLINK) == [{"issuer": provider.issuer, "subject": "248289761001"}]
    assert came_in(traveller.travel("again"))
    with pytest.raises(NotFound):
        federation.unlink(ME, installation.account_id, "nobody@example.com")
    with pytest.raises(NotFound):
        federation.unlink(ME, installation.account("Other"), "maya@example.com")


def test_without_a_provider_there_is_no_way(installation: Installation, data_dir: Any) -> None:
    """An installation that names no provider has no such routes, and no button."""
    assert installation.keywright.provider is not None
    from keywright.server.console.app import Console

    async def nothing(*_: object) -> None: ...

    with Installation(data_dir.parent / "other", installation.clock) as other:
        assert other.keywright.provider is None
        assert not any("oidc" in route.path for route in Console(nothing, other.keywright).routes)
