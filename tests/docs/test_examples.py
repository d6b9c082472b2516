"""Every example in the documentation does what the page says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from docs.examples import failures, files, steps
from docs.pages import blocks, name, pages
from keywright.settings import load

LANGUAGES = {"python", "sh", "toml", "json", "text"}
WITH_EXAMPLES = [path for path in pages() if list(steps(path.read_text("utf-8")))]

needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="curl is not on this machine")


@needs_curl
@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=name)
def test_the_examples_work(page: Path, tmp_path: Path) -> None:
    """Whoever follows a page from top to bottom gets what it promises."""
    assert failures(page.read_text("utf-8"), tmp_path) == []


@pytest.mark.parametrize("page", pages(), ids=name)
def test_every_block_is_of_a_known_kind(page: Path) -> None:
    """An example in a language that nobody runs cannot slip in, and what is shown as JSON is JSON."""
    for block in blocks(page.read_text("utf-8")):
        assert block.language in LANGUAGES
        if block.language == "json":
            json.loads(block.text)


@pytest.mark.parametrize("page", [path for path in pages() if "```toml" in path.read_text("utf-8")], ids=name)
def test_settings_files_load(page: Path, tmp_path: Path) -> None:
    """A settings file in the documentation can be used as it stands."""
    written = tmp_path / "keywright.toml"
    written.write_text(files(page.read_text("utf-8"))["keywright.toml"], "utf-8")

    assert str(written) in load(environment={"KEYWRIGHT_CONFIG": str(written)}).origins.values()


BAD_PAGES = {
    "a command that fails": "```sh\nkeywright keys show nothing\n```\n",
    "an output that is not there": '```sh\nkeywright keys create "A" --format ss     # → lwa.\n```\n',
    "a program that fails": '```python\nfrom keywright import Keywright\nassert Keywright.open("data").nothing\n```\n',
    "a target that make does not know": "```sh\nmake coffee\n```\n",
}


@pytest.mark.parametrize("page", BAD_PAGES)
def test_an_example_that_does_not_work_is_found(page: str, tmp_path: Path) -> None:
    """Running the examples can fail: a page that promises too much does."""
    assert len(failures(BAD_PAGES[page], tmp_path)) == 1


def test_an_example_with_settings_uses_them(tmp_path: Path) -> None:
    """Settings that a page shows are in force in its examples; a variable that one line sets is there in the next."""
    page = '```toml\ndefault_format = "ss"\n```\n```sh\nKEY=$(keywright keys create "A")\necho "$KEY"   # → ss_\n```\n'

    assert failures(page, tmp_path) == []
