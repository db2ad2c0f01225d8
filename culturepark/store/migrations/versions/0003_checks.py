"""Verdicts of judges and second personas."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("verdict", sa.Column("score", sa.Float(), nullable=True))
    op.add_column("verdict", sa.Column("answer", sa.String(), nullable=True))
    op.add_column("verdict", sa.Column("reason", sa.Text(), nullable=True))
    op.add_column("verdict", sa.Column("judge", sa.String(), nullable=True))


def downgrade() -> None:
    for column in ("judge", "reason", "answer", "score"):
        op.drop_column("verdict", column)
