"""What reliability.py prints and draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common.calibration import Curve, Flags, Rate
from benchmarks.common.tables import table, title
from benchmarks.quality.holding import ThresholdCheck


def thresholds_text(checks: Sequence[ThresholdCheck]) -> str:
    """Lay out stated and observed rates."""
    head = (
        "stated",
        "looked up",
        "families",
        "pairs",
        "  up to",
        "apart",
        "  up to",
        "raised",
        "  up to",
        "broken",
        "requests",
        "to campaigns",
    )
    rows = [
        (
            f"{row.stated:g}",
            row.traffic,
            f"{row.families} ({row.families_raised})",
            *(f"{x:.1e}" for r in (row.pairs, row.apart, row.raised) for x in (r.rate, r.high)),
            row.broken,
            f"{row.any_family.rate:.1e}",
            f"{row.campaign.rate:.1e}",
        )
        for row in checks
    ]
    words = "Thresholds: stated and observed false-positive rates, families (of which above the floor)"
    return f"{title(words)}\n{table(head, rows)}"


def scores_text(
    curves: Mapping[str, Curve], flagged: tuple[float, Rate], flags: Sequence[Flags], again: Mapping[str, Any]
) -> str:
    """Lay out predicted and observed shares of campaigns; flagged: from which score on, and how many are campaigns'."""
    flag_from, rate = flagged
    whole = curves["all"]
    cells = [
        (
            f"{b.begin:g}-{b.end:g}",
            b.observed.happened,
            b.observed.trials,
            *(f"{x:.3f}" for x in (b.predicted, b.share, b.low, b.high)),
        )
        for b in whole.bins
    ]
    names = ("score", "campaigns", "families", "predicted", "observed", "from", "to")
    parts = [
        title(
            f"Scores: predicted and observed share of campaigns, were {whole.base_rate:.1%} of families theirs"
        ),
        table(names, cells),
    ]
    cells = [
        (
            name,
            one.families,
            one.campaigns,
            *(f"{x:.4f}" for x in (one.base_rate, one.brier, one.error, one.log_loss)),
        )
        for name, one in curves.items()
    ]
    names = ("traffic", "families", "campaigns", "base rate", "Brier", "calibration error", "log loss")
    parts += ["", table(names, cells)]
    parts.append(
        f"\n  flagged (score {flag_from:g} and more): {rate.trials}, of which campaigns {rate.rate:.3f} ({rate.low:.3f} to {rate.high:.3f})"
    )
    parts += [
        f"  of 1,000 families, {one.base_rate:.0%} campaigns': flags of campaigns {one.campaigns_expected:.2f} expected, "
        f"{one.campaigns_observed:.2f} observed; of honest families {one.honest_expected:.2f} expected, "
        f"{one.honest_observed:.2f} observed ({one.honest_low:.2f} to {one.honest_high:.2f})"
        for one in flags
    ]
    before, after = (
        ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in again[when].items())
        for when in ("before", "after")
    )
    parts.append(
        f"  a map fitted on half of the seeds has slope {again['slope']:.2f} and offset {again['offset']:+.2f}; "
        f"on the other half: {before} as it is, {after} with the map"
    )
    return "\n".join(parts)


def plotted(curves: Mapping[str, Curve], kinds: Sequence[str], flag_from: float, out: Path) -> None:
    """Draw the reliability curve, with intervals, and how many families each bin has."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "fingerprint"
    from matplotlib import pyplot as plt

    figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(6, 7), sharex=True, gridspec_kw={"height_ratios": [3, 1]}
    )
    top.plot([0, 1], [0, 1], color="0.7", linestyle="--", label="perfect")
    bins = curves["all"].bins
    at = [b.predicted for b in bins]
    seen = [b.share for b in bins]
    below = [b.share - b.low for b in bins]
    above = [b.high - b.share for b in bins]
    top.errorbar(at, seen, yerr=[below, above], marker="o", capsize=3, label="all traffic")
    for name in kinds:
        few = [b for b in curves[name].bins if b.observed.trials >= 20]
        if curves[name].campaigns:
            top.plot(
                [b.predicted for b in few], [b.observed.rate for b in few], marker=".", alpha=0.6, label=name
            )
    top.axvline(flag_from, color="0.5", linewidth=0.8)
    top.annotate("flagged", (flag_from + 0.005, 0.03), fontsize=8, color="0.4")
    top.set_ylabel("observed share of campaigns")
    top.legend(frameon=False, fontsize=8)
    bottom.bar(at, [b.observed.trials for b in bins], width=0.02)
    bottom.set_yscale("log")
    bottom.set_xlabel("score")
    bottom.set_ylabel("families")
    figure.tight_layout()
    figure.savefig(out, metadata={"Date": None})
    plt.close(figure)
