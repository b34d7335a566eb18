"""What is found, as sections of docs/results.md."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.common.results import (
    Figure,
    Run,
    each,
    last,
    number,
    paragraph,
    percent,
    points,
    read,
    section,
    table,
)

RUNS = {
    "lifelike": "quality-lifelike",
    "lifelike, simulated": "quality-lifelike-simulated",
    "three days": "quality-days",
    "no metadata": "quality-days-no-metadata",
    "in one night": "quality-days-one-batch",
    "default": "quality-default",
    "hard": "quality-hard",
    "crowded": "quality-crowded",
}
CUTS = {"1e-3": "background@0.001", "1e-4": "background@0.0001"}
EVASIONS = (
    "none",
    "nonce",
    "case",
    "homoglyph",
    "inject_start",
    "inject_middle",
    "inject_end",
    "swap",
    "shuffle",
    "payload_domination",
    "paraphrase",
    "translation",
    "reword",
    "personas",
    "agentic",
    "short",
    "split",
    "growing",
    "chinese",
)
FIGURES: dict[str, Figure] = {
    "requests, by day": lambda run: " / ".join(f"{night['requests']:,}" for night in run["nights"]),
    "families: micro F1, by day": each("families", "overall", "f1"),
    "families: macro F1": each("families", "macro_f1_over_families"),
    "unrepeated background in families": each("families", "background_unrepeated_in_families"),
    **{f"lookup: TPR at FPR {name}": last("lookup", "overall", "tpr", cut) for name, cut in CUTS.items()},
    "lookup: TPR at own thresholds": last("lookup", "overall", "tpr_own_threshold"),
    "lookup: FPR at own thresholds": last("lookup", "fpr_background"),
    "campaigns: precision": each("campaigns", "precision"),
    "campaigns: recall": each("campaigns", "recall"),
    "campaigns: average precision": each("campaigns", "average_precision"),
    "accounts: recall at FPR 0.3 %": each("accounts", "recall_at_rate"),
    "continuity: same id": each("continuity", "share_same"),
    "nights: seconds": lambda run: " / ".join(f"{night['seconds']:.0f}" for night in run["nights"]),
    "nights: peak MB": lambda run: " / ".join(f"{night['peak_mb']:,.0f}" for night in run["nights"]),
}


def families_found() -> str:
    """Write what is found of families, lookups, campaigns and accounts; then F1 and lookups by evasion."""
    runs = {name: read(file) for name, file in RUNS.items()}
    rows = [[name, *(figure(run) for run in runs.values())] for name, figure in FIGURES.items()]
    by_kind = [
        [kind, *(each("families", "by_evasion", kind, "f1")(run) for run in runs.values())]
        for kind in EVASIONS
    ]
    lookups = {name: run for name, run in runs.items() if run["lookup"]}
    by_match = [
        [kind, *(last("lookup", "by_evasion", kind, "tpr", CUTS["1e-3"])(run) for run in lookups.values())]
        for kind in EVASIONS
    ]
    return section(
        "What is found",
        paragraph("""Each day is a night into one home. `benchmarks/README.md` says what each figure means.
            `python -m benchmarks.quality.quality` measures them."""),
        points(
            """**Lifelike** is two labelled days nearer to life: one request in fifty is a campaign's, a third is honest
            software and crowds that look like campaigns, and people have topics and hours of their own. They are
            made of public text that is not part of this repository, and the weights of the score were fitted on them
            among others. *Lifelike, simulated*: `simulate --preset lifelike`, of the same kind. Read these first.""",
            """**Three days** is labelled synthetic traffic: templates and background from public sources, which are
            not part of this repository. The product's constants and weights were set on it. *No metadata*: the same
            with the metadata column taken away. *In one night*: all days as one night, then by day.""",
            """**Default, hard, crowded** are simulated by this repository's own generator. *Hard* has 80 campaigns,
            down to 30 requests a day, that follow the daily rhythm instead of coming in bursts, share payment with
            honest accounts, and use all evasions from the first day. *Crowded* has more than 200 campaign templates.""",
            """All but the first two are tidier than life, and campaigns are a far larger share of them than of real
            traffic: expect less elsewhere, and read recall at a fixed false-positive rate, not precision.""",
            """By day: first / second / third. Campaigns: then all days, with the flags of the last night. Accounts:
            all days so far.""",
        ),
        table(["", *runs], rows),
        paragraph("F1 of families by evasion, by day (a mixture of two evasions counts for neither):"),
        table(["", *runs], by_kind),
        paragraph("Lookups by evasion, true-positive rate at a false-positive rate of 1e-3:"),
        table(["", *lookups], by_match),
    )


def many_nights() -> str:
    """Compare many nights into one home with the same requests in one batch."""
    run = read("incremental")
    nights = [night["cpu_seconds"] for night in run["nights"]]
    shares = run["share_in_families_by_role"]["background"]
    roles = {
        "campaign": "campaign requests",
        "benign_template": "honest templates",
        "background": "background",
    }
    return section(
        "Many nights, or one batch",
        paragraph(f"""{run["run"]["nights"]} simulated nights of {run["run"]["rows_a_night"]:,} requests (preset
            `{run["run"]["preset"]}`) into one home, and the same requests in one batch
            (`python -m benchmarks.quality.incremental`). Agreement is the adjusted Rand index between both, a request
            in no family being a family of its own."""),
        table(
            ["", ""],
            [
                ["agreement, all requests", number(run["agreement"])],
                *(
                    [f"agreement, {words}", number(run["agreement_by_role"][role])]
                    for role, words in roles.items()
                ),
                ["micro F1 of campaigns, by night and in one batch", _pair(run["micro_f1"])],
                ["background in families, by night and in one batch", _pair(shares)],
                ["processor seconds, first three nights", _seconds(nights[:3])],
                ["processor seconds, last three nights", _seconds(nights[-3:])],
                ["cost of the last nights over that of nights 2 to 4", f"{run['growth']:.2f}"],
                ["processor seconds, one batch", f"{run['batch']['cpu_seconds']:.0f}"],
            ],
        ),
    )


def mixed_accounts() -> str:
    """Write the recall of accounts that mix campaign requests into honest use."""
    plain, blurred, long = (read(f"mixing{name}") for name in ("", "-jitter", "-fifteen-nights"))
    return section(
        "Accounts that mix campaigns into honest use",
        paragraph(f"""Recall of accounts at a false-positive rate of 0.3 %, by the share of an account's requests that
            are a campaign's (`python -m benchmarks.quality.mixing`; simulated, {_accounts(plain)}):"""),
        table(
            ["requests seen of an account: 100", "5 %", "10 %", "25 %"],
            [
                ["account score", *_recalls(plain, "account_score")],
                [f"the same with blurred bursts ({_accounts(blurred)})", *_recalls(blurred, "account_score")],
                *_two_sample(plain),
            ],
        ),
        table(
            ["requests seen of an account: 1,500", "5 %", "10 %", "25 %"],
            [["account score", *_recalls(long, "account_score")], *_two_sample(long)],
        ),
        paragraph(f"""1,500 are fifteen nights of 100 into one home, one simulation ({_accounts(long)}): at 0.3 % of so
            few no honest account may score higher. With blurred bursts {percent(blurred["windows"][-1]["flagged_honest"], 1)} of the honest
            accounts are flagged: the people of this simulation have no subjects of their own, so a small
            honest tool's users look like a pool that works through one list."""),
    )


def calibration() -> str:
    """Tell whether thresholds and scores mean what they say."""
    run = read("reliability")
    every, flagged = run["curves"]["all"], run["flagged"]
    too_sure = [b for b in every["bins"] if b["begin"] >= 0.1 and b["end"] <= 0.35]
    rows = [
        [
            f"{line['stated']:g}",
            line["traffic"],
            f"{line['pairs']['trials']:,}",
            f"{line['pairs']['rate']:.1e}",
            f"{line['pairs']['high']:.1e}",
            f"{line['broken']} of {line['families']}",
        ]
        for line in run["thresholds"]
    ]
    return section(
        "Do thresholds and scores mean what they say?",
        paragraph("""On simulated traffic that was not used to set them (`python -m benchmarks.quality.reliability`).
            A family's threshold promises that at most a share of *other* requests matches it:"""),
        table(
            [
                "`false_positive_rate`",
                "looked up",
                "pairs of a family and a request not its own",
                "matched",
                "95 %: up to",
                "families above their rate beyond doubt",
            ],
            rows,
            names=2,
        ),
        points(
            f"""{run["thresholds"][0]["families_raised"]} of the {run["thresholds"][0]["families"]} families have a
            threshold above the lowest (0.5); the rates hold for these alone, too.""",
            f"""Of {flagged["trials"]} families that scored {run["flag_from"]:g} or more {flagged["happened"]} were campaigns'
            ({percent(flagged["rate"], 1)}, at 95 % between {percent(flagged["low"], 1)} and {percent(flagged["high"], 1)}). Brier score
            {every["brier"]:.3f}, calibration error {every["error"]:.3f}, at the base rate that the score starts from
            ({percent(every["base_rate"], 1)}), over {every["families"]} families.""",
            *(_flags(one) for one in run["flags"]),
            f"""Scores from 0.1 to 0.35 say {_range([b["predicted"] for b in too_sure])}, and
            {_range([b["share"] for b in too_sure])} are campaigns': there the score is too sure.""",
            f"""Scores were measured at commit `{run["machine"]["commit"][:10]}`, thresholds at
            `{run["thresholds_run"]["machine"]["commit"][:10]}`.""",
        ),
        "![Reliability of scores](../benchmarks/results/reliability.svg)\n",
    )


def _flags(run: Run) -> str:
    return f"""Were {percent(run["base_rate"])} of the families campaigns', scores would have {run["campaigns_expected"]:.1f} of their
        families and {run["honest_expected"]:.1f} honest ones of 1,000 flagged; {run["campaigns_observed"]:.1f} and
        {run["honest_observed"]:.1f} are (of the honest, at 95 %, up to {run["honest_high"]:.0f})."""


def _two_sample(run: Run) -> list[list[str]]:
    return [
        ["two-sample test (departure) alone", *_recalls(run, "mmd")],
        ["two-sample test on random windows, as in the paper", *_recalls(run, "mmd_pooled")],
        ["published (arXiv 2606.05725)", *(f"{value:.2f}" for value in run["windows"][-1]["published"])],
    ]


def _recalls(run: Run, method: str) -> list[str]:
    return [f"{value:.3f}" for value in run["windows"][-1][method].values()]


def _accounts(run: Run) -> str:
    window = run["windows"][-1]
    return (
        f"{sum(window['accounts'].values()):,} mixed accounts and {window['honest_accounts']:,} honest ones"
    )


def _pair(shares: dict[str, float]) -> str:
    return f"{number(shares['nights'])}, {number(shares['batch'])}"


def _seconds(nights: Sequence[float]) -> str:
    return " / ".join(f"{seconds:.1f}" for seconds in nights)


def _range(shares: Sequence[float]) -> str:
    low, high = f"{100 * min(shares):.0f}", f"{100 * max(shares):.0f}"
    return f"{low} %" if low == high else f"{low} to {high} %"
