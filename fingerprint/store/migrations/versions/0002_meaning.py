"""Meaning by the sentence, and how many of a family's requests stray from its pool."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns; prototypes of before are no sentences, so meaning counts again from the next night on."""
    with op.batch_alter_table("families") as families:
        families.add_column(sa.Column("usual", sa.Double(), nullable=False, server_default="0"))
        families.add_column(sa.Column("seen", sa.BigInteger(), nullable=False, server_default="0"))
        families.add_column(sa.Column("strays", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("UPDATE families SET similarity = 1 WHERE kind = 'template'")
