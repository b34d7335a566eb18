"""Accounts whose requests in no family depart from honest traffic, and what is needed to tell."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002_access"


def upgrade() -> None:
    """Add the accounts' departure and the features that it is told from."""
    op.create_table(
        "account_features",
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("features", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("batch_id", "account_id", name="pk_account_features"),
        sqlite_with_rowid=False,
    )
    for name in ("departure", "departure_q", "departure_rank"):
        op.add_column("accounts", sa.Column(name, sa.Double()))
    departed: sa.Column[bool] = sa.Column("departed", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("accounts", departed)
