"""What a moderator did and a speaker told, slips that were found after a talk, and probes that measure it."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, kind in (("act", sa.String()), ("addressee", sa.String()), ("reason", sa.Text()), ("mark", sa.Text())):
        op.add_column("turn", sa.Column(name, kind, nullable=True))
    op.add_column("dialogue", sa.Column("examined", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "slip",
        sa.Column("turn_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("quote", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("call_id", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["turn_id"], ["turn.id"]),
        sa.ForeignKeyConstraint(["call_id"], ["call.id"]),
        sa.PrimaryKeyConstraint("turn_id", "kind"),
    )
    op.create_table(
        "probe",
        sa.Column("dialogue_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("moment", sa.String(), nullable=False),
        sa.Column("about", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("choice", sa.Integer(), nullable=True),
        sa.Column("truth", sa.Integer(), nullable=True),
        sa.Column("options", sa.Integer(), nullable=False),
        sa.Column("chance", sa.Float(), nullable=True),
        sa.Column("call_id", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["dialogue_id"], ["dialogue.id"]),
        sa.ForeignKeyConstraint(["call_id"], ["call.id"]),
        sa.PrimaryKeyConstraint("dialogue_id", "kind", "moment", "about", "by"),
    )


def downgrade() -> None:
    op.drop_table("probe")
    op.drop_table("slip")
    op.drop_column("dialogue", "examined")
    for name in ("act", "addressee", "reason", "mark"):
        op.drop_column("turn", name)
