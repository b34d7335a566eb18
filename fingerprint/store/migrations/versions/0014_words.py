"""Families have what almost no other prompt says of them in whatever words; 1 until the next night that describes them."""

import sqlalchemy as sa
from alembic import op

revision = "0014_words"
down_revision = "0013_relays"


def upgrade() -> None:
    """Add the column."""
    words: sa.Column[float] = sa.Column("words", sa.Double(), nullable=False, server_default="1")
    op.add_column("families", words)
