"""Opens the store's database, SQLite or PostgreSQL, brings its schema up to date, and maps its errors."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from fingerprint.base.private import private_file
from fingerprint.domain.errors import StoreError, UsageError
from fingerprint.domain.settings import Home
from fingerprint.store.privacy import close_home
from fingerprint.store.schema import bring_up_to_date, require_known, revision_of
from fingerprint.store.tables import REVISION

BUSY_TIMEOUT_S = 15
AGAIN = "run the same command again"
CONNECT_TIMEOUT_S = 10
_CANNOT_WRITE = ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_IOERR", "SQLITE_FULL")
_ALONE = 0x66696E67  # "fing": any number that no other program takes in the same PostgreSQL database


class Database:
    """A database whose schema is the current one.

    Without `home` it is the one that `url` names, and no folder is made or closed to others for it. Raises StoreError, naming the database without its password and the cause, for all that goes wrong in it;
    UsageError for an URL of another kind.
    """

    def __init__(
        self, home: Path | None, url: str | None, *, read_only: bool = False, create: bool = True
    ) -> None:
        parsed = database_url(home, url)
        self.name = _shown(parsed)
        self.read_only = read_only
        self.upgraded_from: str | None = None
        """The schema that it had when it was opened, if that was an older one."""
        self._file = Path(str(parsed.database)).absolute() if is_sqlite(parsed) else None
        self._inode: tuple[int, int] | None = None
        with bordered(self.name):
            if not create and self._file is not None and not self._file.exists():
                raise StoreError(f"{self.name}: the database was removed")
            if home is not None and not read_only:
                close_home(Home(home))
            self._reads, self._writes = open_engines(parsed, read_only)
            try:
                self._bring_up_to_date(read_only)
                self._inode = None if self._file is None else _inode(self._file)
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Close all connections."""
        self._reads.dispose()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Open a transaction that sees one state and writes nothing."""
        with bordered(self.name):
            self._require_in_place()
            with self._reads.begin() as connection:
                yield connection

    @contextmanager
    def writing(self, *, alone: bool = False) -> Iterator[sa.Connection]:
        """Open a transaction of which all is kept, durably, or nothing; one that is `alone` waits for others such."""
        with bordered(self.name):
            self._require_in_place()
            with self._writes.begin() as connection:
                # SQLite has one writer at a time anyway
                if alone and connection.dialect.name == "postgresql":
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ALONE)))
                yield connection
            # what was written to a file that is gone is not kept
            self._require_in_place()

    def in_place(self) -> bool:
        """Tell whether the file is still the one that was opened: SQLite goes on with one that was removed or replaced."""
        return self._inode is None or self._file is None or _inode(self._file) == self._inode

    def _require_in_place(self) -> None:
        if not self.in_place():
            raise StoreError(f"{self.name}: the database was removed or replaced")

    def rewrite(self, tables: Sequence[str]) -> None:
        """Write the files of the database, or of these tables of PostgreSQL, without what was deleted from them.

        Raises StoreError where another process reads or writes meanwhile.
        """
        with bordered(self.name), self._reads.connect() as connection:
            if connection.dialect.name == "postgresql":
                alone = connection.execution_options(isolation_level="AUTOCOMMIT")
                for name in sorted(set(tables)):
                    alone.exec_driver_sql(f"VACUUM (FULL) {name}")
                return
            driver = connection.connection.driver_connection
            assert driver is not None
            try:
                driver.execute("VACUUM")
                busy, *_ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            except sqlite3.OperationalError as error:
                raise StoreError(f"{self.name}: {error}") from error
            if busy:
                raise StoreError(
                    f"{self.name}: deleted rows are still in its log, for another process reads it; {AGAIN}"
                )

    def _bring_up_to_date(self, read_only: bool) -> None:
        with self.reading() as connection:
            revision = revision_of(connection)
        if revision == REVISION:
            return
        if revision is not None:
            require_known(revision, self.name)
        if read_only:
            raise StoreError(
                f"{self.name}: schema {REVISION} expected, {revision or 'an empty database'} found: "
                "run `fingerprint upgrade` on it once, as a user who may write to it"
            )
        with self.writing(alone=True) as connection:
            bring_up_to_date(connection, self.name)
        self.upgraded_from = revision


@contextmanager
def bordered(name: str) -> Iterator[None]:
    """Turn what goes wrong with a database into StoreError, with the name that it is shown by."""
    try:
        yield
    except sa.exc.StatementError as error:
        cause = " ".join(str(error.orig).split())
        raise StoreError(f"{name}: {cause}") from error
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "psycopg":
            raise
        raise StoreError(
            f"{name}: the driver of PostgreSQL is not installed; pip install 'fingerprint[postgres]'"
        ) from error
    except BrokenPipeError:
        raise  # whoever read what is printed of the rows has gone: no fault of the database
    except (sa.exc.SQLAlchemyError, OSError, ImportError) as error:
        raise StoreError(f"{name}: {error}") from error


def has_rows(home: Path, url: str | None, *, only: str | None = None) -> bool | None:
    """Tell whether a database has any row, or one in the table `only`, whatever its version; None where it cannot be told.

    Writes nothing.
    """
    try:
        reads, _ = open_engines(database_url(home, url), read_only=True)
    except StoreError:
        return False  # there is no file
    except (sa.exc.SQLAlchemyError, OSError, ImportError):
        return None
    try:
        with reads.begin() as connection:
            names = set(sa.inspect(connection).get_table_names()) - {"alembic_version"}
            chosen = names if only is None else names & {only}
            return any(
                connection.execute(sa.select(sa.literal(1)).select_from(sa.table(name)).limit(1)).first()
                for name in sorted(chosen)
            )
    except (sa.exc.SQLAlchemyError, OSError):
        return None
    finally:
        reads.dispose()


def stored_revision(home: Path, url: str | None) -> str | None:
    """Return a database's schema, whatever its version, and write nothing; None for one that is empty, or not there.

    Raises StoreError where it cannot be read.
    """
    parsed = database_url(home, url)
    if is_sqlite(parsed) and not Path(str(parsed.database)).exists():
        return None
    with bordered(_shown(parsed)):
        reads, _ = open_engines(parsed, read_only=True)
        try:
            with reads.begin() as connection:
                return revision_of(connection)
        finally:
            reads.dispose()


def database_url(home: Path | None, url: str | None) -> sa.URL:
    """Return the URL of a home's own database, or of the one named; raises UsageError for one of another kind."""
    if url is not None:
        return _parse(url)
    if home is None:
        raise UsageError("a home or a database URL expected, neither found")
    return sa.URL.create("sqlite", database=str(Home(home).database_file))


def _parse(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        # the cause may quote the URL, password included
        raise UsageError(
            "a database URL such as postgresql://user@host/name expected, no URL found"
        ) from None
    if parsed.get_backend_name() in {"postgresql", "postgres"}:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() == "sqlite":
        if parsed.database in {None, "", ":memory:"}:
            raise UsageError(f"a file in the sqlite:// URL expected, {parsed.database or 'none'} found")
        return parsed.set(drivername="sqlite")
    raise UsageError(f"a postgresql:// or sqlite:// URL expected, {parsed.get_backend_name()}:// found")


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def is_sqlite(url: sa.URL) -> bool:
    """Tell whether a URL names a file of SQLite."""
    return url.get_backend_name() == "sqlite"


def _shown(url: sa.URL) -> str:
    if is_sqlite(url):
        return str(url.database)
    hidden = {key: "***" if "password" in key else value for key, value in url.query.items()}
    return url.set(query=hidden).render_as_string(hide_password=True)


def open_engines(url: sa.URL, read_only: bool) -> tuple[sa.Engine, sa.Engine]:
    """Make two engines over one pool: for transactions that read and for those that write."""
    json_serializer = partial(json.dumps, allow_nan=False)
    if is_sqlite(url):
        engine = sa.create_engine(
            "sqlite://",
            creator=_sqlite_connector(Path(str(url.database)).absolute(), read_only),
            poolclass=sa.QueuePool,
            json_serializer=json_serializer,
        )
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine, engine.execution_options(fingerprint_writes=True)
    engine = sa.create_engine(
        url,
        pool_pre_ping=True,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S} if "connect_timeout" not in url.query else {},
        isolation_level="REPEATABLE READ",
        execution_options={"postgresql_readonly": True} if read_only else {},
        json_serializer=json_serializer,
    )
    return engine, engine.execution_options(isolation_level="READ COMMITTED")


def _sqlite_connector(path: Path, read_only: bool) -> Callable[[], sqlite3.Connection]:
    if not read_only:
        path.parent.mkdir(parents=True, exist_ok=True)
        private_file(path)
    elif not path.exists():
        raise StoreError(f"{path}: there is no database here yet; `fingerprint nightly` creates it")

    def connect() -> sqlite3.Connection:
        if read_only and not _readable(path):
            return opened("mode=ro&immutable=1")
        return opened("mode=ro" if read_only else "mode=rwc")

    def opened(mode: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{path.as_uri()}?{mode}",
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,  # _begin_sqlite begins
            check_same_thread=False,  # the pool lends a connection to one thread at a time
        )
        connection.execute("PRAGMA foreign_keys = ON")
        # not every SQLite is built with its mathematical functions
        connection.create_function("ln", 1, math.log, deterministic=True)
        if not read_only:
            connection.execute("PRAGMA journal_mode = WAL")
            # NORMAL may lose the last commits with the power; one sync a commit costs nothing here
            connection.execute("PRAGMA synchronous = FULL")
        return connection

    return connect


def _readable(path: Path) -> bool:
    """Tell whether SQLite reads a database as usual; where it cannot make the files beside it, it may read it alone.

    False only where nothing beside the file waits to be read, so that nobody writes to it now.
    """
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        return True
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        if not error.sqlite_errorname.startswith(_CANNOT_WRITE):
            raise
        return False
    finally:
        connection.close()
    return True


def _begin_sqlite(connection: sa.Connection) -> None:
    # a transaction that begins by reading cannot wait for another writer, it fails: so writers say it at once
    writes = connection.get_execution_options().get("fingerprint_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
