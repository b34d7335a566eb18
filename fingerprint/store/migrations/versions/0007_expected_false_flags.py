"""How many of a night's flags are expected to be wrong; nobody counted them before."""

import sqlalchemy as sa
from alembic import op

revision = "0007_expected_false_flags"
down_revision = "0006_conversations"


def upgrade() -> None:
    """Add the column."""
    op.add_column(
        "nights", sa.Column("expected_false_flags", sa.Double(), nullable=False, server_default="0")
    )
