"""The figures that the scores consist of; shares of nothing are NaN."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FamilyPart:
    """B-cubed figures over some campaign requests; majority_ok: in a family mostly of the request's template."""

    requests: int
    precision: float
    recall: float
    f1: float
    assigned: float
    majority_ok: float


@dataclass(frozen=True, slots=True)
class FamilyScores:
    """How well predicted families agree with templates; shares of background and others that are in any family."""

    overall: FamilyPart
    macro_f1_over_families: float
    adjusted_rand: float
    predicted_families: int
    predicted_per_true_median: float
    background_in_families: float
    background_unrepeated_in_families: float
    background_in_campaign_families: float
    benign_template_in_families: float
    weak_assigned: float
    by_evasion: dict[str, FamilyPart]
    by_family: dict[str, FamilyPart]


@dataclass(frozen=True, slots=True)
class LookupPart:
    """Shares of some requests of known templates; tpr: by the cut that it is found at."""

    requests: int
    tpr_own_threshold: float
    wrong_family: float
    tpr: dict[str, float]


@dataclass(frozen=True, slots=True)
class LookupScores:
    """How well later requests find the families of an earlier day.

    thresholds: the score above which false positives on background, or on background and honest templates, are as
    rare as the cut's name says. fpr_*: at the matches' own thresholds, matched to a campaign's family.
    """

    known_templates: int
    known_templates_stored: float
    family_ids_not_in_assignments: int
    overall: LookupPart
    thresholds: dict[str, float]
    fpr_background: float
    fpr_benign_template: float
    fpr_new_campaigns: float
    any_match_background: float
    benign_matched_to_itself: float
    by_evasion: dict[str, LookupPart]


@dataclass(frozen=True, slots=True)
class CampaignScores:
    """How well flags on families tell campaign requests from others."""

    precision: float
    recall: float
    f1: float
    flagged_background: int
    flagged_benign_template: int
    families: int
    campaign_families: int
    flagged_families: int
    average_precision: float
    campaigns_found_half: float
    recall_by_campaign: dict[str, Share]
    recall_by_evasion: dict[str, Share]
    benign_flagged_by_kind: dict[str, Share]


@dataclass(frozen=True, slots=True)
class Share:
    """Which share of so many requests was flagged."""

    requests: int
    flagged: float


@dataclass(frozen=True, slots=True)
class AccountPart:
    """Recall over some accounts, by the flags and at the score that ACCOUNT_RATE of honest accounts reach."""

    accounts: int
    recall: float
    recall_at_rate: float


@dataclass(frozen=True, slots=True)
class AccountScores:
    """How well accounts that sent campaign requests are distinguished from others."""

    accounts: int
    positive: int
    precision: float
    recall: float
    f1: float
    false_positive_rate: float
    recall_at_rate: float
    threshold_at_rate: float
    average_precision: float
    by_mixing: dict[str, AccountPart]
    by_campaign_requests: dict[str, AccountPart]


@dataclass(frozen=True, slots=True)
class Kept:
    """A template's family on two days; state: same, switched, or lost where it has none on one of them."""

    before: str | None
    after: str | None
    state: str


@dataclass(frozen=True, slots=True)
class ContinuityScores:
    """How many templates keep their family's id from one day to another."""

    templates_on_both_days: int
    same: int
    switched: int
    lost: int
    share_same: float
    by_family: dict[str, Kept]


@dataclass(frozen=True, slots=True)
class Night:
    """What a night took, the start of the process and the loading of the model included; stages in seconds.

    peak_mb: resident memory, in 10^6 bytes.
    """

    name: str
    requests: int
    distinct_prompts: int
    families: int
    new_families: int
    flagged: int
    seconds: float
    cpu_seconds: float
    peak_mb: float
    stages: dict[str, float]


@dataclass(frozen=True, slots=True)
class Quality:
    """All that a run over labelled traffic was scored for, by day ("all": of one night with all of them)."""

    days: tuple[str, ...]
    nights: tuple[Night, ...]
    families: dict[str, FamilyScores]
    lookup: dict[str, LookupScores]
    campaigns: dict[str, CampaignScores]
    accounts: dict[str, AccountScores]
    continuity: dict[str, ContinuityScores]
