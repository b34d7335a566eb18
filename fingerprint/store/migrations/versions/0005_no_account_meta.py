"""The table of accounts' metadata values goes: no night writes such values, for they are people's data."""

from alembic import op

revision = "0005_no_account_meta"
down_revision = "0004_casework"


def upgrade() -> None:
    """Drop the table."""
    op.drop_table("account_meta")
