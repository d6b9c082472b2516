"""The documentation says what is so: links lead somewhere, numbers are the code's, messages are the server's own."""

from __future__ import annotations

import importlib.util
import json
import math
import re
import tomllib
from pathlib import Path

import pytest
import yaml

import keywright
from docs.pages import DOCS, ROOT, TROUBLESHOOTING, broken_links, name, pages, without_code, written_by_hand
from house import rules
from keywright.adapters import answers
from keywright.key import BUILT_IN_FORMATS, RANDOM_CHARACTERS, TAG_CHARACTERS, KeyFormats
from support.servers import Server

SCREEN_LINES = 45
README = (ROOT / "README.md").read_text("utf-8")
BEST_PRACTICES = (DOCS / "best-practices.md").read_text("utf-8")
_INCLUDED = re.compile(r"<!--=[a-z_]+-->.*?<!--/-->", re.DOTALL)
_UNITS = r"s|ms|seconds?|minutes?|hours?|days?|weeks?|KiB|kB|MiB|MB|bytes|characters|requests|networks|scopes|limits"
_NUMBER = re.compile(rf"(?<![\w.])\d[\d.,]*[\s-](?:{_UNITS})\b")


def numbers_by_hand(text: str) -> list[str]:
    """The numbers with a unit in a page's prose that were not filled in by the generator."""
    return _NUMBER.findall(without_code(_INCLUDED.sub("", text)))


@pytest.mark.parametrize("page", pages(), ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """No link in the repository points to a file or a heading that is not there."""
    assert broken_links(page, page.read_text("utf-8")) == []


@pytest.mark.parametrize("link", ["no-such-page.md", "../SECURITY.md#no-such-heading", "#nowhere"])
def test_a_broken_link_is_found(link: str) -> None:
    """The search for broken links can fail, and lets good ones pass."""
    assert broken_links(DOCS / "README.md", f"[a](../SECURITY.md#report) [b]({link})") == [link]


#: What callers and operators have been told, and rely on. Whoever changes one of these changes a promise.
PROMISED = {
    "default_limit": "100/15m",
    "visible_within": "2 seconds",
    "grace": "24 hours",
    "idempotency": "24 hours",
    "max_body": "64 KiB",
    "max_headers": "16 KiB",
    "max_name": "255",
    "tail": "32",
    "random": "22",
    "tag": "4",
    "checksum": "6",
    "hint": "4",
    "max_key": "128",
    "max_limits": "4",
    "max_page": "1,000",
}


@pytest.mark.parametrize("fact", PROMISED)
def test_a_promised_number_has_not_moved(fact: str) -> None:
    """S6, S11, S47, S61, S62, and what sizes are allowed: the numbers that were promised are those in the code."""
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec
    assert spec.loader
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    found = generate.FACTS[fact]

    assert found.shown(found.value()) == PROMISED[fact]


@pytest.mark.parametrize("page", written_by_hand(), ids=name)
def test_no_number_is_typed_by_hand(page: Path) -> None:
    """A limit or a time in the prose comes from the constant that keeps it, so the two cannot part."""
    assert numbers_by_hand(page.read_text("utf-8")) == []


def test_a_number_that_is_typed_by_hand_is_found() -> None:
    """The search sees a number with a unit, and neither code nor what the generator filled in."""
    assert numbers_by_hand("within 2 seconds, `3 seconds`, <!--=flush-->0.8 seconds<!--/-->, 64 KiB") == [
        "2 seconds",
        "64 KiB",
    ]


def test_the_bits_of_a_key_are_counted_right() -> None:
    """The strength that the pages claim is that of the characters a key has."""
    text = (DOCS / "concepts" / "key-format.md").read_text("utf-8")

    assert f"({round(RANDOM_CHARACTERS * math.log2(62))} bits" in text
    assert f"It is {round(TAG_CHARACTERS * math.log2(62))} bits" in text


def test_the_house_rules_are_told_as_they_are() -> None:
    """Whoever contributes reads the budgets that the tests enforce."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")

    assert f"at most {rules.MAX_BODY_LINES} lines, nine of ten at most {rules.P90_BODY_LINES}." in text
    assert f"A file has at most {rules.MAX_FILE_LINES} lines." in text


def test_the_readme_is_one_screen() -> None:
    """Whoever looks in sees at once what this is and how to get a key."""
    assert len(README.splitlines()) <= SCREEN_LINES


@pytest.mark.parametrize("language", ["sh", "python"])
def test_the_first_example_has_five_lines(language: str) -> None:
    """The first key takes five lines, and so does the library; all of them are run."""
    block = re.search(rf"```{language}\n(.*?)\n```", README, re.DOTALL)

    assert block
    assert len(block[1].splitlines()) in (5, 6)


def test_the_readme_names_the_supported_pythons() -> None:
    """What the package accepts is what the first page says."""
    requires = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"]
    named = [int(minor) for minor in re.findall(r"\b3\.(\d+)", README)]

    assert requires == f">=3.{min(named)},<3.{max(named) + 1}"


def test_the_newest_change_is_this_version() -> None:
    """Whoever reads the change log reads about the version they have."""
    versions = re.findall(
        r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE
    )

    assert versions[0] == keywright.__version__
    assert versions == sorted(set(versions), reverse=True)


def test_every_module_is_on_the_map() -> None:
    """Whoever looks for a concept finds its file; a new file fails the build until it is on the map."""
    text = (DOCS / "map.md").read_text("utf-8")
    missing = [
        file
        for file, content in rules.files()
        if f"`{file}`" not in text and f"`{Path(file).parent}/`" not in text and content.count("\n") > 2
    ]

    assert missing == []


@pytest.mark.parametrize("page", ["map.md", "glossary.md"])
def test_every_place_that_is_named_exists(page: str) -> None:
    """The map and the glossary lead to files that are there, and to names that are in them."""
    text = (DOCS / page).read_text("utf-8")
    for path in re.findall(r"`([a-z_/]+(?:\.py|\.md|/))`", text):
        assert (rules.SOURCE / path).exists(), path
    for module, attribute in re.findall(r"`((?:[a-z_]+\.)+)([A-Za-z_]+)(?:\.[a-z_]+)?`", text):
        file = rules.SOURCE / f"{module.rstrip('.').replace('.', '/')}.py"
        if file.exists() and attribute != "py":
            assert re.search(rf"\b(def|class) {attribute}\b", file.read_text("utf-8")), f"{module}{attribute}"


def test_the_rings_are_told_as_they_are() -> None:
    """The order of the rings on the map is the order that the contract holds."""
    contract = (ROOT / ".importlinter").read_text("utf-8")
    layers = re.search(r"^layers =\n((?: +.+\n)+)", contract, re.MULTILINE)
    told = re.search(r"Imports point down only: `(.+?)`", (DOCS / "map.md").read_text("utf-8"), re.DOTALL)

    assert layers
    assert told
    rings = [set(re.split(r"[,\s]+", ring.strip())) for ring in told[1].split("→")]
    assert rings == [set(line.strip().split(" | ")) for line in layers[1].splitlines() if line.strip() != "__main__"]


def test_troubleshooting_speaks_the_servers_words() -> None:
    """S79: whoever searches the help page for a message finds it, letter for letter, below its status."""
    told = re.findall(r'^## (\d+): "(.+)"$', TROUBLESHOOTING.read_text("utf-8"), re.MULTILINE)
    two_keys = answers.CONFLICTING_KEYS.split(". ", maxsplit=1)[0] + "."
    messages = {
        ("401", answers.MISSING_KEY),
        ("401", answers.INVALID_KEY),
        ("401", answers.WRONG_PREFIX.format(prefix="…")),
        ("400", two_keys),
        ("429", answers.RATE_LIMITED.format(seconds="N")),
    }

    assert set(told) == messages


def test_troubleshooting_knows_the_statuses_of_a_key() -> None:
    """S79: every status that a caller's key can get has its own advice."""
    text = TROUBLESHOOTING.read_text("utf-8")
    for code in ("BAD_REQUEST", "UNAUTHORIZED", "FORBIDDEN", "RATE_LIMIT_EXCEEDED", "SERVICE_UNAVAILABLE"):
        assert re.search(rf"^## {answers.ERRORS[code][0]}", text, re.MULTILINE)


def test_the_server_serves_the_troubleshooting_page(server: Server) -> None:
    """S79: every server shows the page, without a key."""
    answer = server.request("GET", "/help")

    assert answer.status_code == 200
    assert answer.content.decode() == TROUBLESHOOTING.read_text("utf-8")


@pytest.mark.parametrize(
    "practice",
    [
        "One key per integration",
        "Descriptive names",
        "Never commit",
        "Never in client-side code",
        "Rotate",
        "Watch last used",
        "SALESWEBHOOKS_API_KEY",
        "`.env` in `.gitignore`",
        "Production API Server",
        "Staging Environment",
        "Local Development",
        "GitHub Actions",
    ],
)
def test_the_best_practices_are_told(practice: str) -> None:
    """S74, S76, S80: whoever holds a key reads how to hold it."""
    assert practice in BEST_PRACTICES


def test_env_files_stay_out_of_the_repository() -> None:
    """S76: we do ourselves what we tell others."""
    assert ".env" in (ROOT / ".gitignore").read_text("utf-8").splitlines()


def test_scanner_rules_find_keys_of_both_formats() -> None:
    """S77: the rules for scanners find every kind of key we make, in the middle of a file, and no placeholder."""
    gitleaks = tomllib.loads((DOCS / "scanners" / "gitleaks.toml").read_text("utf-8"))["rules"]
    trufflehog = yaml.safe_load((DOCS / "scanners" / "trufflehog.yaml").read_text("utf-8"))["detectors"]
    formats = KeyFormats(BUILT_IN_FORMATS, [bytes(32)])
    for patterns, keywords in (
        ([each["regex"] for each in gitleaks], [each["keywords"] for each in gitleaks]),
        ([each["regex"]["key"] for each in trufflehog], [each["keywords"] for each in trufflehog]),
    ):
        for each in BUILT_IN_FORMATS:
            for environment in each.environments:
                key = formats.mint(each.name, environment)
                text = f"API_KEY={json.dumps(key)}\n"
                assert [re.findall(pattern, text) for pattern in patterns].count([key]) == 1
                assert any(word in text for words in keywords for word in words)
        assert not any(re.search(pattern, "lwa.sk_live_YOUR_API_KEY ss_your_api_key") for pattern in patterns)


def test_security_says_how_to_report_and_what_may_change() -> None:
    """Whoever finds a hole knows what to do; whoever depends on us knows what stays."""
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    for heading in ("Report", "What is protected against what", "What we assume", "What may change"):
        assert f"\n## {heading}\n" in text
