"""Feeds between two homes: by a folder, a URL and a TAXII 2.1 collection."""

from __future__ import annotations

import base64
import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from support.small_traffic import done, objects, start
from support.until import until

from fingerprint.domain.errors import InputError, UsageError
from fingerprint.jobs.feed import read_feed

MEDIA = "application/taxii+json;version=2.1"


class Collection:
    """A TAXII collection that gives two objects a page, and the same bundle by a plain URL."""

    def __init__(self) -> None:
        self.objects: list[Any] = []
        self.logins: set[str] = set()
        self.url = ""

    def answer(self, path: str) -> tuple[int, str, Any]:
        path, _, query = path.partition("?")
        if path == "/bundle.json":
            return 200, "application/json", {"type": "bundle", "objects": self.objects}
        if path == "/root/collections/c1/":
            own = {"id": "c1", "title": "prompts", "can_read": True, "can_write": True, "media_types": []}
            return 200, MEDIA, own
        if path == "/root/collections/c1/objects/":
            start = int(dict(p.split("=") for p in query.split("&")).get("next", "0"))
            more = start + 2 < len(self.objects)
            page: dict[str, Any] = {"objects": self.objects[start : start + 2], "more": more}
            return 200, MEDIA, {**page, "next": str(start + 2)} if more else page
        return 404, MEDIA, {"title": "nothing"}


@contextmanager
def collection() -> Iterator[Collection]:
    kept = Collection()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kept.logins.add(self.headers.get("authorization", ""))
            self._send(*kept.answer(self.path))

        def do_POST(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers["content-length"])))["objects"]
            kept.objects += sent
            status = {"id": "s1", "status": "complete", "total_count": len(sent), "success_count": len(sent)}
            self._send(202, MEDIA, {**status, "failure_count": 0, "pending_count": 0})

        def _send(self, status: int, media: str, body: Any) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", media)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_words: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    kept.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def labelled(home: Path, family: str) -> Path:
    """A home with one confirmed family; the others have no label."""
    done("label", family, "campaign", "--home", home)
    return home


def ids(home: Path, *options: str) -> dict[str, str | None]:
    return {
        f["family_id"]: f["label"] for f in objects("families", "--home", home, "--format", "jsonl", *options)
    }


def test_only_what_was_confirmed_goes_into_a_folder_and_labels_stay_out(
    labelled: Path, family: str, tmp_path: Path
) -> None:
    folder, other = tmp_path / "feed", tmp_path / "other"
    assert "1 families written" in done("feed", "write", folder, "--home", labelled)
    assert "nothing changed" in done("feed", "write", folder, "--home", labelled)
    assert "1 new families, 0 already known" in done("feed", "read", folder, "--home", other)
    assert ids(other) == {family: None}
    done("feed", "read", folder, "--labels", "--home", other)
    assert ids(other) == {family: "campaign"}


def test_flagged_ones_are_written_when_asked_for(labelled: Path, tmp_path: Path) -> None:
    flagged = {
        f["family_id"] for f in objects("families", "--home", labelled, "--flagged", "--format", "jsonl")
    }
    wanted = {
        f for f, label in ids(labelled).items() if label == "campaign" or (f in flagged and label is None)
    }
    (got,) = objects(
        "feed", "write", tmp_path / "f", "--flagged", "--min-accounts", 1, "--home", labelled, "--json"
    )
    assert wanted <= set(got["written"])


def test_rules_of_nova(labelled: Path, family: str, tmp_path: Path) -> None:
    done("feed", "write", tmp_path / "rules", "--feed-format", "nova", "--home", labelled)
    assert f"rule fingerprint_{family}" in (tmp_path / "rules" / "fingerprint.nov").read_text()


def test_a_collection_and_a_url(
    labelled: Path, family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINGERPRINT_TAXII_USER", "ana")
    monkeypatch.setenv("FINGERPRINT_TAXII_PASSWORD", "secret")
    with collection() as taxii:
        place = f"taxii+{taxii.url}/root/collections/c1/"
        done("feed", "write", place, "--home", labelled)
        assert len(taxii.objects) > 4
        assert "1 new families" in done("feed", "read", place, "--home", tmp_path / "a")
        assert f"Basic {base64.b64encode(b'ana:secret').decode()}" in taxii.logins
        assert "1 new families" in done("feed", "read", f"{taxii.url}/bundle.json", "--home", tmp_path / "b")
        with pytest.raises(InputError, match="status 200 expected, 404 found"):
            read_feed(f"{taxii.url}/nothing")
        with pytest.raises(InputError, match="TAXII collection cannot be read"):
            read_feed(f"taxii+{taxii.url}/root/collections/c2/")
    assert ids(tmp_path / "a") == ids(tmp_path / "b") == {family: None}


def test_it_goes_on_after_a_failure(labelled: Path, family: str, tmp_path: Path) -> None:
    folder, other = tmp_path / "feed", tmp_path / "other"
    folder.mkdir()
    printed, errors = tmp_path / "out", tmp_path / "err"
    with printed.open("wb") as out, errors.open("wb") as err:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        process = start(
            *("feed", "read", folder, "--every", 0.005, "--home", other),
            stdout=out,
            stderr=err,
            env=environment,
        )
        try:
            until(lambda: "at least one file of .json or .jsonl expected" in errors.read_text())
            done("feed", "write", folder, "--home", labelled)
            until(lambda: "1 new families" in printed.read_text())
            until(lambda: "0 new families, 1 already known" in printed.read_text())
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    assert process.returncode == 143
    assert ids(other) == {family: None}


@pytest.mark.parametrize(
    "source", ["http://feeds.example/x", "ftp://127.0.0.1/x", "taxii+http://feeds.example/c/"]
)
def test_feeds_that_anybody_on_the_way_can_change_are_refused(source: str) -> None:
    with pytest.raises(UsageError, match="a feed of https://"):
        read_feed(source)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_feed(str(tmp_path / "none"))
    with pytest.raises(InputError, match=r"none found"):
        read_feed(str(tmp_path))
