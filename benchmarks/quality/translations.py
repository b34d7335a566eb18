"""How often the sentence of the same meaning is nearest, between English and twelve other languages.

    python -m benchmarks.quality.translations --model multilingual

`instructions/` has 100 instructions in each language, a line each, written for this project: line n says the same in all.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.common import machine
from fingerprint.base.types import FloatArray
from fingerprint.embedding.embedder import Embedder
from fingerprint.text.normalise import normalise

FOLDER = Path(__file__).parent / "instructions"


@dataclass(frozen=True, slots=True)
class Retrieval:
    """One language against English.

    into_english: share of its instructions to which the right English one of all is nearest; from_english: the other way
    round. cosine: mean between instructions of the same meaning; others: between all other pairs.
    """

    language: str
    into_english: float
    from_english: float
    cosine: float
    others: float


def read_language(language: str) -> list[str]:
    """Return the instructions in a language, by its ISO 639-1 code."""
    return (FOLDER / f"{language}.txt").read_text(encoding="utf-8").splitlines()


def vectors_of(embedder: Embedder, language: str) -> FloatArray:
    """Return the vectors (n, d) of the instructions, normalised as those of prompts."""
    return embedder.encode(normalise(pa.array(read_language(language), pa.large_string())))


def retrieval(language: str, theirs: FloatArray, english: FloatArray) -> Retrieval:
    """Compare instructions (n, d) in a language with the English ones (n, d)."""
    cosines = theirs @ english.T
    own, each = np.diag(cosines), np.arange(len(cosines))
    others = (cosines.sum() - own.sum()) / (cosines.size - len(own))
    return Retrieval(
        language,
        float((cosines.argmax(axis=1) == each).mean()),
        float((cosines.argmax(axis=0) == each).mean()),
        float(own.mean()),
        float(others),
    )


def measure(model: str) -> list[Retrieval]:
    """Compare all languages with English."""
    embedder = Embedder.load(model, light=True)
    english = vectors_of(embedder, "en")
    codes = sorted(path.stem for path in FOLDER.glob("*.txt") if path.stem != "en")
    return [retrieval(code, vectors_of(embedder, code), english) for code in codes]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="multilingual", help="as of `fingerprint nightly`")
    parser.add_argument("--json", type=Path, help="write what was measured")
    given = parser.parse_args()
    found = measure(given.model)
    print("language  into English  from English  cosine  others")
    for r in found:
        print(
            f"{r.language:8}  {r.into_english:12.2f}  {r.from_english:12.2f}  {r.cosine:6.2f}  {r.others:6.2f}"
        )
    print(
        f"mean      {np.mean([r.into_english for r in found]):12.3f}  {np.mean([r.from_english for r in found]):12.3f}"
    )
    if given.json is not None:
        facts = {"model": given.model, "languages": [asdict(r) for r in found], **machine.facts()}
        given.json.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
