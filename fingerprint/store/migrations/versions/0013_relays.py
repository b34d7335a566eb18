"""Accounts that take turns with others, as a relay's do."""

import sqlalchemy as sa
from alembic import op

revision = "0013_relays"
down_revision = "0012_profiles"


def upgrade() -> None:
    """Add whether an account does."""
    relay: sa.Column[bool] = sa.Column("relay", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("accounts", relay)
