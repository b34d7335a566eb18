"""Keeps families, accounts, campaigns, labels and nights in one database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from fingerprint.domain import signature_json
from fingerprint.domain.errors import NotFound
from fingerprint.domain.results import NightReport
from fingerprint.domain.rows import AccountRow, CampaignRow, Event, FamilyFacts, FamilyRow, LabelRow
from fingerprint.domain.schemas import (
    ACTIVITY_SCHEMA,
    RANDOM_FEATURES_SCHEMA,
    SPREAD_SCHEMA,
    Rhythm,
)
from fingerprint.domain.signature import Signature, Stamp
from fingerprint.domain.vocabulary import AccountSort, FamilySort
from fingerprint.store import erasure, lists, night_writer, signature_import, tables
from fingerprint.store.access import Access
from fingerprint.store.cursors import Cursor
from fingerprint.store.database import Database
from fingerprint.store.ids import Kind, full_id
from fingerprint.store.labels import facts_of, labels_of, revision
from fingerprint.store.rows import (
    ACTIVE,
    OWNER,
    select_families,
    signatures_of,
    to_account,
    to_signature,
)
from fingerprint.store.sessions import Sessions
from fingerprint.store.signature_import import ImportOutcome, ImportPolicy
from fingerprint.store.sql import arrow_table, insert_arrow

FAMILY_ACCOUNTS_SCHEMA = pa.schema(
    {
        "family_id": pa.large_string(),
        "account_id": pa.large_string(),
        "requests": pa.int64(),
        "conversations": pa.int64(),
        "first_day": pa.date32(),
        "last_day": pa.date32(),
    }
)
ACCOUNT_TOTALS_SCHEMA = pa.schema([f for f in FAMILY_ACCOUNTS_SCHEMA if f.name != "family_id"])

_SENT = tables.spread.join(tables.families, tables.families.c.family_id == tables.spread.c.family_id)


class Store:
    """The database of one home.

    Every method is one transaction. Raises StoreError, naming the database and the cause, when it cannot be read or
    written.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.access = Access(database)
        self.sessions = Sessions(database)

    @classmethod
    def open(
        cls, home: Path, url: str | None = None, *, read_only: bool = False, create: bool = True
    ) -> Self:
        """Open home/fingerprint.db, or the PostgreSQL database of `url`, made or migrated to the current schema.

        `read_only` neither makes nor migrates: a database of another schema is a StoreError then. Without `create` a file
        that is not there is one, too.
        """
        return cls(Database(home, url, read_only=read_only, create=create))

    @property
    def database(self) -> Database:
        """The database, for casework's Actions, Queue and PageQueries."""
        return self._database

    def full_id(self, kind: Kind, typed: str) -> str:
        """Return the stored id that `typed` is, or the beginning of; raises NotFound, UsageError if several begin so."""
        return full_id(self._database, kind, typed)

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def stamp(self) -> Stamp | None:
        """Tell what made the stored signatures; None before the first ones."""
        with self._database.reading() as connection:
            return night_writer.stored_stamp(connection)

    def check_stamp(self, stamp: Stamp) -> None:
        """Raise StampMismatch when the stored signatures were made by another model or normaliser.

        The first signatures saved set the home's stamp.
        """
        with self._database.reading() as connection:
            night_writer.require_stamp(connection, stamp, self._database.name)

    def save_night(
        self,
        night: NightReport,
        signatures: Sequence[Signature],
        *,
        spread: pa.Table,
        activity: pa.Table,
        features: pa.Table | None = None,
        rhythm: Rhythm | None = None,
        accounts: Sequence[AccountRow] = (),
        campaigns: Sequence[CampaignRow] = (),
        events: Sequence[Event] = (),
        retention_days: int | None = None,
        keep_days: int | None = None,
    ) -> None:
        """Save all of a night's findings, or none.

        `spread`, `activity` and `features` have the schemas SPREAD, ACTIVITY and RANDOM_FEATURES of domain/schemas,
        `rhythm` has hours and patterns. Families' accounts, requests and days are counted from `spread` over all batches,
        first and last seen only widen, the version rises with a changed template. Labels are the analysts', so a
        signature's label is not saved; nor is its campaign_id, for `campaigns` say which families they have. Stored
        families that no argument names stay as they are.

        retention_days: families that were retired longer ago lose their vectors; keep_days: what nights that began longer ago
        counted is deleted. None keeps them.
        A batch saved again replaces its traffic and events; families that only its earlier run had seen are retired.
        Raises StampMismatch when another model or normaliser made the stored signatures.
        """
        now = datetime.now(UTC)
        campaign_of = {family: row.campaign_id for row in campaigns for family in row.families}
        saved = {signature.family_id for signature in signatures}
        touched = saved.union(pc.unique(spread["family_id"]).to_pylist())
        with self._database.writing(alone=True) as connection:
            counted_before = night_writer.save_night_row(connection, night, now)
            night_writer.save_campaigns(connection, campaigns, now)
            night_writer.save_families(connection, signatures, now, campaign_of=campaign_of)
            night_writer.move_to_campaigns(connection, campaign_of)
            insert_arrow(connection, tables.spread, spread, SPREAD_SCHEMA, batch_id=night.batch_id)
            insert_arrow(connection, tables.activity, activity, ACTIVITY_SCHEMA, batch_id=night.batch_id)
            if features is not None:
                insert_arrow(
                    connection,
                    tables.account_features,
                    features,
                    RANDOM_FEATURES_SCHEMA,
                    batch_id=night.batch_id,
                )
            night_writer.drop_old_features(connection)
            unseen = night_writer.update_totals(connection, touched, counted_before=counted_before)
            night_writer.save_accounts(connection, accounts, now)
            if rhythm is not None:
                night_writer.save_rhythm(connection, rhythm, night.batch_id)
            night_writer.save_events(connection, events, night.batch_id)
            night_writer.retire(connection, set(unseen) - saved, night.batch_id)
            if retention_days is not None:
                night_writer.drop_old_vectors(connection, now - timedelta(days=retention_days))
            if keep_days is not None:
                erasure.forget_nights(connection, now - timedelta(days=keep_days))

    def erase_accounts(self, ids: Sequence[str], *, by: str) -> erasure.Erased:
        """Delete all rows of some accounts, and log that it was done; `scrub` then rewrites the files."""
        with self._database.writing(alone=True) as connection:
            return erasure.erase_accounts(connection, ids, by=by, now=datetime.now(UTC))

    def scrub(self) -> None:
        """Leave no byte of what was deleted in the database's files."""
        erasure.scrub(self._database)

    def import_signatures(
        self, signatures: Sequence[Signature], policy: ImportPolicy | None = None
    ) -> ImportOutcome:
        """Save signatures of distinct families made elsewhere, all or none, and say what became of each.

        What nights here counted, and what analysts here said, stays, unless `policy` says otherwise of the text.
        Raises StampMismatch when another model or normaliser made the stored signatures.
        """
        with self._database.writing(alone=True) as connection:
            return signature_import.import_signatures(
                connection, signatures, datetime.now(UTC), policy or ImportPolicy()
            )

    def last_changes(self) -> dict[str, datetime]:
        """Tell when each family, or what analysts said of it, last changed."""
        with self._database.reading() as connection:
            return signature_import.last_changes(connection)

    def labels(self, family_id: str) -> list[LabelRow]:
        """List what analysts said of a family, oldest first."""
        with self._database.reading() as connection:
            return labels_of(connection, family_id)

    def revision(self) -> int:
        """Return the number of the latest change that people made to any family, 0 for none."""
        with self._database.reading() as connection:
            return revision(connection)

    def facts(self) -> tuple[int, list[FamilyFacts]]:
        """Read what lookups tell of each family that is not retired, variants too, and the revision it is as of."""
        with self._database.reading() as connection:
            return revision(connection), facts_of(connection, ACTIVE)

    def signature(self, family_id: str) -> Signature:
        """Read one family's signature, retired or not; raises NotFound."""
        with self._database.reading() as connection:
            for signature in signatures_of(connection, [family_id]):
                return signature
        raise NotFound(f"{self._database.name}: no family {family_id}")

    def signatures_of(self, family_ids: Sequence[str]) -> list[Signature]:
        """Read the signatures of those of these families that are stored, in the order given."""
        with self._database.reading() as connection:
            of = {signature.family_id: signature for signature in signatures_of(connection, family_ids)}
        return [of[family] for family in family_ids if family in of]

    def signatures(self) -> list[Signature]:
        """Read the signatures of all families but retired ones, in the order of their ids."""
        active = select_families(tables.families).where(ACTIVE)
        with self._database.reading() as connection:
            signatures = [to_signature(row) for row in connection.execute(active)]
        return sorted(signatures, key=lambda signature: signature.family_id)

    def versions(self, family_id: str) -> list[Signature]:
        """Read the signatures that later versions of the family replaced, oldest first."""
        kept = tables.family_versions
        chosen = sa.select(kept.c.signature).where(kept.c.family_id == family_id).order_by(kept.c.version)
        with self._database.reading() as connection:
            return [signature_json.from_json(value) for value in connection.scalars(chosen)]

    def events(self, family_id: str) -> list[tuple[str, Event]]:
        """List what happened to a family, oldest first, each with its batch."""
        table = tables.events
        chosen = sa.select(table).where(table.c.family_id == family_id).order_by(table.c.id)
        with self._database.reading() as connection:
            return [(r.batch_id, Event(r.family_id, r.kind, r.detail)) for r in connection.execute(chosen)]

    def families(
        self,
        *,
        flagged: bool | None = None,
        min_score: float | None = None,
        label: str | None = None,
        campaign: str | None = None,
        sort: FamilySort = "score",
        limit: int | None = None,
        after: Cursor | None = None,
    ) -> list[FamilyRow]:
        """List families as `lists.list_families` does."""
        with self._database.reading() as connection:
            return lists.list_families(
                connection,
                flagged=flagged,
                min_score=min_score,
                label=label,
                campaign=campaign,
                sort=sort,
                limit=limit,
                after=after,
            )

    def accounts(
        self,
        *,
        flagged: bool | None = None,
        min_score: float | None = None,
        departed: bool = False,
        relay: bool = False,
        prefix: str = "",
        sort: AccountSort = "score",
        limit: int | None = None,
        after: Cursor | None = None,
    ) -> list[AccountRow]:
        """List assessed accounts as `lists.list_accounts` does."""
        with self._database.reading() as connection:
            return lists.list_accounts(
                connection,
                flagged=flagged,
                min_score=min_score,
                departed=departed,
                relay=relay,
                prefix=prefix,
                sort=sort,
                limit=limit,
                after=after,
            )

    def account(self, account_id: str) -> AccountRow:
        """Read one account's assessment; raises NotFound."""
        with self._database.reading() as connection:
            chosen = sa.select(tables.accounts).where(tables.accounts.c.account_id == account_id)
            for row in connection.execute(chosen):
                return to_account(row)
        raise NotFound(f"{self._database.name}: no assessed account {account_id}")

    def campaigns(
        self,
        *,
        flagged: bool | None = None,
        min_score: float | None = None,
        words: str = "",
        limit: int | None = None,
        after: Cursor | None = None,
    ) -> list[CampaignRow]:
        """List campaigns as `lists.list_campaigns` does."""
        with self._database.reading() as connection:
            return lists.list_campaigns(
                connection, flagged=flagged, min_score=min_score, words=words, limit=limit, after=after
            )

    def campaign(self, campaign_id: str) -> CampaignRow:
        """Read one campaign that has families; raises NotFound."""
        with self._database.reading() as connection:
            row = lists.one_campaign(connection, campaign_id)
        if row is None:
            raise NotFound(f"{self._database.name}: no campaign {campaign_id}")
        return row

    def nights(self) -> list[NightReport]:
        """List the stored nights, oldest first."""
        with self._database.reading() as connection:
            return lists.list_nights(connection)

    def flagged_before(self, batch_id: str) -> set[str]:
        """Return the families that were flagged before a night, which may be stored already."""
        with self._database.reading() as connection:
            return lists.flagged_before(connection, batch_id)

    def last_night(self) -> str | None:
        """Return the batch of the latest stored night; None before the first."""
        with self._database.reading() as connection:
            return lists.last_night(connection)

    def family_accounts(self, *, but_batch: str | None = None) -> pa.Table:
        """Read what each account sent of each family over all days: FAMILY_ACCOUNTS_SCHEMA, in order of the ids.

        What was sent of a wording counts for its original.

        `but_batch` leaves out one batch: the one being run, maybe again.
        """
        table = tables.spread
        keys = (OWNER, table.c.account_id)
        chosen = sa.select(*keys, *_totals(table)).select_from(_SENT).group_by(*keys)
        return self._history(chosen, table, but_batch, FAMILY_ACCOUNTS_SCHEMA)

    def account_totals(self, *, but_batch: str | None = None) -> pa.Table:
        """Read what each account sent in all: ACCOUNT_TOTALS_SCHEMA, in order of the ids."""
        table = tables.activity
        key = table.c.account_id
        chosen = sa.select(key, *_totals(table)).group_by(key)
        return self._history(chosen, table, but_batch, ACCOUNT_TOTALS_SCHEMA)

    def account_features(self, *, but_batch: str | None = None) -> pa.Table:
        """Read the features of accounts of the last nights: RANDOM_FEATURES_SCHEMA, a row for each of their nights."""
        table = tables.account_features
        chosen = sa.select(table.c.account_id, table.c.requests, table.c.features)
        return self._history(chosen, table, but_batch, RANDOM_FEATURES_SCHEMA)

    def _history(
        self, chosen: sa.Select[Any], table: sa.Table, but_batch: str | None, schema: pa.Schema
    ) -> pa.Table:
        if but_batch is not None:
            chosen = chosen.where(table.c.batch_id != but_batch)
        with self._database.reading() as connection:
            return arrow_table(connection, chosen, schema)


def _totals(table: sa.Table) -> tuple[sa.ColumnElement[Any], ...]:
    # PostgreSQL sums whole numbers into decimals
    requests, conversations = (
        sa.cast(sa.func.sum(table.c[name]), sa.BigInteger) for name in ("requests", "conversations")
    )
    return requests, conversations, sa.func.min(table.c.day), sa.func.max(table.c.day)
