"""Batches, and the calls in them."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "batch",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("run_id", sa.String(), sa.ForeignKey("run.id"), nullable=False),
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("remote_id", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("expires_at", sa.String(), nullable=True),
        sa.Column("finished_at", sa.String(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
    )
    op.create_index("ix_batch_run_id", "batch", ["run_id"])
    op.create_table(
        "batched",
        sa.Column("call_id", sa.String(), sa.ForeignKey("call_log.id"), primary_key=True),
        sa.Column("batch_id", sa.String(), sa.ForeignKey("batch.id"), nullable=False),
    )
    op.create_index("ix_batched_batch_id", "batched", ["batch_id"])


def downgrade() -> None:
    for table in ("batched", "batch"):
        op.drop_table(table)
