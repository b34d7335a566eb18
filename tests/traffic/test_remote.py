"""Traffic and results by URL: a real S3 server, fsspec's filesystems, and file://."""

from __future__ import annotations

import gzip
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.small_traffic import done, failed, night_rows, objects, written

from fingerprint.domain.errors import InputError, StoreError, UsageError
from fingerprint.domain.reading import Reading
from fingerprint.domain.settings import Settings
from fingerprint.domain.signature import Stamp
from fingerprint.nights.job import KnownFamilies, NightRequest, job_key
from fingerprint.traffic.reader import read_traffic
from fingerprint.traffic.remote import RemoteFile, is_url, label_of, remote_file
from fingerprint.traffic.sources import find_sources
from fingerprint.traffic.writer import write_table

TABLE = pa.table({"request_id": ["a", "b"], "family_id": ["f1", None]})
KEY, SECRET = "key-of-tests", "secret-of-tests"


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder behind the bucket `logs` of an S3 server (rclone's) that is reached through the environment."""
    root = tmp_path_factory.mktemp("s3")
    (root / "logs").mkdir()
    at = f"127.0.0.1:{_free_port()}"
    rclone = Path(sys.executable).with_name("rclone")
    options = ["--dir-cache-time=0s", "--addr", at, "--auth-key", f"{KEY},{SECRET}"]
    server = subprocess.Popen([rclone, "serve", "s3", root, *options], stderr=subprocess.DEVNULL)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{at}",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            # rclone does not take checksums that follow the content
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        }.items():
            patch.setenv(name, value)
        _wait(f"http://{at}/")
        yield root / "logs"
    server.terminate()
    server.wait()


def _wait(url: str) -> None:
    for _ in range(1_200):
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except urllib.error.HTTPError:
            return  # it answers, if only that keys are wanted
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the S3 server does not answer")


def ids(*sources: str) -> list[str]:
    batches = list(read_traffic(sources, rejects=None))
    return [i for batch in batches for i in batch.column("request_id").to_pylist()]


def test_a_night_from_s3_to_s3(
    bucket: Path, worked: Path, traffic: tuple[Path, Path], tmp_path: Path
) -> None:
    (bucket / "day").mkdir()
    (bucket / "day/a.jsonl.gz").write_bytes(gzip.compress(traffic[0].read_bytes()))
    (bucket / "day/_partial.jsonl").write_text("{")
    out = "s3://logs/out/families.jsonl"
    told = done("nightly", "s3://logs/day", "--home", tmp_path / "home", "--assignments", out)
    assert (bucket / "out/families.jsonl").read_bytes() == (worked.parent / "assignments.jsonl").read_bytes()
    assert "written   s3://logs/out/families.jsonl" in told


def test_matches_and_hits_go_to_s3(
    bucket: Path, worked: Path, traffic: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    broken = tmp_path / "next.jsonl"
    broken.write_bytes(traffic[1].read_bytes() + b"{\n")
    told = done("lookup", broken, "--home", worked, "--output", "s3://logs/out/matches.parquet")
    assert "written   s3://logs/out/matches.parquet" in told
    done("lookup", broken, "--home", worked, "--output", "matches.parquet")
    assert (bucket / "out/matches.parquet").read_bytes() == (tmp_path / "matches.parquet").read_bytes()
    assert len((tmp_path / "matches.rejects.jsonl").read_text().splitlines()) == 1
    family = objects("families", "--home", worked, "--format", "jsonl")[0]["family_id"]
    told = done("hunt", family, traffic[1], "--home", worked, "--output", "s3://logs/out/hits.jsonl")
    assert "written   s3://logs/out/hits.jsonl" in told
    done("hunt", family, traffic[1], "--home", worked, "--output", "hits.jsonl")
    assert (bucket / "out/hits.jsonl").read_bytes() == (tmp_path / "hits.jsonl").read_bytes()
    assert "request_id" in (tmp_path / "hits.jsonl").read_text()


def test_a_bad_url_is_told_before_any_work(worked: Path, traffic: tuple[Path, Path]) -> None:
    expected = "nowhere://logs/a.jsonl: a URL of an installed filesystem expected"
    assert expected in failed(2, "lookup", traffic[1], "--home", worked, "--output", "nowhere://logs/a.jsonl")
    family = objects("families", "--home", worked, "--format", "jsonl")[0]["family_id"]
    out = "nowhere://logs/a.jsonl"
    assert expected in failed(2, "hunt", family, traffic[1], "--home", worked, "--output", out)


def test_tables_from_s3_are_read_in_parts(bucket: Path, tmp_path: Path) -> None:
    rows = night_rows(0)
    pq.write_table(pa.Table.from_pylist(rows), bucket / "rows.parquet", row_group_size=50)
    assert ids("s3://logs/rows.parquet") == [row["request_id"] for row in rows]


def test_keys_in_a_url_are_used_and_never_shown(bucket: Path) -> None:
    at = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://").replace(":", "%3A")
    options = f"endpoint_override={at}&scheme=http&region=us-east-1"
    url = f"s3://{KEY}:wrong@logs/rows.parquet?{options}"
    with pytest.raises(InputError, match=r"^s3://logs/rows.parquet: cannot be read") as raised:
        find_sources([url])
    assert KEY not in str(raised.value)
    (source,) = find_sources([url.replace("wrong", SECRET)])
    assert source.label == "s3://logs/rows.parquet"
    assert source.identity is not None


def test_what_is_not_there_is_said(bucket: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^s3://logs/none.jsonl: cannot be read: no such file"):
        find_sources(["s3://logs/none.jsonl"])
    with pytest.raises(StoreError, match=r"^s3://no-such-bucket/a.csv cannot be written"):
        write_table(TABLE, "s3://no-such-bucket/a.csv")


def test_a_killed_night_goes_on_only_with_the_same_object(bucket: Path) -> None:
    stamp = Stamp("1", "4-gram/1", "m", "r", 8)

    def key(url: str) -> str:
        return job_key(NightRequest([url], Reading(), Settings()), KnownFamilies((), stamp, ()))

    def put(content: str) -> None:
        (bucket / "night.jsonl").write_text(content)

    put("1")
    first = key("s3://logs/night.jsonl")
    assert key("s3://logs/night.jsonl") == first
    put("22")
    assert key("s3://logs/night.jsonl") != first
    memory = fsspec.filesystem("memory")
    memory.pipe("/night/day.jsonl", b"1")  # of which nobody knows when it was written
    assert key("memory://night/day.jsonl") != key("memory://night/day.jsonl")


@pytest.fixture
def memory() -> Iterator[str]:
    """A folder of fsspec's filesystem in memory."""
    folder = f"memory://{uuid.uuid4().hex}"
    yield folder
    system, path = fsspec.core.url_to_fs(folder)
    if system.exists(path):
        system.rm(path, recursive=True)


def test_a_folder_of_any_fsspec_filesystem_is_read(memory: str, tmp_path: Path) -> None:
    rows = night_rows(0)
    lines = written(tmp_path / "rows.jsonl", rows).read_bytes()
    with fsspec.open(f"{memory}/a/b.jsonl", "wb") as file:
        file.write(lines)
    with fsspec.open(f"{memory}/c.csv", "wb") as file:
        file.write(b"request_id,account_id,timestamp,prompt\nx1,u,2026-03-02T00:00:00Z,hello\n")
    for passed_over in (f"{memory}/.hidden.jsonl", f"{memory}/notes.txt", f"{memory}/_tmp/d.jsonl"):
        with fsspec.open(passed_over, "wb") as file:
            file.write(b"{}")
    assert ids(memory) == [*(row["request_id"] for row in rows), "x1"]
    assert [source.label for source in find_sources([memory])] == [f"{memory}/a/b.jsonl", f"{memory}/c.csv"]


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_a_table_appears_whole(memory: str, ending: str, tmp_path: Path) -> None:
    write_table(TABLE, f"{memory}/deep/out{ending}")
    write_table(TABLE, tmp_path / f"out{ending}")
    with fsspec.open(f"{memory}/deep/out{ending}", "rb") as file:
        assert file.read() == tmp_path.joinpath(f"out{ending}").read_bytes()
    system, path = fsspec.core.url_to_fs(f"{memory}/deep")
    assert [Path(name).name for name in system.ls(path, detail=False)] == [f"out{ending}"]


def test_a_table_that_cannot_be_written_leaves_the_old_one(memory: str) -> None:
    write_table(TABLE, f"{memory}/out.csv")
    lists = pa.table({"request_id": [["a"], ["b"]]})  # CSV has none
    with pytest.raises(StoreError, match=r"out.csv cannot be written"):
        write_table(lists, f"{memory}/out.csv")
    with fsspec.open(f"{memory}/out.csv", "rb") as file:
        assert file.read().startswith(b'"request_id","family_id"')
    with pytest.raises(StoreError, match=r"^local:///proc/none/out.csv cannot be written"):
        write_table(TABLE, "local:///proc/none/out.csv")


def test_a_file_url_is_a_path(tmp_path: Path) -> None:
    path = written(tmp_path / "a b.jsonl", night_rows(0))
    url = path.as_uri()
    assert "%20" in url
    assert remote_file(url) == path
    assert ids(url) == ids(str(path))
    write_table(TABLE, (tmp_path / "out.csv").as_uri())
    assert (tmp_path / "out.csv").exists()


def test_what_is_a_url() -> None:
    assert is_url("S3://a/b")
    assert not is_url("a://b"[3:])
    assert not is_url("dir/a.jsonl")
    assert not is_url(Path("s3://a"))
    assert remote_file("dir/a.jsonl") == Path("dir/a.jsonl")
    assert isinstance(remote_file("memory://a"), RemoteFile)


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("s3://key:secret@bucket/a.csv?region=x&token=y", "s3://bucket/a.csv"),
        ("abfs://container@account/a.csv", "abfs://container@account/a.csv"),
        ("gs://bucket/a@b:c.csv", "gs://bucket/a@b:c.csv"),
    ],
)
def test_labels_hold_no_keys(url: str, label: str) -> None:
    assert label_of(url) == label


def test_a_path_is_told_as_it_is() -> None:
    assert label_of("what?.jsonl") == "what?.jsonl"


def test_bad_urls_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^nosuch://a/b.jsonl: a URL of an installed filesystem expected"):
        find_sources(["nosuch://a/b.jsonl"])
    with pytest.raises(UsageError, match="file:///PATH expected, the host 'there' found"):
        find_sources(["file://there/a.jsonl"])
    words = failed(
        2, "nightly", "x.jsonl", "--home", tmp_path / "h", "--assignments", "s3://b/a.txt?secret=1"
    )
    assert "s3://b/a.txt: an extension .jsonl, .csv or .parquet expected" in words


def test_the_command_line_takes_urls(traffic: tuple[Path, Path], memory: str, tmp_path: Path) -> None:
    with fsspec.open(f"{memory}/day.jsonl", "wb") as file:
        file.write(traffic[0].read_bytes())
    done("nightly", f"{memory}/day.jsonl", "--home", tmp_path / "home", "--quiet")
    done("lookup", f"{memory}/day.jsonl", "--home", tmp_path / "home", "--output", tmp_path / "m.jsonl")
    assert len((tmp_path / "m.jsonl").read_text().splitlines()) == len(night_rows(0))
    assert objects("nights", "--home", tmp_path / "home", "--format", "jsonl")
