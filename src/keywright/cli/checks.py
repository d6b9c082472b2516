"""What ``keywright doctor`` looks at: one function for each check.

Each answers whether it is as it should be, and what was found. The database files are asked by way of the stores, or
looked at from outside: opening one here and closing it again would drop every lock that this process holds on it.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from keywright import mounts, owners
from keywright.cli.whereabouts import Whereabouts, by_settings, of_server
from keywright.clock import SystemClock, timestamp

if TYPE_CHECKING:
    from keywright.build import Keywright
    from keywright.settings import Settings

Finding: TypeAlias = tuple[bool, str]

#: A write-ahead log that is larger than this is not being emptied: somebody reads and never ends.
MOST_WAL_BYTES = 256 * 1024 * 1024
#: A file that was changed this much later than now says that the clock was set back.
CLOCK_SECONDS = 60.0
#: A certificate that ends sooner than this should be renewed.
RENEW_SECONDS = 14 * 86_400
#: How long a server may take to answer.
ANSWER_SECONDS = 3.0

_PEM_END = "-----END CERTIFICATE-----"
_CENTURY = 50


def directory_is_private(keywright: Keywright) -> Finding:
    """Nobody else may look into the data directory."""
    directory = keywright.settings.data_dir
    mode = directory.stat().st_mode & 0o777
    return mode & 0o077 == 0, f"{directory} has mode {mode:o}; others should have no rights (chmod 700)"


def files_are_private(keywright: Keywright) -> Finding:
    """Nobody else may read what is in it."""
    directory = keywright.settings.data_dir
    open_to_others = sorted(each.name for each in directory.iterdir() if each.is_file() and each.stat().st_mode & 0o077)
    names = ", ".join(open_to_others)
    return not open_to_others, f"others have rights on {names} (chmod 600)" if names else "only their owner reads them"


def files_are_its_owners(keywright: Keywright) -> Finding:
    """Whoever serves as the owner of the data directory may open what is in it."""
    found = owners.strangers(keywright.settings.data_dir)
    return not found, owners.remedy(found) if found else "everything belongs to the owner of the directory"


def file_system(keywright: Keywright) -> Finding:
    """A file system of this machine. (One that is known not to be has ended the command already.)"""
    kind = mounts.kind_of(keywright.settings.data_dir)
    return True, kind or "not known on this system; it must be on a disk of this machine"


def room(keywright: Keywright) -> Finding:
    """Enough room to write."""
    from keywright.server.ready import LEAST_FREE_BYTES

    left = shutil.disk_usage(keywright.settings.data_dir).free
    return left >= LEAST_FREE_BYTES, f"{left // 2**20} MiB free"


def clock(keywright: Keywright) -> Finding:
    """The clock is not behind the files."""
    now = SystemClock.now()
    ahead: dict[str, float] = {}
    for each in keywright.settings.data_dir.iterdir():
        # Logs and drafts come and go meanwhile.
        with contextlib.suppress(FileNotFoundError):
            ahead[each.name] = each.stat().st_mtime - now
    name = max(ahead, key=lambda each: ahead[each])
    if ahead[name] > CLOCK_SECONDS:
        return False, f"{name} was changed {ahead[name]:.0f} seconds from now: was the clock set back?"
    return True, timestamp(now)


def secret(keywright: Keywright) -> Finding:
    """The master secret is there, for its owner only, and how many versions it has. (One that others can read, or that
    is not this database's, has ended the command already.)"""
    from keywright.build import MASTER_SECRET_FILE
    from keywright.master import read_master_secret

    settings = keywright.settings
    if settings.master_secret is not None:
        return True, "given by the setting master_secret; a file is safer"
    path = settings.master_secret_file or settings.data_dir / MASTER_SECRET_FILE
    versions = sorted(read_master_secret(path).fingerprint())
    return True, f"{path}, mode {path.stat().st_mode & 0o777:o}, versions: {', '.join(map(str, versions))}"


def engine(keywright: Keywright) -> Finding:
    """An engine that several processes may use. (An older one has ended the command already.)"""
    return True, keywright.store.engine()


def durability(keywright: Keywright) -> Finding:
    """What was acknowledged survives a power cut."""
    found = keywright.store.durability()
    return found == "full", found


def integrity(keywright: Keywright) -> Finding:
    """The database is whole."""
    found = keywright.store.integrity()
    return found == "ok", found


def write_ahead_logs(keywright: Keywright) -> Finding:
    """The logs are emptied into their databases."""
    logs = {each.name: each.stat().st_size for each in keywright.settings.data_dir.glob("*.db-wal")}
    largest = max(logs.values(), default=0)
    sizes = ", ".join(f"{name} {size / 2**20:.1f} MiB" for name, size in sorted(logs.items())) or "none"
    return largest <= MOST_WAL_BYTES, sizes


def feed(keywright: Keywright) -> Finding:
    """The change feed can be read."""
    return True, f"version {keywright.store.version()}"


def counters(keywright: Keywright) -> Finding:
    """The table of counters is one. (One that is not has ended the command already.)"""
    from keywright.build import LIMITS_FILE

    found = (keywright.settings.data_dir / LIMITS_FILE).stat()
    return True, f"{found.st_blocks * 512 / 2**20:.1f} MiB on disk"


def usage(keywright: Keywright) -> Finding:
    """Usage can be written now."""
    keywright.usage_store.add((), 0)
    return True, "can be written"


def operator(keywright: Keywright) -> Finding:
    """There is an operator account."""
    return True, str(keywright.manager.operator_account().id)


def processes(keywright: Keywright) -> Finding:
    """Who else has the data directory open, as far as this user may see."""
    inside = str(keywright.settings.data_dir.resolve()) + "/"
    pids = [int(each) for each in os.listdir("/proc") if each.isdigit()] if Path("/proc/self").exists() else []
    found = sorted(pid for pid in pids if pid != os.getpid() and _has_open(pid, inside))
    return True, f"{len(found)} others: {', '.join(map(str, found))}" if found else "none that can be seen"


def _has_open(pid: int, inside: str) -> bool:
    with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as descriptors:
        return any(os.readlink(each).startswith(inside) for each in descriptors)
    return False


def server(keywright: Keywright) -> Finding:
    """Who answers where the server says that it listens, or the settings do, and whether it is ready."""
    found = _whereabouts(keywright.settings)
    where = f"{found.host}:{found.port}"
    try:
        status, body = _asked(found)
    except ConnectionRefusedError:
        return True, f"nobody listens on {where}"
    except (OSError, http.client.HTTPException) as error:
        return False, f"{where} does not answer as a server of ours: {error}"
    words = {name: value for name, value in body.items() if name not in ("error", "message", "timestamp")}
    if "store" not in words and "draining" not in words:
        return False, f"somebody else answers on {where}"
    said = ", ".join(f"{name} {value}" for name, value in words.items())
    return status == HTTPStatus.OK, f"{where}: {said}"


def _whereabouts(settings: Settings) -> Whereabouts:
    """A port that somebody has named is the one that is meant."""
    named = settings.origins["port"] != "default"
    return by_settings(settings) if named else of_server(settings.data_dir) or by_settings(settings)


def _asked(where: Whereabouts) -> tuple[int, dict[str, object]]:
    connection: http.client.HTTPConnection
    if where.tls:
        # Whose certificate it is does not matter here; whether it is good is a check of its own.
        context = ssl._create_unverified_context()  # noqa: S323
        connection = http.client.HTTPSConnection(where.host, where.port, timeout=ANSWER_SECONDS, context=context)
    else:
        connection = http.client.HTTPConnection(where.host, where.port, timeout=ANSWER_SECONDS)
    with contextlib.closing(connection):
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        try:
            body = json.loads(answer.read(65_536))
        except ValueError:
            body = None
        return answer.status, body if isinstance(body, dict) else {}


def certificate(keywright: Keywright) -> Finding:
    """The certificate is valid now, and for a while to come."""
    path = keywright.settings.tls_cert
    if path is None:
        return True, "none; what stands in front must end TLS"
    begins, ends = validity(path.read_text("utf-8"))
    now = SystemClock.now()
    if now < begins:
        return False, f"{path} is not valid before {timestamp(begins)}"
    if now > ends:
        return False, f"{path} ended at {timestamp(ends)}"
    if ends - now <= RENEW_SECONDS:
        return (
            False,
            f"{path} is valid until {timestamp(ends)} only: renew it, under {RENEW_SECONDS // 86_400} days are left",
        )
    return True, f"{path} is valid until {timestamp(ends)}"


def validity(pem: str) -> tuple[float, float]:
    """From when to when the first certificate of a chain is valid.

    Raises:
        ValueError: there is none.
    """
    start = pem.index("-----BEGIN CERTIFICATE-----")
    der = ssl.PEM_cert_to_DER_cert(pem[start : pem.index(_PEM_END, start) + len(_PEM_END)])
    # Certificate → what is signed → [version], serial number, algorithm, issuer, validity → from, to.
    members = _members(_members(_members(der)[0][1])[0][1])
    begins, ends = _members(members[4 if members[0][0] == 0xA0 else 3][1])
    return _moment(*begins), _moment(*ends)


def _members(der: bytes) -> list[tuple[int, bytes]]:
    """What stands in a row in DER, as tags and contents."""
    members, at = [], 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(der[at : at + size]), at + size
        members.append((tag, der[at : at + length]))
        at += length
    return members


def _moment(tag: int, content: bytes) -> float:
    text = content.decode("ascii").rstrip("Z")
    if tag == 0x17:  # UTCTime has two digits for the year
        text = ("20" if int(text[:2]) < _CENTURY else "19") + text
    return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp()


def provider(keywright: Keywright) -> Finding:
    """The identity provider answers, and calls itself what the setting says."""
    if keywright.provider is None:
        return True, "none"
    from keywright.server.oidc.client import Client, announces

    metadata = Client(keywright.provider, keywright.clock).metadata()
    issuer, back = keywright.provider.issuer, keywright.provider.redirect_uri
    if not announces(metadata, "code_challenge_methods_supported", "S256", otherwise=True):
        return False, f"{issuer} does not know PKCE with S256"
    return True, f"{issuer} answers; it must know the redirect URI {back}"


CHECKS: dict[str, Callable[[Keywright], Finding]] = {
    "data directory is private": directory_is_private,
    "files are private": files_are_private,
    "files are its owner's": files_are_its_owners,
    "file system is local": file_system,
    "room on disk": room,
    "clock": clock,
    "master secret": secret,
    "database engine": engine,
    "durability": durability,
    "database is whole": integrity,
    "write-ahead logs": write_ahead_logs,
    "change feed": feed,
    "counters": counters,
    "usage": usage,
    "operator account": operator,
    "other processes": processes,
    "server": server,
    "certificate": certificate,
    "identity provider": provider,
}
