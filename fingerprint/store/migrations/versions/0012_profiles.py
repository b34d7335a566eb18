"""Families have a profile: languages, models asked for and sets of tools, in shares; null until the next night that sees them."""

import sqlalchemy as sa
from alembic import op

revision = "0012_profiles"
down_revision = "0011_cases"


def upgrade() -> None:
    """Add the column."""
    op.add_column("families", sa.Column("profile", sa.JSON()))
