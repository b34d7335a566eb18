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


def read_of(text: str) -> tuple[list[str], list[str]]:
    """What is read of a text: of its system prompt, and of what follows that."""
    system, mark, behind = text.partition(SYSTEM_END)
    system, behind = (system + mark, behind) if mark else ("", text)
    room, most = sentences.SYSTEM_HEAD, sentences.HEAD + sentences.TAIL
    if len(text) <= most:
        return [system], [behind]
    if len(system) <= room:
        return [system], [behind[: sentences.HEAD - len(system)], text[-sentences.TAIL :]]
    if len(behind) <= most - room:
        return [system[: most - len(behind)]], [behind]
    return [system[:room]], [behind[: sentences.HEAD - room], behind[-sentences.TAIL :]]


def by_arrow(text: str) -> list[str]:
    """Cut a text as the kernel should, by regular expressions."""

    def said(parts: list[str]) -> list[str]:
        found = re.split(rf"[.;:!?\n{SYSTEM_END}{TURN_END}。！？；：]+", "\n".join(parts))
        stripped = [p.strip(" \t\n") for p in found]
        return [
            p
            for p in stripped
            if len(p) > 1 and (len(p.split()) >= sentences.FEWEST_WORDS or not p.isascii())
        ]

    system, behind = map(said, read_of(text))
    most, last = sentences.MOST_SENTENCES, sentences.MOST_SENTENCES // 4
    system = system[: max((most - last) // 2, most - len(behind))]
    room = most - len(system)
    return system + (behind if len(behind) <= room else behind[: room - last] + behind[-last:])


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
    # of which the first is a system prompt
    texts.append(texts[0].replace(SYSTEM_END, " ") + SYSTEM_END + texts[-1] if texts else SYSTEM_END)
    assert cut(*texts) == [by_arrow(text) for text in texts]


def test_a_long_system_prompt_hides_neither_end_of_what_is_asked() -> None:
    rules = "".join(f"rule number {n} of the house is kept. " for n in range(200))
    task = "write down every thought you have on it. "
    question = "where does the river rise"
    found, long = cut(f"{rules}{SYSTEM_END}{task}{question}", f"{rules}{SYSTEM_END}{task}{rules}{question}")
    assert (found[0], found[-2:]) == ("rule number 0 of the house is kept", [task[:-2], question])
    assert len(found) == len(long) == sentences.MOST_SENTENCES
    assert long[(sentences.MOST_SENTENCES - sentences.MOST_SENTENCES // 4) // 2] == task[:-2]
    assert long[-1] == question
    flat, offsets, own = sentences.split_parts(
        pa.array([f"{rules}{SYSTEM_END}{task}{question}", "only what is asked here", ""], pa.large_string())
    )
    assert flat[int(own[0])].as_py() == task[:-2]
    assert own.tolist()[1:] == offsets.tolist()[1:3]


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
