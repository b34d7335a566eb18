"""What tells a campaign's pool of accounts from anybody: statistics, each beside a null model that says what chance gives.

In: who sent which request when (arrays over requests), families as rows of a matrix over them, what earlier nights hold.
Out: p-values of a family's senders (`Behaviour`), by which discovery tells templates from phrases; the statistics that
families are scored by (`Trait`, one file each in `statistics/`); pools of accounts; accounts unlike the others. Nothing
here knows of scores, weights or labels: that is `assessment`.

Read `observations.py` first, what a statistic may look at, and `statistics/concentration.py`, the shortest one; then
`null_models.py`. `coactivity.py`, `pools.py` and `two_sample.py` (with `strangeness.py` and
`empirical_null.py`) each stand alone.
"""
