"""What is sent as a key → what becomes of it. One list for every face: each new adapter runs it as well."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from keywright import timestamp
from keywright.key import CHECKSUM_CHARACTERS, TAG_CHARACTERS, checksum
from keywright.manage.manager import Created
from support.faces import Face, Headers
from support.installation import ME

_MISSING = "Missing API key. Include your API key in the X-API-Key header."
_INVALID = "Invalid API key. Check that your key is correct and active."
_NOT_LWA = "Invalid API key format. Keys must start with 'lwa.' prefix."
_NOT_SS = "Invalid API key format. Keys must start with 'ss_' prefix."


class Verdict(Enum):
    """What becomes of a request: the status and, for a refusal, the words, letter for letter."""

    GOOD = (200, "")
    MISSING = (401, _MISSING)
    INVALID = (401, _INVALID)
    NOT_LWA = (401, _NOT_LWA)
    NOT_SS = (401, _NOT_SS)
    TWO_KEYS = (400, "Two different API keys were sent. Send one, in the X-API-Key header.")

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.value[0]

    @property
    def message(self) -> str:
        """The words."""
        return self.value[1]


@dataclass(frozen=True)
class Case:
    """One row.

    Attributes:
        name: begins with the requirement it shows.
        headers: with the names of `Material` in braces where a key goes.
        path: the surface it is sent to; answers 200 to a good key.
    """

    name: str
    headers: Headers
    verdict: Verdict
    path: str = "/v1/subscriptions"

    def filled(self, material: Mapping[str, str]) -> Headers:
        """The headers with keys in them."""
        return tuple((name, value.format_map(material)) for name, value in self.headers)

    def text(self, material: Mapping[str, str]) -> str | None:
        """What a face without headers is given as the key; None where the case is about headers."""
        plain = (
            len(self.headers) == 1 and self.headers[0][0] == "X-API-Key" and "bearer" not in self.headers[0][1].lower()
        )
        return self.filled(material)[0][1] if plain else None


def _x(name: str, value: str, verdict: Verdict, path: str = "/v1/subscriptions") -> Case:
    return Case(name, (("X-API-Key", value),), verdict, path)


JWT = "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"
TRIGGERS = "/api/campaigns"

CASES: tuple[Case, ...] = (
    _x("s21_the_header", "{good}", Verdict.GOOD),
    _x("s21_swiftsell_key", "{ss}", Verdict.GOOD),
    _x("s21_test_key", "{test}", Verdict.GOOD),
    _x("s21_blanks_around", "  {good} ", Verdict.GOOD),
    Case("s21_lower_case_name", (("x-api-key", "{good}"),), Verdict.GOOD),
    Case("s21_odd_case_name", (("X-aPi-KeY", "{good}"),), Verdict.GOOD),
    _x("s22_bearer", "Bearer {good}", Verdict.GOOD),
    _x("s22_bearer_lower_case", "bearer {ss}", Verdict.GOOD),
    _x("s22_bearer_upper_case_and_blanks", " BEARER   {good}  ", Verdict.GOOD),
    _x("s22_bearer_bad_key", "Bearer {deleted}", Verdict.INVALID),
    Case("s23_authorization", (("Authorization", "Bearer {good}"),), Verdict.GOOD),
    Case("s23_authorization_any_case", (("authorization", "bEARER  {ss}"),), Verdict.GOOD),
    Case("s23_authorization_bad_key", (("Authorization", "Bearer {deleted}"),), Verdict.INVALID),
    Case("s23_authorization_other_scheme", (("Authorization", "Basic {good}"),), Verdict.MISSING),
    Case("s23_authorization_without_scheme", (("Authorization", "{good}"),), Verdict.MISSING),
    Case(
        "s23_x_api_key_decides_for_good", (("X-API-Key", "{good}"), ("Authorization", "Bearer {deleted}")), Verdict.GOOD
    ),
    Case("s23_x_api_key_decides_for_bad", (("X-API-Key", "foo"), ("Authorization", "Bearer {good}")), Verdict.NOT_LWA),
    Case("s23_x_api_key_decides_empty", (("X-API-Key", ""), ("Authorization", "Bearer {good}")), Verdict.MISSING),
    Case("s23_twice_different", (("X-API-Key", "{good}"), ("x-api-key", "{ss}")), Verdict.TWO_KEYS),
    Case("s23_twice_good_and_garbage", (("X-API-Key", "foo"), ("X-API-Key", "{good}")), Verdict.TWO_KEYS),
    Case("s23_twice_equal", (("X-API-Key", "{good}"), ("X-API-Key", "{good}")), Verdict.GOOD),
    Case("s23_twice_equal_one_as_bearer", (("X-API-Key", "{good}"), ("X-API-Key", "Bearer {good}")), Verdict.GOOD),
    Case("s26_absent", (), Verdict.MISSING),
    _x("s33_empty", "", Verdict.MISSING),
    _x("s33_blanks", "   ", Verdict.MISSING),
    _x("s33_bare_bearer", "Bearer", Verdict.MISSING),
    _x("s33_bare_bearer_and_blanks", "bearer  ", Verdict.MISSING),
    Case("s33_authorization_bare_bearer", (("Authorization", "Bearer"),), Verdict.MISSING),
    _x("s27_unknown", "{unknown}", Verdict.INVALID),
    _x("s27_deleted", "{deleted}", Verdict.INVALID),
    _x("s27_disabled", "{disabled}", Verdict.INVALID),
    _x("s27_expired", "{expired}", Verdict.INVALID),
    _x("s32_wrong_tag", "{forged}", Verdict.INVALID),
    _x("s32_typo", "{typo}", Verdict.INVALID),
    _x("s32_cut_short", "{short}", Verdict.INVALID),
    _x("s32_something_after_it", "{good}x", Verdict.INVALID),
    _x("s32_bare_prefix", "lwa.", Verdict.INVALID),
    _x("s32_prefix_and_anything", "lwa.foo", Verdict.INVALID),
    _x("s32_placeholder", "lwa.sk_live_YOUR_API_KEY", Verdict.INVALID),
    _x("s28_anything", "foo", Verdict.NOT_LWA),
    _x("s28_the_documents_other_placeholder", "your_api_key", Verdict.NOT_LWA),
    _x("s28_without_the_prefix", "{unprefixed}", Verdict.NOT_LWA),
    _x("s28_prefix_in_capitals", "LWA.sk_live_0123", Verdict.NOT_LWA),
    _x("s28_jwt", JWT, Verdict.NOT_LWA),
    _x("s28_deleted_swiftsell_key", "{deleted_ss}", Verdict.NOT_LWA),
    _x("s28_trigger_surface_anything", "foo", Verdict.NOT_SS, TRIGGERS),
    _x("s28_trigger_surface_deleted_lwa_key", "{deleted}", Verdict.NOT_SS, TRIGGERS),
    _x("s27_trigger_surface_deleted_key", "{deleted_ss}", Verdict.INVALID, TRIGGERS),
    _x("s27_trigger_surface_made_up", "ss_foo", Verdict.INVALID, TRIGGERS),
    _x("s26_trigger_surface_empty", "", Verdict.MISSING, TRIGGERS),
    _x("s83_trigger_surface_any_good_key", "{good}", Verdict.GOOD, TRIGGERS),
    _x("s83_trigger_surface_swiftsell_key", "{ss}", Verdict.GOOD, TRIGGERS),
    _x("s28_other_path_speaks_of_the_default", "ss_foo", Verdict.NOT_LWA, "/api/elsewhere"),
)


def material(face: Face) -> dict[str, str]:
    """Keys of every fate, made through ``face``'s installation: the names that cases have in braces."""
    manager, formats = face.keywright.manager, face.keywright.formats

    def deleted(created: Created) -> str:
        manager.delete(ME, created.row.account_id, created.row.id)
        return created.key

    disabled, expired = face.create(), face.create()
    manager.update(ME, face.account_id, disabled.row.id, {"disabled": True})
    manager.rotate(ME, face.account_id, expired.row.id, 0)
    good = face.key()
    return {
        "good": good,
        "ss": face.key(format="ss"),
        "test": face.key(environment="test"),
        "deleted": deleted(face.create()),
        "deleted_ss": deleted(face.create(format="ss")),
        "disabled": disabled.key,
        "expired": expired.key,
        "unknown": formats.mint("lwa", "live"),
        "forged": forged(good),
        "typo": good[:20] + ("A" if good[20] != "A" else "B") + good[21:],
        "short": good[:-1],
        "unprefixed": good.removeprefix("lwa."),
    }


def forged(key: str) -> str:
    """``key`` with another tag and a right checksum: what somebody makes who knows the format and not our secret."""
    body = key[: -CHECKSUM_CHARACTERS - TAG_CHARACTERS]
    tag = key[len(body) : -CHECKSUM_CHARACTERS]
    body += tag[:-1] + ("A" if tag[-1] != "A" else "B")
    return body + checksum(body)


def assert_flat_error(answer: Any, status: int, error: str, message: str | None, now: float) -> None:
    """An error in the documents' form, now: content type, members, their order."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    assert list(body)[:3] == ["error", "message", "timestamp"]
    assert body["error"] == error
    assert message is None or body["message"] == message
    assert body["message"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", body["timestamp"])
    assert timestamp(now - 5) <= body["timestamp"] <= timestamp(now + 5)


def assert_unauthorized(answer: Any, message: str, now: float) -> None:
    """A 401 letter for letter, bytes included: exactly three members and nothing between them."""
    assert_flat_error(answer, 401, "UNAUTHORIZED", message, now)
    stamp = answer.json()["timestamp"]
    assert answer.text == f'{{"error":"UNAUTHORIZED","message":"{message}","timestamp":"{stamp}"}}'
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api"'
    assert not [name for name in answer.headers if name.lower().startswith(("x-ratelimit", "ratelimit"))]


def assert_verdict(case: Case, answer: Any, now: float) -> None:
    """What the table says."""
    if case.verdict.status == 401:
        assert_unauthorized(answer, case.verdict.message, now)
    elif case.verdict is Verdict.TWO_KEYS:
        assert_flat_error(answer, 400, "BAD_REQUEST", case.verdict.message, now)
        assert "X-RateLimit-Limit" not in answer.headers
    else:
        assert answer.status_code == case.verdict.status, answer.text
        assert answer.headers["X-RateLimit-Limit"] == "100"


#: The headers that tell where a key's limits stand.
RATE_HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "RateLimit-Policy", "RateLimit")


def assert_rate_headers(answer: Any, remaining: int | None = None) -> None:
    """All rate headers are there, once each, and what is left is as it should be."""
    for name in RATE_HEADERS:
        assert len(answer.headers.get_list(name)) == 1, name
    assert answer.headers["X-RateLimit-Reset"].isdecimal()
    assert remaining is None or answer.headers["X-RateLimit-Remaining"] == str(remaining)
