"""Token ids of texts, word by word: most words of a request were seen before, and a tokenizer is slow beside a dict."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from fingerprint.records import IntArray

MOST = 1 << 17
"""Words remembered, some 30 MB; when there are more, all are forgotten."""

LONGEST = 64
"""Characters of a word that is remembered: longer ones hardly come again."""


def splits_at_spaces(tokenizer: Any) -> bool:
    """Tell whether a tokenizer gives a text the ids of its parts between spaces, as BERT's does."""
    parts = json.loads(tokenizer.to_str())
    kinds = [(parts[name] or {}).get("type") for name in ("normalizer", "pre_tokenizer", "model")]
    # an added token may take the spaces beside it, which have no ids, or hold one
    whole = all(" " not in token["content"] for token in parts["added_tokens"])
    return (
        whole and parts["truncation"] is None and kinds == ["BertNormalizer", "BertPreTokenizer", "WordPiece"]
    )


class WordIds:
    """Remembers the ids of words, of a tokenizer that splits at spaces; safe to use from several threads."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._known: dict[str, tuple[int, ...]] = {}

    def of(self, texts: Sequence[str]) -> tuple[IntArray, IntArray]:
        """Return the ids of all n texts in one array, and where each text's begin, (n + 1,)."""
        parts = [text.split(" ") for text in texts]
        words = list(chain.from_iterable(parts))
        found = self._ids(words)
        ends = np.cumsum(np.fromiter(map(len, found), np.int64, len(found)))
        ends = np.concatenate([np.zeros(1, np.int64), ends])
        lasts = np.cumsum(np.fromiter(map(len, parts), np.int64, len(parts)))
        offsets = ends[np.concatenate([np.zeros(1, np.int64), lasts])]
        return np.fromiter(chain.from_iterable(found), np.int64, int(ends[-1])), offsets

    def _ids(self, words: list[str]) -> list[tuple[int, ...]]:
        known = self._known
        found = list(map(known.get, words))
        new = list(dict.fromkeys(word for word, ids in zip(words, found, strict=True) if ids is None))
        if new:
            encoded = self._tokenizer.encode_batch_fast(new, add_special_tokens=False)
            made = {word: tuple(e.ids) for word, e in zip(new, encoded, strict=True)}
            self._remember(made)
            found = [made[w] if ids is None else ids for w, ids in zip(words, found, strict=True)]
        return found  # type: ignore[return-value]

    def _remember(self, made: dict[str, tuple[int, ...]]) -> None:
        kept = [item for item in made.items() if len(item[0]) <= LONGEST][: MOST // 2]
        if len(self._known) + len(kept) > MOST:
            self._known = {}
        self._known.update(kept)
