"""Prompts as text into what can be compared: normalised text, tokens, n-grams, sentences.

In: Arrow columns of strings. Out: columns of strings, and arrays of hashes with offsets that say where each prompt's
begin. The same functions serve nights, lookups and hunts; a change of what they return is a new version in every
signature's stamp (`normalise.VERSION`, `ngrams.VERSION`).

Read `normalise.py` first: `characters.py` says what each character folds to, `masking.py` replaces what varies by
itself (`mask_patterns.py` finds it). Then `tokenise.py`, `ngrams.py`, `ngram_table.py`; `sentences.py` stands alone.
"""
