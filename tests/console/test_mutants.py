"""Faults planted where the console's doors are: each is caught by a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.mutants import assert_caught, with_long_form

_DOORS = "tests/console/test_doors.py::"
_PAGES = "tests/console/test_pages.py::"
_ENTRY = "tests/people/test_entry.py::"
_DIRECTORY = "tests/people/test_directory.py::"

#: What goes wrong: file, what stands there, what stands there then, who notices.
MUTANTS: dict[str, tuple[str, str, str, str]] = {
    "a role is not asked for inside the act": (
        "manage/rights.py",
        "    if scope not in SCOPES_OF_ROLE[membership.role]:",
        "    if False:",
        _DIRECTORY + "test_what_each_role_may_do",
    ),
    "a member of one account acts in another": (
        "manage/rights.py",
        "    if account_id not in (None, actor.account_id):",
        "    if False:",
        _DIRECTORY + "test_nobody_acts_in_another_account",
    ),
    "an admin hands out what reaches beyond the account": (
        "manage/rights.py",
        "Role.ADMIN: (FULL_ACCESS,),",
        "Role.ADMIN: (FULL_ACCESS, OPERATOR_SCOPE),",
        _DIRECTORY + "test_only_an_owner_hands_out_what_reaches_beyond_the_account",
    ),
    "a route is open to viewers": (
        "server/console/key_pages.py",
        'Route("POST", every, made.create, Role.ADMIN)',
        'Route("POST", every, made.create)',
        _DOORS + "test_a_role_reaches_no_route_that_is_above_it",
    ),
    "strangers are not turned away": (
        "server/console/app.py",
        "if route.least is not None and (refused := self._turned_away(area, route.least, ask)):",
        "if route.least is not None and ask.guest and (refused := self._turned_away(area, route.least, ask)):",
        _DOORS + "test_a_stranger_reaches_nothing",
    ),
    "a form acts in another account than its page shows": (
        "server/console/ask.py",
        '(self.shown_account, self.field("account_id"))',
        "(self.shown_account,)",
        _DOORS + "test_nothing_is_done_in_an_account_that_the_page_does_not_show",
    ),
    "Origin is not looked at": (
        "server/console/origin.py",
        'return site in ("", "same-origin") and sender in ("", origin.url)',
        'return site in ("", "same-origin")',
        _DOORS + "test_only_our_own_pages_may_send_forms",
    ),
    "a form without any sign of its origin is taken": (
        "server/console/origin.py",
        "    if not site and not sender:\n        return False\n",
        "",
        _DOORS + "test_only_our_own_pages_may_send_forms",
    ),
    "a link works twice": (
        "stores/people_sql.py",
        "return token if token and self._remove(tables.tokens, tables.tokens.c.digest == digest) else None",
        "return token",
        _ENTRY + "test_a_sign_in_link_works_once_for_ten_minutes",
    ),
    "the setup token is checked before the transaction only": (
        "people/entry.py",
        "self._take(tx, token, TokenKind.SETUP)\n            if taken is None or owners(tx, account_id):",
        "0\n            if taken is None:",
        _ENTRY + "test_of_a_hundred_who_claim_at_once_one_is_the_owner",
    ),
    "the last owner may go": (
        "people/directory.py",
        "    if len(owners(tx, account_id)) < 2:",
        "    if False:",
        _DIRECTORY + "test_the_last_owner_stays",
    ),
    "a code works twice": (
        "stores/people_sql.py",
        "people.id == member_id, people.totp_step < step)",
        "people.id == member_id)",
        _ENTRY + "test_the_second_factor_is_asked_for_and_a_code_works_once",
    ),
    "tries are not counted": (
        "people/throttle.py",
        "            if count > most:",
        "            if False:",
        _ENTRY + "test_trying_is_throttled_whether_or_not_there_is_such_a_person",
    ),
    "who is not there is refused at once": (
        "people/entry.py",
        "        right = self._passwords.matches(",
        "        if member is None:\n            raise SignInRefused\n        right = self._passwords.matches(",
        _ENTRY + "test_a_stranger_costs_as_much_as_a_wrong_password",
    ),
    "what is shown is not escaped": (
        "server/console/pages.py",
        "            autoescape=True,",
        "            autoescape=False,",
        _PAGES + "test_a_name_is_text_and_never_markup",
    ),
    "other sites are led to": (
        "server/console/origin.py",
        'and not text.startswith("//") else default',
        "else default",
        _DOORS + "test_nobody_is_led_to_another_site",
    ),
}

#: Caught in the long form only: each takes several seconds.
LONG = {
    "a form acts in another account than its page shows",
    "what is shown is not escaped",
    "who is not there is refused at once",
    "a form without any sign of its origin is taken",
    "tries are not counted",
    "other sites are led to",
}


@pytest.mark.parametrize("fault", with_long_form(MUTANTS, LONG))
def test_a_fault_at_the_doors_is_caught(tmp_path: Path, fault: str) -> None:
    """The tests of roles, forms, tokens, throttling and escaping can fail."""
    assert_caught(tmp_path, *MUTANTS[fault])
