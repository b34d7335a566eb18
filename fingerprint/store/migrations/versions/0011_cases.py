"""Campaigns are cases: who has one, whether it is closed, notes on it; and sums over a family's senders read one index."""

import sqlalchemy as sa
from alembic import op

revision = "0011_cases"
down_revision = "0010_sessions"

SENT = ("family_id", "day", "account_id", "requests", "conversations")


def upgrade() -> None:
    """Make the tables, and put what is summed into the index."""
    op.create_table(
        "cases",
        sa.Column("campaign_id", sa.Text(), nullable=False),
        sa.Column("assignee", sa.Text()),
        sa.Column("closed", sa.DateTime(timezone=True)),
        sa.Column("reason", sa.Text()),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.campaign_id"], name="fk_cases_campaign_id"),
        sa.PrimaryKeyConstraint("campaign_id", name="pk_cases"),
    )
    op.create_table(
        "case_notes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.campaign_id"], name="fk_case_notes_campaign_id"),
        sa.PrimaryKeyConstraint("id", name="pk_case_notes"),
    )
    op.create_index("ix_case_notes_campaign_id", "case_notes", ["campaign_id"])
    op.drop_index("ix_spread_family_id_day", "spread")
    op.create_index(f"ix_spread_{'_'.join(SENT)}", "spread", [*SENT])
