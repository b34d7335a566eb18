from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import confluent_kafka
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprint.domain.errors import InputError, UsageError
from fingerprint.traffic import feeds
from fingerprint.traffic.feeds import Chunk, File, Kafka, Pipe, feed_of


def text(chunks: list[Chunk]) -> bytes:
    return b"".join(chunk.lines for chunk in chunks)


@settings(max_examples=50, deadline=None)
@given(
    lines=st.lists(st.binary(max_size=30).map(lambda b: b.replace(b"\n", b" ")), max_size=30),
    last=st.booleans(),
)
def test_a_file_is_read_again_from_where_it_was(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], last: bool
) -> None:
    path = tmp_path_factory.mktemp("f") / "t.jsonl"
    content = b"\n".join(lines) + (b"\n" if last else b"")
    path.write_bytes(content)
    before = feeds.CHUNK_BYTES
    feeds.CHUNK_BYTES = 16
    try:
        whole = list(File(path).chunks({}, {}))
        assert text(whole) == content
        assert all(a.end == b.start for a, b in pairwise(whole))
        for resume in range(0, len(whole), 3):
            for done in range(resume, len(whole), 2):
                rest = list(File(path).chunks(whole[resume].start, whole[done].start))
                again = [c for c in rest if c.again]
                assert text(again) == text(whole[resume:done])
                new = [c for c in rest if not c.again and c.lines]
                assert new == [c for c in whole[done:] if c.lines]
    finally:
        feeds.CHUNK_BYTES = before


def test_a_file_that_shrank_and_one_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"one\n")
    with pytest.raises(InputError, match="9 bytes were read before, but the file now has only 4"):
        list(File(tmp_path / "t").chunks({"bytes": 9}, {"bytes": 9}))
    with pytest.raises(InputError, match="cannot be read: No such file"):
        list(File(tmp_path / "none").chunks({}, {}))


def test_a_growing_file_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "WAIT_S", 0.01)
    path = tmp_path / "t"
    path.write_bytes(b"one\ntw")
    chunks = File(path, follow=True).chunks({}, {})
    assert next(chunks).lines == b"one\n"
    assert next(chunks).lines == b""
    with path.open("ab") as file:
        file.write(b"o\n")
    assert next(c for c in chunks if c.lines).lines == b"two\n"


def test_a_pipe_hands_lines_out_as_they_come() -> None:
    reader, writer = os.pipe()
    chunks = Pipe(reader).chunks({}, {})
    os.write(writer, b"one\ntwo\nth")
    assert next(chunks).lines == b"one\ntwo\n"
    os.write(writer, b"ree\n")
    assert next(chunks).lines == b"three\n"
    os.write(writer, b"end")
    os.close(writer)
    assert text(list(chunks)) == b"end"
    os.close(reader)


@pytest.fixture(scope="module")
def broker() -> Iterator[tuple[str, confluent_kafka.Producer]]:
    """A broker that librdkafka itself runs for tests, on a port of this machine: Kafka's protocol, not Kafka's code."""
    producer = confluent_kafka.Producer({"test.mock.num.brokers": 1})
    (found,) = producer.list_topics(timeout=60).brokers.values()
    yield f"{found.host}:{found.port}", producer
    producer.flush(5)


def send(producer: confluent_kafka.Producer, topic: str, *messages: tuple[int, bytes]) -> None:
    for partition, value in messages:
        producer.produce(topic, value, partition=partition)
    assert producer.flush(60) == 0


def test_a_topic_is_read_from_its_beginning_and_again_from_where_it_was(
    broker: tuple[str, confluent_kafka.Producer],
) -> None:
    servers, producer = broker
    send(producer, "requests", *((n % 3, b"%d" % n) for n in range(9)))
    feed = feed_of(f"kafka://{servers}/requests", until_end=True)
    whole = [c for c in feed.chunks({}, {}) if c.lines]
    assert sorted(text(whole).split()) == [b"%d" % n for n in range(9)]
    assert whole[-1].end == {"0": 3, "1": 3, "2": 3}
    rest = [c for c in feed.chunks({"0": 1, "1": 2, "2": 3}, {"0": 2, "1": 2, "2": 3}) if c.lines]
    assert [sorted(c.lines.split()) for c in rest if c.again] == [[b"3"]]
    assert sorted(text([c for c in rest if not c.again]).split()) == [b"6", b"7"]
    assert rest[-1].end == {"0": 3, "1": 3, "2": 3}


def test_no_broker_and_no_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "REACH_S", 1.0)
    with pytest.raises(InputError, match="cannot be reached"):
        list(Kafka("127.0.0.1:9", "requests", {"socket.timeout.ms": "500"}).chunks({}, {}))
    for source in ("kafka://", "kafka://host:1", "kafka://host:1/a/b"):
        with pytest.raises(UsageError, match="kafka://HOST:PORT/TOPIC expected"):
            feed_of(source)
