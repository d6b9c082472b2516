"""Before what hands out power the console asks who it is, and nothing that was typed is lost by it."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from console.desk import Desk, seen
from console.test_doors import filled, routes
from keywright.people import throttle
from keywright.people.presence import PRESENCE_SECONDS
from keywright.stores.people import Role
from people.staff import PASSWORD, member, visitor, with_second_factor
from support.installation import ME, Installation
from support.mutants import assert_caught

HERE = "tests/console/test_presence.py::"
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')
_INVITED = {"email": "jo@example.com", "role": "admin"}


def waiting(answer: httpx.Response) -> dict[str, str | list[str]]:
    """The form that waits in a page, with what the page needs to send it on."""
    found = [each for each in _HIDDEN.findall(answer.text) if each[0] != "theme"]
    # The button for light and dark has a field of that name as well; it comes first.
    return dict(found)


def later(installation: Installation) -> None:
    """So much later that a proof does not hold any more."""
    installation.clock.advance(PRESENCE_SECONDS + 1)


def test_what_hands_out_power_asks_and_keys_do_not(installation: Installation, owner: Desk) -> None:
    """Exactly the acts about people and second factors ask; each changes nothing until it is answered."""
    jo = member(installation, "jo@example.com", Role.VIEWER).member
    later(installation)
    asking = [route for route in routes(installation) if route.proof]
    for route in asking:
        path = filled(route.path.replace("{member_id}", jo.id), "key_123456789")
        if route.method == "GET":
            assert owner.get(path).headers["location"] == f"/confirm?next={path}"
        else:
            answer = owner.post(path, {"role": "owner", **_INVITED})
            assert (answer.status_code, "Is it you?" in seen(answer)) == (403, True), path

    assert {(route.method, route.path) for route in asking} == {
        ("POST", "/settings/members"), ("POST", "/settings/members/{member_id}/role"),
        ("POST", "/settings/members/{member_id}/remove"), ("POST", "/profile/second-factor/remove"),
        ("POST", "/profile/second-factor/codes"), ("GET", "/profile/passkeys/new"),
        ("POST", "/profile/passkeys/options"), ("POST", "/profile/passkeys"),
        ("POST", "/profile/passkeys/{passkey_id}/remove"),
    }  # fmt: skip
    people = {each.email: theirs.role for each, theirs in installation.keywright.directory.members(ME, owner_of(owner))}
    assert people == {"maya@example.com": Role.OWNER, "jo@example.com": Role.VIEWER}
    assert installation.keywright.directory.invitations(ME, installation.account_id) == []
    assert owner.post("/settings/api-keys", {"name": "Made"}).status_code == 201


def owner_of(desk: Desk) -> str:
    """The account of the installation that a desk stands in."""
    return desk.face.account_id


def test_after_the_proof_the_act_is_done_as_it_was_meant(installation: Installation, owner: Desk) -> None:
    """What was filled in comes along, and is done once the password is right; then nothing asks for a while."""
    later(installation)
    asked = owner.post("/settings/members", dict(_INVITED))
    form = waiting(asked)
    wrong = owner.post("/confirm", {**form, "password": "wrong password 123"})
    old = owner.session
    right = owner.post("/confirm", {**waiting(wrong), "password": PASSWORD})

    assert (wrong.status_code, waiting(wrong)) == (403, form)
    assert (right.status_code, right.headers["location"]) == (307, "/settings/members")
    assert owner.session != old
    assert installation.keywright.directory.invitations(ME, installation.account_id) == []
    done = owner.post(right.headers["location"], {**form, "password": PASSWORD})
    assert done.status_code == 201
    invited = installation.keywright.directory.invitations(ME, installation.account_id)
    assert [(each.email, each.role) for each in invited] == [("jo@example.com", "admin")]
    assert owner.post("/settings/members", {**_INVITED, "email": "ann@example.com"}).status_code == 201
    assert Desk(owner.face, old).get("/profile").status_code == 303


def test_what_waits_is_text(installation: Installation, owner: Desk) -> None:
    """Whatever a form holds comes back out of the page as it was, and is no part of it."""
    later(installation)
    hostile = '"><script>alert(1)</script>'
    asked = owner.post("/settings/members", {"email": hostile, hostile: "x", "password": "typed elsewhere"})

    assert "<script>alert" not in asked.text
    assert "typed elsewhere" not in asked.text


@pytest.mark.parametrize("following", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_the_proof_leads_to_no_other_site(installation: Installation, owner: Desk, following: str) -> None:
    """Whatever stands in the address or in the form: the way on is to a page of ours."""
    later(installation)
    form = waiting(owner.get(f"/confirm?next={following}"))
    answer = owner.post("/confirm", {"next": following, "password": PASSWORD})

    assert form["next"] == "/overview"
    assert (answer.status_code, answer.headers["location"]) == (303, "/overview")


def test_too_many_proofs_wait(installation: Installation, owner: Desk) -> None:
    """After some wrong passwords the page says how long to wait."""
    later(installation)
    for _ in range(throttle.PROOF_LIMITS[0][0]):
        assert owner.post("/confirm", {"password": "wrong password 123"}).status_code == 403
    answer = owner.post("/confirm", {"password": PASSWORD})

    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert "Too many attempts" in seen(answer)


def test_new_recovery_codes_are_shown_once(installation: Installation, owner: Desk) -> None:
    """The profile makes new codes for whoever has a second factor; they stand in that one answer."""
    secret, old = with_second_factor(installation, owner.session)
    later(installation)
    form = waiting(owner.post("/profile/second-factor/codes"))
    page = owner.get("/confirm")
    shown = owner.post("/confirm", {**form, "code": old[0]})
    answer = owner.post(shown.headers["location"], {**form})
    codes = re.findall(r"<li>([A-Z2-7]{4}(?:-[A-Z2-7]{4}){3})</li>", answer.text)

    assert secret
    assert ('name="code"' in page.text, 'name="password"' in page.text) == (True, False)
    assert (answer.status_code, len(codes)) == (201, 10)
    assert codes[0] not in owner.get("/profile").text
    assert installation.keywright.directory.recovery_codes(visitor(installation, owner.session)) == 10
    assert owner.post("/profile/second-factor/remove").status_code == 303
    assert visitor(installation, owner.session).member.totp_secret is None


def test_who_has_no_password_is_asked_before_setting_one(installation: Installation, owner: Desk) -> None:
    """A password that was typed into a form does not wait in a page: the way back is to the form, empty."""
    with installation.keywright.store.transaction() as tx:
        tx.people.update_member(visitor(installation, owner.session).member.id, password=None)
    later(installation)
    answer = owner.post("/profile/password", {"old": "", "new": "copper lantern drifts"})

    assert (answer.status_code, answer.headers["location"]) == (303, "/confirm?next=/profile")
    assert "Sign out, and sign in again" in seen(owner.get(answer.headers["location"]))


#: What stands in the console's app, what stands there then, who notices.
MUTANTS = {
    "nobody asks": (
        "            if route.proof and not self._keywright.presence.is_shown(ask.visitor):",
        "            if False:",
        "test_what_hands_out_power_asks_and_keys_do_not",
    ),
}


@pytest.mark.parametrize("fault", MUTANTS)
def test_a_fault_in_asking_is_caught(tmp_path: Path, fault: str) -> None:
    """The test of which acts ask can fail."""
    old, new, test = MUTANTS[fault]
    assert_caught(tmp_path, "server/console/app.py", old, new, HERE + test)
