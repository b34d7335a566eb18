"""One statistic a file, beside its null model; those of one null model share a file.

In: `evidence.observations.Observations`, what a statistic may look at. Out: a `Trait`, (f,) of each family. Each is a
row of `assessment.features.SCORE_FEATURES`, which says what it weighs. Read `concentration.py` first: it is short and
shows all there is to a statistic.
"""
