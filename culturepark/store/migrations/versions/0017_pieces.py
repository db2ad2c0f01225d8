"""Requests in pieces that are stored once. `call` becomes a view; its rows are taken apart later, in portions."""

import sqlalchemy as sa
from alembic import op

from culturepark.store.pieces import view_sql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    sqlite = op.get_context().dialect.name == "sqlite"
    op.create_table(
        "piece",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False),
        sa.Column("digest", sa.BigInteger(), nullable=False, unique=True),
        sa.Column("text", sa.Text(), nullable=False),
    )
    op.drop_index("ix_call_request_digest", "call")
    op.rename_table("call", "call_log")  # what points at it follows
    op.add_column("call_log", sa.Column("pieces", sa.Text(), nullable=True))
    if not sqlite:  # PostgreSQL compresses long texts by itself
        op.execute("UPDATE call_log SET pieces = ''")
    unpacked = sa.text("pieces IS NULL")
    op.create_index("ix_call_log_unpacked", "call_log", ["id"], sqlite_where=unpacked, postgresql_where=unpacked)
    op.execute(view_sql(sqlite=sqlite))


def downgrade() -> None:
    op.execute(
        "UPDATE call_log SET request = (SELECT request FROM call WHERE call.id = call_log.id) WHERE pieces <> ''"
    )
    op.execute("DROP VIEW call")
    op.drop_index("ix_call_log_unpacked", "call_log")
    op.drop_column("call_log", "pieces")
    op.rename_table("call_log", "call")
    op.create_index("ix_call_request_digest", "call", ["request_digest"])
    op.drop_table("piece")
