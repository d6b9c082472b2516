"""The hostile corpus: what a stranger, a broken client or a fuzzer sends, each with the one answer it must get.

In header lines ``{key}`` stands for a good key, ``{other}`` for another one of the same account, ``{dead}`` for one
that was deleted. Bodies are bytes, because much of what is hostile about them is no text.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

MISSING = (401, "Missing API key. Include your API key in the X-API-Key header.")
INVALID = (401, "Invalid API key. Check that your key is correct and active.")
PREFIX = (401, "Invalid API key format. Keys must start with 'lwa.' prefix.")
CONFLICT = (400, "Two different API keys were sent. Send one, in the X-API-Key header.")
ENDLESS = (431, "The headers are too large.")
TOO_LARGE = (431, "The headers are larger than 16384 bytes.")
PASSES = (200, "")

NAME = b"X-API-Key: "
BEARER = b"Authorization: "


@dataclass(frozen=True)
class HeaderCase:
    """Header lines, and the status and message they lead to on a path under ``/v1``."""

    label: str
    lines: tuple[bytes, ...]
    expected: tuple[int, str]


@dataclass(frozen=True)
class BodyCase:
    """A body, the status it leads to, and the member that the answer must name (empty for none)."""

    label: str
    raw: bytes
    status: int
    member: str = ""
    content_type: str = "application/json"


def _named(label: str, value: bytes, expected: tuple[int, str]) -> HeaderCase:
    return HeaderCase(label, (NAME + value,), expected)


#: Where the key is looked for, and how it may be dressed.
SENDING = (
    HeaderCase("no header at all", (), MISSING),
    _named("empty", b"", MISSING),
    _named("blanks", b"     ", MISSING),
    _named("a tab", b"\t", MISSING),
    _named("bare Bearer", b"Bearer", MISSING),
    _named("bare bearer and blanks", b"bearer    ", MISSING),
    _named("bare BEARER", b"BEARER", MISSING),
    _named("the key", b"{key}", PASSES),
    _named("blanks around the key", b"   {key}   ", PASSES),
    _named("tabs around the key", b"\t{key}\t", PASSES),
    HeaderCase("header name in lower case", (b"x-api-key: {key}",), PASSES),
    HeaderCase("header name in mixed case", (b"x-Api-kEY: {key}",), PASSES),
    HeaderCase("no blank after the colon", (b"X-API-Key:{key}",), PASSES),
    _named("Bearer", b"Bearer {key}", PASSES),
    _named("bearer", b"bearer {key}", PASSES),
    _named("BEARER and many blanks", b"BEARER     {key}", PASSES),
    _named("Bearer twice", b"Bearer Bearer {key}", PREFIX),
    _named("another scheme", b"Basic {key}", PREFIX),
    _named("key= before the key", b"key={key}", PREFIX),
    HeaderCase("Authorization", (BEARER + b"Bearer {key}",), PASSES),
    HeaderCase("authorization in lower case", (b"authorization: bearer {key}",), PASSES),
    HeaderCase("Authorization, bare Bearer", (BEARER + b"Bearer",), MISSING),
    HeaderCase("Authorization, empty", (BEARER,), MISSING),
    HeaderCase("Authorization without a scheme", (BEARER + b"{key}",), MISSING),
    HeaderCase("Authorization with Basic", (BEARER + b"Basic {key}",), MISSING),
    HeaderCase("Authorization with Token", (BEARER + b"Token {key}",), MISSING),
    HeaderCase("Authorization with garbage", (BEARER + b"Bearer \xff\xfe",), PREFIX),
    HeaderCase("Proxy-Authorization", (b"Proxy-Authorization: Bearer {key}",), MISSING),
    HeaderCase("X_API_Key", (b"X_API_Key: {key}",), MISSING),
    HeaderCase("X-API-Keys", (b"X-API-Keys: {key}",), MISSING),
    HeaderCase("API-Key", (b"API-Key: {key}",), MISSING),
    HeaderCase("X-Auth-Token", (b"X-Auth-Token: {key}",), MISSING),
    HeaderCase("a cookie", (b"Cookie: X-API-Key={key}; api_key={key}",), MISSING),
    HeaderCase("a referer", (b"Referer: https://example.com/?api_key={key}",), MISSING),
)

#: More than one answer to "which key?".
DUPLICATES = (
    HeaderCase("two different", (NAME + b"{key}", NAME + b"{other}"), CONFLICT),
    HeaderCase("two different, names in different case", (b"x-api-key: {key}", b"X-API-KEY: {other}"), CONFLICT),
    HeaderCase("two equal", (NAME + b"{key}", NAME + b"{key}"), PASSES),
    HeaderCase("two equal, one as Bearer", (NAME + b"{key}", NAME + b"Bearer {key}"), PASSES),
    HeaderCase("two equal, one with blanks", (NAME + b"{key}", NAME + b"  {key} "), PASSES),
    HeaderCase("three, the last one different", (NAME + b"{key}", NAME + b"{key}", NAME + b"{other}"), CONFLICT),
    HeaderCase("a good and a wrong one", (NAME + b"{key}", NAME + b"lwa.wrong"), CONFLICT),
    HeaderCase("a good and an empty one", (NAME + b"{key}", NAME), CONFLICT),
    HeaderCase("two different wrong ones", (NAME + b"one", NAME + b"two"), CONFLICT),
    HeaderCase("two in one line", (NAME + b"{key}, {other}",), INVALID),
    HeaderCase("the same twice in one line", (NAME + b"{key}, {key}",), INVALID),
    HeaderCase("X-API-Key decides: good", (NAME + b"{key}", BEARER + b"Bearer lwa.wrong"), PASSES),
    HeaderCase("X-API-Key decides: good, Basic beside it", (BEARER + b"Basic eDp5", NAME + b"{key}"), PASSES),
    HeaderCase("X-API-Key decides: two good ones", (NAME + b"{key}", BEARER + b"Bearer {other}"), PASSES),
    HeaderCase("X-API-Key decides: wrong", (NAME + b"foo", BEARER + b"Bearer {key}"), PREFIX),
    HeaderCase("X-API-Key decides: dead", (BEARER + b"Bearer {key}", NAME + b"{dead}"), INVALID),
    HeaderCase("X-API-Key decides: empty", (NAME, BEARER + b"Bearer {key}"), MISSING),
    HeaderCase("two different Authorization", (BEARER + b"Bearer {key}", BEARER + b"Bearer {other}"), CONFLICT),
    HeaderCase("two equal Authorization", (BEARER + b"Bearer {key}", BEARER + b"bearer {key}"), PASSES),
    HeaderCase("Authorization of two schemes", (BEARER + b"Basic eDp5", BEARER + b"Bearer {key}"), PASSES),
)

#: Texts that are not, or not any more, a key.
GARBAGE = (
    _named("deleted", b"{dead}", INVALID),
    _named("cut by one", b"{key_cut}", INVALID),
    _named("longer by one", b"{key}x", INVALID),
    _named("a typo", b"{key_typo}", INVALID),
    _named("in lower case", b"{key_lower}", INVALID),
    _named("in upper case", b"{key_upper}", PREFIX),
    _named("in quotes", b'"{key}"', PREFIX),
    _named("a semicolon behind it", b"{key};", INVALID),
    _named("percent-encoded", b"lwa%2Esk_live_{tail}", PREFIX),
    _named("only its tail", b"{tail}", PREFIX),
    _named("without its first prefix", b"sk_live_{tail}", PREFIX),
    _named("the other format's prefix", b"ss_{tail}", PREFIX),
    _named("the other environment's prefix", b"lwa.sk_test_{tail}", INVALID),
    _named("only the prefix", b"lwa.", INVALID),
    _named("the whole prefix", b"lwa.sk_live_", INVALID),
    _named("the documents' placeholder", b"lwa.sk_live_your_api_key_here", INVALID),
    _named("a shell variable", b"${SALESWEBHOOKS_API_KEY}", PREFIX),
    _named("null", b"null", PREFIX),
    _named("undefined", b"undefined", PREFIX),
    _named("[object Object]", b"[object Object]", PREFIX),
    _named("JSON", b'{"key":"{key}"}', PREFIX),
    _named("a JWT", b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", PREFIX),
    _named("SQL", b"' OR '1'='1' --", PREFIX),
    _named("SQL behind the prefix", b"lwa.' OR '1'='1' --", INVALID),
    _named("HTML", b"<script>alert(1)</script>", PREFIX),
    _named("a path", b"lwa.../../../../etc/passwd", INVALID),
    _named("a template", b"lwa.{{7*7}}", INVALID),
    _named("a format string", b"lwa.%s%s%s%n", INVALID),
    _named("bytes that are no text", b"\xff\xfe\xfd", PREFIX),
    _named("bytes that are no text behind the prefix", b"lwa.\xff\xfe\xfd", INVALID),
    _named("an emoji", b"lwa.\xf0\x9f\x94\x91", INVALID),
    _named("an accent behind a good key", b"{key}\xc3\xa9", INVALID),
    _named("a zero-width blank in a good key", b"lwa.sk_live_\xe2\x80\x8b{tail}", INVALID),
    _named("a byte-order mark before a good key", b"\xef\xbb\xbf{key}", PREFIX),
    _named("full-width letters", "ｌｗａ.sk_live_".encode() + b"{tail}", PREFIX),
    _named("a Cyrillic a", "lwа.sk_live_".encode() + b"{tail}", PREFIX),
    _named("8 kB", b"lwa." + b"x" * 8192, INVALID),
    _named("8 kB without prefix", b"x" * 8192, PREFIX),
    _named("15 kB of commas", b"," * 15_000, PREFIX),
    _named("1 MB", b"lwa." + b"x" * 1_000_000, ENDLESS),
    HeaderCase("20 kB beside a good key", (NAME + b"{key}", b"X-Filler: " + b"x" * 20_000), TOO_LARGE),
    HeaderCase("200 headers", (NAME + b"{key}", *(b"X-%d: x" % number for number in range(200))), TOO_LARGE),
    HeaderCase("98 headers", (NAME + b"{key}", *(b"X-%d: x" % number for number in range(97))), PASSES),
    HeaderCase("15 kB beside a good key", (NAME + b"{key}", b"X-Filler: " + b"x" * 15_000), PASSES),
)

HEADERS = (*SENDING, *DUPLICATES, *GARBAGE)


def _j(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _with(member: str, *values: Any) -> tuple[BodyCase, ...]:
    """A good body but for one member's value."""
    return tuple(
        BodyCase(f"{member} = {json.dumps(value)[:40]}", _j({"name": "Hostile", member: value}), 422, member)
        for value in values
    )


#: Not JSON as we take it, or not an object: whichever operation it is sent to.
BROKEN = (
    BodyCase("nothing", b"", 400),
    BodyCase("blanks", b" \r\n\t ", 400),
    BodyCase("an open brace", b"{", 400),
    BodyCase("cut in a string", b'{"name": "Produ', 400),
    BodyCase("cut after the colon", b'{"name":', 400),
    BodyCase("a comma too many", b'{"name": "a",}', 400),
    BodyCase("single quotes", b"{'name': 'a'}", 400),
    BodyCase("no quotes", b"{name: a}", 400),
    BodyCase("a comment", b'{"name": "a" /* why */}', 400),
    BodyCase("two values", b'{"name": "a"}{"name": "b"}', 400),
    BodyCase("a form", b"name=a", 400),
    BodyCase("HTML", b"<html><body>a</body></html>", 400),
    BodyCase("a bare word", b"undefined", 400),
    BodyCase("null", b"null", 400),
    BodyCase("true", b"true", 400),
    BodyCase("a number", b"1", 400),
    BodyCase("a text", b'"name"', 400),
    BodyCase("a list of numbers", b"[1, 2]", 400),
    BodyCase("a list of objects", b'[{"name": "a"}, {"name": "b"}]', 400),
    BodyCase("NaN", b'{"name": "a", "metadata": {"x": NaN}}', 400),
    BodyCase("Infinity", b'{"name": "a", "metadata": {"x": Infinity}}', 400),
    BodyCase("-Infinity", b'{"name": "a", "metadata": {"x": -Infinity}}', 400),
    BodyCase("a float that overflows", b'{"name": "a", "metadata": {"x": 1e400}}', 400),
    BodyCase("10,000 digits", b'{"name": "a", "metadata": {"x": ' + b"9" * 10_000 + b"}}", 400),
    BodyCase("10,000 digits behind the point", b'{"name": "a", "metadata": {"x": 0.' + b"9" * 10_000 + b"}}", 400),
    BodyCase("a leading zero", b'{"name": "a", "expires_in_seconds": 0100}', 400),
    BodyCase("a hexadecimal number", b'{"name": "a", "expires_in_seconds": 0xff}', 400),
    BodyCase("lists 10,000 deep", b"[" * 10_000 + b"]" * 10_000, 400),
    BodyCase("objects 10,000 deep", b'{"a":' * 10_000 + b"1" + b"}" * 10_000, 400),
    BodyCase("10,000 open brackets", b"[" * 10_000, 400),
    BodyCase("10,000 closed brackets", b"]" * 10_000, 400),
    BodyCase("33 deep", b'{"metadata":' + b"[" * 32 + b"]" * 32 + b"}", 400),
    BodyCase("a member twice", b'{"name": "a", "name": "b"}', 400),
    BodyCase("a member twice, once escaped", b'{"name": "a", "n\\u0061me": "b"}', 400),
    BodyCase("a nested member twice", b'{"name": "a", "metadata": {"x": 1, "x": 2}}', 400),
    BodyCase("half a surrogate pair", b'{"name": "\\ud83d"}', 400),
    BodyCase("the other half", b'{"name": "\\udd11 key"}', 400),
    BodyCase("a pair the wrong way round", b'{"name": "\\udd11\\ud83d"}', 400),
    BodyCase("half a pair in a member's name", b'{"name": "a", "\\ud83d": 1}', 400),
    BodyCase("half a pair as UTF-8", b'{"name": "\xed\xa0\xbd"}', 400),
    BodyCase("an escaped NUL", b'{"name": "a\\u0000b"}', 400),
    BodyCase("a NUL in a nested text", b'{"name": "a", "metadata": {"x": ["\\u0000"]}}', 400),
    BodyCase("a raw NUL", b'{"name": "a\x00b"}', 400),
    BodyCase("a raw NUL behind it", b'{"name": "a"}\x00', 400),
    BodyCase("a raw line break in a text", b'{"name": "a\nb"}', 400),
    BodyCase("a raw escape character in a text", b'{"name": "a\x1b[31m"}', 400),
    BodyCase("an unknown escape", b'{"name": "\\x41"}', 400),
    BodyCase("Latin-1", '{"name": "Frühling"}'.encode("latin-1"), 400),
    BodyCase("broken UTF-8", b'{"name": "\xc3\x28"}', 400),
    BodyCase("overlong UTF-8", b'{"name": "\xc0\xaf"}', 400),
    BodyCase("UTF-16", '{"name": "a"}'.encode("utf-16"), 400),
    BodyCase("UTF-16 without a mark", '{"name": "a"}'.encode("utf-16-le"), 400),
    BodyCase("UTF-32", '{"name": "a"}'.encode("utf-32"), 400),
    BodyCase("two byte-order marks", b'\xef\xbb\xbf\xef\xbb\xbf{"name": "a"}', 400),
    BodyCase("gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xabV", 400),
    BodyCase("random bytes", bytes(range(256)), 400),
    BodyCase("64 KiB of blanks", b" " * 65_536, 400),
    BodyCase("one byte over 64 KiB", b'{"name": "' + b"x" * (65_536 - 11) + b'"}', 413),
    BodyCase("1 MB", b'{"name": "' + b"x" * 1_000_000 + b'"}', 413),
    BodyCase("XML", b"<name>a</name>", 415, content_type="application/xml"),
    BodyCase("a form by its type", b"name=a", 415, content_type="application/x-www-form-urlencoded"),
    BodyCase("multipart", b'--x\r\n\r\n{"name": "a"}\r\n--x--', 415, content_type="multipart/form-data; boundary=x"),
    BodyCase("text/plain", b'{"name": "a"}', 415, content_type="text/plain"),
    BodyCase("text/json;", b'{"name": "a"}', 415, content_type="text/json;"),
    BodyCase("a type that is none", b'{"name": "a"}', 415, content_type="???"),
    BodyCase("an empty type", b'{"name": "a"}', 415, content_type=""),
)

#: JSON, an object, and a value in it that is not allowed.
WRONG_VALUES = (
    *_with("name", "", " ", "\t\n ", "\u3000", "\u00a0\u2003", "\u200b", "\u200b\u200d\ufeff", "\u2060", "\u0301"),
    *_with("name", None, True, False, 0, 1, 1.5, [], ["a"], {}, {"a": "b"}),
    *_with("name", "a" * 256, "é" * 256, "😀" * 256, "a" * 10_000, "<b>" * 3_400),
    *_with("name", "a\nb", "a\rb", "a\tb", "a\x08b", "a\x1b[31mb", "a\x7fb", "a\x85b"),
    *_with("name", "a\x9b31mb", "a\u2028b", "a\u2029b"),
    *_with("name", "a\u202eb", "a\u202ab", "a\u202db", "a\u2066b", "a\u2067b", "a\u2069b"),
    *_with("expires_at", "", "never", "tomorrow", "2040-01-31", "2040-01-31T09:00:00", "2040-02-30T09:00:00Z"),
    *_with("expires_at", "2001-01-31T09:00:00Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", 4102444800, True),
    *_with("expires_at", "2040-01-31t09:00:00z", " 2040-01-31T09:00:00Z", [], {}, "٢٠٤٠-01-31T09:00:00Z"),
    *_with("expires_in_seconds", 0, -1, 1.0, 1.5, "60", True, None, [], 10**12, 10**60),
    *_with("scopes", [], "keys:read", None, {}, [""], [1], [None], [["*"]], ["a b"], ["KEYS:READ"], ["keys:read\n"]),
    *_with("scopes", ["*", "**"], ["clé:lire"], ["a" * 65], ["keys:read"] * 65, ["<b>"], ["operator"]),
    *_with("rate_limit", "", "100", "100/", "/15m", "0/15m", "-1/15m", "1.5/m", "100/15y", "100/0m", " 100/15m"),
    *_with("rate_limit", "100/15m,5/s", "1" * 4000 + "/s", "1/367d", 100, True, [], {}, [None], ["5/m", "6/60s"]),
    *_with("rate_limit", ["1/s", "2/m", "3/h", "4/d", "5/2d"], "١٠٠/15m"),
    *_with("networks", "10.0.0.0/8", None, [""], [1], ["localhost"], ["10.0.0.1/8"], ["10.0.0.0/33"], ["1.2.3"]),
    *_with("networks", ["::1%eth0"], ["fe80::1%\x1b[31m"], ["10.0.0.0/8; DROP"], ["10.0.0.0/8"] * 65, {}),
    *_with("metadata", None, 1, "x", [], [{}], {"x": "y" * 5_000}),
    *_with("metadata", {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {}}}}}}}}}),
)  # fmt: skip

#: Members that create does not have. Whoever sends them believes that they do something.
UNKNOWN_MEMBERS = tuple(
    BodyCase(f"unknown member {member[:20]!r}", _j({"name": "Hostile", member: "x"}), 422, member[:80])
    for member in (
        "id", "key", "prefix", "hint", "digest", "account_id", "created_at", "last_used_at", "status", "slot",
        "disabled", "expiry", "expires_At", "Name", "name ", "", "__proto__", "constructor",
        "<script>", "🔑", "long " * 1_000,
    )
)  # fmt: skip

#: What only create takes.
CREATE_ONLY = (
    BodyCase("an empty object", b"{}", 400, "name"),
    BodyCase("everything but the name", b'{"scopes": ["*"]}', 400, "name"),
    *_with("format", "", "LWA", "nope", None, 1, [], {"a": 1}, "ss_"),
    *_with("environment", "", "LIVE", "production", None, True, ["live"], {}),
    BodyCase(
        "an environment that the format lacks",
        b'{"name": "a", "format": "ss", "environment": "test"}',
        422,
        "environment",
    ),
    BodyCase(
        "two expiries",
        b'{"name": "a", "expires_at": "2040-01-31T09:00:00Z", "expires_in_seconds": 60}',
        422,
        "expires_in_seconds",
    ),
)  # fmt: skip

#: What only PATCH takes.
UPDATE_ONLY = _with("disabled", 0, 1, "true", None, [], {})

_GRACES: tuple[Any, ...] = (-1, 1.0, 0.5, "60", "", True, None, [], {}, 10**9, 10**60)
_ENDS: dict[str, tuple[Any, ...]] = {
    "expires_at": ("", "never", "2001-01-31T09:00:00Z", 4102444800, True, []),
    "expires_in_seconds": (0, -1, 1.5, "60", True, None, 10**12),
}

ROTATE = (
    tuple(
        BodyCase(f"grace_seconds = {json.dumps(value)[:40]}", _j({"grace_seconds": value}), 422, "grace_seconds")
        for value in _GRACES
    )
    + tuple(
        BodyCase(f"{member} = {json.dumps(value)[:40]}", _j({member: value}), 422, member)
        for member, wrong in _ENDS.items()
        for value in wrong
    )
    + tuple(
        BodyCase(f"unknown member {member!r}", _j({member: 1}), 422, member)
        for member in ("grace", "name", "Grace_seconds")
    )
)

#: Names that are unusual and good, and how they are kept.
GOOD_NAMES = (
    ("emoji", "🔑🚀 Production", "🔑🚀 Production"),
    ("an emoji of several", "👩‍👩‍👧‍👦", "👩‍👩‍👧‍👦"),
    ("Arabic", "مفتاح الإنتاج", "مفتاح الإنتاج"),
    ("Hebrew", "מפתח ייצור", "מפתח ייצור"),
    ("Chinese", "生产服务器", "生产服务器"),
    ("an accent of its own", "Fru\u0308hling", "Fru\u0308hling"),
    ("HTML", "<script>alert('x')</script>&amp;", "<script>alert('x')</script>&amp;"),
    ("SQL", "Robert'); DROP TABLE keys;--", "Robert'); DROP TABLE keys;--"),
    ("a template", "{{7*7}} ${7*7} %s %n", "{{7*7}} ${7*7} %s %n"),
    ("slashes and dots", "../../etc/passwd \\ C:\\x", "../../etc/passwd \\ C:\\x"),
    ("quotes", "\"a\" 'b' `c`", "\"a\" 'b' `c`"),
    ("blanks around it", "  \t Production  Server \n", "Production  Server"),
    ("255 characters", "é" * 255, "é" * 255),
    ("255 emoji", "😀" * 255, "😀" * 255),
    ("one character", "x", "x"),
    ("a number as text", "0", "0"),
    ("null as text", "null", "null"),
    ("a formula", "=1+1", "=1+1"),
)

#: Bodies that are unusual and good.
GOOD_BODIES = (
    BodyCase("a byte-order mark", b'\xef\xbb\xbf{"name": "a"}', 201),
    BodyCase("blanks around it", b' \r\n {"name" : "a"}\n ', 201),
    BodyCase("an escaped name", b'{"n\\u0061me": "\\u0061"}', 201),
    BodyCase("a charset", b'{"name": "a"}', 201, content_type="application/json; charset=utf-8"),
    BodyCase("a type in upper case", b'{"name": "a"}', 201, content_type="APPLICATION/JSON"),
    BodyCase("a JSON dialect", b'{"name": "a"}', 201, content_type="application/vnd.api+json"),
    BodyCase("brackets in a text", b'{"name": "' + b"[" * 200 + b'"}', 201),
    BodyCase("digits in a text", b'{"name": "' + b"9" * 200 + b'"}', 201),
    BodyCase("no limit", b'{"name": "a", "rate_limit": null, "expires_at": null}', 201),
)

CREATE = (*BROKEN, *WRONG_VALUES, *UNKNOWN_MEMBERS, *CREATE_ONLY)

#: Ids that are none.
IDS = (
    "key_000000000", "key_", "x", "0", "-1", "null", "*", "%00", "%0A", "%0d%0aX-Injected:%20yes", "..", "../",
    "..%2f..",
    "%2e%2e%2f%2e%2e", "%2Fetc%2Fpasswd", "a%2Fb", "%5c..%5c", "%F0%9F%94%91", "%ff%fe", "%zz", "%", "'%20OR%201=1--",
    "%3Cscript%3E", "key_" + "a" * 4_000, "key_6Vw4Ig8Kl%20", "{id}%00", "{id}.json", "{id}%20", "{upper}",
    "{id};a=b", "{id}/x",
)  # fmt: skip
