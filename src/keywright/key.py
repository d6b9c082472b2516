"""The text a caller holds: its formats, how it is made, checked, recognised and hidden.

A key is ``prefix + tail``. The tail of a key that we make is 22 random base62 characters (131 bits), then a tag of 4
that only this installation can make, then 6 that are the base62 CRC-32 of everything before them. Anyone can check the
CRC (scanners, a typo); only we can check the tag (forgeries cost no look-up). Neither is what makes a key secret.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from keywright.errors import Misconfigured
from keywright.values import Value

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
RANDOM_CHARACTERS = 22
TAG_CHARACTERS = 4
CHECKSUM_CHARACTERS = 6
TAIL_CHARACTERS = RANDOM_CHARACTERS + TAG_CHARACTERS + CHECKSUM_CHARACTERS
HINT_CHARACTERS = 4
#: No key is longer; a longer text is refused before anything reads it.
MAX_KEY_CHARACTERS = 128

_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,31}", re.ASCII)
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}", re.ASCII)
_TAIL = re.compile(r"[0-9A-Za-z]+", re.ASCII)


def base62(number: int, length: int) -> str:
    """The last ``length`` base62 digits of ``number``, the most significant first."""
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def checksum(text: str) -> str:
    """The six characters that follow ``text`` in a key: its CRC-32 in base62."""
    return base62(zlib.crc32(text.encode("ascii")), CHECKSUM_CHARACTERS)


@dataclass(frozen=True, slots=True)
class KeyFormat:
    """The shape of a family of keys, as data.

    Attributes:
        name: what settings, the API and the command line call it.
        prefix: what every key of the family starts with; refusals speak of it.
        environments: what follows the prefix, by environment (``live``, ``test``); an environment that is not named
            here cannot be made in this format.
        tail_characters: length of what follows; at least 32 where we make the keys.
        checksum: whether the tail ends in tag and CRC. Keys imported from elsewhere need not carry them.
        rate_limit: the limit of keys that have none of their own, or several, written as in the settings; empty for no
            limit, None for the installation's.
    """

    name: str
    prefix: str
    environments: Mapping[str, str] = field(default_factory=lambda: {"live": ""})
    tail_characters: int = TAIL_CHARACTERS
    checksum: bool = True
    rate_limit: str | tuple[str, ...] | None = None

    def full_prefix(self, environment: str) -> str:
        """What a key of ``environment`` starts with, such as ``lwa.sk_live_``. KeyError if there is no such one."""
        return self.prefix + self.environments[environment]

    def shape(self) -> str:
        """What every key of the format looks like, as text: two formats of one shape recognise the same keys."""
        prefixes = ", ".join(f"{name}: {self.full_prefix(name)}" for name in sorted(self.environments))
        return f"{prefixes}; {self.tail_characters} characters{', checksum' if self.checksum else ''}"

    def scanner_pattern(self) -> str:
        """A regular expression that finds keys of this format in text, for secret scanners."""
        starts = "|".join(re.escape(middle) for middle in self.environments.values())
        return rf"\b{re.escape(self.prefix)}(?:{starts})[0-9A-Za-z]{{{self.tail_characters}}}\b"


#: The two formats of the documents. An installation adds its own in the settings.
BUILT_IN_FORMATS = (
    KeyFormat("lwa", "lwa.", {"live": "sk_live_", "test": "sk_test_"}),
    KeyFormat("ss", "ss_", {"live": ""}),
)


class Parsed(Value, frozen=True, gc=False):
    """A text that has the shape of a key. Says nothing about whether such a key exists."""

    format: str
    environment: str
    prefix: str


class KeyFormats:
    """All key formats of an installation: makes keys, and recognises their shape without any I/O.

    Args:
        formats: at least one; the first is the default.
        tag_keys: the tag keys, the newest first. New keys carry a tag under the first; all of them are recognised.

    Raises:
        Misconfigured: a name, prefix or length is not usable, or two formats cannot be told apart.
    """

    def __init__(self, formats: Iterable[KeyFormat], tag_keys: Iterable[bytes]) -> None:
        self.by_name = {each.name: each for each in formats}
        self.default = next(iter(self.by_name.values()))
        self._tag_keys = tuple(tag_keys)
        self._by_prefix: dict[str, tuple[KeyFormat, str]] = {}
        for each in self.by_name.values():
            self._admit(each)
        # The longest prefix decides, so that `acme_live_` is never taken for `acme_` with a longer tail.
        self._prefixes = sorted(self._by_prefix, key=len, reverse=True)
        self._redactor = re.compile(self._redaction_pattern())

    def _admit(self, each: KeyFormat) -> None:
        least = TAIL_CHARACTERS if each.checksum else RANDOM_CHARACTERS
        if not _NAME.fullmatch(each.name) or not _PREFIX.fullmatch(each.prefix):
            raise Misconfigured(
                f"Key format {each.name!r}: the name must be a short lower-case word, and the prefix 1 to 32 letters, "
                "digits, '.', '_' or '-', starting with a letter."
            )
        if not least <= each.tail_characters <= 64:
            raise Misconfigured(f"Key format {each.name!r}: tail_characters must be from {least} to 64.")
        if not each.environments or not set(each.environments) <= {"live", "test"}:
            raise Misconfigured(f"Key format {each.name!r}: environments must be 'live', 'test' or both.")
        for environment in each.environments:
            prefix = each.full_prefix(environment)
            if prefix in self._by_prefix or not _PREFIX.fullmatch(prefix):
                raise Misconfigured(f"Key format {each.name!r}: the prefix {prefix!r} is unusable or used twice.")
            for other in self._by_prefix:
                if _alike(prefix, other):
                    raise Misconfigured(f"Key format {each.name!r}: {prefix!r} and {other!r} cannot be told apart.")
            self._by_prefix[prefix] = (each, environment)

    def mint(self, name: str, environment: str) -> str:
        """A new key that nobody can guess, from the operating system's random source.

        Raises:
            KeyError: there is no such format, or it has no such environment.
        """
        key_format = self.by_name[name]
        prefix = key_format.full_prefix(environment)
        if not key_format.checksum:
            return prefix + random_text(key_format.tail_characters)
        body = prefix + random_text(key_format.tail_characters - TAG_CHARACTERS - CHECKSUM_CHARACTERS)
        body += _tag(self._tag_keys[0], body)
        return body + checksum(body)

    def parse(self, text: str) -> Parsed | None:
        """The format and environment of a text that has the shape of a key; None for anything else.

        Checks prefix, length, alphabet, CRC and tag, and does no I/O. Most garbage leaves at the first of them.
        """
        for prefix in self._prefixes:
            if text.startswith(prefix):
                key_format, environment = self._by_prefix[prefix]
                break
        else:
            return None
        if len(text) != len(prefix) + key_format.tail_characters or not _TAIL.fullmatch(text, len(prefix)):
            return None
        if key_format.checksum and not self._is_ours(text):
            return None
        return Parsed(key_format.name, environment, prefix)

    def _is_ours(self, text: str) -> bool:
        if checksum(text[:-CHECKSUM_CHARACTERS]) != text[-CHECKSUM_CHARACTERS:]:
            return False
        body = text[: -CHECKSUM_CHARACTERS - TAG_CHARACTERS]
        tag = text[-CHECKSUM_CHARACTERS - TAG_CHARACTERS : -CHECKSUM_CHARACTERS]
        return any(_tag(tag_key, body) == tag for tag_key in self._tag_keys)

    def redact(self, text: str) -> str:
        """``text`` with everything key-shaped hidden, also where a key was cut short or has a typo.

        What stays is the prefix: enough to tell which kind of key was seen, nothing that helps to guess it.
        """
        return self._redactor.sub(lambda match: (match[1] or "") + "[redacted]", text)

    def _redaction_pattern(self) -> str:
        # A dot or an underscore may arrive percent-encoded in a path; the prefix stays readable either way.
        starts = [
            "".join(f"(?:{re.escape(c)}|%{ord(c):02X}|%{ord(c):02x})" for c in prefix) for prefix in self._prefixes
        ]
        # A tail that lost its prefix is still 131 secret bits: any long run of letters and digits goes as well.
        return rf"({'|'.join(starts)})[0-9A-Za-z%._~-]{{6,}}|[0-9A-Za-z]{{{RANDOM_CHARACTERS + 1},}}"


def _alike(one: str, other: str) -> bool:
    """Whether one prefix goes on as a tail of the other might: one key in 62 of the shorter would be taken for the
    longer, and refused."""
    shorter, longer = sorted((one, other), key=len)
    return longer.startswith(shorter) and _TAIL.fullmatch(longer, len(shorter)) is not None


def random_text(length: int) -> str:
    """``length`` base62 characters from the operating system's random source, each as likely as any other."""
    return base62(secrets.randbelow(62**length), length)


def _tag(tag_key: bytes, body: str) -> str:
    value = hashlib.blake2b(body.encode("ascii"), key=tag_key, digest_size=8).digest()
    return base62(int.from_bytes(value), TAG_CHARACTERS)


def hint(key: str) -> str:
    """The last four characters: what people may see of a key ever after."""
    return key[-HINT_CHARACTERS:]
