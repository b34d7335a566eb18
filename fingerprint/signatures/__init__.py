"""Families into what is stored and matched: template, weights, thresholds, sentence vectors, other wordings.

In: a batch with its `Discovery` and `Topics`. Out: `Described`, signatures and each prompt's family; then `NightFamilies`,
the same with rewordings joined to their originals.

Read `describe.py` first, then `rewordings.py`. `template`, `spelling` and `slots` write the text, `wordings` that of families
that are worded anew in every request; `calibrate` sets weights and thresholds, `prototypes` the meaning, `spread` who sent
it; `variants`, `siblings`, `translations` and `adoption` find other wordings. `match_score` is the formula that a lookup and
all of these share.
"""
