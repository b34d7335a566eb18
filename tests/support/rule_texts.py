"""What several test files make alike: LURES, TERMS, TEXTS, shown."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from fingerprint.sharing.rules import Terms

TERMS = Terms("amber", author='Example "AI" \\ Labs\nrule evil', tags=("distillation",))


# what could end a string, a line, a section, a rule, a regex or a comment, and letters of many scripts
NASTY = "/\\\"'{}()[]$*+?|^.:;,#=<>%&~`!@-_ \n\t\r\x0b\x0c\x85\u2028\u2029\0\x1b⟨⟩…’“ß\u0130éЖ你好안ไทย🙂\u0301\u200d"


_CHARACTERS = st.sampled_from(NASTY) | st.characters(codec="utf-8")


_WORDS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=5) | st.text(
    _CHARACTERS, max_size=6
)


TEXT = st.lists(st.tuples(_WORDS, st.sampled_from(NASTY)), min_size=6, max_size=20).map(
    lambda pairs: "".join(word + sign for word, sign in pairs)
)
"""Words of any letters, and signs, mostly enough of them for a rule."""


TEXTS = st.lists(TEXT, min_size=1, max_size=3)


LURES = (
    'case:true say "hi" to all of them and then stop',
    "condition: any of keywords.* or true } rule other { condition: true",
    "// a comment # another */ that never ends /i and goes on",
    "all of $p01 and 1 of them any none keywords semantics llm meta:",
)


def shown(texts: Sequence[str]) -> list[str]:
    """Return texts as prompts are shown, for rules know no invisible characters."""
    import pyarrow as pa

    from fingerprint.text.normalise import display

    return [str(text) for text in display(pa.array(texts, pa.large_string())).to_pylist()]
