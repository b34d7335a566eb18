"""The robustness card: what evasions cost, and what is still found of them, as text and as a plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.tables import table, title
from benchmarks.robustness.cost import Cost

CLEAN = "none"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One evasion at one strength. Shares are of the requests that evade, which are of `templates` templates.

    f1, flagged: of a night into an empty home. tpr, own: of lookups among the families of the day before, at the
    score that a thousandth of background exceeds and at the home's own thresholds; *_fresh: from accounts that
    never sent the template.
    """

    evasion: str
    strength: float
    requests: int
    templates: int
    cost: Cost
    f1: float
    flagged: float
    tpr: float
    own: float
    tpr_fresh: float
    own_fresh: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Templates as written, spread over more accounts and hours: requests an account sends, and what is found."""

    load: int
    jitter: float
    metadata: bool
    accounts: float  # of a campaign, on average
    f1: float
    flagged: float


COLUMNS = (
    "evasion",
    "strength",
    "templates",
    "requests",
    "template lost",
    "words added",
    "bytes ×",
    "F1",
    "flagged",
    "known: 1e-3",
    "own",
    "fresh: 1e-3",
    "own",
)
SPREAD_COLUMNS = ("requests an account", "accounts", "jitter", "metadata", "F1", "flagged")
CURVES = {
    "f1": "family F1, empty home",
    "flagged": "flagged, empty home",
    "tpr": "looked up at FPR 1e-3, known accounts",
    "tpr_fresh": "looked up at FPR 1e-3, fresh accounts",
}


def as_text(outcomes: Sequence[Outcome], spread: Sequence[Spread]) -> str:
    """Lay out the card."""
    parts = [title("Evasions: what they cost, and what is still found"), table(COLUMNS, rows(outcomes))]
    if spread:
        head = title("Templates as written, from more accounts that act less together")
        parts += [head, table(SPREAD_COLUMNS, spread_rows(spread))]
    return "\n".join(parts)


def rows(outcomes: Sequence[Outcome]) -> list[tuple[str, ...]]:
    """Write the outcomes as cells under COLUMNS."""
    return [
        (
            row.evasion,
            f"{row.strength:g}",
            str(row.templates),
            f"{row.requests:,}",
            f"{row.cost.lost:.0%}",
            f"{row.cost.words:,.0f}",
            f"{row.cost.bytes:.1f}",
            *(f"{x:.3f}" for x in (row.f1, row.flagged, row.tpr, row.own, row.tpr_fresh, row.own_fresh)),
        )
        for row in outcomes
    ]


def spread_rows(spread: Sequence[Spread]) -> list[tuple[str, ...]]:
    """Write what spreading does as cells under SPREAD_COLUMNS."""
    return [
        (
            f"{row.load} a day",
            f"{row.accounts:.0f}",
            f"{row.jitter:g}",
            "yes" if row.metadata else "no",
            f"{row.f1:.3f}",
            f"{row.flagged:.3f}",
        )
        for row in spread
    ]


def plotted(outcomes: Sequence[Outcome], out: Path) -> None:
    """Draw a panel for each evasion: what is found against its strength, and in grey what it costs the template."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "fingerprint"
    from matplotlib import pyplot as plt

    names = list(dict.fromkeys(row.evasion for row in outcomes if row.evasion != CLEAN))
    clean = [row for row in outcomes if row.evasion == CLEAN]
    wide = 5
    figure, panels = plt.subplots(
        -(-len(names) // wide),
        wide,
        figsize=(15, 2.4 * -(-len(names) // wide)),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    for panel, name in zip(panels.flat, names, strict=False):
        mine = [*clean, *(row for row in outcomes if row.evasion == name)]
        at = [row.strength for row in mine]
        panel.fill_between(at, [row.cost.lost for row in mine], color="0.88", label="template lost")
        for number, (field, label) in enumerate(CURVES.items()):
            panel.plot(at, [getattr(row, field) for row in mine], marker=".", color=f"C{number}", label=label)
        panel.set_title(name, fontsize=9)
        panel.set_ylim(-0.03, 1.03)
    for panel in panels.flat[len(names) :]:
        panel.set_visible(False)
    for panel in panels[-1]:
        panel.set_xlabel("strength")
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=len(labels), frameon=False, fontsize=9)
    figure.tight_layout(rect=(0, 0, 1, 0.96))
    figure.savefig(out, metadata={"Date": None})
    plt.close(figure)
