"""The migrations: complete, in order, equal to the tables that the code uses, and fit for PostgreSQL."""

from __future__ import annotations

import importlib.util
import io
import re
from pathlib import Path
from types import ModuleType

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from pysqlite3 import dbapi2
from sqlalchemy import Column, Connection, Engine, Integer, MetaData, Table, create_engine, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from house.rules import SOURCE
from keywright.reference import storage
from keywright.stores import tables
from keywright.stores.schema import HEADS, bring_up_to_date

LINES = {"records": tables.records, "usage": tables.usage}
_ADD_COLUMN = re.compile(r"ALTER TABLE (\w+) ADD COLUMN (.+)")
_FILE = re.compile(r"(\d{4})_[a-z_]+\.py")


def engine(path: Path) -> Engine:
    """A database as the store opens it."""
    return create_engine(f"sqlite+pysqlite:///{path}", module=dbapi2)


def migrations(line: str) -> list[Path]:
    """The files of a line, the oldest first."""
    return sorted((SOURCE / "stores" / "schema" / line).glob("[0-9]*.py"))


def load(path: Path) -> ModuleType:
    """A migration as a module."""
    spec = importlib.util.spec_from_file_location(f"migration_{path.stem}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def options(connection: Connection) -> dict[str, tuple[bool, bool]]:
    """What reflection does not tell of each table: AUTOINCREMENT, and whether it is its own index."""
    found = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'table'")).all()
    return {name: ("AUTOINCREMENT" in sql, "WITHOUT ROWID" in sql) for name, sql in found if "sqlite" not in name}


def ddl_of_metadata(metadata: MetaData) -> set[str]:
    """What PostgreSQL would be told to make the tables."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    made = [str(CreateTable(table).compile(dialect=dialect)) for table in metadata.sorted_tables]
    made += [
        str(CreateIndex(index).compile(dialect=dialect)) for table in metadata.sorted_tables for index in table.indexes
    ]
    return {_plain(each) for each in made}


def ddl_of_migrations(line: str) -> set[str]:
    """What PostgreSQL would be told by the migrations."""
    written = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": written, "literal_binds": True}
    )
    with Operations.context(context):
        for path in migrations(line):
            load(path).upgrade()
    return _made_at_once([_plain(each) for each in written.getvalue().split(";")])


def _made_at_once(statements: list[str]) -> set[str]:
    """The statements that would make at once what these make one after the other."""
    made = {each: each for each in statements if each.startswith("CREATE")}
    for each in statements:
        if added := _ADD_COLUMN.fullmatch(each):
            (table,) = (name for name in made if name.startswith(f"CREATE TABLE {added[1]} ("))
            # Columns stand before the keys and other constraints.
            made[table] = made[table].replace(", PRIMARY KEY", f", {added[2]}, PRIMARY KEY", 1)
    return set(made.values())


def _plain(statement: str) -> str:
    return " ".join(statement.split())


@pytest.mark.parametrize("line", LINES)
def test_heads_are_the_newest_files(line: str) -> None:
    """The version that a start compares with is that of the newest migration there is: none is forgotten."""
    assert HEADS[line] == migrations(line)[-1].name[:4]


@pytest.mark.parametrize("line", LINES)
def test_migrations_follow_each_other(line: str) -> None:
    """Each migration names the one before it, so that every database takes the same way."""
    files = migrations(line)
    loaded = [load(path) for path in files]

    assert all(_FILE.fullmatch(path.name) for path in files)
    assert [each.revision for each in loaded] == [path.name[:4] for path in files]
    assert [each.down_revision for each in loaded] == [None, *(path.name[:4] for path in files[:-1])]


@pytest.mark.parametrize("line", LINES)
def test_the_sum_of_the_migrations_is_the_tables(line: str, tmp_path: Path) -> None:
    """A database that was migrated is the database that the statements are written for."""
    with engine(tmp_path / "migrated.db").begin() as connection:
        bring_up_to_date(connection, line)
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        differences = compare_metadata(context, LINES[line])
        migrated = options(connection)
    with engine(tmp_path / "made.db").begin() as connection:
        LINES[line].create_all(connection)
        made = options(connection)

    migrated.pop("alembic_version")
    assert differences == []
    # Slots are found again by counters: SQLite must never give one twice, which only AUTOINCREMENT promises.
    assert migrated == made
    assert line != "records" or made["keys"] == (True, False)


def test_a_difference_is_found(tmp_path: Path) -> None:
    """The comparison sees a column that the migrations do not make."""
    wanted = MetaData()
    for table in tables.usage.tables.values():
        table.to_metadata(wanted)
    wanted.tables["last_uses"].append_column(Column("forgotten", Integer))
    with engine(tmp_path / "migrated.db").begin() as connection:
        bring_up_to_date(connection, "usage")
        assert compare_metadata(MigrationContext.configure(connection), wanted)


@pytest.mark.parametrize("line", LINES)
def test_the_migrations_fit_postgresql(line: str) -> None:
    """The migrations make on PostgreSQL what the tables say, too: another engine needs no other schema."""
    assert ddl_of_migrations(line) == ddl_of_metadata(LINES[line])


def test_the_resources_fit_postgresql() -> None:
    """The resource APIs' tables can be made on PostgreSQL as well."""
    made = ddl_of_metadata(storage.metadata)

    assert len([each for each in made if each.startswith("CREATE TABLE")]) == len(storage.metadata.tables)


def test_a_table_that_does_not_fit_postgresql_is_found() -> None:
    """The comparison sees a type that the migrations do not make."""
    wanted = MetaData()
    Table("last_uses", wanted, Column("slot", Integer, primary_key=True))

    assert not ddl_of_metadata(wanted) <= ddl_of_migrations("usage")
