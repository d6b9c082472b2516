"""The text of a key: made, recognised, refused, hidden."""

from __future__ import annotations

import hashlib
import re
import zlib
from array import array
from collections import Counter
from urllib.parse import quote

import pytest
from hypothesis import given, strategies as st

from keywright import Misconfigured
from keywright.key import (
    ALPHABET,
    BUILT_IN_FORMATS,
    CHECKSUM_CHARACTERS,
    RANDOM_CHARACTERS,
    TAG_CHARACTERS,
    TAIL_CHARACTERS,
    KeyFormat,
    KeyFormats,
    Parsed,
    hint,
)

OLD_TAG, TAG = b"o" * 32, b"t" * 32
ACME = KeyFormat("acme", "acme.v2-", {"live": "live_", "test": "test_"}, tail_characters=40)
BARE = KeyFormat("bare", "bare_", tail_characters=24, checksum=False)
FORMATS = KeyFormats((*BUILT_IN_FORMATS, ACME, BARE), [TAG])
KINDS = [(each.name, environment) for each in FORMATS.by_name.values() for environment in each.environments]
OURS = [kind for kind in KINDS if kind[0] != "bare"]

kinds = st.sampled_from(KINDS)
our_kinds = st.sampled_from(OURS)


@given(kinds)
def test_s7_what_is_made_is_recognised(kind: tuple[str, str]) -> None:
    """S7: every key that is made has its format's prefix and length, and is recognised as what it is."""
    key_format = FORMATS.by_name[kind[0]]
    key = FORMATS.mint(*kind)
    prefix = key_format.full_prefix(kind[1])
    assert FORMATS.parse(key) == Parsed(*kind, prefix)
    assert key.startswith(prefix)
    assert len(key) == len(prefix) + key_format.tail_characters


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        (("lwa", "live"), r"^lwa\.sk_live_[A-Za-z0-9]{32}$"),
        (("lwa", "test"), r"^lwa\.sk_test_[A-Za-z0-9]{32}$"),
        (("ss", "live"), r"^ss_[A-Za-z0-9]{32}$"),
    ],
    ids=str,
)
def test_s1_s3_s5_the_documents_keys_look_so(kind: tuple[str, str], pattern: str) -> None:
    """S1, S3, S5: keys of the two built-in formats look as the documents say."""
    assert re.fullmatch(pattern, FORMATS.mint(*kind))


def test_an_environment_that_a_format_lacks_cannot_be_made() -> None:
    """A format makes keys of its own environments only."""
    with pytest.raises(KeyError):
        FORMATS.mint("ss", "test")


@given(our_kinds, st.data())
def test_s6_one_wrong_character_is_refused(kind: tuple[str, str], data: st.DataObject) -> None:
    """S6: a typo anywhere in a key is noticed without asking anybody."""
    key = FORMATS.mint(*kind)
    place = data.draw(st.integers(0, len(key) - 1))
    other = data.draw(st.one_of(st.sampled_from(ALPHABET), st.characters()).filter(lambda c: c != key[place]))
    assert FORMATS.parse(key[:place] + other + key[place + 1 :]) is None


@given(our_kinds, st.data())
def test_s6_a_key_of_another_length_is_refused(kind: tuple[str, str], data: st.DataObject) -> None:
    """S6: a key that was cut short, or has something around it, is no key."""
    key = FORMATS.mint(*kind)
    cut = data.draw(st.integers(0, len(key) - 1))
    extra = data.draw(st.sampled_from(["\n", " ", "\0", "a", "=", "é"]))
    assert [FORMATS.parse(text) for text in (key[:cut], key + extra, extra + key)] == [None] * 3


@given(st.text())
def test_any_text_has_an_answer(text: str) -> None:
    """No text at all makes the parser fail: whatever somebody sends is a key or is not."""
    assert [FORMATS.parse(each) for each in (text, f"lwa.{text}", f"ss_{text}", f"lwa.sk_live_{text}")] == [None] * 4


@given(our_kinds)
def test_s6_anyone_can_check_the_checksum(kind: tuple[str, str]) -> None:
    """S6: the last six characters are the CRC-32 of everything before them in base62, as scanners compute it."""
    key = FORMATS.mint(*kind)
    number = 0
    for character in key[-CHECKSUM_CHARACTERS:]:
        number = number * 62 + "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".index(character)
    assert number == zlib.crc32(key[:-CHECKSUM_CHARACTERS].encode())


def test_s6_a_key_made_elsewhere_is_refused() -> None:
    """S6: a key with a right checksum that another installation made costs no look-up."""
    elsewhere = KeyFormats(BUILT_IN_FORMATS, [b"e" * 32])
    assert [FORMATS.parse(elsewhere.mint("lwa", "live")) for _ in range(50)] == [None] * 50


def test_keys_under_a_retired_tag_are_still_recognised() -> None:
    """A new generation of the master secret refuses no key of the one before, and makes none under it."""
    before, now, later = (KeyFormats(BUILT_IN_FORMATS, tags) for tags in ([OLD_TAG], [TAG, OLD_TAG], [TAG]))
    assert all(now.parse(before.mint("ss", "live")) for _ in range(20))
    assert all(later.parse(now.mint("ss", "live")) for _ in range(20))


@pytest.mark.parametrize("count", [200_000, pytest.param(10_000_000, marks=pytest.mark.full)])
def test_s6_no_two_keys_are_alike(count: int) -> None:
    """S6: however many keys are made, each is recognised as ours and looks as its format says, and no two are equal."""
    pattern = re.compile(r"ss_[A-Za-z0-9]{32}")
    # Eight bytes of each in one buffer: ten million keys would be a gigabyte. By chance, two of ten million share these
    # once in 370,000 runs.
    made = array("Q", bytes(8 * count))
    for number in range(count):
        key = FORMATS.mint("ss", "live")
        made[number] = int.from_bytes(hashlib.blake2s(key.encode(), digest_size=8).digest())
        assert pattern.fullmatch(key)
        assert FORMATS.parse(key) is not None
    assert _duplicates(made) == 0


def _duplicates(numbers: array[int]) -> int:
    """How many of them are not the first of their value. One part of the range at a time, to spare memory."""
    parts = 16
    return sum(
        len(part) - len(set(part))
        for start in range(parts)
        for part in [[number for number in numbers if number % parts == start]]
    )


def test_duplicates_are_found() -> None:
    """The search for equal keys finds each of them."""
    assert _duplicates(array("Q", [5, 21, 5, 7, 2**64 - 1, 5, 7])) == 3


@pytest.mark.parametrize("count", [20_000, pytest.param(1_000_000, marks=pytest.mark.full)])
def test_s6_no_typo_passes(count: int) -> None:
    """S6: of keys with one character exchanged for another none passes checksum and tag."""
    passed = 0
    for number in range(count):
        key = FORMATS.mint("lwa", "live")
        place = len(key) - 1 - number % TAIL_CHARACTERS
        other = ALPHABET[(ALPHABET.index(key[place]) + 1 + number // TAIL_CHARACTERS % 61) % 62]
        passed += FORMATS.parse(key[:place] + other + key[place + 1 :]) is not None
    assert passed == 0


def test_s6_keys_are_unguessable() -> None:
    """S6: of a hundred thousand keys no two share their random part, and no character is more likely than another."""
    count = 100_000
    bodies = [FORMATS.mint("ss", "live")[3 : 3 + RANDOM_CHARACTERS] for _ in range(count)]
    assert len(set(bodies)) == count
    frequencies = Counter("".join(bodies))
    expected = count * RANDOM_CHARACTERS / 62
    assert set(frequencies) == set(ALPHABET)
    assert all(abs(found - expected) < 0.05 * expected for found in frequencies.values())


def test_s6_the_parts_make_up_the_tail() -> None:
    """S6: 22 random characters, 4 of a tag, 6 of a checksum: 32 in all."""
    assert (RANDOM_CHARACTERS, TAG_CHARACTERS, CHECKSUM_CHARACTERS, TAIL_CHARACTERS) == (22, 4, 6, 32)


@given(st.text("0123456789abcdefXYZ", min_size=24, max_size=24))
def test_s6_imported_keys_need_no_checksum(tail: str) -> None:
    """S6: a format of keys that were made elsewhere recognises any tail of its length."""
    assert FORMATS.parse(f"bare_{tail}") == Parsed("bare", "live", "bare_")
    assert FORMATS.parse(f"bare_{tail}0") is None


def test_the_longest_prefix_decides() -> None:
    """Where one format's prefix begins another's, each key belongs to the one that made it."""
    both = KeyFormats([KeyFormat("acme", "acme_"), KeyFormat("acme-live", "acme_live_")], [TAG])
    for name in ("acme", "acme-live"):
        found = [both.parse(both.mint(name, "live")) for _ in range(200)]
        assert {each.format if each else None for each in found} == {name}


@pytest.mark.parametrize(
    "bad",
    [
        [KeyFormat("Upper", "u_")],
        [KeyFormat("x", "")],
        [KeyFormat("x", "1_")],
        [KeyFormat("x", "x y_")],
        [KeyFormat("x", "ü_")],
        [KeyFormat("x", "x" * 33)],
        [KeyFormat("x", "x_", tail_characters=31)],
        [KeyFormat("x", "x_", tail_characters=65)],
        [KeyFormat("x", "x_", tail_characters=21, checksum=False)],
        [KeyFormat("x", "x_", {})],
        [KeyFormat("x", "x_", {"staging": ""})],
        [KeyFormat("x", "x_", {"live": "", "test": ""})],
        [KeyFormat("x", "x_", {"live": "", "test": "t"})],
        [KeyFormat("x", "x_"), KeyFormat("y", "x_")],
        [KeyFormat("x", "acme"), KeyFormat("y", "acmelive")],
    ],
    ids=str,
)
def test_formats_that_cannot_work_are_refused(bad: list[KeyFormat]) -> None:
    """A format whose keys could not be told apart, or guessed too easily, stops the start."""
    with pytest.raises(Misconfigured, match="Key format"):
        KeyFormats(bad, [TAG])


def spellings(key: str) -> list[str]:
    """A key as it may stand in a URL or a log: whole, cut, with a typo, encoded, without its prefix."""
    tail = key[-TAIL_CHARACTERS:]
    encoded = quote(key, safe="").replace(".", "%2E").replace("_", "%5F")
    return [key, key[:-10], key[:-20], key[:-1] + "-", encoded, encoded.replace("%5F", "%5f"), tail, tail[:-9]]


@given(st.sampled_from([kind for kind in OURS if kind[0] != "acme"]), st.sampled_from(range(8)))
def test_s78_what_is_key_shaped_is_hidden(kind: tuple[str, str], spelling: int) -> None:
    """S78: no part of a key's tail stays readable in a text that is redacted, however the key stands in it."""
    key = FORMATS.mint(*kind)
    text = FORMATS.redact(f"GET /v1/keys/{spellings(key)[spelling]}?x=1&y=two failed")
    tail = key[-TAIL_CHARACTERS:]
    assert not [tail[at : at + 6] for at in range(TAIL_CHARACTERS - 5) if tail[at : at + 6] in text]
    assert text.startswith("GET /v1/keys/")
    assert "[redacted]" in text
    assert text.endswith("?x=1&y=two failed")


@pytest.mark.parametrize(
    "text",
    ["GET /v1/account/api-keys?limit=20&cursor=WzEyM10", "key_6Vw4Ig8Kl deleted by acc_3kd92ks8a", "", "naïve ünïcode"],
)
def test_what_is_no_key_stays_readable(text: str) -> None:
    """Redacting leaves ordinary texts and ids as they are."""
    assert FORMATS.redact(text) == text


@given(kinds)
def test_s77_scanners_find_keys(kind: tuple[str, str]) -> None:
    """S77: the pattern for scanners finds a key in a text, whole, and no part of a longer word."""
    key = FORMATS.mint(*kind)
    pattern = FORMATS.by_name[kind[0]].scanner_pattern()
    assert re.findall(pattern, f'API_KEY="{key}"\nother = 1') == [key]
    assert re.findall(pattern, f"x{key}") == re.findall(pattern, f"{key}x") == re.findall(pattern, key[:-1]) == []


def test_the_hint_is_the_end() -> None:
    """People see the last four characters of a key, and no more."""
    key = FORMATS.mint("lwa", "live")
    assert hint(key) == key[-4:]
