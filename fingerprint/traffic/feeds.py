"""Streams of traffic as chunks of whole lines with the positions they stand at: stdin, a file, a Kafka topic.

A position is a count of bytes ("bytes") or the next offset of each Kafka partition (its number as text). Who keeps
two of them can go on after a crash: from `resume` on lines are handed out again, marked so, up to `done`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import urlsplit

from fingerprint.domain.errors import InputError, UsageError

Position = dict[str, int]

LINE_BYTES = 4 << 20
"""A longer line of a stream is cut."""

CHUNK_BYTES = 1 << 13
"""Of a file: a watch looks for families between chunks, so they are small."""

PIPE_BYTES = 1 << 16
MESSAGES = 500
"""Kafka messages taken at once."""

REACH_S = 10.0
"""For a broker to answer."""

WAIT_S = 0.5
"""Between two looks at a file that has not grown, and the longest wait for Kafka messages."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines, without separators where there is one only; again: they were handed out before a crash.

    start: where the first one stands, end: after the last one. An empty chunk says that nothing came for a while.
    """

    lines: bytes
    start: Position
    end: Position
    again: bool = False


class Feed(Protocol):
    """Something that hands out chunks, from `resume` on; those before `done` are marked."""

    def chunks(self, resume: Position, done: Position) -> Iterator[Chunk]:
        """Hand out chunks until the stream ends, if it does."""
        ...


@dataclass(frozen=True, slots=True)
class Pipe:
    """A pipe, a terminal or a socket by its file descriptor; what was read of it is gone, so positions begin at 0."""

    descriptor: int = 0

    def chunks(self, resume: Position, done: Position) -> Iterator[Chunk]:
        """Hand out what has come, at least one line at a time, until the other side closes."""
        del resume, done
        at, rest = 0, b""
        while block := os.read(self.descriptor, PIPE_BYTES):
            data = rest + block
            cut = len(data) if len(data) > LINE_BYTES else data.rfind(b"\n") + 1
            if cut:
                yield Chunk(data[:cut], {"bytes": at}, {"bytes": at + cut})
            at, rest = at + cut, data[cut:]
        if rest:
            yield Chunk(rest, {"bytes": at}, {"bytes": at + len(rest)})


@dataclass(frozen=True, slots=True)
class File:
    """A file of lines; follow: it grows, so its end is waited for, but a last line that has no end is not read."""

    path: Path
    follow: bool = False

    def chunks(self, resume: Position, done: Position) -> Iterator[Chunk]:
        """Hand out the file from `resume` on; InputError where it is shorter than that or cannot be read."""
        start, until = resume.get("bytes", 0), done.get("bytes", 0)
        try:
            size = self.path.stat().st_size
            if size < until:
                raise InputError(
                    f"{self.path}: {until:,} bytes were read before, but the file now has only {size:,}"
                )
            with self.path.open("rb") as file:
                yield from self._read(file, start, until)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read: {error.strerror}") from error

    def _read(self, file: BinaryIO, at: int, until: int) -> Iterator[Chunk]:
        """Read from `at` on; where a chunk ends depends on where it starts alone, so a watch goes on as it would have."""
        while True:
            file.seek(at)
            block = file.read(min(CHUNK_BYTES, until - at) if at < until else CHUNK_BYTES)
            while b"\n" not in block and len(block) <= LINE_BYTES and (more := file.read(CHUNK_BYTES)):
                block += more
            cut = block.rfind(b"\n") + 1
            if not cut and (len(block) > LINE_BYTES or not self.follow):
                cut = len(block)
            if cut:
                yield Chunk(block[:cut], {"bytes": at}, {"bytes": at + cut}, again=at + cut <= until)
                at += cut
            elif not self.follow:
                return
            else:
                yield Chunk(b"", {"bytes": at}, {"bytes": at})
                time.sleep(WAIT_S)


@dataclass(frozen=True, slots=True)
class Kafka:
    """All partitions of a topic, one JSON object a message, by librdkafka; needs the extra `kafka`.

    settings: more of librdkafka's (`security.protocol`, `sasl.username` …). Offsets are kept with the watch's own
    state, in which they agree with what was told, and not with the broker.
    """

    servers: str
    topic: str
    settings: Mapping[str, str] = field(default_factory=dict)
    until_end: bool = False

    def chunks(self, resume: Position, done: Position) -> Iterator[Chunk]:
        """Hand messages out from `resume` on, a partition without one from its beginning; for ever, or to the end."""
        confluent_kafka = _confluent_kafka()
        consumer = confluent_kafka.Consumer(
            {
                **self.settings,
                "bootstrap.servers": self.servers,
                "group.id": "fingerprint-watch",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": self.until_end,
            }
        )
        try:
            partitions = self._partitions(consumer, confluent_kafka)
            earliest = confluent_kafka.OFFSET_BEGINNING
            consumer.assign(
                [
                    confluent_kafka.TopicPartition(self.topic, p, resume.get(str(p), earliest))
                    for p in partitions
                ]
            )
            yield from self._taken(consumer, confluent_kafka, dict(resume), done, set(partitions))
        finally:
            consumer.close()

    def _partitions(self, consumer: Any, library: Any) -> list[int]:
        try:
            topic = consumer.list_topics(self.topic, timeout=REACH_S).topics[self.topic]
        except library.KafkaException as error:
            raise InputError(f"kafka://{self.servers}: cannot be reached: {error.args[0].str()}") from error
        if topic.error is not None or not topic.partitions:
            raise InputError(f"kafka://{self.servers}: there is no topic {self.topic!r}")
        return sorted(topic.partitions)

    def _taken(
        self, consumer: Any, library: Any, at: Position, done: Position, open_partitions: set[int]
    ) -> Iterator[Chunk]:
        while open_partitions or not self.until_end:
            parts: dict[bool, list[bytes]] = {True: [], False: []}
            ends = {True: dict(at), False: dict(at)}
            start = dict(at)
            for message in consumer.consume(MESSAGES, timeout=WAIT_S):
                place = str(message.partition())
                if message.error() is not None:
                    if message.error().code() != library.KafkaError._PARTITION_EOF:
                        raise InputError(f"kafka://{self.servers}: {message.error().str()}")
                    open_partitions.discard(message.partition())
                    continue
                again = message.offset() < done.get(place, 0)
                at[place] = ends[again][place] = message.offset() + 1
                ends[False][place] = at[place]
                parts[again].append((message.value() or b"").replace(b"\n", b" "))
            if parts[True]:
                yield Chunk(_joined(parts[True]), start, ends[True], again=True)
            if parts[False] or not parts[True]:
                yield Chunk(_joined(parts[False]), start, ends[False])


def _joined(messages: list[bytes]) -> bytes:
    return b"".join(message + b"\n" for message in messages)


def _confluent_kafka() -> Any:
    try:
        import confluent_kafka  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        raise UsageError(
            "kafka://…: the package confluent-kafka is not installed; pip install 'fingerprint[kafka]'"
        ) from error
    return confluent_kafka


def feed_of(
    source: str, *, follow: bool = False, until_end: bool = False, settings: Mapping[str, str] | None = None
) -> Feed:
    """Return the feed that a source names: -, kafka://HOST:PORT[,…]/TOPIC or the path of a file.

    until_end: stop where a Kafka topic ends. settings: librdkafka's. Raises UsageError for another URL.
    """
    if source == "-":
        return Pipe()
    if not source.startswith("kafka://"):
        return File(Path(source), follow)
    url = urlsplit(source)
    topic = url.path.removeprefix("/")
    if not url.netloc or not topic or "/" in topic:
        raise UsageError(f"kafka://HOST:PORT/TOPIC expected, {source!r} found")
    return Kafka(url.netloc, topic, dict(settings or {}), until_end)
