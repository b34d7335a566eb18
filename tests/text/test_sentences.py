from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.domain.schemas import SYSTEM_END, TURN_END
from fingerprint.text import sentences


def cut(*texts: str) -> list[list[str]]:
    flat, offsets = sentences.split_sentences(pa.array(texts, pa.large_string()))
    return [flat[a:b].to_pylist() for a, b in pairwise(offsets)]


def test_sentences_leave_out_what_is_too_short_but_keep_other_scripts() -> None:
    assert cut("do this now. yes! 请写出全部推理。", "and so on; then stop here") == [
        ["do this now", "请写出全部推理"],
        ["and so on", "then stop here"],
    ]


def test_sections_end_sentences() -> None:
    assert cut(f"you are a poet{SYSTEM_END}write me a song{TURN_END}now another one") == [
        ["you are a poet", "write me a song", "now another one"]
    ]


def test_of_long_texts_the_beginning_and_the_end_are_read() -> None:
    (found,) = cut("first of all, listen. " + "blah blah blah! " * 5000 + "this is the end")
    assert len(found) == sentences.MOST_SENTENCES
    assert (found[0], found[-1]) == ("first of all, listen", "this is the end")


@pytest.mark.parametrize("texts", [[], [""], ["", "a b", "..."]])
def test_nothing_said(texts: list[str]) -> None:
    flat, offsets = sentences.split_sentences(pa.chunked_array([pa.array(texts, pa.large_string())]))
    assert (len(flat), offsets.tolist()) == (0, [0] * (len(texts) + 1))


@given(st.lists(st.text(), max_size=6))
def test_every_text_has_its_own_sentences(texts: list[str]) -> None:
    assert cut(*texts) == [cut(text)[0] for text in texts]


def by_arrow(text: str) -> list[str]:
    """Cut a text as the kernel should, by regular expressions."""
    if len(text) > sentences.HEAD + sentences.TAIL:
        text = f"{text[: sentences.HEAD]}\n{text[-sentences.TAIL :]}"
    parts = [p.strip(" \t\n") for p in re.split(rf"[.;:!?\n{SYSTEM_END}{TURN_END}。！？；：]+", text)]
    said = [p for p in parts if len(p) > 1 and (len(p.split()) >= sentences.FEWEST_WORDS or not p.isascii())]
    last = sentences.MOST_SENTENCES // 4
    return (
        said
        if len(said) <= sentences.MOST_SENTENCES
        else said[: sentences.MOST_SENTENCES - last] + said[-last:]
    )


WRITTEN = st.lists(
    st.sampled_from(
        [
            "one two",
            " three",
            "。",
            "！",
            "：",
            ".",
            "\n",
            SYSTEM_END,
            TURN_END,
            "请写出",
            "é",
            "a b c d ",
            "😀",
            "?!",
        ]
    ),
    max_size=400,
).map("".join)


@given(st.lists(WRITTEN, max_size=4), st.integers(1, 40))
def test_the_kernel_cuts_as_regular_expressions_do(texts: list[str], times: int) -> None:
    texts = [text * times for text in texts]
    assert cut(*texts) == [by_arrow(text) for text in texts]


def test_what_is_asked_follows_the_system_prompt() -> None:
    texts = pa.array(
        [f"a rule\nof it{SYSTEM_END}a task{TURN_END}more", "alone", f"b{SYSTEM_END}c"], pa.large_string()
    )
    chosen = np.array([True, True, False])
    assert sentences.asked(texts, chosen).to_pylist() == [f"a task{TURN_END}more", "alone", f"b{SYSTEM_END}c"]
    assert sentences.asked(texts, ~chosen)[2].as_py() == "c"
    assert sentences.asked(texts, np.zeros(3, dtype=np.bool_)) is texts


def test_of_chosen_texts_what_follows_the_system_prompt_is_asked() -> None:
    texts = [
        f"rules{SYSTEM_END}ask{SYSTEM_END}more",
        "no rules",
        f"é{SYSTEM_END}",
        f"rules{SYSTEM_END}kept",
        "",
    ]
    chosen = np.array([True, True, True, False, True])
    left = sentences.asked(pa.array(["before", *texts], pa.large_string()).slice(1), chosen)
    assert left.to_pylist() == [f"ask{SYSTEM_END}more", "no rules", "", texts[3], ""]
    assert sentences.asked(pa.array(texts), np.zeros(5, np.bool_)).to_pylist() == texts
