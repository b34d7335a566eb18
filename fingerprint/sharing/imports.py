"""Reads what others share, our JSON or STIX bundles that carry it, and refuses what a home must not take in.

A content hash only shows that nothing was changed on the way. Whoever makes a signature can make its hash, so what a
signature claims is checked, too: that it matches by the text that it shows, and that it cannot match everything (D-028).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import orjson

from fingerprint.domain import signature_json
from fingerprint.domain.errors import InputError, StampMismatch
from fingerprint.domain.signature import Signature, Slot, Spread
from fingerprint.domain.wordings import root_of
from fingerprint.embedding.embedder import Embedder, stamp_of
from fingerprint.sharing import stix
from fingerprint.sharing.phrases import template_grams
from fingerprint.signatures.match_score import FLOOR, LEAST_MEANING, LEAST_SAID, base_threshold, score_of
from fingerprint.text.ngrams import VERSION as GRAMS
from fingerprint.text.normalise import VERSION

LARGEST = 1 << 30
"""Bytes of a file that is read: about 100,000 families."""

MOST_SHOWN = 5
"""Problems that an error names; it counts the others."""

LEAST_SHOWN = 0.5
"""Share of a signature's weight whose grams must stand in its template; nights cut what too few sent word for word."""

_LONGEST = {"family_id": 64, "label": 200, "campaign_id": 200, "variant_of": 64}
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.:-]*")
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Characters that break lines, command a terminal, or turn text round."""
_MOST_GRAMS, _MOST_PROTOTYPES, _MOST_TEXT, _MOST_REASONS = 100_000, 64, 1_000_000, 100
_MOST_PARTS, _MOST_DAYS, _MOST_WORDS, _MOST_SAME = 2_000, 4_000, 2_000, 10
_MOST_COUNT = 2_000_000_000  # snapshots hold 32 bits of each
_YEARS = (2000, 2100)  # as traffic's
_ROUNDING = 1e-6
_MOST_EVIDENCE = 100.0  # of a reason; labels teach by them, so one must not drown all others


@dataclass(frozen=True, slots=True)
class ImportFile:
    """A file's name, as errors give it, and its bytes."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class ReadFile:
    """Signatures of distinct families, and how many indicators were left out because they are revoked."""

    signatures: tuple[Signature, ...]
    revoked: int


def read_shared(sources: Sequence[ImportFile]) -> ReadFile:
    """Read all signatures of some files; all of them are good, or none is returned.

    Raises InputError that counts the refused ones, and names file, place, what was expected and what came;
    StampMismatch where this program cannot compare them with anything.
    """
    by_family: dict[str, tuple[str, Signature]] = {}
    problems: list[str] = []
    carried, revoked = 0, 0
    for source in sources:
        values, out = _values(source)
        revoked += out
        carried += len(values)
        for place, value in values:
            try:
                signature = signature_json.from_json(value)
                check(signature)
                _add(by_family, place, signature)
            except InputError as error:
                problems.append(f"{place}: {error}")
        if not values and not out:
            raise InputError(f"{source.name}: at least one signature expected, none found")
    problems += _circles([signature for _, signature in by_family.values()])
    if problems:
        more = f"; and {len(problems) - MOST_SHOWN} more" if len(problems) > MOST_SHOWN else ""
        listed = "; ".join(problems[:MOST_SHOWN])
        raise InputError(f"{len(problems)} of {carried} signatures refused, nothing imported: {listed}{more}")
    return ReadFile(tuple(signature for _, signature in by_family.values()), revoked)


def _circles(signatures: Sequence[Signature]) -> list[str]:
    """Name families that say of each other that they are their wordings."""
    original_of = {s.family_id: s.variant_of for s in signatures}
    problems = []
    for family in original_of:
        try:
            root_of(family, original_of)
        except InputError as error:
            problems.append(str(error))
    return problems


def check_model(signatures: Sequence[Signature], model: str | None = None) -> None:
    """Raise StampMismatch unless a model that can be loaded here made all of these; they set the stamp of an empty home.

    model: as `Embedder.for_stamp` takes it. Raises ModelError where it cannot be loaded.
    """
    for stamp in sorted({signature.stamp for signature in signatures}, key=str):
        here = stamp_of(Embedder.for_stamp(stamp, model))
        if stamp != here:
            raise StampMismatch(
                f"signatures made by a model that is here expected, by {stamp.model} (revision {stamp.revision[:12]}) "
                "found; give its folder with --model, or signatures of another home"
            )


def check(signature: Signature) -> None:
    """Raise InputError unless a signature is one that a night could have made; StampMismatch for other versions."""
    stamp = signature.stamp
    if (stamp.normaliser, stamp.shingle) != (VERSION, GRAMS):
        raise StampMismatch(
            f"signature {signature.family_id}: normaliser {VERSION} and shingles {GRAMS} expected, "
            f"{stamp.normaliser} and {stamp.shingle} found; the same version of this program must have made it"
        )
    for name, longest in _LONGEST.items():
        text = getattr(signature, name)
        if text is not None:
            _check_name(name, text, longest)
    if signature.variant_of == signature.family_id:
        raise InputError(f"signature.variant_of: another family expected, {signature.family_id} itself found")
    _check_size(signature)
    _check_times(signature.spread)
    for reason in signature.reasons:
        _between("reasons.value", reason.value, -_MOST_EVIDENCE, _MOST_EVIDENCE)
        _between("reasons.contribution", reason.contribution, -_MOST_EVIDENCE, _MOST_EVIDENCE)
    _between("score", signature.score, 0, 1)
    _between("strays", signature.unsynchronised, 0, signature.requests_seen)
    _between("threshold without its shift", base_threshold(signature), FLOOR - _ROUNDING, 1)
    _check_counts(signature)
    if len(signature.prototypes):
        _between("similarity", signature.similarity, LEAST_MEANING - _ROUNDING, 1)
        _between("usual", signature.typical_similarity, -1, signature.similarity)
        _between("words", signature.word_similarity, LEAST_SAID - _ROUNDING, 1)
        norms = np.linalg.norm(signature.prototypes.astype(np.float64), axis=1)
        _between("prototypes", float(norms.min()), 0.999, 1.001, "a row's length")
        _between("prototypes", float(norms.max()), 0.999, 1.001, "a row's length")
    if len(signature.grams):
        _between("weights", float(signature.weights.min()), 0, 1)
        _between("weights", float(signature.weights.max()), 0, 1)
        _check_shown(signature)


def _check_name(name: str, text: str, longest: int) -> None:
    if not 0 < len(text) <= longest:
        raise InputError(f"signature.{name}: 1 to {longest} characters expected, {len(text)} found")
    if (unseen := _UNSEEN.search(text)) is not None:
        raise InputError(f"signature.{name}: no control characters expected, U+{ord(unseen[0]):04X} found")
    if name in ("family_id", "variant_of") and not _ID.fullmatch(text):
        raise InputError(f"signature.{name}: letters, digits and _.:- expected, {text!a} found")


def _check_times(spread: Spread) -> None:
    for name, year in (("first_seen", spread.first_seen.year), ("last_seen", spread.last_seen.year)):
        _between(f"spread.{name}", year, *_YEARS, "a year")
    if spread.first_seen > spread.last_seen:
        raise InputError("signature.spread.last_seen: a time after first_seen expected, an earlier one found")
    for day in spread.per_day:
        _between("spread.per_day", int(day[:4]), *_YEARS, "a year")


def _check_counts(signature: Signature) -> None:
    """Refuse counts that no night can have come to, and those that contradict each other."""
    spread = signature.spread
    for name, value, most in (
        ("version", signature.version, _MOST_COUNT),
        ("seen", signature.requests_seen, _MOST_COUNT),
        ("spread.requests", spread.requests, _MOST_COUNT),
        ("spread.accounts", spread.accounts, spread.requests),
        ("spread.conversations", spread.conversations, spread.requests),
    ):
        _between(name, value, 0, most, "a count")
    for day, counted in spread.per_day.items():
        _between(f"spread.per_day.{day}.requests", counted.requests, 0, spread.requests, "a count")
        _between(f"spread.per_day.{day}.accounts", counted.accounts, 0, counted.requests, "a count")
    for number, part in enumerate(signature.template.parts):
        if isinstance(part, Slot):
            _between(f"template[{number}].distinct", part.distinct, 0, _MOST_COUNT, "a count")
            _between(f"template[{number}].longest", part.longest, part.shortest, _MOST_COUNT, "a count")


def _check_size(signature: Signature) -> None:
    text = sum(len(segment.text) for segment in signature.template.segments)
    times = Counter(segment.text for segment in signature.template.segments)
    for name, size, most in (
        ("grams", len(signature.grams), _MOST_GRAMS),
        ("prototypes", len(signature.prototypes), _MOST_PROTOTYPES),
        ("template", text, _MOST_TEXT),
        ("template's parts", len(signature.template.parts), _MOST_PARTS),
        ("template's times of one text", max(times.values(), default=0), _MOST_SAME),
        ("reasons", len(signature.reasons), _MOST_REASONS),
        ("reasons' names", max((len(r.name) for r in signature.reasons), default=0), _MOST_WORDS),
        (
            "reasons' words",
            max((len(r.words) + len(r.phrase) for r in signature.reasons), default=0),
            _MOST_WORDS,
        ),
        ("spread.per_day", len(signature.spread.per_day), _MOST_DAYS),
    ):
        if size > most:
            raise InputError(f"signature.{name}: at most {most} expected, {size} found")
    if not len(signature.grams) and not len(signature.prototypes):
        raise InputError("signature: grams or prototypes expected, neither found: it can match nothing")


def _check_shown(signature: Signature) -> None:
    """Refuse what matches by text that it does not show: by itself, or for the most part."""
    in_template = np.isin(signature.grams, template_grams(signature.template))
    total = float(signature.weights.sum(dtype=np.float64))
    hidden = float(signature.weights[~in_template].sum(dtype=np.float64))
    if hidden > (1 - LEAST_SHOWN) * total or not total:
        raise InputError(
            f"signature.grams: at least {LEAST_SHOWN:.0%} of their weight expected in the template's text, "
            f"{1 - hidden / (total or 1):.0%} found: it matches by text that it does not show"
        )
    alone = float(score_of(np.array([hidden], np.float32), np.array([total], np.float32))[0])
    if hidden and alone >= base_threshold(signature):
        raise InputError(
            f"signature.grams: those that are not in the template score {alone:.3f} by themselves, less than the "
            f"threshold of {base_threshold(signature):.3f} expected: it matches by text that it does not show"
        )


def _between(name: str, value: float, low: float, high: float, what: str = "a number") -> None:
    if not low <= value <= high:
        raise InputError(f"signature.{name}: {what} from {low:g} to {high:g} expected, {value:g} found")


def _add(by_family: dict[str, tuple[str, Signature]], place: str, signature: Signature) -> None:
    """Add a signature, unless it is there; raises InputError where another of that family is."""
    where, other = by_family.setdefault(signature.family_id, (place, signature))
    if signature_json.to_json(other)["content_hash"] != signature_json.to_json(signature)["content_hash"]:
        raise InputError(f"signature.family_id: {signature.family_id} is also in {where}, with other content")


def _values(source: ImportFile) -> tuple[list[tuple[str, object]], int]:
    """Return what may be signatures, each with its place, and how many indicators are revoked."""
    if len(source.content) > LARGEST:
        raise InputError(
            f"{source.name}: at most {LARGEST:,} bytes expected, {len(source.content):,} found; import it in parts"
        )
    values: list[tuple[str, object]] = []
    revoked = 0
    for number, value in _documents(source):
        place = f"{source.name} line {number}"
        if isinstance(value, dict) and "Event" in value:
            raise InputError(f"{place}: our JSON or a STIX bundle expected, a MISP event found")
        if not isinstance(value, dict) or "objects" not in value:
            values.append((place, value))
            continue
        try:
            carried, out = stix.signatures_in(value)
        except InputError as error:
            raise InputError(f"{place}: {error}") from error
        if not carried and not out:
            raise InputError(
                f"{place}: at least one indicator with the extension {stix.EXTENSION} expected, "
                f"none found among {len(value['objects'])} objects"
            )
        values += [(f"{place}: {name}", signature) for name, signature in carried]
        revoked += out
    return values, revoked


def _documents(source: ImportFile) -> Iterator[tuple[int, object]]:
    """Give the one JSON value of a file, or one a line; raises InputError."""
    if not source.content.strip():
        return
    try:
        yield 1, orjson.loads(source.content)
        return
    except orjson.JSONDecodeError as error:
        lines = [(n, line) for n, line in enumerate(source.content.split(b"\n"), 1) if line.strip()]
        if len(lines) == 1:
            raise InputError(
                f"{source.name} line {lines[0][0]}: a JSON object expected: {error.msg}"
            ) from error
    for number, line in lines:
        try:
            yield number, orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise InputError(f"{source.name} line {number}: a JSON object expected: {error.msg}") from error
