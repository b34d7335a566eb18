"""The robustness card, as a section of docs/results.md."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from benchmarks.common.results import Run, paragraph, read, section, table

SAME = 0.05
"""Strengths of an evasion that differ by no more in any figure are one row, that of the greatest strength."""

FIGURES = ("f1", "flagged", "tpr", "tpr_fresh")


def card() -> str:
    """Write what an attacker pays, and what is still found: evasions, then accounts."""
    run = read("evasion")
    rows = [
        [
            row["evasion"],
            f"{row['strength']:g}",
            f"{row['cost']['lost']:.2f}",
            f"{round(row['cost']['words']):,}",
            *(f"{row[figure]:.3f}" for figure in FIGURES),
        ]
        for _, strengths in groupby(run["evasions"], key=lambda row: row["evasion"])
        for row in _telling(list(strengths))
    ]
    spread = [
        [
            f"{row['load']} a day",
            f"{row['accounts']:.0f}",
            f"{row['jitter']:g}",
            "yes" if row["metadata"] else "no",
            f"{row['f1']:.3f}",
            f"{row['flagged']:.3f}",
        ]
        for row in run["spread"]
    ]
    return section(
        "Robustness card",
        paragraph(f"""What an attacker pays, and what is still found (`python -m benchmarks.robustness.evasion`;
            simulated, {run["run"]["rows"]:,} requests a day, {run["evasions"][0]["templates"]} templates; every
            request of the second day evades). *Template lost*: share of its runs of four words that are no longer
            there letter for letter. *Family F1, flagged*: of that day as a night into an empty home. *Looked up*: in a
            home that knows the template as first written, at the score that 1 in 1,000 honest requests exceeds. Where
            a strength is left out, no figure differs by more than {SAME:g}."""),
        table(
            [
                "evasion",
                "strength",
                "template lost",
                "words added",
                "family F1, first night",
                "flagged, first night",
                "looked up, 1 in 1,000",
                "the same, fresh accounts",
            ],
            rows,
        ),
        paragraph("""Ids scattered through every sentence hide a template of one sentence from a first night, and sentences
            left out one of two. Where the template is known, lookups find all of these, and six in ten translations
            with the default model; with an English model one in ten. Rows of other mixtures with a translation
            are of the English model."""),
        "![What is found against the strength of each evasion](../benchmarks/results/evasion.svg)\n",
        paragraph("""The other price is accounts. Templates as written, a pool as large as the load requires (mean of
            campaigns); *jitter*: how far bursts are blurred into the daily rhythm. Families are found all the same,
            but there is less and less to prove that they are a campaign:"""),
        table(
            ["requests an account", "accounts of a pool", "jitter", "metadata", "family F1", "flagged"],
            spread,
        ),
    )


def _telling(strengths: Sequence[Run]) -> Sequence[Run]:
    """Return the rows of an evasion: all where its strength makes a difference, else the last."""
    ranges = ([row[figure] for row in strengths] for figure in FIGURES)
    return strengths if any(max(r) - min(r) > SAME for r in ranges) else strengths[-1:]
