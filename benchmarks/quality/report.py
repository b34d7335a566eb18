"""What quality.py prints: the figures in tables, then the bars."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter

from benchmarks.common.figures import AccountScores, LookupScores, Quality
from benchmarks.common.tables import table, title
from benchmarks.quality import bars
from benchmarks.quality.bars import Bar


def as_text(name: str, quality: Quality, limits: Sequence[Bar]) -> str:
    """Lay out all of a run but the figures by family."""
    return "\n".join([title(name), *_tables(quality), title("Bars"), bars.as_text(limits)])


def _tables(quality: Quality) -> Iterator[str]:
    yield from (title("Nights"), _nights(quality))
    yield from (title("Families: campaign requests against their templates"), _families(quality))
    yield from ("", _by_evasion(quality))
    for days, scores in quality.lookup.items():
        yield from (title(f"Lookup of {days} among the families of {quality.days[0]}"), _lookup(scores))
    yield from (title("Campaigns: requests in flagged families"), _campaigns(quality))
    yield from (title("Accounts that sent campaign requests, after each night"), _accounts(quality))
    for what in ("by_mixing", "by_campaign_requests"):
        yield from ("", _by_bin(quality.accounts, what))
    if quality.continuity:
        yield from (title("Continuity: a template's family from day to day"), _continuity(quality))


def _nights(quality: Quality) -> str:
    columns = (
        "requests",
        "distinct_prompts",
        "families",
        "new_families",
        "flagged",
        "seconds",
        "cpu_seconds",
        "peak_mb",
    )
    rows = [_row(column.replace("_", " "), quality.nights, column) for column in columns]
    stages = [
        (f"  {stage}, seconds", *(f"{night.stages[stage]:.1f}" for night in quality.nights))
        for stage in quality.nights[0].stages
    ]
    return table(["", *(night.name for night in quality.nights)], [*rows, *stages])


def _families(quality: Quality) -> str:
    names = {
        "micro F1": "overall.f1",
        "  precision": "overall.precision",
        "  recall": "overall.recall",
        "macro F1 over families": "macro_f1_over_families",
        "adjusted Rand index": "adjusted_rand",
        "in the right family": "overall.majority_ok",
        "families found": "predicted_families",
        "found per template, median": "predicted_per_true_median",
        "background in families": "background_in_families",
        "  unrepeated background": "background_unrepeated_in_families",
        "  in campaign families": "background_in_campaign_families",
        "honest templates in families": "benign_template_in_families",
        "weak templates in families": "weak_assigned",
    }
    rows = [_row(name, quality.families.values(), path) for name, path in names.items()]
    return table(["", *quality.families], rows)


def _by_evasion(quality: Quality) -> str:
    kinds = sorted({kind for scores in quality.families.values() for kind in scores.by_evasion})
    rows = []
    for kind in kinds:
        parts = [scores.by_evasion.get(kind) for scores in quality.families.values()]
        rows.append([kind, *(value for part in parts for value in (_of(part, "requests"), _of(part, "f1")))])
    return table(["F1 by evasion", *(head for day in quality.families for head in ("requests", day))], rows)


def _lookup(scores: LookupScores) -> str:
    facts = {
        "known templates": scores.known_templates,
        "  of which stored": scores.known_templates_stored,
        "own thresholds: false on background": scores.fpr_background,
        "  false on honest templates": scores.fpr_benign_template,
        "  new campaigns taken for known ones": scores.fpr_new_campaigns,
        "  background matched to any family": scores.any_match_background,
        "  honest templates matched to themselves": scores.benign_matched_to_itself,
        **{f"threshold, {name}": cut for name, cut in scores.thresholds.items()},
    }
    parts = {"all": scores.overall, **scores.by_evasion}
    head = [
        "TPR",
        "requests",
        "own",
        "wrong",
        *(name.replace("background", "bg") for name in scores.thresholds),
    ]
    rows = [(n, p.requests, p.tpr_own_threshold, p.wrong_family, *p.tpr.values()) for n, p in parts.items()]
    return "\n".join([table(["", ""], list(facts.items())).lstrip("\n"), "", table(head, rows)])


def _campaigns(quality: Quality) -> str:
    columns = (
        "precision",
        "recall",
        "f1",
        "average_precision",
        "campaigns_found_half",
        "families",
        "campaign_families",
    )
    counts = ("flagged_families", "flagged_background", "flagged_benign_template")
    rows = [
        _row(column.replace("_", " "), quality.campaigns.values(), column) for column in (*columns, *counts)
    ]
    some = (scores.benign_flagged_by_kind.items() for scores in quality.campaigns.values())
    kinds = sorted({kind for shares in some for kind, share in shares if share.flagged})
    for kind in kinds:
        shares = (scores.benign_flagged_by_kind.get(kind) for scores in quality.campaigns.values())
        rows.append((f"  flagged of {kind}", *(_of(share, "flagged") for share in shares)))
    return table(["", *quality.campaigns], rows)


def _accounts(quality: Quality) -> str:
    names = {
        "accounts": "accounts",
        "sent campaign requests": "positive",
        "flags: precision": "precision",
        "  recall": "recall",
        "  false positive rate": "false_positive_rate",
        "recall at FPR 0.3 %": "recall_at_rate",
        "average precision": "average_precision",
    }
    rows = [_row(name, quality.accounts.values(), path) for name, path in names.items()]
    return table(["", *quality.accounts], rows)


def _by_bin(accounts: Mapping[str, AccountScores], what: str) -> str:
    first = "recall at FPR 0.3 % by share" if what == "by_mixing" else "recall at FPR 0.3 % by requests"
    bins = list(getattr(next(iter(accounts.values())), what))
    rows = []
    for name in bins:
        parts = [getattr(scores, what)[name] for scores in accounts.values()]
        rows.append([name, *(value for part in parts for value in (part.accounts, part.recall_at_rate))])
    return table([first, *(head for days in accounts for head in ("accounts", days))], rows)


def _continuity(quality: Quality) -> str:
    columns = ("templates_on_both_days", "same", "switched", "lost", "share_same")
    rows = [_row(column.replace("_", " "), quality.continuity.values(), column) for column in columns]
    return table(["", *quality.continuity], rows)


def _row(name: str, things: Iterable[object], path: str) -> tuple[object, ...]:
    get = attrgetter(path)
    return (name, *(get(thing) for thing in things))


def _of(thing: object, name: str) -> float:
    return math.nan if thing is None else getattr(thing, name)
