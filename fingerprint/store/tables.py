"""The database's tables, the same in SQLite and PostgreSQL; `schema` makes them, or migrations of what there was."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

REVISION = "0014_words"
"""The last of the migrations, after which a database has these tables."""


class UtcTime(sa.TypeDecorator[datetime]):
    """A time with its zone; SQLite has none and keeps UTC."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Turn a time into UTC; raises ValueError without a zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time with its zone expected, {value.isoformat()} found")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Give every time its zone, UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

meta = sa.Table(
    "meta",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.JSON, nullable=False),
)

nights = sa.Table(
    "nights",
    metadata,
    sa.Column("batch_id", sa.Text, primary_key=True),
    sa.Column("started", UtcTime, nullable=False),
    sa.Column("saved", UtcTime, nullable=False),
    sa.Column("rows_read", sa.BigInteger, nullable=False),
    sa.Column("accepted", sa.BigInteger, nullable=False),
    sa.Column("rejected", sa.BigInteger, nullable=False),
    sa.Column("duplicates", sa.BigInteger, nullable=False),
    sa.Column("reject_reasons", sa.JSON, nullable=False),
    sa.Column("rejects_path", sa.Text),
    sa.Column("seconds", sa.JSON, nullable=False),
    sa.Column("distinct_prompts", sa.BigInteger, nullable=False),
    sa.Column("families", sa.BigInteger, nullable=False),
    sa.Column("new_families", sa.BigInteger, nullable=False),
    sa.Column("flagged", sa.BigInteger, nullable=False),
    sa.Column("assigned", sa.BigInteger, nullable=False),
    sa.Column("conversations", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("expected_false_flags", sa.Double, nullable=False, server_default="0"),
    sa.Column("first_request", UtcTime),
    sa.Column("last_request", UtcTime),
    sa.Column("accounts", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("newly_flagged", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("left_out", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("warnings", sa.JSON, nullable=False, server_default="[]"),
    sa.Column("cpu_seconds", sa.JSON, nullable=False, server_default="{}"),
    sa.Column("peak_memory", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("home_bytes", sa.BigInteger, nullable=False, server_default="0"),
)

campaigns = sa.Table(
    "campaigns",
    metadata,
    sa.Column("campaign_id", sa.Text, primary_key=True),
    sa.Column("label", sa.Text),
    sa.Column("score", sa.Double, nullable=False),
    sa.Column("flagged", sa.Boolean, nullable=False),
    sa.Column("created", UtcTime, nullable=False),
    # the night's that first stored it, or an analyst's; null is shown as domain/word_pairs makes it of the id
    sa.Column("name", sa.Text),
)

families = sa.Table(
    "families",
    metadata,
    sa.Column("family_id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    # another wording of that family; such a row is matched, but not listed
    sa.Column("variant_of", sa.Text, index=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("score", sa.Double, nullable=False),
    sa.Column("flagged", sa.Boolean, nullable=False),
    # as the nights find it; an analyst's word in `labels` goes before it
    sa.Column("campaign_id", sa.Text, sa.ForeignKey("campaigns.campaign_id"), index=True),
    sa.Column("accounts", sa.BigInteger, nullable=False),
    sa.Column("requests", sa.BigInteger, nullable=False),
    sa.Column("conversations", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("first_seen", UtcTime, nullable=False),
    sa.Column("last_seen", UtcTime, nullable=False),
    sa.Column("per_day", sa.JSON, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("template", sa.JSON, nullable=False),
    sa.Column("reasons", sa.JSON, nullable=False),
    sa.Column("threshold", sa.Double, nullable=False),
    sa.Column("similarity", sa.Double, nullable=False),
    sa.Column("usual", sa.Double, nullable=False, server_default="0"),
    sa.Column("words", sa.Double, nullable=False, server_default="1"),
    sa.Column("seen", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("strays", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("grams", sa.LargeBinary, nullable=False),  # <u8
    sa.Column("weights", sa.LargeBinary, nullable=False),  # <f4
    sa.Column("prototypes", sa.LargeBinary, nullable=False),  # <f4, rows of the stamp's dimension
    sa.Column("stamp", sa.JSON, nullable=False),
    sa.Column("created", UtcTime, nullable=False),
    sa.Column("updated", UtcTime, nullable=False),
    sa.Column("retired_in", sa.Text, sa.ForeignKey("nights.batch_id")),
    # what words are searched in: the text and the id, case folded
    sa.Column("search", sa.Text, nullable=False, server_default=""),
    # what an analyst set, so that nights leave it: "template", "threshold", "variant_of", "campaign"
    sa.Column("pinned", sa.JSON, nullable=False, server_default="[]"),
    # what its conversations were like beside their text, on the last night that saw it
    sa.Column("profile", sa.JSON(none_as_null=True)),
    # an analyst's split that was taken back
    sa.Column("withdrawn", sa.Boolean, nullable=False, server_default=sa.false()),
    # all that the queue is filtered and ranked by: the rows themselves are long
    sa.Index(
        "ix_families_queue",
        *("retired_in", "withdrawn", "variant_of", "family_id", "score", "accounts", "requests"),
        *("first_seen", "last_seen", "flagged", "kind", "campaign_id"),
    ),
)

family_versions = sa.Table(
    "family_versions",
    metadata,
    sa.Column("family_id", sa.Text, sa.ForeignKey("families.family_id"), primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True),
    sa.Column("replaced", UtcTime, nullable=False),
    sa.Column("signature", sa.JSON, nullable=False),
)

# a foreign key from batch_id would double the time of a night's largest tables, written in its one transaction
spread = sa.Table(
    "spread",
    metadata,
    sa.Column("batch_id", sa.Text, primary_key=True),
    sa.Column("family_id", sa.Text, sa.ForeignKey("families.family_id"), primary_key=True),
    sa.Column("account_id", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("requests", sa.BigInteger, nullable=False),
    sa.Column("conversations", sa.BigInteger, nullable=False, server_default="0"),
    # all that is summed of a family, in its order
    sa.Index(None, "family_id", "day", "account_id", "requests", "conversations"),
    sa.Index(None, "account_id"),
    sqlite_with_rowid=False,
)

activity = sa.Table(
    "activity",
    metadata,
    sa.Column("batch_id", sa.Text, primary_key=True),
    sa.Column("account_id", sa.Text, primary_key=True, index=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("requests", sa.BigInteger, nullable=False),
    sa.Column("conversations", sa.BigInteger, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)

account_features = sa.Table(
    "account_features",
    metadata,
    sa.Column("batch_id", sa.Text, primary_key=True),
    sa.Column("account_id", sa.Text, primary_key=True),
    sa.Column("requests", sa.BigInteger, nullable=False),
    sa.Column("features", sa.LargeBinary, nullable=False),  # <f2
    sqlite_with_rowid=False,
)

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("account_id", sa.Text, primary_key=True),
    sa.Column("score", sa.Double, nullable=False),
    sa.Column("flagged", sa.Boolean, nullable=False),
    sa.Column("requests", sa.BigInteger, nullable=False),
    sa.Column("conversations", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("families", sa.JSON, nullable=False),
    sa.Column("evidence", sa.JSON, nullable=False),
    sa.Column("updated", UtcTime, nullable=False),
    sa.Column("departure", sa.Double),
    sa.Column("departure_q", sa.Double),
    sa.Column("departure_rank", sa.Double),
    sa.Column("departed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("relay", sa.Boolean, nullable=False, server_default=sa.false()),
)

labels = sa.Table(
    "labels",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("family_id", sa.Text, sa.ForeignKey("families.family_id"), nullable=False, index=True),
    sa.Column("label", sa.Text),  # null takes the earlier ones back
    sa.Column("campaign_id", sa.Text, sa.ForeignKey("campaigns.campaign_id")),
    sa.Column("reason", sa.Text),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("batch_id", sa.Text, sa.ForeignKey("nights.batch_id"), nullable=False, index=True),
    sa.Column("family_id", sa.Text, sa.ForeignKey("families.family_id"), nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),  # SHA-256 of the whole key, hex
    sa.Column("scopes", sa.JSON, nullable=False),
    sa.Column("created", UtcTime, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("expires", UtcTime),
    sa.Column("revoked", UtcTime),
    sa.Column("last_used", UtcTime),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),  # SHA-256 of the cookie's token, hex
    sa.Column("key_id", sa.Text, nullable=False),
    sa.Column("expires", UtcTime, nullable=False),
)

# triggers, which `schema` makes, refuse to change or delete its rows
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False, index=True),
    sa.Column("detail", sa.JSON, nullable=False),
)

# what people did to families, each with the steps that take it back
actions = sa.Table(
    "actions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("by", sa.Text, nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("words", sa.Text, nullable=False),
    sa.Column("inverse", sa.JSON, nullable=False),
    sa.Column("undoes", sa.Integer, sa.ForeignKey("actions.id")),
    sa.Column("stands", sa.Boolean, nullable=False),  # false once it is undone
)

# which side of what an action changed; an undo must not cross a later change of the same
touched = sa.Table(
    "touched",
    metadata,
    sa.Column("action_id", sa.Integer, sa.ForeignKey("actions.id"), primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("aspect", sa.Text, primary_key=True),
    sa.Index(None, "subject"),
)

notes = sa.Table(
    "notes",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("family_id", sa.Text, sa.ForeignKey("families.family_id"), nullable=False, index=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("gone", sa.Boolean, nullable=False),
)

# what analysts say of a campaign as a case; a campaign without a row is open, and nobody's
cases = sa.Table(
    "cases",
    metadata,
    sa.Column("campaign_id", sa.Text, sa.ForeignKey("campaigns.campaign_id"), primary_key=True),
    sa.Column("assignee", sa.Text),
    sa.Column("closed", UtcTime),
    sa.Column("reason", sa.Text),
)

case_notes = sa.Table(
    "case_notes",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("campaign_id", sa.Text, sa.ForeignKey("campaigns.campaign_id"), nullable=False, index=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("gone", sa.Boolean, nullable=False),
)

snoozes = sa.Table(
    "snoozes",
    metadata,
    sa.Column("family_id", sa.Text, sa.ForeignKey("families.family_id"), primary_key=True),
    sa.Column("until", UtcTime, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
)

views = sa.Table(
    "views",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("query", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
)

family_hours = sa.Table(
    "family_hours",
    metadata,
    sa.Column("batch_id", sa.Text, primary_key=True),
    sa.Column("family_id", sa.Text, sa.ForeignKey("families.family_id"), primary_key=True),
    sa.Column("hour", UtcTime, primary_key=True),
    sa.Column("requests", sa.BigInteger, nullable=False),
    sa.Column("accounts", sa.BigInteger, nullable=False),
    sa.Index(None, "family_id"),
    sqlite_with_rowid=False,
)

# of each family's most active accounts only
account_hours = sa.Table(
    "account_hours",
    metadata,
    sa.Column("batch_id", sa.Text, primary_key=True),
    sa.Column("family_id", sa.Text, sa.ForeignKey("families.family_id"), primary_key=True),
    sa.Column("account_id", sa.Text, primary_key=True),
    sa.Column("hour", UtcTime, primary_key=True),
    sa.Column("requests", sa.BigInteger, nullable=False),
    sa.Index(None, "family_id"),
    sqlite_with_rowid=False,
)

# which grams of a signature a night's prompts held, and how many requests held just these
patterns = sa.Table(
    "patterns",
    metadata,
    sa.Column("batch_id", sa.Text, primary_key=True),
    sa.Column("family_id", sa.Text, sa.ForeignKey("families.family_id"), primary_key=True),
    sa.Column("held", sa.LargeBinary, primary_key=True),  # a bit for each gram, in their order
    sa.Column("member", sa.Boolean, primary_key=True),
    sa.Column("grams", sa.Text, nullable=False),  # SHA-256 of the grams that the bits stand for
    sa.Column("requests", sa.BigInteger, nullable=False),
    sa.Column("accounts", sa.BigInteger, nullable=False),
    sa.Index(None, "family_id"),
)
