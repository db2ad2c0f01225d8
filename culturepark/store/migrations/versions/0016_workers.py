"""Workers of a run, what each has claimed, and the requests of the last minute where several share a limit."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "worker",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("process", sa.Integer(), nullable=False),
        sa.Column("joined_at", sa.String(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost_usd", sa.Float(), nullable=True),
        sa.Column("ended", sa.Integer(), nullable=False),
    )
    op.create_index("ix_worker_run_id", "worker", ["run_id"])
    op.create_table(
        "claim",
        sa.Column("subject_id", sa.String(), primary_key=True),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("worker_id", sa.String(), nullable=True),
        sa.Column("done", sa.Integer(), nullable=False),
    )
    op.create_index("ix_claim_run_id", "claim", ["run_id"])
    op.create_table(
        "paced",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_paced_endpoint", "paced", ["endpoint"])


def downgrade() -> None:
    for table in ("paced", "claim", "worker"):
        op.drop_table(table)
