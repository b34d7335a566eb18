"""What analysts do, and what they look at: actions, notes, snoozes, views, hours and patterns."""

import sqlalchemy as sa
from alembic import op

revision = "0004_casework"
down_revision = "0003"

QUEUE = (
    *("retired_in", "withdrawn", "variant_of", "family_id", "score", "accounts", "requests"),
    *("first_seen", "last_seen", "flagged", "kind", "campaign_id"),
)


def upgrade() -> None:
    """Add columns to families, fill the one that is searched, and make the tables."""
    op.add_column("families", sa.Column("search", sa.Text(), nullable=False, server_default=""))
    op.add_column("families", sa.Column("pinned", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("families", sa.Column("withdrawn", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index("ix_families_variant_of", "families", ["variant_of"])
    op.create_index("ix_families_queue", "families", [*QUEUE])
    op.create_index("ix_spread_account_id", "spread", ["account_id"])
    op.create_index("ix_activity_account_id", "activity", ["account_id"])
    _fill_search()
    _actions()
    _desk()
    _hours("family_hours", sa.Column("accounts", sa.BigInteger(), nullable=False))
    _hours("account_hours", sa.Column("account_id", sa.Text(), nullable=False))
    _patterns()


def _fill_search() -> None:
    connection = op.get_bind()
    table = sa.table("families", *(sa.column(c, sa.Text) for c in ("family_id", "text", "search")))
    rows = connection.execute(sa.select(table.c.family_id, table.c.text)).all()
    if rows:
        connection.execute(
            sa.update(table)
            .where(table.c.family_id == sa.bindparam("of"))
            .values(search=sa.bindparam("new")),
            [{"of": f, "new": f"{f} {text}".casefold()} for f, text in rows],
        )


def _actions() -> None:
    op.create_table(
        "actions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("inverse", sa.JSON(), nullable=False),
        sa.Column("undoes", sa.Integer()),
        sa.Column("stands", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["undoes"], ["actions.id"], name="fk_actions_undoes"),
        sa.PrimaryKeyConstraint("id", name="pk_actions"),
    )
    op.create_index("ix_actions_by", "actions", ["by"])
    op.create_table(
        "touched",
        sa.Column("action_id", sa.Integer(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("aspect", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["action_id"], ["actions.id"], name="fk_touched_action_id"),
        sa.PrimaryKeyConstraint("action_id", "subject", "aspect", name="pk_touched"),
    )
    op.create_index("ix_touched_subject", "touched", ["subject"])


def _desk() -> None:
    op.create_table(
        "notes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("family_id", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["family_id"], ["families.family_id"], name="fk_notes_family_id"),
        sa.PrimaryKeyConstraint("id", name="pk_notes"),
    )
    op.create_index("ix_notes_family_id", "notes", ["family_id"])
    op.create_table(
        "snoozes",
        sa.Column("family_id", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["family_id"], ["families.family_id"], name="fk_snoozes_family_id"),
        sa.PrimaryKeyConstraint("family_id", name="pk_snoozes"),
    )
    op.create_table(
        "views",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_views"),
    )


def _hours(name: str, own: sa.Column[object]) -> None:
    keys = ["batch_id", "family_id", *([own.name] if own.name == "account_id" else []), "hour"]
    op.create_table(
        name,
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("family_id", sa.Text(), nullable=False),
        own,
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["family_id"], ["families.family_id"], name=f"fk_{name}_family_id"),
        sa.PrimaryKeyConstraint(*keys, name=f"pk_{name}"),
        sqlite_with_rowid=False,
    )
    op.create_index(f"ix_{name}_family_id", name, ["family_id"])


def _patterns() -> None:
    op.create_table(
        "patterns",
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("family_id", sa.Text(), nullable=False),
        sa.Column("held", sa.LargeBinary(), nullable=False),
        sa.Column("member", sa.Boolean(), nullable=False),
        sa.Column("grams", sa.Text(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("accounts", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["family_id"], ["families.family_id"], name="fk_patterns_family_id"),
        sa.PrimaryKeyConstraint("batch_id", "family_id", "held", "member", name="pk_patterns"),
    )
    op.create_index("ix_patterns_family_id", "patterns", ["family_id"])
