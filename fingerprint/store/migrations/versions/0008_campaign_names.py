"""Campaigns have names that people can say; those of before are named by the next night."""

import sqlalchemy as sa
from alembic import op

revision = "0008_campaign_names"
down_revision = "0007_expected_false_flags"


def upgrade() -> None:
    """Add the column."""
    op.add_column("campaigns", sa.Column("name", sa.Text()))
