"""The tests of the provider can fail: each of these faults, planted in a copy of the source, is caught."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.mutants import assert_caught, with_long_form

ATTACKS = "tests/identity/test_attacks.py"
JOURNEYS = "tests/identity/test_journeys.py"
TAKEN = "tests/identity/test_taken.py"
ANEW = "tests/identity/test_anew.py"
OUTAGES = "tests/identity/test_outages.py"

UNSIGNED = """        parts = [__import__("base64").urlsafe_b64decode(each + "==") for each in text.split(".")[:2]]
        token = jwt.Token(*map(__import__("json").loads, parts))
"""

#: Fault → file, what stands there, what stands there instead, and the test.
MUTANTS: dict[str, tuple[str, str, str, str]] = {
    "a signature is not looked at": (
        "server/oidc/id_token.py",
        "        token = jwt.decode(text, keys, registry=registry)\n",
        UNSIGNED,
        f"{ATTACKS}::test_a_token_that_the_provider_has_not_signed",
    ),
    "a state of another browser": (
        "server/oidc/errand.py",
        'if not hmac.compare_digest(match[2], _derived(secret, "state", match[1])):',
        "if False:",
        f"{ATTACKS}::test_what_was_begun_in_another_browser",
    ),
    "an address that is not confirmed": (
        "people/federation.py",
        "    if not voucher.verified:\n",
        "    if False:\n",
        f"{ATTACKS}::test_an_address_that_is_not_confirmed",
    ),
    "a member is taken over": (
        "people/federation.py",
        "elif any(each.issuer == voucher.issuer for each in tx.people.identities(member.id)):",
        "elif tx.people.delete_identities(member.id, 0) < 0:",
        f"{JOURNEYS}::test_a_used_address_takes_nobody_over",
    ),
    "who came first keeps a way in": (
        "people/federation.py",
        "            closed = self._close_ways_of_others(tx, member)\n",
        "            pass\n",
        f"{TAKEN}::test_who_was_there_before_is_shut_out",
    ),
    "silence at the provider is a proof": (
        "people/federation.py",
        ", complete=complete, proved_at=voucher.proved_at)",
        ", complete=complete)",
        f"{ANEW}::test_when_they_signed_in_there",
    ),
}

#: The same, for the long form.
MORE: dict[str, tuple[str, str, str, str]] = {
    "the nonce is not compared": (
        "server/oidc/id_token.py",
        """        "nonce": {"essential": True, "value": nonce},
    }
    params = {"nonce": nonce, """,
        """    }
    params = {""",
        f"{ATTACKS}::test_a_token_that_says_something_else",
    ),
    "any page uses up the tries": (
        "server/console/oidc_pages.py",
        "self._federation.count_stray(ask.visit)",
        "self._federation.count(ask.visit)",
        f"{ATTACKS}::test_who_comes_back_too_often",
    ),
    "what is left in a loop": (
        "server/oidc/asking.py",
        "    loop.run_until_complete(loop.shutdown_asyncgens())\n    if left := asyncio.all_tasks(loop):\n",
        "    if left := None:\n",
        f"{OUTAGES}::test_an_answer_that_is_given_up",
    ),
    "an unlinked subject is forgotten": (
        "stores/people_sql.py",
        "        self._depart({_mark(each.issuer, each.subject) for each in self.identities(member_id)}, left_at)\n",
        "",
        f"{TAKEN}::test_who_was_unlinked_and_removed_stays_out",
    ),
    "an invitation elsewhere keeps out": (
        "people/federation.py",
        "if provider.new_members and not departed and all(each != operator_id for each, _, _ in places):",
        "if provider.new_members and not departed and not places:",
        f"{TAKEN}::test_an_invitation_elsewhere_keeps_nobody_out",
    ),
    "nobody was asked anew": (
        "server/oidc/client.py",
        "if errand.anew and voucher.proved_at < errand.begun_at - LEEWAY_SECONDS:",
        "if False:",
        f"{ANEW}::test_who_has_only_the_provider",
    ),
    "a state twice": (
        "people/federation.py",
        "        if uses > 1:\n",
        "        if False:\n",
        f"{ATTACKS}::test_the_same_address_twice",
    ),
    "another audience": (
        "server/oidc/id_token.py",
        '        "aud": {"essential": True, "value": client_id},\n',
        "",
        f"{ATTACKS}::test_a_token_that_says_something_else",
    ),
    "another issuer": (
        "server/oidc/id_token.py",
        '        "iss": {"essential": True, "value": issuer},\n',
        "",
        f"{ATTACKS}::test_a_token_that_says_something_else",
    ),
    "a state for ever": (
        "server/oidc/errand.py",
        "now - errand.begun_at <= AWAY_SECONDS",
        "now - errand.begun_at",
        f"{ATTACKS}::test_what_was_begun_too_long_ago",
    ),
    "without PKCE": (
        "server/oidc/client.py",
        "                code_verifier=errand.verifier,\n                headers",
        "                headers",
        f"{JOURNEYS}::test_a_client_without_a_secret",
    ),
    "whoever names itself": (
        "server/oidc/client.py",
        "        return issuer == self.provider.issuer\n",
        "        return True\n",
        f"{ATTACKS}::test_an_address_that_is_not_the_providers",
    ),
    "keys for every made-up id": (
        "server/oidc/client.py",
        "self._known_keys(KEYS_SECONDS)",
        "self._known_keys(-1)",
        f"{ATTACKS}::test_key_ids_without_number",
    ),
    "userinfo of somebody else": (
        "server/oidc/client.py",
        'if found.get("sub") != subject:',
        "if False:",
        f"{JOURNEYS}::test_claims_from_the_userinfo_endpoint",
    ),
    "everybody comes in": (
        "people/federation.py",
        "        if not places:\n",
        '        places = places or [(self._operator(tx).id, Role("viewer"), "")]\n        if False:\n',
        f"{JOURNEYS}::test_nobody_comes_in_who_was_not_invited",
    ),
    "any domain": (
        "people/federation.py",
        'if provider.domains and email.rpartition("@")[2] not in provider.domains:',
        "if False:",
        f"{JOURNEYS}::test_everybody_of_a_domain_comes_in",
    ),
    "who was removed comes back": (
        "people/federation.py",
        "departed = tx.people.has_departed(email, voucher.issuer, voucher.subject)",
        "departed = False",
        f"{JOURNEYS}::test_who_was_removed_stays_out",
    ),
    "an old invitation": (
        "people/federation.py",
        "tx.people.invitations_of(email) if each.expires_at > now]",
        "tx.people.invitations_of(email)]",
        f"{JOURNEYS}::test_an_invitation_that_ended_lets_nobody_in",
    ),
    "no second factor": (
        "people/federation.py",
        "complete = member.totp_secret is None or not ",
        "complete = True or not ",
        f"{JOURNEYS}::test_the_second_factor_is_still_asked",
    ),
    "groups are not looked at": (
        "people/federation.py",
        "if provider.groups and set(provider.groups).isdisjoint(voucher.groups):",
        "if False:",
        f"{JOURNEYS}::test_groups_and_classes_are_asked_for_each_time",
    ),
    "an answer of any size": (
        "server/oidc/asking.py",
        "if len(body) > MAX_ANSWER_BYTES:",
        "if False:",
        f"{OUTAGES}::test_an_answer_that_is_none",
    ),
    "an answer at any time": (
        "server/oidc/asking.py",
        "asyncio.wait_for(self._asked(method, url, **given), self._timeout_seconds)",
        "self._asked(method, url, **given)",
        f"{OUTAGES}::test_an_answer_that_is_none",
    ),
    "questions in the clear": (
        "server/oidc/asking.py",
        'if not may_be_asked(url) or (self._issuer.startswith("https:") and not url.startswith("https:")):',
        "if False:",
        f"{OUTAGES}::test_who_may_be_asked",
    ),
    "a description of another": (
        "server/oidc/client.py",
        '    if metadata.get("issuer") != issuer:\n',
        "    if False:\n",
        f"{OUTAGES}::test_what_a_provider_says_of_itself",
    ),
    "a provider that is down is asked each time": (
        "server/oidc/client.py",
        "if self._clock.elapsed() - self._down_at < DOWN_SECONDS:",
        "if False:",
        f"{OUTAGES}::test_how_often_a_provider_is_asked",
    ),
    "passwords wait for the provider": (
        "server/console/app.py",
        "threads = self._abroad if route.waits else self._door",
        "threads = self._door",
        f"{OUTAGES}::test_while_others_wait_for_the_provider",
    ),
}

#: Caught in the long form only: each takes several seconds.
LONG = {
    "who came first keeps a way in",
    "silence at the provider is a proof",
}


@pytest.mark.parametrize("fault", with_long_form(MUTANTS, LONG))
def test_a_fault_is_caught(tmp_path: Path, fault: str) -> None:
    """The checks without which strangers come in are checked themselves."""
    assert_caught(tmp_path, *MUTANTS[fault])


@pytest.mark.planted
@pytest.mark.parametrize("fault", MORE)
def test_every_other_fault_is_caught(tmp_path: Path, fault: str) -> None:
    """So is every other one."""
    assert_caught(tmp_path, *MORE[fault])
