"""What was trained on the rows of a store."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "artefact",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("base", sa.String(), nullable=False),
        sa.Column("export_manifest_sha256", sa.String(), nullable=True),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("figures", sa.Text(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
    )
    op.create_table(
        "trained",
        sa.Column("artefact_id", sa.String(), sa.ForeignKey("artefact.id"), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True),
        sa.Column("row_id", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
    )
    op.create_index("ix_trained_row_id", "trained", ["row_id"])


def downgrade() -> None:
    for table in ("trained", "artefact"):
        op.drop_table(table)
