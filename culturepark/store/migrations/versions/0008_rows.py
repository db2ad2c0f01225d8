"""What is known of a statement beside its words, and of a sample where its content comes from."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

STATEMENT = {
    "question": sa.Text(), "about": sa.String(), "reach": sa.String(), "exception": sa.Text(),
    "provenance": sa.String(), "source": sa.String(), "unlike": sa.String(),
}  # fmt: skip
SAMPLE = {"provenance": sa.String(), "beside": sa.String()}


def upgrade() -> None:
    for name, kind in STATEMENT.items():
        op.add_column("statement", sa.Column(name, kind, nullable=True))
    op.add_column("statement", sa.Column("hangs_on", sa.Text(), nullable=False, server_default="[]"))
    for name, kind in SAMPLE.items():
        op.add_column("sample", sa.Column(name, kind, nullable=True))


def downgrade() -> None:
    for name in SAMPLE:
        op.drop_column("sample", name)
    for name in (*STATEMENT, "hangs_on"):
        op.drop_column("statement", name)
