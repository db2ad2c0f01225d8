"""Wordings and withdrawals of reviews, and branches."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("review", sa.Column("wording", sa.Text(), nullable=True))
    op.add_column("review", sa.Column("withdrawn_at", sa.String(), nullable=True))
    op.add_column("dialogue", sa.Column("parent_id", sa.String(), nullable=True))
    op.add_column("dialogue", sa.Column("branched_at", sa.Integer(), nullable=True))
    op.create_index("ix_dialogue_parent_id", "dialogue", ["parent_id"])


def downgrade() -> None:
    op.drop_index("ix_dialogue_parent_id", "dialogue")
    for column in ("branched_at", "parent_id"):
        op.drop_column("dialogue", column)
    for column in ("withdrawn_at", "wording"):
        op.drop_column("review", column)
