"""Alembic's entry: migrates on the connection and inside the transaction that ``sql_store`` passes in."""

from __future__ import annotations

from alembic import context

from components.adapters.sql_tables import VERSION_TABLE, Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
