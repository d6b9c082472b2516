"""Where a data directory may be: told from the kernel's list of mounts."""

from __future__ import annotations

import pytest

from keywright.mounts import MOUNTINFO, UNSAFE, kind_in, kind_of, why_unsafe

MOUNTS = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 0 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
31 27 0:40 / /srv rw,relatime - nfs4 files:/srv rw,vers=4.2
32 31 254:2 / /srv/local rw,relatime master:2 propagate_from:1 - xfs /dev/vdb rw
33 27 0:41 / /mnt/two\040words rw - cifs //files/share rw
34 27 0:42 / /mnt/back\134slash rw - virtiofs share rw
35 27 0:43 / /mnt/later rw - ext4 /dev/vdc rw
36 35 0:44 / /mnt/later rw - fuse.sshfs host: rw
37 27 0:45 / /mnt/ümlaut rw - 9p share rw
nonsense
38 27 0:46 / /mnt/cut
""".lstrip()

PLACES = {
    "/var/lib/keywright": "ext4",
    "/": "ext4",
    "/proc/1": "proc",
    "/srv": "nfs4",
    "/srv/keywright/data": "nfs4",
    "/srv/local/data": "xfs",
    "/srvlocal": "ext4",
    "/srv/localhost": "nfs4",
    "/mnt/two words/data": "cifs",
    "/mnt/two": "ext4",
    "/mnt/back\\slash": "virtiofs",
    "/mnt/later/data": "fuse.sshfs",
    "/mnt/ümlaut/data": "9p",
    "/mnt/cut": "ext4",
}


@pytest.mark.parametrize("path", PLACES)
def test_the_nearest_mount_counts(path: str) -> None:
    """A directory is on the file system whose mount point is the longest that holds it; of two on one, on the later."""
    assert kind_in(MOUNTS, path) == PLACES[path]


def test_what_is_not_told_is_not_guessed() -> None:
    """Where the kernel's list cannot be understood, nothing is said."""
    assert kind_in("", "/data") is None
    assert kind_in("a - b\n - \n", "/data") is None


@pytest.mark.parametrize(
    "kind",
    ["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "afs", "ceph", "glusterfs", "lustre", "gpfs", "ocfs2",
     "gfs2", "beegfs", "fuse", "fuse.sshfs", "fuse.glusterfs", "fuseblk", "vboxsf"],
)  # fmt: skip
def test_what_others_write_is_unsafe(kind: str) -> None:
    """A file system that other machines or programs stand behind is refused, with a reason."""
    assert why_unsafe(kind)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "f2fs", "bcachefs", "nilfs2"])
def test_a_disk_of_this_machine_is_safe(kind: str) -> None:
    """What is kept on a disk or in the memory of this machine is not refused."""
    assert why_unsafe(kind) is None


def test_each_reason_ends_a_sentence() -> None:
    """Reasons are written to stand in the sentence that start-up ends with."""
    assert all(reason and not reason.endswith(".") for reason in UNSAFE.values())


@pytest.mark.skipif(not MOUNTINFO.exists(), reason="NOT TESTED: this system has no list of mounts")
def test_the_kernel_is_asked(tmp_path_factory: pytest.TempPathFactory) -> None:
    """On Linux the type is found for directories that are there and for those that will be."""
    place = tmp_path_factory.mktemp("place")

    assert kind_of(place) is not None
    assert kind_of(place / "not" / "there") == kind_of(place)
    assert kind_of(MOUNTINFO.parent) == "proc"
