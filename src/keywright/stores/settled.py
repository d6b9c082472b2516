"""What settings and database must agree on when a store is opened. Going on without it would refuse good keys."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, delete, select

from keywright.errors import Misconfigured
from keywright.stores import tables

_SECRET, _TAG_KEY, _FORMAT = "secret ", "tag key ", "format "


def settle_secret(connection: Connection, fingerprints: dict[int, str], tag_keys: dict[int, bytes]) -> dict[int, bytes]:
    """Check the master secret against the database, and note new generations of it.

    A key carries the tag of the generation that made it for all its life, also after its digest was renewed and the
    generation was taken out of the secret. Tag keys are therefore kept here. Whoever reads them can make texts that
    cost us a look-up each, and nothing else.

    Args:
        fingerprints: of each generation of the secret.
        tag_keys: of each generation of the secret.

    Returns:
        the tag keys of all generations there ever were, the newest first.

    Raises:
        Misconfigured: a generation differs from the one this database was made with, or the secret under which stored
            keys were digested is missing.
    """
    known = {int(version): print_ for version, print_ in noted_secret(connection).items()}
    foreign = foreign_generations(connection, fingerprints)
    if foreign:
        raise Misconfigured(
            f"The master secret does not belong to this database (generation {foreign[0]}). Put back the "
            "secret it was made with; without it no key of this database can be verified."
        )
    _note(connection, _SECRET, {str(each): fingerprints[each] for each in fingerprints.keys() - known.keys()})
    kept = {int(version): bytes.fromhex(tag_key) for version, tag_key in _noted(connection, _TAG_KEY).items()}
    _note(connection, _TAG_KEY, {str(each): tag_keys[each].hex() for each in tag_keys.keys() - kept.keys()})
    return dict(sorted({**kept, **tag_keys}.items(), reverse=True))


def noted_secret(connection: Connection) -> dict[str, str]:
    """The fingerprint of each generation of the master secret that the database was used with, by its version."""
    return _noted(connection, _SECRET)


def foreign_generations(connection: Connection, fingerprints: dict[int, str]) -> list[int]:
    """The generations of the master secret that are not the database's, or that its keys need and that are missing."""
    known = {int(version): print_ for version, print_ in noted_secret(connection).items()}
    wrong = [version for version, print_ in fingerprints.items() if known.get(version, print_) != print_]
    missing = known.keys() - fingerprints.keys()
    return wrong + [each for each in missing if _in_use(connection, tables.keys.c.digest_version == each)]


def settle_formats(connection: Connection, shapes: dict[str, str]) -> None:
    """Check the key formats of the settings against those that stored keys were made in, and note them.

    Args:
        shapes: what makes each format what it is, by name, as comparable text.

    Raises:
        Misconfigured: there are keys of a format that has gone from the settings, or looks otherwise there: they
            would all be refused.
    """
    known = _noted(connection, _FORMAT)
    changed = [name for name, shape in known.items() if shapes.get(name) != shape]
    for name in changed:
        if _in_use(connection, tables.keys.c.format == name):
            raise Misconfigured(
                f"There are keys of the format {name!r}, which has gone from the settings or has changed there. Put it "
                f"back as it was ({known[name]}), or delete those keys first."
            )
        connection.execute(delete(tables.meta).where(tables.meta.c.name == _FORMAT + name))
    _note(connection, _FORMAT, {name: shapes[name] for name in shapes if name not in known or name in changed})


def _in_use(connection: Connection, condition: ColumnElement[bool]) -> bool:
    return connection.execute(select(tables.keys.c.slot).where(condition).limit(1)).first() is not None


def _noted(connection: Connection, kind: str) -> dict[str, str]:
    meta = tables.meta
    stored = connection.execute(select(meta).where(meta.c.name.startswith(kind, autoescape=True)))
    return {each.name.removeprefix(kind): each.value for each in stored}


def _note(connection: Connection, kind: str, values: dict[str, str]) -> None:
    rows = [{"name": kind + name, "value": value} for name, value in values.items()]
    if rows:
        connection.execute(tables.meta.insert(), rows)
