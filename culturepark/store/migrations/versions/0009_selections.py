"""Sets that are picked out of runs, random draws of rows to judge, and what a user calls a run."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

RUN = {"name": sa.String(), "note": sa.Text()}


def upgrade() -> None:
    for name, kind in RUN.items():
        op.add_column("run", sa.Column(name, kind, nullable=True))
    op.create_table(
        "selection",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("runs", sa.Text(), nullable=False),
        sa.Column("wanted", sa.Text(), nullable=False),
        sa.Column("funnel", sa.Text(), nullable=False),
        sa.Column("unfilled", sa.Text(), nullable=False),
        sa.Column("extends", sa.String(), nullable=True),
    )
    op.create_table(
        "selected",
        sa.Column("selection_id", sa.String(), sa.ForeignKey("selection.id"), primary_key=True),
        sa.Column("sample_id", sa.String(), primary_key=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("cell", sa.Text(), nullable=False),
    )
    op.create_index("ix_selected_sample_id", "selected", ["sample_id"])
    op.create_table(
        "draw",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("over_id", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("population", sa.Integer(), nullable=False),
    )
    op.create_index("ix_draw_over_id", "draw", ["over_id"])
    op.create_table(
        "drawn",
        sa.Column("draw_id", sa.String(), sa.ForeignKey("draw.id"), primary_key=True),
        sa.Column("sample_id", sa.String(), primary_key=True),
        sa.Column("position", sa.Integer(), nullable=False),
    )


def downgrade() -> None:
    for table in ("drawn", "draw", "selected", "selection"):
        op.drop_table(table)
    for name in RUN:
        op.drop_column("run", name)
