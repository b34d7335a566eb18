"""Whose is a family? Scores with reasons for families and accounts, campaigns, and what happened to families.

In: a described night (`signatures.describe`), its batch, and what the home holds of earlier nights and labels. Out:
signatures with score, flag and reasons, and rows of accounts, campaigns and events to store.

Read `features.py` first, the table of all that counts. `assess.py` is the order: `family_statistics.py` measures,
`weights.py` weighs by what labels say, `verdict.py` adds up. `campaigns.py`, `departures.py`, `turn_taking.py` and
`lifecycle.py` each stand alone.
"""
