"""Suites of items, and the answers, scores and figures of evaluations."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "suite",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
    )
    op.create_table(
        "item",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("suite_id", sa.String(), sa.ForeignKey("suite.id"), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("split", sa.String(), nullable=True),
    )
    op.create_index("ix_item_suite_id", "item", ["suite_id"])
    op.create_table(
        "evaluation",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("suite_id", sa.String(), sa.ForeignKey("suite.id"), nullable=False),
        sa.Column("run_id", sa.String(), sa.ForeignKey("run.id"), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("adapter", sa.String(), nullable=True),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("finished_at", sa.String(), nullable=True),
    )
    op.create_index("ix_evaluation_suite_id", "evaluation", ["suite_id"])
    op.create_table(
        "answer",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("evaluation_id", sa.String(), sa.ForeignKey("evaluation.id"), nullable=False),
        sa.Column("item_id", sa.String(), sa.ForeignKey("item.id"), nullable=False),
        sa.Column("culture", sa.String(), nullable=True),
        sa.Column("country", sa.String(), nullable=True),
        sa.Column("framing", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("reasoning", sa.Boolean(), nullable=False),
        sa.Column("arm", sa.String(), nullable=False),
        sa.Column("respondent", sa.String(), nullable=False),
        sa.Column("repeat", sa.Integer(), nullable=False),
        sa.Column("shown", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("choice", sa.Integer(), nullable=True),
        sa.Column("probabilities", sa.Text(), nullable=True),
        sa.Column("outside_mass", sa.Float(), nullable=True),
        sa.Column("abstained", sa.Boolean(), nullable=False),
        sa.Column("call_id", sa.String(), sa.ForeignKey("call.id"), nullable=True),
    )
    for column in ("evaluation_id", "item_id", "call_id"):  # without the last two, deleting is quadratic
        op.create_index(f"ix_answer_{column}", "answer", [column])
    op.create_table(
        "score",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("answer_id", sa.String(), sa.ForeignKey("answer.id"), nullable=False),
        sa.Column("scorer", sa.String(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("judge", sa.String(), nullable=True),
        sa.Column("call_id", sa.String(), sa.ForeignKey("call.id"), nullable=True),
    )
    for column in ("answer_id", "call_id"):
        op.create_index(f"ix_score_{column}", "score", [column])
    op.create_table(
        "figure",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("evaluation_id", sa.String(), sa.ForeignKey("evaluation.id"), nullable=False),
        sa.Column("metric", sa.String(), nullable=False),
        sa.Column("group_key", sa.String(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("low", sa.Float(), nullable=True),
        sa.Column("high", sa.Float(), nullable=True),
        sa.Column("null_name", sa.String(), nullable=True),
        sa.Column("null_value", sa.Float(), nullable=True),
        sa.Column("ceiling", sa.Float(), nullable=True),
        sa.Column("skill", sa.Float(), nullable=True),
    )
    op.create_index("ix_figure_evaluation_id", "figure", ["evaluation_id"])


def downgrade() -> None:
    for table in ("figure", "score", "answer", "evaluation", "item", "suite"):
        op.drop_table(table)
