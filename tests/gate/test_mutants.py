"""The checks of the gate can fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.mutants import assert_caught, with_long_form

ROADS, VERIFY, WIRE = "tests/gate/test_roads.py", "tests/gate/test_verify_endpoint.py", "tests/gate/test_wire.py"
SEEN, FAILING = "tests/gate/test_seen.py", "tests/gate/test_failing_store.py"
TOKEN = "tests/gate/test_token.py"
MUTANTS = {
    "anybody may ask": (
        "server/gate/gate.py",
        "return self._is_proxy(peer) or (",
        "return True or (",
        f"{ROADS}::test_only_a_configured_proxy_may_ask",
    ),
    "an empty secret opens the gate": (
        "server/gate/gate.py",
        "(bool(self._secret) and hmac",
        "(hmac",
        f"{ROADS}::test_without_proxies_nobody_may_ask",
    ),
    "the scopes of a route are not asked for": (
        "server/gate/gate.py",
        "scopes=route.scopes",
        "scopes=()",
        f"{ROADS}::test_both_roads_answer_alike[a scope that it lacks]",
    ),
    "the account of a route is not asked for": (
        "server/gate/gate.py",
        "account_id=route.account_id",
        'account_id=""',
        f"{ROADS}::test_both_roads_answer_alike[another account's]",
    ),
    "the proxy's address is taken for the client's": (
        "server/gate/gate.py",
        'if forwarded_for else ""',
        'if forwarded_for else "10.0.0.1"',
        f"{ROADS}::test_both_roads_answer_alike[a network, and no word of the client]",
    ),
    "the leftmost address is believed": (
        "server/gate/gate.py",
        "for text in reversed(forwarded_for",
        "for text in list(forwarded_for",
        f"{ROADS}::test_the_client_is_who_the_proxy_says",
    ),
    "an identity is left out where nobody passes": (
        "server/gate/identity.py",
        "    return list(zip(NAMES, (*of_record(passed), token, limits, str(status), error), strict=True))",
        (
            "    told = zip(NAMES, (*of_record(passed), token, limits, str(status), error), strict=True)\n"
            "    return [each for each in told if each[1]]"
        ),
        f"{ROADS}::test_every_answer_carries_the_whole_identity",
    ),
    "other accounts' keys are shown": (
        "server/gate/verdict.py",
        "return caller.account_id if",
        'return "" if',
        f"{VERIFY}::test_another_accounts_key_is_not_found",
    ),
    "the lane asks for no scope": (
        "server/gate/lane.py",
        " or missing_scopes(caller.scopes, _VERIFY)",
        "",
        f"{VERIFY}::test_without_the_scope_nobody_asks",
    ),
    "the asker pays": (
        "server/gate/road.py",
        "self.verify = keywright.verifier.identify",
        "self.verify = keywright.verifier.verify",
        f"{VERIFY}::test_the_asker_pays_nothing",
    ),
    "the last of two members counts": (
        "server/gate/lane.py",
        "return value if body.count(b'\"') == 2 * texts else None",
        "return value",
        f"{VERIFY}::test_the_lane_leaves_what_could_be_read_in_two_ways",
    ),
    "trailers are headers": (
        "server/gate/protocol.py",
        "self._head, self.headers = self.headers, []",
        "self._head = self.headers",
        f"{WIRE}::test_trailers_do_not_speak_for_the_proxy",
    ),
    "what a key was is enough": (
        "verify.py",
        "cache.entries[digest[0]].get(digest) is known",
        "digest in cache.entries[digest[0]]",
        f"{SEEN}::test_a_key_that_changed_is_looked_at_anew[True-narrowed]",
    ),
    "what is remembered need not be current": (
        "verify.py",
        "return self._store.freshness() == cache.seen and cache",
        "return cache",
        f"{SEEN}::test_a_key_that_changed_is_looked_at_anew[False-deleted]",
    ),
    "what is remembered now is what was looked at": (
        "server/gate/lane.py",
        "return held if held and held[1].record is record else None",
        "return held",
        f"{SEEN}::test_a_caller_that_changes_while_it_asks_is_not_kept",
    ),
    "bytes are the same whoever sends them": (
        "server/gate/lane.py",
        "if seen.peer != peer:",
        "if not peer:",
        f"{SEEN}::test_from_somebody_else_the_same_bytes_are_another_request",
    ),
    "the first in a packet stands for all of it": (
        "server/gate/protocol.py",
        "self._passed is not None and self._begun == 1 and",
        "self._passed is not None and",
        f"{SEEN}::test_packets_are_taken_apart_each_time[/v1-two]",
    ),
    "what nobody can tell is a bad key": (
        "server/gate/road.py",
        "answers.unavailable(error.retry_after_seconds)",
        "answers.invalid_key()",
        f"{FAILING}::test_a_proxy_is_told_503_in_its_dialect",
    ),
    "what nobody can tell is a bad key, in a batch": (
        "server/gate/verdict.py",
        '"code": UNAVAILABLE, ',
        "",
        f"{FAILING}::test_a_batch_says_which_of_its_keys_could_not_be_looked_at",
    ),
    "what nobody can tell passes as before": (
        "server/gate/lane.py",
        "        if outcome is None or isinstance(outcome, Refused):",
        "        outcome = outcome or seen.known\n        if isinstance(outcome, Refused):",
        f"{FAILING}::test_what_passed_before_does_not_pass_by_its_bytes",
    ),
    "the lane signs nothing": (
        "server/gate/lane.py",
        "self._gate.make_token(outcome.record, route, now),",
        '"",',
        f"{TOKEN}::test_on_every_road_the_token_says_who_passed[/v1/gate-plain]",
    ),
    "the road signs nothing": (
        "server/gate/gate.py",
        "token = self.make_token(outcome.record, asked.route, now)",
        'token = ""',
        f"{TOKEN}::test_on_every_road_the_token_says_who_passed[/v1/gate-plain]",
    ),
    "no keys are published": (
        "server/app.py",
        "json_answer(tokens.public_keys())",
        'json_answer({"keys": []})',
        f"{TOKEN}::test_on_every_road_the_token_says_who_passed[/v1/gate-plain]",
    ),
    "the lane overtakes": (
        "server/gate/protocol.py",
        "            and self._is_idle()\n",
        "",
        f"{WIRE}::test_pipelined_requests_are_answered_in_their_order",
    ),
}

#: Caught in the long form only: each takes several seconds.
LONG = {
    "the first in a packet stands for all of it",
    "the lane overtakes",
    "trailers are headers",
    "the leftmost address is believed",
    "the last of two members counts",
    "an identity is left out where nobody passes",
    "what nobody can tell is a bad key, in a batch",
    "what nobody can tell passes as before",
    "the lane signs nothing",
    "the road signs nothing",
    "no keys are published",
}


@pytest.mark.parametrize("name", with_long_form(MUTANTS, LONG))
def test_a_planted_fault_is_caught(tmp_path: Path, name: str) -> None:
    """A gate that is open, an identity that can be forged, a road that answers otherwise: the tests notice each."""
    assert_caught(tmp_path, *MUTANTS[name])
