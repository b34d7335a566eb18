"""Conversations counted beside requests; before, each request was one."""

import sqlalchemy as sa
from alembic import op

revision = "0006_conversations"
down_revision = "0005_no_account_meta"

_COUNTED = {
    "families": "requests",
    "spread": "requests",
    "activity": "requests",
    "accounts": "requests",
    "nights": "accepted",
}


def upgrade() -> None:
    """Add the columns, with as many conversations as there were requests."""
    for table, requests in _COUNTED.items():
        op.add_column(table, sa.Column("conversations", sa.BigInteger(), nullable=False, server_default="0"))
        op.execute(f"UPDATE {table} SET conversations = {requests}")  # noqa: S608
