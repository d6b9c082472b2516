"""The master secret: derived from, kept to its owner, and never replaced behind anybody's back."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from keywright import Accepted, ManualClock, Misconfigured, Reason, Refused
from keywright.limits.conformance import in_children
from keywright.master import MasterSecret, create_master_secret, hkdf, parse_master_secret, read_master_secret
from support.installation import Installation

ONE, TWO = "1:" + "11" * 32, "2:" + "22" * 32
SECRET_FILE = "master.secret"


def test_hkdf_is_that_of_the_rfc() -> None:
    """Derived keys are those of RFC 5869, so that anybody can compute them again (its test case 3, without a salt)."""
    expected = (
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
        "9d201395faa4b61a96c8"
    )  # fmt: skip
    assert hkdf(b"\x0b" * 22, "", 42).hex() == expected


def test_each_purpose_and_generation_has_its_own_key() -> None:
    """No derived key tells anything of another."""
    secret = parse_master_secret(f"{ONE}\n{TWO}", "a test")
    keys = [*secret.derive("key digest").values(), *secret.derive("key tag").values()]
    assert list(secret.derive("key tag")) == [2, 1]
    assert len(set(keys)) == 4
    assert {len(key) for key in keys} == {32}


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """The secret is made for one reader, whatever the mask, and read back as it was made."""
    before = os.umask(0)
    try:
        made = create_master_secret(tmp_path / SECRET_FILE)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / SECRET_FILE).stat().st_mode) == 0o600
    assert read_master_secret(tmp_path / SECRET_FILE) == made
    assert [each.name for each in tmp_path.iterdir()] == [SECRET_FILE]


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    """Of processes that make the secret at the same moment, all end up with the same one."""
    path = tmp_path / SECRET_FILE

    def work() -> int:
        return int.from_bytes(create_master_secret(path).generations[0][1][:7])

    assert len(set(in_children(work, 6))) == 1
    assert [each.name for each in tmp_path.iterdir()] == [SECRET_FILE]


def test_a_secret_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    """Where the secret cannot be kept, nothing starts, and a sentence says why."""
    with pytest.raises(Misconfigured, match="cannot be made"):
        create_master_secret(tmp_path / "gone" / SECRET_FILE)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o777])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """A secret that others may have seen is not used."""
    path = tmp_path / SECRET_FILE
    create_master_secret(path)
    path.chmod(mode)
    with pytest.raises(Misconfigured, match="chmod 600"):
        read_master_secret(path)


@pytest.mark.parametrize(
    "text",
    ["", "\n\n", "1:abc", "11" * 32, f"{ONE}\n{ONE}", "0:" + "11" * 32, "256:" + "11" * 32, f"{ONE}\nrubbish"],
)
def test_what_is_no_secret_is_refused_without_showing_it(text: str) -> None:
    """A damaged secret stops the start with a sentence that holds no part of it."""
    with pytest.raises(Misconfigured, match="a test") as raised:
        parse_master_secret(text, "a test")
    assert "1111" not in str(raised.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b""], ids=["missing", "not text", "empty"])
def test_an_unreadable_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """A secret that cannot be read stops the start with a sentence that names the file."""
    path = tmp_path / SECRET_FILE
    if content is not None:
        path.touch(0o600)
        path.write_bytes(content)
    with pytest.raises(Misconfigured, match=SECRET_FILE):
        read_master_secret(path)


def test_nothing_shown_of_a_secret_is_secret() -> None:
    """Neither its text form nor what the database holds of it gives the secret away."""
    secret = MasterSecret(((1, b"\x11" * 32),))
    assert repr(secret) == "MasterSecret(versions=[1])"
    assert "11" * 8 not in str(secret.fingerprint())
    assert secret.fingerprint() != MasterSecret(((1, b"\x12" * 32),)).fingerprint()


@pytest.fixture
def key(data_dir: Path, clock: ManualClock) -> str:
    """A key in a data directory that is closed again."""
    with Installation(data_dir, clock) as made:
        return made.create().key


def test_another_secret_is_refused(data_dir: Path, clock: ManualClock, key: str) -> None:
    """A database does not start under another secret: every key would be refused."""
    with pytest.raises(Misconfigured, match="does not belong"):
        Installation(data_dir, clock, master_secret=ONE)
    with Installation(data_dir, clock) as right:
        assert isinstance(right.keywright.verify(key), Accepted)


def test_a_lost_secret_is_not_replaced(data_dir: Path, clock: ManualClock, key: str) -> None:
    """Where the secret of a database is missing, no new one is made in its place, and the old one can be put back."""
    secret = (data_dir / SECRET_FILE).read_bytes()
    (data_dir / SECRET_FILE).unlink()
    with pytest.raises(Misconfigured, match="missing"):
        Installation(data_dir, clock)
    assert not (data_dir / SECRET_FILE).exists()
    (data_dir / SECRET_FILE).touch(0o600)
    (data_dir / SECRET_FILE).write_bytes(secret)
    with Installation(data_dir, clock) as again:
        assert isinstance(again.keywright.verify(key), Accepted)


def test_a_generation_that_keys_need_cannot_be_dropped(data_dir: Path, clock: ManualClock) -> None:
    """The secret under which stored keys were digested must stay."""
    with Installation(data_dir, clock, master_secret=ONE) as made:
        made.create()
    with pytest.raises(Misconfigured, match="generation 1"):
        Installation(data_dir, clock, master_secret=TWO)


def test_a_key_moves_to_the_newest_generation_when_it_is_used(data_dir: Path, clock: ManualClock) -> None:
    """With a new generation beside the old, old keys go on, and the first use of each digests it anew."""
    with Installation(data_dir, clock, master_secret=ONE) as made:
        used, unused = made.create(), made.create()
        deleted = made.create()
    with Installation(data_dir, clock, master_secret=f"{ONE}\n{TWO}") as both:
        assert isinstance(both.keywright.verify(used.key), Accepted)
        with both.keywright.store.snapshot() as reads:
            versions = [row.digest_version for row in reads.keys(both.account_id, 0, 10)]
        assert versions == [2, 1, 1]
        assert both.create().row.digest_version == 2
    with Installation(data_dir, clock, master_secret=f"{ONE}\n{TWO}") as later:
        later.keywright.manager.delete(later.actor(used), later.account_id, deleted.row.id)
        assert [type(later.keywright.verify(each.key)) for each in (used, unused)] == [Accepted, Accepted]
        assert later.keywright.verify(deleted.key) == Refused(Reason.UNKNOWN)


def test_a_key_outlives_the_generation_that_made_it(data_dir: Path, clock: ManualClock) -> None:
    """A generation that no digest needs any more may go, and the keys whose text carries its tag go on."""
    with Installation(data_dir, clock, master_secret=ONE) as made:
        old = made.create()
    with Installation(data_dir, clock, master_secret=f"{ONE}\n{TWO}") as both:
        assert isinstance(both.keywright.verify(old.key), Accepted)
    with Installation(data_dir, clock, master_secret=TWO) as alone:
        assert isinstance(alone.keywright.verify(old.key), Accepted)
