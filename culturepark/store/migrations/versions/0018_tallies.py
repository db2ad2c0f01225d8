"""The figures of a run, kept until a row changes that they rest on, and indexes by which `runs` counts."""

import sqlalchemy as sa
from alembic import op

from culturepark.store.watches import unwatch

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tally",
        sa.Column("run_id", sa.String(), primary_key=True),
        sa.Column("complete", sa.Integer(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("document", sa.Text(), nullable=True),
        sa.Column("lines", sa.Text(), nullable=True),
    )
    op.create_index("ix_tally_complete", "tally", ["complete"])
    op.create_index("ix_sample_status_id", "sample", ["status", "id"])
    op.create_index("ix_dialogue_run_id_status", "dialogue", ["run_id", "status"])


def downgrade() -> None:
    unwatch(op.get_bind())
    op.drop_index("ix_dialogue_run_id_status", "dialogue")
    op.drop_index("ix_sample_status_id", "sample")
    op.drop_table("tally")
