"""Sessions are kept by a hash of their token; the secret that signed them goes, and with it all sessions begun so far."""

import sqlalchemy as sa
from alembic import op

revision = "0010_sessions"
down_revision = "0009_night_facts"


def upgrade() -> None:
    """Make the table, and remove the secret."""
    op.create_table(
        "sessions",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_sessions"),
    )
    op.execute("DELETE FROM meta WHERE name = 'session_secret'")
