"""Ratings of answers for personas, and what a plan left out."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "fit",
        sa.Column("persona_sha256", sa.String(), nullable=False),
        sa.Column("item_sha256", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("ratings", sa.Text(), nullable=False),
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("rated_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("persona_sha256", "item_sha256", "model"),
    )
    op.add_column("participant", sa.Column("fit", sa.Integer(), nullable=True))
    op.add_column("run", sa.Column("skipped", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("run", "skipped")
    op.drop_column("participant", "fit")
    op.drop_table("fit")
