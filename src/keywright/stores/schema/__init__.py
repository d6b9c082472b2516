"""Migrations: one line of them for each set of tables, run by Alembic in the transaction that is handed in.

The version that this code needs is written here as well, so that an ordinary start asks the database one question and
does not import Alembic.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from keywright.errors import Misconfigured

#: The newest migration of each line; a test compares it with the files.
HEADS = {"records": "0007", "usage": "0002"}


def bring_up_to_date(connection: Connection, line: str) -> None:
    """Run what is missing, all or nothing. Whoever calls holds the right to write, so two starts do not interleave.

    Raises:
        Misconfigured: the database was written by a newer Keywright.
    """
    current = revision(connection)
    if current == HEADS[line]:
        return
    if current and current > HEADS[line]:
        raise Misconfigured(
            f"The database is of version {current}; this Keywright knows {HEADS[line]}. Install the newer one again."
        )
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", str(Path(__file__).parent / line))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def revision(connection: Connection) -> str | None:
    """The newest migration that was run; None where none was."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found
