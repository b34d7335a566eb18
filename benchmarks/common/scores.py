"""How good families, lookups, campaigns and accounts are, against labelled traffic.

Requests of campaigns whose template has hardly any fixed text ("weak") count nowhere. Shares of nothing are NaN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.common.figures import (
    AccountPart,
    AccountScores,
    CampaignScores,
    ContinuityScores,
    FamilyPart,
    FamilyScores,
    Kept,
    LookupPart,
    LookupScores,
    Share,
)
from benchmarks.common.labelled import Floats, Mask, Mismatch, Names, Numbers, Truth, aligned
from benchmarks.common.measures import (
    adjusted_rand,
    average_precision,
    bcubed,
    f1,
    groups,
    majority,
    mean,
    ratio,
    share,
    threshold,
)

RATES = (1e-3, 1e-4)
"""False-positive rates at which lookup is scored."""

ACCOUNT_RATE = 0.003
"""False-positive rate at which accounts are scored."""

MIXING = {
    "<=0.075": (0.0, 0.075),
    "0.075-0.175": (0.075, 0.175),
    "0.175-0.375": (0.175, 0.375),
    "0.375-0.75": (0.375, 0.75),
    ">0.75": (0.75, 1.01),
}
"""Shares of an account's requests that are campaign: more than the first, at most the second."""

SENT = {"1": (0, 1), "2-3": (1, 3), "4-9": (3, 9), "10-29": (9, 29), ">=30": (29, math.inf)}
"""Campaign requests of an account: more than the first, at most the second."""

FEWEST = 5
"""Requests of a template on each of two days below which its continuity is not scored."""


def families(truth: Truth, predicted: Names) -> FamilyScores:
    """Score families (n,), aligned with the truth; one request alone is no family."""
    keep = truth.scored
    whole, true, family = truth, truth.only(keep), predicted.of[keep]
    # one place more than there are names, for -1
    sizes = np.bincount(family[family >= 0], minlength=len(predicted.names) + 1)
    family = np.where(sizes[family] > 1, family, -1)
    template, strong = true.family.of, true.strong
    if not strong.any():
        raise Mismatch("campaign requests expected in the truth, none found")
    mostly = majority(family, template, len(predicted.names))
    inside = family >= 0
    right = inside & (mostly[family] == template)
    precision, recall = bcubed(
        template[strong], family[strong], np.bincount(family[inside], minlength=len(predicted.names))
    )
    columns = np.stack([precision, recall, inside[strong], right[strong]])

    def part(rows: Mask) -> FamilyPart:
        p, r, given, ok = (mean(column) for column in columns[:, rows])
        return FamilyPart(int(rows.sum()), p, r, f1(p, r), given, ok)

    each = groups(Names(template[strong], true.family.names), part)
    pairs = np.unique(np.stack([template, family])[:, strong & inside], axis=1)[0]
    spread = np.bincount(pairs, minlength=len(true.family.names))[np.unique(template[strong])]
    background, campaigns = true.is_role("background"), np.unique(template[strong])
    return FamilyScores(
        overall=part(np.ones(int(strong.sum()), dtype=np.bool_)),
        macro_f1_over_families=mean(np.array([row.f1 for row in each.values()])),
        adjusted_rand=adjusted_rand(
            template[strong], np.where(inside, family, -1 - np.arange(len(family)))[strong]
        ),
        predicted_families=int((np.bincount(family[inside]) > 0).sum()),
        predicted_per_true_median=float(np.median(spread)),
        background_in_families=mean(inside[background]),
        background_unrepeated_in_families=mean(inside[background & ~true.repeat]),
        background_in_campaign_families=mean((inside & np.isin(mostly[family], campaigns))[background]),
        benign_template_in_families=mean(inside[true.is_role("benign_template")]),
        weak_assigned=mean(predicted.of[~whole.scored] >= 0),
        by_evasion=groups(true.evasion.only(strong), part),
        by_family=each,
    )


def lookup(truth: Truth, known: str, stored: Names, matches: pa.Table) -> LookupScores:
    """Score MATCHES of the days after `known`, against the families `stored` on that day, aligned with it.

    A stored family represents the template that most of its requests are of.
    """
    before = truth.on(known)
    later = truth.only(truth.day.of > truth.day.names.index(known))
    table = aligned(later, matches)
    own, best = table["family_id"], pc.coalesce(table["candidate_id"], table["family_id"])
    if pc.any(pc.and_(best.is_valid(), table["score"].is_null())).as_py():
        raise Mismatch("a score expected with each match and candidate, null found")
    score = table["score"].fill_null(-math.inf).to_numpy()
    mostly = majority(stored.of, before.family.of, len(stored.names))
    used = np.unique(stored.of[stored.of >= 0])
    stands_for = {stored.names[number]: int(mostly[number]) for number in used}
    own_is, best_is = _templates(own, stands_for), _templates(best, stands_for)
    matched, any_best = own.is_valid().to_numpy(), best.is_valid().to_numpy()
    templates = np.unique(before.family.of[before.strong])
    alarming = np.unique(before.family.of[before.is_role("campaign")])
    background, benign = later.is_role("background"), later.is_role("benign_template")
    is_known = np.isin(later.family.of, templates)
    positive, new = later.strong & is_known, later.strong & ~is_known
    candidate = np.isin(best_is, alarming)
    negatives = {"background": background, "background+benign": background | benign}
    cuts = {
        f"{name}@{rate:g}": threshold(score[negative & candidate], int(negative.sum()), rate)
        for name, negative in negatives.items()
        for rate in RATES
        if negative.any()
    }
    right = own_is == later.family.of
    right = any_best & (best_is == later.family.of)

    def part(rows: Mask) -> LookupPart:
        at = {name: share((right & (score >= cut))[positive][rows]) for name, cut in cuts.items()}
        return LookupPart(
            int(rows.sum()),
            share((matched & right)[positive][rows]),
            share((matched & ~right)[positive][rows]),
            at,
        )

    alarm = matched & np.isin(own_is, alarming)
    return LookupScores(
        known_templates=len(templates),
        known_templates_stored=int(np.isin(templates, list(stands_for.values())).sum())
        / max(1, len(templates)),
        family_ids_not_in_assignments=len(set(pc.unique(best.drop_null()).to_pylist()) - stands_for.keys()),
        overall=part(np.ones(int(positive.sum()), dtype=np.bool_)),
        thresholds=cuts,
        fpr_background=mean(alarm[background]),
        fpr_benign_template=mean(alarm[benign]),
        fpr_new_campaigns=mean(alarm[new]),
        any_match_background=mean(matched[background]),
        benign_matched_to_itself=mean((matched & right)[benign]),
        by_evasion=groups(later.evasion.only(positive), part),
    )


def _templates(families: pa.ChunkedArray, stands_for: dict[str, int]) -> Numbers:
    """Return the template that each family represents (n,), -1 for none."""
    encoded = Names.encode(families)
    templates = np.array([*(stands_for.get(name, -1) for name in encoded.names), -1], dtype=np.int64)
    return templates[encoded.of]


def campaigns(truth: Truth, predicted: Names, flags: pa.Table) -> CampaignScores:
    """Score flags (family_id, score, flagged) on families (n,); families that have none rank last."""
    keep = truth.scored
    true, family = truth.only(keep), predicted.of[keep]
    score, flag, _ = _on_names(predicted.names, flags, "family_id")
    inside = family >= 0
    hit = inside & np.append(flag, False)[family]
    strong, background, benign = true.strong, true.is_role("background"), true.is_role("benign_template")
    right, on_background, on_benign = (int(hit[mask].sum()) for mask in (strong, background, benign))
    precision, recall = ratio(right, right + on_background + on_benign), ratio(right, int(strong.sum()))
    members = np.bincount(family[inside], minlength=len(predicted.names))
    campaign = 2 * np.bincount(family[inside & strong], minlength=len(predicted.names)) > members
    seen = members > 0

    def part(rows: Mask, of: Mask = strong) -> Share:
        return Share(int(rows.sum()), mean(hit[of][rows]))

    by_campaign = groups(true.campaign.only(strong), part)
    kinds = Names.encode(pa.array([name.split(":")[0] for name in true.family.names], pa.large_string()))
    kind = Names(np.append(kinds.of, -1)[true.family.of[benign]], kinds.names)
    return CampaignScores(
        precision=precision,
        recall=recall,
        f1=f1(precision, recall),
        flagged_background=on_background,
        flagged_benign_template=on_benign,
        families=int(seen.sum()),
        campaign_families=int(campaign.sum()),
        flagged_families=int(flag.sum()),
        average_precision=average_precision(score[seen], campaign[seen]),
        campaigns_found_half=mean(np.array([part.flagged >= 0.5 for part in by_campaign.values()])),
        recall_by_campaign=by_campaign,
        recall_by_evasion=groups(true.evasion.only(strong), part),
        benign_flagged_by_kind=groups(kind, lambda rows: part(rows, benign)),
    )


def shares_found(truth: Truth, predicted: Names) -> dict[str, dict[str, float]]:
    """Return each campaign's requests and the share of them that is in families that are mostly its own."""
    keep = truth.strong
    of, family = truth.campaign.of, predicted.of
    mostly = majority(family, of, len(predicted.names))
    own = (family >= 0) & (mostly[family] == of)
    return {
        truth.campaign.names[c]: {
            "requests": int((keep & (of == c)).sum()),
            "found": float(own[keep & (of == c)].mean()),
        }
        for c in np.unique(of[keep])
    }


def accounts(truth: Truth, flags: pa.Table) -> AccountScores:
    """Score flags (account_id, score, flagged) on accounts; positive: it sent a campaign request.

    Accounts that have no flags are not flagged and rank last; those in weak campaigns only are left out.
    """
    score, flag, rated = _on_names(truth.account.names, flags, "account_id")
    count = len(truth.account.names)
    sent = np.bincount(truth.account.of, minlength=count)
    campaign = np.bincount(truth.account.of[truth.strong], minlength=count)
    weak = np.bincount(truth.account.of[~truth.scored], minlength=count)
    chosen = (sent > 0) & ((campaign > 0) | (weak == 0))
    sent, campaign, score, flag, rated = (column[chosen] for column in (sent, campaign, score, flag, rated))
    positive = campaign > 0
    right, false = int(flag[positive].sum()), int(flag[~positive].sum())
    precision, recall = ratio(right, right + false), ratio(right, int(positive.sum()))
    cut = threshold(score[~positive], int((~positive).sum()), ACCOUNT_RATE)
    at_rate = (score >= cut) & rated

    def parts(of: Floats, bins: Mapping[str, tuple[float, float]]) -> dict[str, AccountPart]:
        rows = {name: positive & (of > above) & (of <= most) for name, (above, most) in bins.items()}
        return {n: AccountPart(int(of.sum()), mean(flag[of]), mean(at_rate[of])) for n, of in rows.items()}

    return AccountScores(
        accounts=len(sent),
        positive=int(positive.sum()),
        precision=precision,
        recall=recall,
        f1=f1(precision, recall),
        false_positive_rate=false / max(1, int((~positive).sum())),
        recall_at_rate=mean(at_rate[positive]),
        threshold_at_rate=cut,
        average_precision=average_precision(score, positive),
        by_mixing=parts(campaign / sent, MIXING),
        by_campaign_requests=parts(campaign.astype(np.float64), SENT),
    )


def _on_names(names: tuple[str, ...], flags: pa.Table, key: str) -> tuple[Floats, Mask, Mask]:
    """Spread scores and flags over the names they are for; score is lower than any, where rated is false."""
    place = pc.index_in(flags[key], value_set=pa.array(names, pa.large_string()))
    if place.null_count:
        raise Mismatch(f"{key}s of the truth and its families expected, {place.null_count} others found")
    at, given = place.to_numpy(), flags["score"].to_numpy()
    score = np.full(len(names), min(given, default=0.0) - 1.0)
    flag, rated = np.zeros(len(names), dtype=np.bool_), np.zeros(len(names), dtype=np.bool_)
    score[at], flag[at], rated[at] = given, flags["flagged"].to_numpy(), True
    return score, flag, rated


def continuity(truth: Truth, predicted: Names, before: str, after: str) -> ContinuityScores:
    """Score whether templates of at least FEWEST requests on both days have the same family (n,) on both."""
    count = len(truth.family.names)
    enough = np.ones(count, dtype=np.bool_)
    on_day = []
    for day in (before, after):
        mine = truth.strong & (truth.day.of == truth.day.names.index(day))
        enough &= np.bincount(truth.family.of[mine], minlength=count) >= FEWEST
        mine &= predicted.of >= 0
        on_day.append(majority(truth.family.of[mine], predicted.of[mine], count))
    kept = {
        truth.family.names[t]: _kept(predicted.names, on_day[0][t], on_day[1][t])
        for t in np.flatnonzero(enough)
    }
    states = [row.state for row in kept.values()]
    same, switched, lost = (states.count(state) for state in ("same", "switched", "lost"))
    return ContinuityScores(len(kept), same, switched, lost, ratio(same, len(kept)), kept)


def _kept(names: tuple[str, ...], before: int, after: int) -> Kept:
    state = "lost" if min(before, after) < 0 else "same" if before == after else "switched"
    return Kept(None if before < 0 else names[before], None if after < 0 else names[after], state)
