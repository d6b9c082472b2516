"""Keys in the wrong places: what scanners look for, and what is kept out of the repository."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from keywright.key import BUILT_IN_FORMATS, CHECKSUM_CHARACTERS, KeyFormat, checksum
from support.installation import Installation

ROOT = Path(__file__).resolve().parents[2]
BY_NAME = {each.name: each for each in BUILT_IN_FORMATS}
SURROUNDINGS = (
    "{}", 'X-API-Key: {}"', "export SALESWEBHOOKS_API_KEY={}\n", "https://example.com/?api_key={}&x=1",
    '{{"key":"{}"}}', "use {}.", "({})", "a\n{}\nb", "Bearer {},", "<td>{}</td>",
)  # fmt: skip
KINDS = (("lwa", "live"), ("lwa", "test"), ("ss", "live"))


def found(key_format: KeyFormat, text: str) -> list[str]:
    """What a scanner with the format's pattern reports."""
    return re.findall(key_format.scanner_pattern(), text)


@pytest.mark.parametrize(("name", "environment"), KINDS)
def test_s77_a_scanner_finds_keys_wherever_they_stand(name: str, environment: str, installation: Installation) -> None:
    """The shipped patterns find every key of their format, whole, in code, settings, URLs and prose, and no other's."""
    for surrounding in SURROUNDINGS:
        key = installation.create(format=name, environment=environment).key
        text = surrounding.format(key)
        assert found(BY_NAME[name], text) == [key]
        assert not [each for other, each in BY_NAME.items() if other != name and found(each, text)]


@pytest.mark.parametrize("name", ["lwa", "ss"])
def test_s77_a_scanner_finds_nothing_else(name: str, installation: Installation) -> None:
    """Placeholders, cut or lengthened keys, other words with the same ending and hashes are not reported."""
    key_format = BY_NAME[name]
    key = installation.create(format=name).key
    tail = key.removeprefix(key_format.full_prefix("live"))
    nothing = (
        "lwa.sk_live_YOUR_API_KEY", "ss_your_api_key", key[:-1], key + "x", key + "_", "x" + key, "_" + key, tail,
        key.upper(), key.replace("_", "-"), key[:-3] + "-" + key[-2:], "class_" + "0" * 31, "pa" + key, "",
    )  # fmt: skip
    assert [each for each in nothing if found(key_format, each)] == []


@pytest.mark.parametrize(("name", "environment"), KINDS)
def test_s77_a_leak_is_confirmed_without_us(name: str, environment: str, installation: Installation) -> None:
    """The last six characters are the base62 CRC-32 of what stands before them: look-alikes can be ruled out."""
    key = installation.create(format=name, environment=environment).key
    assert checksum(key[:-CHECKSUM_CHARACTERS]) == key[-CHECKSUM_CHARACTERS:]
    wrong = key[:20] + ("A" if key[20] != "A" else "B") + key[21:]
    assert checksum(wrong[:-CHECKSUM_CHARACTERS]) != wrong[-CHECKSUM_CHARACTERS:]


def test_s76_env_files_stay_out_of_the_repository() -> None:
    """What the documents say to keep in ``.env`` cannot be committed by accident."""
    assert ".env" in (ROOT / ".gitignore").read_text("utf-8").splitlines()
