from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from support.made_signatures import signature_of

from fingerprint.matching import ngram_index
from fingerprint.sharing.phrases import MOST_PHRASES, WINDOW, phrases_of
from fingerprint.text.ngrams import shingle
from fingerprint.text.normalise import normalise
from fingerprint.text.tokenise import tokens

LONG = "Read the passage about the river and explain your hidden reasoning step by step before you answer it"
WORDS = st.lists(
    st.sampled_from(
        ["read", "the", "passage", "explain", "your", "hidden", "reasoning", "step", "by", "answer"]
    ),
    min_size=8,
)


def test_windows_overlap_so_that_every_gram_is_in_one() -> None:
    found = phrases_of(signature_of(LONG))
    assert found is not None
    assert [len(p.words) for p in found.phrases] == [WINDOW, WINDOW, WINDOW]
    assert found.phrases[0].words == ("Read", "the", "passage", "about", "the", "river", "and", "explain")
    assert found.phrases[1].words[:3] == found.phrases[0].words[-3:]
    # all grams but the two that hold the start or the end of the prompt
    assert sum(p.weight for p in found.phrases) == len(signature_of(LONG).grams) - 2
    assert found.needed == 2  # the threshold of 0.5 asks for 5.4 of 17 grams


def test_rare_words_are_looked_for_and_common_ones_left_out() -> None:
    signature = signature_of(*(f"{LONG} number{n} of all the many different ones here" for n in range(30)))
    common = np.isin(signature.grams, signature_of(LONG).grams)
    found = phrases_of(replace(signature, weights=np.where(common, 0.01, 1).astype(np.float32)))
    assert found is not None
    assert len(found.phrases) == MOST_PHRASES
    assert all("number" in " ".join(p.words) for p in found.phrases)


def test_masks_and_long_signs_cut_phrases() -> None:
    found = phrases_of(signature_of("in every line and never change the id ⟨uuid⟩ of any line that you keep"))
    assert found is not None
    assert [" ".join(p.words) for p in found.phrases] == [
        "in every line and never change the id",
        "of any line that you keep",
    ]
    assert phrases_of(signature_of("one two three " + "=" * 40 + " four five six")) is None


def test_words_are_as_they_were_sent_where_a_fold_joins_them() -> None:
    found = phrases_of(signature_of("Lis l’élève don’t 'til Ünïcode straße and write down every step"))
    assert found is not None
    assert found.phrases[0].words[:4] == ("Lis", "l’élève", "don’t", "til")
    assert found.phrases[0].words[4:6] == ("Ünïcode", "straße")


def test_too_little_text_makes_no_rule() -> None:
    assert phrases_of(signature_of()) is None
    assert phrases_of(signature_of("step by step")) is None
    assert phrases_of(signature_of(LONG, threshold=0.97)) is not None
    short = "explain your hidden reasoning step by step"
    assert phrases_of(signature_of(short)) is not None
    assert phrases_of(signature_of(short, threshold=0.97)) is None


@given(st.lists(WORDS, min_size=1, max_size=4), st.floats(0.5, 0.99), st.randoms(use_true_random=False))
def test_whoever_satisfies_the_rule_reaches_the_threshold(
    texts: list[list[str]], threshold: float, random: object
) -> None:
    signature = signature_of(*(" ".join(words) for words in texts), threshold=threshold)
    rng = np.random.default_rng(random.getrandbits(32))  # type: ignore[attr-defined]
    signature = replace(signature, weights=rng.uniform(0.05, 1, len(signature.grams)).astype(np.float32))
    found = phrases_of(signature)
    if found is None:
        return
    lightest = sorted(found.phrases, key=lambda p: p.weight)[: found.needed]
    # different words between the phrases, so that no gram of the template arises across them
    prompt = " zzz ".join(" ".join(p.words) for p in lightest)
    read = tokens(normalise(pa.array([f"so {prompt} so"], pa.large_string())))
    grams = shingle(read.hashes, read.section, read.row_offsets)
    index = ngram_index.index_ngrams([replace(signature, score=0.0)])
    assert ngram_index.best_hits(index, grams.hashes, grams.offsets).score[0] >= threshold - 1e-6
