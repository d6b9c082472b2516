"""Faults planted in what keeps a portal session to one account, one link and its maker: each is caught by a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.mutants import assert_caught, with_long_form

_PORTALS = "tests/people/test_portals.py::"
_PAGES = "tests/console/test_portal.py::"

#: What goes wrong: file, what stands there, what stands there then, who notices.
MUTANTS: dict[str, tuple[str, str, str, str]] = {
    "a session acts in another account": (
        "manage/rights.py",
        "    if account_id != session.account_id:",
        "    if False:",
        _PORTALS + "test_nobody_acts_in_another_account",
    ),
    "read access writes, and reaches more than keys": (
        "manage/rights.py",
        "    if scope not in SCOPES_IN_PORTAL[session.role]:",
        "    if False:",
        _PORTALS + "test_who_may_only_look_looks",
    ),
    "the maker's key may be gone": (
        "manage/rights.py",
        "    if session.maker_kind not in ON_THE_MACHINE:",
        "    if False:",
        _PORTALS + "test_a_session_ends_at_once[the operator's key is deleted]",
    ),
    "the maker may be no operator any more": (
        "manage/rights.py",
        "        if OPERATOR_SCOPE not in row.scopes:",
        "        if False:",
        _PORTALS + "test_a_session_ends_at_once[the operator's key loses the scope]",
    ),
    "a key makes links to the operator's own account": (
        "people/portals.py",
        "            if account.operator and actor.kind not in ON_THE_MACHINE:",
        "            if False:",
        _PORTALS + "test_no_key_opens_the_operators_own_account",
    ),
    "a key's link to the operator's own account goes on": (
        "manage/rights.py",
        "        if account.operator:\n",
        "        if False:\n",
        _PORTALS + "test_no_key_opens_the_operators_own_account",
    ),
    "the account may be disabled": (
        "manage/rights.py",
        "account is None or account.terms.disabled:\n        raise CallerRefused",
        "account is None:\n        raise CallerRefused",
        _PORTALS + "test_a_session_ends_at_once[the account is disabled]",
    ),
    "limits are not bounded": (
        "manage/rights.py",
        '    if not rights.default_limits or "limits" not in values:',
        "    if True:",
        _PORTALS + "test_nobody_gives_themselves_a_higher_limit[None]",
    ),
    "rotating multiplies a limit": (
        "manage/manager.py",
        "            if multiplies_limit(rights, row, self._policy) and",
        "            if False and",
        _PORTALS + "test_rotating_does_not_multiply_a_limit",
    ),
    "a link is opened twice": (
        "stores/portal_sql.py",
        ".where(_THEIRS.digest == digest, _THEIRS.opened.is_(False))",
        ".where(_THEIRS.digest == digest)",
        _PORTALS + "test_of_two_who_have_read_the_link_one_opens_it",
    ),
    "a link is a session already": (
        "people/portals.py",
        "            if session is None or not session.opened:",
        "            if session is None:",
        _PORTALS + "test_a_link_that_was_not_opened_is_no_session",
    ),
    "whoever may see keys makes links": (
        "people/portals.py",
        "authorise(tx, actor, OPERATOR_SCOPE, self._policy, session.created_at, session.account_id)",
        'authorise(tx, actor, "keys:read", self._policy, session.created_at, session.account_id)',
        _PORTALS + "test_who_may_make_links",
    ),
    "another account's link is opened unasked": (
        "server/console/portal_pages.py",
        'other and other.id not in (ask.account_id, ask.field("as")) else None',
        "None else None",
        _PAGES + "test_a_link_of_another_account_asks_first",
    ),
    "one cookie is taken for the other": (
        "server/console/app.py",
        'cookie=jar.get(origin.cookie(place.cookie), ""),',
        'cookie=jar.get(origin.cookie("session"), ""),',
        _PAGES + "test_a_session_of_the_portal_is_none_of_the_console",
    ),
    "a route of the portal is open to whoever may look": (
        "server/console/edit_pages.py",
        'Route("POST", path, made.change, Role.ADMIN)',
        'Route("POST", path, made.change)',
        _PAGES + "test_who_may_only_look_reaches_no_write",
    ),
}

#: Caught in the long form only: each takes several seconds.
LONG = {
    "one cookie is taken for the other",
    "read access writes, and reaches more than keys",
    "a link is a session already",
    "a route of the portal is open to whoever may look",
    "the maker's key may be gone",
    "limits are not bounded",
    "whoever may see keys makes links",
}


@pytest.mark.parametrize("fault", with_long_form(MUTANTS, LONG))
def test_a_fault_in_the_portal_is_caught(tmp_path: Path, fault: str) -> None:
    """The tests of tenancy, links, rights and ends can fail."""
    assert_caught(tmp_path, *MUTANTS[fault])
