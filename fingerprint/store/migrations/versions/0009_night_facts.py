"""What the report of a night tells: the time of its traffic, its accounts, warnings, cost, and the home's size."""

import sqlalchemy as sa
from alembic import op

revision = "0009_night_facts"
down_revision = "0008_campaign_names"

_COUNTS = ("accounts", "newly_flagged", "left_out", "peak_memory", "home_bytes")


def upgrade() -> None:
    """Add the columns; of nights before, accounts are counted, and the rest is unknown."""
    for name in ("first_request", "last_request"):
        op.add_column("nights", sa.Column(name, sa.DateTime(timezone=True)))
    for name in _COUNTS:
        op.add_column("nights", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("nights", sa.Column("warnings", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("nights", sa.Column("cpu_seconds", sa.JSON(), nullable=False, server_default="{}"))
    op.execute(
        "UPDATE nights SET accounts = (SELECT count(DISTINCT account_id) FROM activity "
        "WHERE activity.batch_id = nights.batch_id)"
    )
