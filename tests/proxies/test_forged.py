"""Forged identities: whatever a client writes, the application reads what the gate said."""

from __future__ import annotations

from collections.abc import Iterator

from proxies.site import NAMES, Site, assert_own_identity, identity_of, key_line
from support.upstream import Seen

LIE = b"key_forged000"
_WORDS = [name.encode().split(b"-") for name in NAMES]
_NOT_PASSED = (400, 401, 403)


def forged() -> Iterator[tuple[bytes, ...]]:
    """Header lines that claim to be the gate's."""
    for words in _WORDS:
        for separator in (b"-", b"_", b"."):
            yield (separator.join(words) + b": " + LIE,)
    yield from ((line,) for line in _WRITTEN_OTHERWISE)
    yield from _SEVERAL


_WRITTEN_OTHERWISE = (
    b"X-AUTH-KEY-ID: " + LIE, b"x-auth-key-id: " + LIE, b"x-AuTh-kEy-Id: " + LIE, b"X_AUTH_KEY_ID: " + LIE,
    b"x_auth_Key_iD: " + LIE, b"X.AUTH.KEY.ID: " + LIE, b"X-Auth_Key-Id: " + LIE, b"X_Auth-Key-Id: " + LIE,
    b"X-Auth-Key_Id: " + LIE, b"X.Auth-Key-Id: " + LIE, b"X-Auth.Key.Id: " + LIE, b"X_Auth.Key-Id: " + LIE,
    b"X.Auth_Account-Id: " + LIE, b"X-Auth-Key-Id:" + LIE, b"X-Auth-Key-Id:\t" + LIE, b"X-Auth-Key-Id : " + LIE,
    b"X-Auth-Key-Id\t: " + LIE, b"X_Auth_Key_Id : " + LIE, b"X-Auth-Key-Id: " + LIE + b", " + LIE,
    b"X-Auth-Scopes: *", b"X_Auth_Scopes: *", b"X-Auth-Status: 200", b"X-Other: 1\r\n X-Auth-Key-Id: " + LIE,
)  # fmt: skip
_SEVERAL = (
    (b"X-Auth-Key-Id: " + LIE, b"X-Auth-Key-Id: " + LIE),
    (b"X-Auth-Key-Id: " + LIE, b"X_Auth_Key_Id: " + LIE, b"X.Auth.Key.Id: " + LIE),
    (b"X_Auth_Key_Id: " + LIE, b"X_Auth_Key_Id: " + LIE),
    (b"X.Auth.Key.Id: " + LIE, b"x.auth.key.id: " + LIE),
    (b"Connection: X-Auth-Key-Id", b"X-Auth-Key-Id: " + LIE),
    (b"Connection: close, x-auth-account-id, X-Auth-Scopes",),
    (b"Connection: X-API-Key", b"X_Auth_Key_Id: " + LIE),
    (b"Connection: x-forwarded-for, x_auth_key_id", b"X_Auth_Key_Id: " + LIE),
    (b"X-Gate-Secret: " + LIE, b"X-Auth-Status: 200", b"X-Auth-Key-Id: " + LIE),
    tuple(name.encode() + b": " + LIE for name in NAMES),
)


def test_no_forged_identity_arrives(site: Site) -> None:
    """60 ways to claim an identity, with a good key: the application is told the key's own, and only that. With a key
    that is none, nothing arrives."""
    created = site.house.key()
    cases = list(forged())
    assert len(cases) == 60
    passed = 0
    for lines in cases:
        path = site.marker()
        answer = site.ask(path, key_line(created), *lines)
        for seen in site.house.application.saw(path):
            assert_own_identity(seen, created)
            passed += 1
        # Some are no HTTP; and who has the key itself dropped on the way, has none.
        assert answer.status in (200, 400, 401), (lines, answer)
        assert len(site.house.application.saw(path)) == (answer.status == 200)
        assert site.ask(path + "none", b"X-API-Key: lwa.garbage", *lines).status in _NOT_PASSED
        assert not site.house.application.saw(path + "none")
    assert passed >= 45, "most are HTTP, and pass without what they claim"


def test_trailers_carry_no_identity(site: Site) -> None:
    """What stands behind a body is no header: the identity is the gate's word, and is there."""
    created = site.house.key()
    path = site.marker()
    chunked = b"Transfer-Encoding: chunked\r\nTrailer: X-Auth-Key-Id\r\nConnection: close"
    head = b"POST %b HTTP/1.1\r\nHost: t\r\n%b\r\n%b\r\n\r\n" % (path.encode(), key_line(created), chunked)
    site.send(head + b"3\r\nabc\r\n0\r\nX-Auth-Key-Id: " + LIE + b"\r\n\r\n")
    for seen in site.house.application.saw(path):
        assert_own_identity(seen, created)
        assert seen.body == b"abc"


def test_an_alias_is_seen() -> None:
    """The search for what an application may take for the gate's word finds every spelling."""
    for name in ("x-auth-key-id", "x_auth_key_id", "x.auth.key.id", "x-auth_key.id", "x_auth_scopes "):
        assert identity_of(Seen("GET", "/", ((name, "1"),), b"")) == {name: ["1"]}
