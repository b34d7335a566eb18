from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.domain.schemas import SYSTEM_END, TURN_END
from fingerprint.text.masking import MASKS
from fingerprint.text.tokenise import tokens

PLAIN = st.text("ab7Z", min_size=1, max_size=6)
WORDS = st.one_of(
    PLAIN,
    PLAIN,
    st.integers(7, 150).map(lambda size: "word" * size),
    st.integers(57, 70).map(lambda size: "x" * size),
    st.sampled_from(["don't", "two_parts", "über", "naïve", "слово", "a" * 64 + "'b", *MASKS, "字"]),
)
GAPS = st.sampled_from([" ", " ", ", ", " - ", ". ", " ' ", "_ ", SYSTEM_END, TURN_END])
TEXTS = st.lists(st.tuples(WORDS, GAPS), max_size=40)


def hashed(word: str) -> int:
    """FNV-1a and the finaliser of splitmix64, byte by byte."""
    h, most = 0xCBF29CE484222325, (1 << 64) - 1
    for byte in word.encode():
        h = (h ^ byte) * 0x100000001B3 & most
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        h = (h ^ (h >> shift)) * factor & most
    return h ^ (h >> 31) or 1


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_tokens_are_the_words_wherever_they_stand(texts: list[list[tuple[str, str]]]) -> None:
    joined = ["".join(word + gap for word, gap in text) for text in texts]
    found = tokens(pa.array(joined, pa.large_string()))
    for n, text in enumerate(texts):
        own = slice(found.row_offsets[n], found.row_offsets[n + 1])
        written = joined[n].encode()
        spans = zip(found.starts[own].tolist(), found.ends[own].tolist(), strict=True)
        assert [written[a:b].decode() for a, b in spans] == [word for word, _ in text]
        assert found.hashes[own].tolist() == [hashed(word) for word, _ in text]


def test_sections_are_counted_from_the_system_prompt_on() -> None:
    text = f"you are {SYSTEM_END}first turn{TURN_END}second"
    assert tokens(pa.array([text, "first turn"], pa.large_string())).section.tolist() == [0, 0, 1, 1, 2, 1, 1]


def test_signs_are_tokens_only_of_a_text_that_has_nothing_else() -> None:
    found = tokens(pa.array(["?! -", "a ?!", "", "x" * 80 + "?"], pa.large_string()))
    assert found.row_offsets.tolist() == [0, 3, 4, 4, 5]
