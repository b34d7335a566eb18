"""The tokenizer of the multilingual model: the English one's words, and those of other languages beside them.

Texts are cut as before, and then around runs of letters of scripts that put no spaces between words; WordPiece takes the
longest known word at each place of such a run. Several words may have one number, for there are more words than rows:
the tokenizers library reads such a vocabulary, but would write only one word of each number.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers.normalizers import BertNormalizer

SPACELESS = ("zh", "ja", "th")
"""Languages that put no spaces between words."""

RUN = "[\u0e01-\u0e4e\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3400-\u4dbf\u4e00-\u9fff]"
"""A letter of a script without spaces."""

MOST_IN_RUN = 64
"""Letters that are cut as one word at most: a longer word than the tokenizer's limit would be unknown."""

SCRIPTS = [
    range(0x0370, 0x0530), range(0x0590, 0x0700), range(0x0900, 0x0980), range(0x0E00, 0x0E80), range(0x1100, 0x1200),
    range(0x3040, 0x3100), range(0x3400, 0x4DC0), range(0x4E00, 0xA000),
]  # fmt: skip
"""Greek and Cyrillic, Hebrew and Arabic, Devanagari, Thai, Hangul by letters, kana, Han."""

NOTHING = 0
"""The number of [PAD], whose row is zero."""

PREFIX = "##"
_NORMALISE = BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=None, lowercase=True)
_OF_SCRIPTS = re.compile("[" + "".join(f"{chr(s.start)}-{chr(s.stop - 1)}" for s in SCRIPTS) + "]")
_JAMO = range(0x1100, 0x1200)


def key_of(text: str) -> str:
    """What the tokenizer makes of a word, "" for what is not one word to it."""
    key = _NORMALISE.normalize_str(text).strip()
    if any(unicodedata.category(c)[0] in "PZSC" for c in key) or not any(c.isalpha() for c in key):
        return ""
    inside = len(re.findall(RUN, key))
    return key if inside in (0, len(key)) and len(key) <= MOST_IN_RUN else ""


def goes_on(key: str) -> bool:
    """Tell whether a word may stand behind another without a space between."""
    least = 4 if ord(key[0]) in _JAMO else 2  # two syllables of Hangul, two letters of what has no spaces
    return len(key) >= least and (ord(key[0]) in _JAMO or re.match(RUN, key) is not None)


def vocabulary_of(english: Mapping[str, int], words: Mapping[str, int]) -> dict[str, int]:
    """Numbers of all pieces: the English ones, other words, and letters of their scripts, which say nothing alone."""
    out = {piece: number for piece, number in english.items() if not _OF_SCRIPTS.search(piece)}
    for key, number in words.items():
        out.setdefault(key, number)
        if goes_on(key):
            out.setdefault(PREFIX + key, number)
    for script in SCRIPTS:
        for code in script:
            for piece in (chr(code), PREFIX + chr(code)):
                out.setdefault(piece, NOTHING)
    return out


def tokenizer_json(english: Mapping[str, Any], words: Mapping[str, int]) -> str:
    """The tokenizers file of the joined vocabulary."""
    facts = {**english}
    facts["normalizer"] = {**english["normalizer"], "handle_chinese_chars": False}
    run = {"Regex": f"{RUN}{{1,{MOST_IN_RUN}}}"}
    facts["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [
            english["pre_tokenizer"],
            {"type": "Split", "pattern": run, "behavior": "Isolated", "invert": False},
        ],
    }
    facts["model"] = {**english["model"], "vocab": vocabulary_of(english["model"]["vocab"], words)}
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":"))


def english_json(folder: Path) -> dict[str, Any]:
    """Read the English model's tokenizers file."""
    facts: dict[str, Any] = json.loads((folder / "tokenizer.json").read_bytes())
    return facts
