"""Texts into vectors: sentence embeddings, their cache, and how much of a template's meaning a prompt holds.

In: Arrow columns of strings. Out: (n, d) float32 unit rows, zero rows for texts without a known token.

Read `embedder.py` first. `model_files.py` finds and verifies a model's files; `static_model.py` reads the default one
without torch, by way of `token_cache.py` and `wordpiece.py`; `vector_cache.py` keeps vectors by content;
`similarity.py` compares sentences.
"""
