"""Requests that two readers could divide differently: application and gate see those that the client was answered."""

from __future__ import annotations

import json

import pytest

from proxies.site import Site, key_line
from support.waiting import eventually

#: A whole request that must stay part of another's body, or be refused with it.
INNER = b"GET %p/inner HTTP/1.1\r\nHost: t\r\n%k\r\n\r\n"
_SIZE = b"%n"
_HEAD = b"POST %p/a HTTP/1.1\r\nHost: t\r\n%k\r\n"
_GET = b"GET %p/a HTTP/1.1\r\nHost: t\r\n%k\r\n"
_LAST = b"GET %p/last HTTP/1.1\r\nHost: t\r\n%k\r\nConnection: close\r\n\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n"

#: What it is → the bytes. In them %p is a path, %k a line with a good key, %n the length of the inner request.
REFUSED = {
    "both lengths, chunked empty": _HEAD + b"Content-Length: %n\r\n" + _CHUNKED + b"\r\n0\r\n\r\n" + INNER,
    "both lengths, the other order": _HEAD + _CHUNKED + b"Content-Length: 4\r\n\r\n0\r\n\r\n" + INNER,
    "both lengths, in a GET": _GET + b"Content-Length: 6\r\n" + _CHUNKED + b"\r\n0\r\n\r\n" + INNER,
    "two lengths": _HEAD + b"Content-Length: 0\r\nContent-Length: %n\r\n\r\n" + INNER,
    "two lengths, the other order": _HEAD + b"Content-Length: %n\r\nContent-Length: 0\r\n\r\n" + INNER,
    "two lengths in one": _HEAD + b"Content-Length: 0, %n\r\n\r\n" + INNER,
    "a length with a sign": _HEAD + b"Content-Length: +%n\r\n\r\n" + INNER,
    "a negative length": _HEAD + b"Content-Length: -1\r\n\r\n" + INNER,
    "a hexadecimal length": _HEAD + b"Content-Length: 0x10\r\n\r\n" + INNER,
    "a length with a blank in it": _HEAD + b"Content-Length: 1 0\r\n\r\n" + INNER,
    "an empty length": _HEAD + b"Content-Length: \r\n\r\n" + INNER,
    "a length too large to count": _HEAD + b"Content-Length: 18446744073709551616\r\n\r\n" + INNER,
    "a blank before the colon of a length": _HEAD + b"Content-Length : %n\r\n\r\n" + INNER,
    "a blank before the colon of an encoding": _HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + INNER,
    "an encoding twice": _HEAD + _CHUNKED + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n" + INNER,
    "an encoding that is none": _HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + INNER,
    "chunked is not the last": _HEAD + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n" + INNER,
    "a vertical tab before chunked": _HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + INNER,
    "an encoding with a length, in a fold": _HEAD + b"X-A: 1\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"
    b"Content-Length: 0\r\n\r\n0\r\n\r\n" + INNER,
    "an encoding in HTTP/1.0": _HEAD.replace(b"/1.1", b"/1.0") + b"Content-Length: 5\r\n" + _CHUNKED
    + b"\r\n0\r\n\r\n" + INNER,
    "a chunk that is no number": _HEAD + _CHUNKED + b"\r\nzz\r\n\r\n" + INNER,
    "a chunk with a sign": _HEAD + _CHUNKED + b"\r\n-1\r\n\r\n" + INNER,
    "a chunk too large to count": _HEAD + _CHUNKED + b"\r\nfffffffffffffffff\r\n\r\n" + INNER,
    "a chunk with 0x": _HEAD + _CHUNKED + b"\r\n0x0\r\n\r\n" + INNER,
    "a chunk longer than it says": _HEAD + _CHUNKED + b"\r\n1\r\nabc\r\n0\r\n\r\n" + INNER,
    "a NUL in a name": _GET + b"X\0A: a\r\n\r\n" + INNER,
    "a carriage return alone": _GET + b"X-A: a\rContent-Length: 5\r\nContent-Length: 0\r\n\r\n" + INNER,
    "a line that is no header": _GET + b"GET %p/inner HTTP/1.1\r\nContent-Length: x\r\n\r\n" + INNER,
    "a version that is none": b"GET %p/a HTTP/1.1 HTTP/1.1\r\nHost: t\r\n%k\r\n\r\n" + INNER,
}  # fmt: skip
#: What it is → the bytes, and the requests in them that are good HTTP.
READ = {
    "two, one after the other": (_GET + b"\r\n" + _LAST, ("/a", "/last")),
    "a request as a body": (_HEAD + b"Content-Length: %n\r\n\r\n" + INNER + _LAST, ("/a", "/last")),
    "a request as a chunk": (_HEAD + _CHUNKED + b"\r\n%x\r\n" + INNER + b"\r\n0\r\n\r\n" + _LAST, ("/a", "/last")),
    "a chunk with an extension": (
        _HEAD + _CHUNKED + b'\r\n%x;a="b"\r\n' + INNER + b"\r\n0\r\n\r\n" + _LAST, ("/a", "/last"),
    ),
    "trailers": (_HEAD + _CHUNKED + b"\r\n0\r\nX-A: 1\r\n\r\n" + _LAST, ("/a", "/last")),
    "a GET with a body": (_GET + b"Content-Length: %n\r\n\r\n" + INNER + _LAST, ("/a", "/last")),
    "a method of one's own": (b"FROB" + _GET[3:] + b"Content-Length: %n\r\n\r\n" + INNER + _LAST, ("/a", "/last")),
    "an absolute address": (b"GET http://t%p/a HTTP/1.1\r\nHost: t\r\n%k\r\n\r\n" + _LAST, ("/a", "/last")),
    # HAProxy passes it on; the request ends where it seems to.
    "a NUL in a value": (_GET + b"X-A: a\0b\r\n\r\n" + _LAST, ("/a", "/last")),
    "bare line feeds": (_GET.replace(b"\r", b"") + b"\n" + _LAST, ("/a", "/last")),
    "a folded header": (_GET + b"X-A: 1\r\n Content-Length: %n\r\n\r\n" + _LAST, ("/a", "/last")),
}  # fmt: skip
CASES = {**{name: (raw, ("/a",)) for name, raw in REFUSED.items()}, **READ}
#: The proxies whose own parsers read what is not quite HTTP.
BEHIND = ("nginx", "haproxy")


def divided(site: Site, name: str) -> None:
    """Send one case, and see that client, gate and application agree on what the requests were."""
    created = site.house.key()
    path = site.marker()
    told = {b"%p": path.encode(), b"%k": key_line(created)}
    raw, good = CASES[name]
    inner = INNER.replace(b"%p", told[b"%p"]).replace(b"%k", told[b"%k"])
    for place, value in {**told, _SIZE: b"%d" % len(inner), b"%x": b"%x" % len(inner)}.items():
        raw = raw.replace(place, value)
    asked = site.house.asked()
    answers = site.send(raw, wait=0.4)
    seen = site.house.application.saw(path)
    passed = [answer for answer in answers if answer.status == 200]
    # The application saw what the client was answered, in its order, and never what was only said inside of another.
    assert [json.loads(answer.body)["target"] for answer in passed] == [each.target for each in seen], answers
    targets = [each.target[each.target.index(path) + len(path) :] for each in seen]
    assert tuple(targets) == good[: len(targets)], answers
    if name in REFUSED and not targets:
        assert [answer.status // 100 for answer in answers] in ([], [4], [5]), answers
    assert all(each.values("x-auth-key-id") == [created.row.id] for each in seen)
    # And the gate was asked about each of them, and at most about one whose body then turned out to be none.
    eventually(lambda: site.house.asked() - asked >= len(passed))
    assert len(passed) <= site.house.asked() - asked <= len(good)
    assert site.passed(created).body == b"", "nothing was left over for whoever comes next"


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("site", BEHIND, indirect=True)
def test_no_request_is_smuggled(site: Site, name: str) -> None:
    """40 ways to hide a request in another: what reached the application is what the client was answered, and nothing
    that the gate was not asked about."""
    assert len(CASES) == 40
    divided(site, name)
