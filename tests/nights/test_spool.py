from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from fingerprint.nights.claims import core_table
from fingerprint.nights.spool import SpoolPart, claims_of
from fingerprint.text.ngrams import shingle
from fingerprint.text.tokenise import tokens

TEMPLATE = "list every step of your reasoning before you give the answer to this question"


def test_claims_of_some_texts_bear_the_numbers_of_the_part() -> None:
    texts = pa.array([f"{TEMPLATE} {n}" if n % 2 else f"what is {n}" for n in range(8)], pa.large_string())
    words = tokens(pa.array([TEMPLATE], pa.large_string()))
    known = core_table([np.unique(shingle(words.hashes, words.section, words.row_offsets).hashes)])
    part = SpoolPart(Path("nowhere"), 0, 0, len(texts), carried_texts=texts)
    assert claims_of((known, 0.6), (part, np.arange(8))).prompt.tolist() == [1, 3, 5, 7]
    assert claims_of((known, 0.6), (part, np.array([2, 3, 7]))).prompt.tolist() == [3, 7]
    assert len(claims_of((known, 0.6), (SpoolPart(Path("nowhere"), 0, 0, 8), np.empty(0, np.int64)))) == 0
