"""The language of turns, statements and samples, and what was rendered into another one."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

WITH_LANGUAGE = ("turn", "statement", "sample")


def upgrade() -> None:
    for table in WITH_LANGUAGE:
        op.add_column(table, sa.Column("language", sa.String(), nullable=True))
    op.create_table(
        "rendering",
        sa.Column("turn_id", sa.String(), sa.ForeignKey("turn.id"), primary_key=True),
        sa.Column("language", sa.String(), primary_key=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("call_id", sa.String(), sa.ForeignKey("call.id"), nullable=True),
    )
    op.create_table(
        "statement_rendering",
        sa.Column("statement_id", sa.String(), sa.ForeignKey("statement.id"), primary_key=True),
        sa.Column("language", sa.String(), primary_key=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("first_person", sa.Text(), nullable=False),
        sa.Column("question", sa.Text(), nullable=True),
        sa.Column("exception", sa.Text(), nullable=True),
        sa.Column("call_id", sa.String(), sa.ForeignKey("call.id"), nullable=True),
        sa.Column("agrees", sa.Boolean(), nullable=True),
        sa.Column("difference", sa.Text(), nullable=True),
        sa.Column("checked_by", sa.String(), sa.ForeignKey("call.id"), nullable=True),
    )


def downgrade() -> None:
    for table in ("statement_rendering", "rendering"):
        op.drop_table(table)
    for table in WITH_LANGUAGE:
        op.drop_column(table, "language")
