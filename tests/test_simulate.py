from __future__ import annotations

import gzip
import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from fingerprint.errors import UsageError
from fingerprint.records import TRAFFIC_SCHEMA
from fingerprint.simulate import (
    EVASIONS,
    PRESETS,
    SIMULATED_SCHEMA,
    SimulationConfig,
    preset,
    simulate,
    write,
)
from fingerprint.simulate.disguise import INVISIBLES
from fingerprint.simulate.evasion import MIX, parse
from fingerprint.simulate.families import LANGUAGES, MOST_SHARED, Composer, Family, register, written
from fingerprint.simulate.grammar import Grammar, alias_table
from fingerprint.simulate.morphology import gerund, past, plural
from fingerprint.simulate.reword import places, wordings
from fingerprint.simulate.world import RULE_FILES, build

SMALL = SimulationConfig(rows=6_000, accounts=600, campaigns=6, honest_templates=30)
EVASIVE = replace(SMALL, rows=9_000, days=3, campaigns=10, smallest=0.01, evasion="mix", evasion_from=2)


def together(config: SimulationConfig, **options: int) -> pa.Table:
    return pa.concat_tables(simulate(config, **options)).combine_chunks()


@pytest.fixture(scope="module")
def small() -> pa.Table:
    return together(SMALL)


@pytest.fixture(scope="module")
def evasive() -> pa.Table:
    return together(EVASIVE)


def only(table: pa.Table, column: str, value: str) -> pa.Table:
    return table.filter(pc.equal(table[column], value))


def grams(text: str, n: int = 4) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}


def test_same_seed_same_rows_whatever_the_chunks_and_threads(small: pa.Table) -> None:
    assert together(SMALL, chunk_rows=777, threads=1).equals(small)
    assert not together(replace(SMALL, seed=2)).equals(small)


def test_chunks_have_the_size_asked_for() -> None:
    sizes = [table.num_rows for table in simulate(replace(SMALL, rows=2_500), chunk_rows=1_000)]
    assert sizes == [1_000, 1_000, 500]


def test_rows_schema_order_and_ids(evasive: pa.Table) -> None:
    assert evasive.schema.equals(SIMULATED_SCHEMA)
    assert evasive.num_rows == EVASIVE.rows
    assert Counter(evasive["day"].to_pylist()) == {"day1": 3_000, "day2": 3_000, "day3": 3_000}
    times = evasive["timestamp"].cast(pa.int64()).to_numpy()
    assert (np.diff(times) >= 0).all()
    assert {f"day{1 + d}" for d in (times // 86_400_000_000 - times[0] // 86_400_000_000)} == {
        "day1",
        "day2",
        "day3",
    }
    assert len(pc.unique(evasive["request_id"])) == EVASIVE.rows
    assert evasive["timestamp"][0].as_py().date() == EVASIVE.start
    for text in evasive["prompt"].to_pylist():  # decodes, so is valid UTF-8
        assert "«" not in text
        assert "»" not in text


def test_truth_agrees_with_the_traffic(evasive: pa.Table) -> None:
    for row in evasive.to_pylist():
        assert (row["campaign"] is not None) == (row["role"] == "campaign")
        assert (row["family"] is None) == (row["role"] == "background")
        assert row["role"] == "campaign" or row["evasion"] == "none"
        assert row["role"] == "background" or row["repeat"] is None
    sent = Counter(evasive["account_id"].to_pylist())
    campaign = Counter(only(evasive, "role", "campaign")["account_id"].to_pylist())
    for account, mixing in set(
        zip(evasive["account_id"].to_pylist(), evasive["mixing"].to_pylist(), strict=True)
    ):
        assert mixing == pytest.approx(campaign[account] / sent[account], abs=1e-4)


def test_sizes_and_shares(small: pa.Table) -> None:
    by_campaign = Counter(only(small, "role", "campaign")["campaign"].to_pylist())
    for number, share in enumerate(SMALL.sizes(), 1):
        assert by_campaign[f"c{number:03d}"] == pytest.approx(max(12, share * SMALL.rows), rel=0.2, abs=3)
    assert only(small, "role", "benign_template").num_rows == pytest.approx(
        SMALL.honest_share * SMALL.rows, rel=0.15
    )
    background = only(small, "role", "background")
    assert 1 - background["repeat"].null_count / background.num_rows == pytest.approx(SMALL.repeats, abs=0.02)


def test_more_campaigns_are_as_small_as_the_smallest() -> None:
    config = replace(SMALL, campaigns=3, largest=0.1, smallest=0.02, more=2)
    assert config.sizes() == pytest.approx((0.1, 0.1 * 0.2**0.5, 0.02, 0.02, 0.02))
    by_campaign = Counter(only(together(config), "role", "campaign")["campaign"].to_pylist())
    assert by_campaign["c005"] == pytest.approx(0.02 * config.rows, rel=0.2, abs=3)
    with pytest.raises(UsageError, match="more"):
        replace(SMALL, more=-1)


def test_popular_prompts_repeat_mostly_verbatim(small: pa.Table) -> None:
    repeated = small.filter(pc.equal(small["repeat"], "0"))
    texts = Counter(repeated["prompt"].to_pylist())
    assert 0.7 < texts.most_common(1)[0][1] / repeated.num_rows < 1
    assert len(set(repeated["account_id"].to_pylist())) > 50


def test_campaigns_load_their_pool_evenly_and_in_bursts() -> None:
    config = replace(SMALL, rows=12_000, largest=0.08, families=1)
    one = only(together(config), "campaign", "c001")
    loads = np.array(list(Counter(one["account_id"].to_pylist()).values()))
    assert loads.max() - loads.min() <= 1
    assert len(loads) >= 15
    jittered = only(together(replace(config, jitter=0.9)), "campaign", "c001")
    assert minutes_active(one) < 300 < minutes_active(jittered)


def minutes_active(table: pa.Table) -> int:
    return len(np.unique(table["timestamp"].cast(pa.int64()).to_numpy() // 60_000_000))


def test_background_follows_the_day(small: pa.Table) -> None:
    hours = pc.hour(only(small, "role", "background")["timestamp"]).to_numpy()
    counts = np.bincount(hours, minlength=24)
    assert 1.5 < counts.max() / counts.min() < 4


def test_every_evasion_is_really_applied(evasive: pa.Table) -> None:
    assert set(only(evasive, "day", "day1")["evasion"].to_pylist()) <= {"none", *place_labels()}
    families = {family.name: family for family in written("campaigns.txt") if not family.weak}
    seen: set[str] = set()
    for name in EVASIONS:
        config = replace(
            SMALL, rows=3_000, campaigns=8, evasion=f"{name}:1", evasion_share=1.0, smallest=0.02
        )
        campaign = only(together(config), "role", "campaign")
        for row in campaign.filter(pc.equal(campaign["evasion"], name)).to_pylist():
            if row["family"] in families:
                seen.add(name)
                check_evasion(name, families[row["family"]], row["system"] or "", row["prompt"])
    assert seen == set(EVASIONS)


def place_labels() -> set[str]:
    return {"inject_start", "inject_middle", "inject_end"}


def pieces_of(family: Family) -> list[str]:
    """Return what a template has word for word, apart from slots."""
    return [
        piece for sentence in family.sentences for piece in re.split("«[^»]*»+", sentence) if len(piece) > 12
    ]


def check_evasion(name: str, family: Family, system: str, prompt: str) -> None:
    pieces = pieces_of(family)
    whole = f"{system}\n{prompt}"
    there = [piece in whole for piece in pieces]
    if name == "homoglyph":
        assert not any(there)
        assert not re.search("[a-z]", prompt)
    elif name == "invisible":
        assert not any(there)
        assert set(bytes(INVISIBLES).decode()) & set(prompt)
    elif name in ("case", "scatter", "reword", "paraphrase"):
        assert not all(there)
    elif name == "translation":
        assert any(text in whole for text in family.translations)
        assert not any(there)
    elif name == "drop":
        assert sum(sentence.split("«")[0] in whole for sentence in family.sentences) == 1
    else:
        assert all(there)
    if name == "swap":
        assert (pieces[0] in system) == (family.place != "system")
    if name.startswith("inject_"):
        start, end = prompt.find(pieces[0]), prompt.find(pieces[-1]) + len(pieces[-1])
        assert start == 0 or name != "inject_start"
        assert len(prompt) - end < 20 or name != "inject_end"  # a slot may follow
    if name == "payload_domination":
        assert len(prompt.split()) > 800
    if name == "shuffle":
        assert len(family.sentences) > 2


def test_mixtures_are_applied_together() -> None:
    config = replace(
        SMALL, rows=2_000, campaigns=6, evasion="inject_end+drop+case+invisible:0.5", evasion_share=1.0
    )
    rows = only(together(config), "evasion", "inject_end+drop+case+invisible").to_pylist()
    assert len(rows) > 50
    unseen = set(bytes(INVISIBLES).decode())
    for row in rows:
        letters = "".join(sign for sign in row["prompt"] if sign not in unseen)
        assert len(letters) < len(row["prompt"])
        assert len(letters.split()) > 60


@pytest.mark.parametrize(
    ("evasion", "kept"),
    [
        ("reword:0", (0.99, 1.0)),
        ("reword:0.3", (0.2, 0.7)),
        ("reword:1", (0.0, 0.15)),
        ("drop:0.5", (0.2, 0.7)),
    ],
)
def test_strength_is_what_the_template_loses(evasion: str, kept: tuple[float, float]) -> None:
    config = replace(SMALL, rows=3_000, campaigns=8, evasion=evasion, evasion_share=1.0, smallest=0.02)
    families = {family.name: family for family in written("campaigns.txt") if not family.weak}
    shares = []
    for row in only(together(config), "evasion", evasion.partition(":")[0]).to_pylist():
        if family := families.get(row["family"]):
            own = set().union(*(grams(piece) for piece in pieces_of(family)))
            shares.append(len(own & grams(f"{row['system']}\n{row['prompt']}")) / len(own))
    assert kept[0] <= np.mean(shares) <= kept[1]


def test_paraphrases_in_use_follow_the_strength() -> None:
    for strength, most in ((0.01, 1), (0.5, 4), (1.0, 8)):
        config = replace(
            SMALL,
            rows=2_000,
            campaigns=1,
            families=1,
            evasion="paraphrase",
            evasion_share=1.0,
            strength=strength,
        )
        rows = only(together(config), "evasion", "paraphrase").to_pylist()
        openings = min(len({row[turn][:40] for row in rows if row[turn]}) for turn in ("prompt", "system"))
        assert most / 2 <= openings <= most


def test_rules_reword_every_template_and_not_its_slots() -> None:
    chosen = [family for family in written("campaigns.txt") if not family.weak]
    for family in chosen:
        assert places(family.sentences) > 0.35
        texts = wordings(family.sentences, 3)
        assert len(set(texts)) == 3
        whole = " ".join(family.sentences)
        slots = re.findall("«[^»]*»", whole)
        for text in texts:
            assert sorted(re.findall("«[^»]*»", text)) == sorted(slots)
            assert not re.search("[\x01\x02\ue000-\uf8ff]| {2}", text)
            own, new = (grams(re.sub("«[^»]*»", "…", said)) for said in (whole, text))
            assert len(own & new) < 0.5 * len(own)


def test_nonces_differ_between_requests() -> None:
    config = replace(SMALL, rows=2_000, campaigns=2, evasion="nonce", evasion_share=1.0, families=1)
    prompts = only(together(config), "evasion", "nonce")["prompt"].to_pylist()
    edges = {prompt[:20] + prompt[-20:] for prompt in prompts}
    assert len(edges) == len(prompts) > 20


def test_metadata(small: pa.Table) -> None:
    entries = [orjson.loads(text) for text in small["metadata"].to_pylist()]
    assert all({"ip_prefix", "user_agent"} <= entry.keys() for entry in entries)
    assert 0.9 < np.mean(["payment_hash" in entry for entry in entries]) < 1
    none = together(replace(SMALL, rows=500, metadata=False))
    assert none["metadata"].null_count == 500


def payers(table: pa.Table) -> tuple[set[str], set[str]]:
    found: dict[str, set[str]] = {"campaign": set(), "background": set()}
    for row in table.filter(pc.is_in(table["mixing"], pa.array([0.0]), skip_nulls=True)).to_pylist():
        found["background"].add(orjson.loads(row["metadata"]).get("payment_hash", ""))
    for row in only(table, "role", "campaign").to_pylist():
        found["campaign"].add(orjson.loads(row["metadata"]).get("payment_hash", ""))
    return found["campaign"] - {""}, found["background"] - {""}


def test_payment_groups_hold_honest_accounts_only_when_mixed() -> None:
    config = replace(SMALL, mixing=(1.0,))
    mixed = payers(together(replace(config, payment="mixed")))
    plain = payers(together(config))
    assert len(mixed[0] & mixed[1]) > len(plain[0] & plain[1]) + 5


def test_pools_change_from_day_to_day(evasive: pa.Table) -> None:
    largest = only(evasive, "campaign", "c001")
    days = [set(only(largest, "day", day)["account_id"].to_pylist()) for day in ("day1", "day2", "day3")]
    for before, after in pairwise(days):
        assert 0.75 < len(before & after) / len(before) < 1


def test_accounts_of_one_volume_mix_in_the_share_asked_for() -> None:
    config = replace(
        SMALL, rows=24_000, accounts=400, volume=60, mixing=(0.1, 0.5), largest=0.1, smallest=0.05
    )
    sent = together(config)
    requests = Counter(sent["account_id"].to_pylist())
    low, high = np.quantile(list(requests.values()), [0.1, 0.9])
    assert 40 < low < 60 < high < 80
    campaign = Counter(only(sent, "role", "campaign")["account_id"].to_pylist())
    share = np.array([count / requests[account] for account, count in campaign.items()])
    near = [np.abs(share - wanted) < 0.4 * wanted for wanted in config.mixing]
    assert np.mean(near[0] | near[1]) > 0.8
    assert min(mask.sum() for mask in near) > 20


def test_suites_are_honest_templates_of_one_set_of_users() -> None:
    found = together(replace(SMALL, suites=3)).select(["account_id", "role", "family"])
    suites = found.filter(pc.starts_with(found["family"], "suite:"))
    users = {
        name: Counter(only(suites, "family", name)["account_id"].to_pylist())
        for name in pc.unique(suites["family"]).to_pylist()
    }
    assert 9 <= len(users) <= 15
    closest = [max(len(a & b) / len(a) for n, b in users.items() if n != name) for name, a in users.items()]
    assert np.median(closest) > 0.4
    loads = [np.array(list(count.values())) for count in users.values()]
    assert np.median([load.var() / load.mean() for load in loads]) > 1.5


def test_some_campaigns_start_late_stop_early_or_turn_to_another_template(evasive: pa.Table) -> None:
    days: dict[str, set[str]] = {}
    families: dict[tuple[str, str], set[str]] = {}
    for row in only(evasive, "role", "campaign").select(["day", "campaign", "family"]).to_pylist():
        days.setdefault(row["campaign"], set()).add(row["day"])
        families.setdefault((row["campaign"], row["day"]), set()).add(row["family"])
    assert any("day1" not in active for active in days.values())
    assert any("day3" not in active for active in days.values())
    assert any(families[c, "day1"] != families[c, "day3"] for c, active in days.items() if len(active) == 3)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_can_be_built(name: str) -> None:
    world = build(replace(PRESETS[name], rows=min(PRESETS[name].rows, 60_000), honest_templates=20))
    assert len(world.days) == PRESETS[name].days


def test_hand_written_families_compile_and_differ() -> None:
    families = written("campaigns.txt") + written("honest.txt")
    assert sum(family.kind == "campaign" for family in families) >= 24
    assert sum(len(family.paraphrases) >= 6 for family in families) >= 8
    assert sum(len(family.translations) == len(LANGUAGES) for family in families) >= 6
    composer = Composer(1)
    assert [family.name for family in families if not composer.admit(family)] == []
    grammar = Grammar()
    for file in RULE_FILES:
        grammar.declare(
            Path(__file__).parent.parent.joinpath("fingerprint/simulate/text", file).read_text("utf-8")
        )
    declared = set(grammar._names)
    for family in families:
        register(grammar, family)
        assert family.body in declared
        for text in (*family.paraphrases, *family.translations):
            assert "«" not in text


def test_composed_families_share_little() -> None:
    composer = Composer(3)
    source = composer.families("campaign", "x")
    texts = [grams(" ".join(next(source).sentences)) for _ in range(150)]
    worst = max(len(a & b) / min(len(a), len(b)) for i, a in enumerate(texts) for b in texts[:i])
    assert worst < MOST_SHARED


def test_files_agree(tmp_path: Path) -> None:
    config = replace(EVASIVE, rows=1_500)
    progress: list[tuple[int, int]] = []
    truth = tmp_path / "truth.jsonl.gz"
    files = write(config, tmp_path / "days", truth=truth, on_progress=lambda *seen: progress.append(seen))
    assert [file.name for file in files] == ["day1.parquet", "day2.parquet", "day3.parquet"]
    assert progress[-1] == (1_500, 1_500)
    traffic = pa.concat_tables(pq.read_table(file) for file in files)
    assert traffic.schema.equals(TRAFFIC_SCHEMA)
    assert write(config, tmp_path / "all.jsonl.gz") == [tmp_path / "all.jsonl.gz"]
    with gzip.open(tmp_path / "all.jsonl.gz") as lines:
        rows = [orjson.loads(line) for line in lines]
    assert [row["request_id"] for row in rows] == traffic["request_id"].to_pylist()
    assert [row["prompt"] for row in rows] == traffic["prompt"].to_pylist()
    assert isinstance(rows[0]["metadata"], dict)
    assert re.fullmatch(r"2026-03-02T\d\d:\d\d:\d\d\.\d{3}Z", rows[0]["timestamp"])
    with gzip.open(truth) as lines:
        labels = [orjson.loads(line) for line in lines]
    assert [label["request_id"] for label in labels] == [row["request_id"] for row in rows]
    assert set(labels[0]) == {
        *(
            "request_id",
            "account_id",
            "day",
            "role",
            "family",
            "campaign",
            "evasion",
            "mixing",
            "weak",
            "repeat",
        )
    }


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    config = replace(SMALL, rows=800)
    for suffix in (".jsonl.gz", ".parquet"):
        first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
        write(config, first)
        write(config, second)
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": 0}, "rows: at least 1 expected, 0 found"),
        ({"days": 9, "rows": 3}, "at least one a day"),
        ({"evasion": "magic"}, "'magic' found"),
        ({"evasion": "swap+inject_end"}, "one of swap, inject_end expected in 'swap\\+inject_end', 2 found"),
        ({"evasion": "paraphrase+reword"}, "one of paraphrase, reword expected"),
        ({"evasion": "case+case"}, "each part once expected, 'case\\+case' found"),
        ({"evasion": "nonce:2"}, "a strength from 0 to 1 after the colon expected, '2' found"),
        ({"jitter": 1.5}, "jitter: a share from 0 to 1 expected, 1.5 found"),
        ({"mixing": (0.0,)}, "mixing"),
        ({"smallest": 0.5}, "smallest"),
        ({"campaigns": 40, "smallest": 0.06}, "may take 0.9"),
        ({"payment": "cash"}, "'cash' found"),
    ],
)
def test_bad_settings_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        preset("default", **changes)


def test_evasions_are_read_with_their_strengths() -> None:
    assert parse("none", 0.5) == ()
    found = parse("nonce, case:0.9,inject_end+homoglyph:0.2", 0.5)
    assert [(evasion.label, evasion.strength) for evasion in found] == [
        ("nonce", 0.5),
        ("case", 0.9),
        ("inject_end+homoglyph", 0.2),
    ]
    assert [evasion.label for evasion in parse("mix:0.7", 0.5)] == list(MIX)


def test_bad_requests_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'nope' found"):
        preset("nope")
    with pytest.raises(UsageError, match=r"\.parquet, \.jsonl, \.jsonl\.gz expected, 'a\.csv' found"):
        write(SMALL, tmp_path / "a.csv")
    with pytest.raises(UsageError, match="a day expected for these campaigns"):
        list(simulate(replace(SMALL, rows=60, accounts=50, campaigns=20)))


def test_word_forms() -> None:
    assert [plural(word) for word in ("box", "city", "day", "cat")] == ["boxes", "cities", "days", "cats"]
    assert [past(word) for word in ("bake", "carry", "play", "mix")] == [
        "baked",
        "carried",
        "played",
        "mixed",
    ]
    assert [gerund(word) for word in ("bake", "agree", "play")] == ["baking", "agreeing", "playing"]


def test_alias_table_keeps_the_weights() -> None:
    accept, other = alias_table([5, 1, 3, 1])
    share: npt.NDArray[np.float64] = np.zeros(4)
    for i, probability in enumerate(accept / 0xFFFFFFFF):
        share[i] += probability / 4
        share[other[i]] += (1 - probability) / 4
    assert share == pytest.approx([0.5, 0.1, 0.3, 0.1], abs=1e-6)


def test_the_sample_in_the_repository_is_complete() -> None:
    data = Path(__file__).parent.parent / "data"
    with gzip.open(data / "sample.jsonl.gz") as lines:
        ids = [orjson.loads(line)["request_id"] for line in lines]
    with gzip.open(data / "sample-truth.jsonl.gz") as lines:
        assert [orjson.loads(line)["request_id"] for line in lines] == ids
    assert len(ids) == 5_000
