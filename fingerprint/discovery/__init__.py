"""Families out of a batch: which prompts were written from one template, by text and by who sends them when.

In: batches of traffic (TRAFFIC_SCHEMA) and the stored signatures. Out: a `Discovery`, families as sets of n-grams and
of prompts, then `Topics`, families that share meaning only. Nothing here writes a signature.

Read `discover.py` first, it is the order: `batch` → `shared_ngrams` → `segments` → `families` → `selection`, which keeps
what `proof` proves. `layers` looks inside what many people send, `frames` at templates too small to be families by
themselves, `topics` and `leftovers` look at what then belongs to no family: `topics` at what is worded anew in every
request (`sentence_groups` → `reworded`), and then at what has one subject. `assignment` is what all of them
hand on: each prompt's family.
"""
