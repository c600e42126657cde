"""Upgrades: what makes a store of the version before one of today, step by step.

New tables are made when a store is opened; a step is needed where a table has changed. Steps
use the operations of alembic, which speak to SQLite and PostgreSQL. They never change once they
are released.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, Float, Integer, String, Text, inspect

if TYPE_CHECKING:
    from alembic.operations import Operations

VERSION = 4
"""Of the tables; a store of a newer version is refused."""


def upgrade_tables(connection: Connection, version: int) -> None:
    """Run the steps from a version on."""
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    operations = Operations(MigrationContext.configure(connection))
    for number in range(version, VERSION):
        _STEPS[number](operations)


def _add_users(operations: "Operations") -> None:
    """From version 1 to 2; its sessions end, which a new link makes again."""
    operations.add_column("item", Column("annotator", String(64)))
    operations.drop_table("session")


def _add_copies(operations: "Operations") -> None:
    """From version 2 to 3."""
    for column in (
        Column("lease_person", String(64)),
        Column("reviewer", String(64)),
        Column("priority", Float),
        Column("reason", Text),
        Column("image_key", Text),
        Column("kind", String(16)),
        Column("source_id", Integer),
        Column("source_rev", Integer),
    ):
        operations.add_column("item", column)
    operations.create_index("ix_item_source_id", "item", ["source_id"])


def _add_figures(operations: "Operations") -> None:
    """From version 3 to 4; a store of before 3 may have no records yet."""
    if not inspect(operations.get_bind()).has_table("record"):
        return
    for column in (Column("lot", String(100)), Column("levels", Text), Column("figures", Text)):
        operations.add_column("record", column)


_STEPS: Mapping[int, Callable[["Operations"], None]] = {
    1: _add_users,
    2: _add_copies,
    3: _add_figures,
}
"""By the version from which a step leads to the next."""
