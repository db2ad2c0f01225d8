"""Alembic's entry point; culturepark/store/database.py hands it an open connection."""

from alembic import context
from sqlmodel import SQLModel

import culturepark.store.tables  # noqa: F401 - fills the metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    transactional_ddl=True,  # SQLite can: a killed migration leaves nothing behind
)
with context.begin_transaction():
    context.run_migrations()
