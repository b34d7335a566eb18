"""Lifelike worlds: few and small campaigns, honest software that acts in step, people with topics and hours of their own."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from support.simulated import LIFELIKE, only, together

from fingerprint.domain.errors import UsageError
from fingerprint.simulate import SIMULATED_SCHEMA, LifelikeConfig
from fingerprint.simulate.lifelike.campaigns import BEHAVIOURS, FEWEST, LARGEST, MOST, SMALLEST
from fingerprint.simulate.lifelike.wordings import TEXTS

HONEST_KINDS = {
    "scheduler", "helper", "extension", "search", "mail", "game", "agency", "retry", "batch", "agent", "class",
    "viral", "tutorial", "benchmark", "automation", "versions", "letters", "strings", "alttext", "reviewbot", "widget",
    "kiosk", "news", "tutor", "crowdwork",
}  # fmt: skip


@pytest.fixture(scope="module")
def life() -> pa.Table:
    return together(LIFELIKE)


def seconds(table: pa.Table) -> np.ndarray:
    return table["timestamp"].cast(pa.int64()).to_numpy() / 1e6


def by(table: pa.Table, column: str) -> dict[str, pa.Table]:
    return {
        str(value): only(table, column, value)
        for value in pc.unique(table[column]).to_pylist()
        if value is not None
    }


def test_same_seed_same_rows_whatever_the_chunks_and_threads() -> None:
    config = LifelikeConfig(rows=5_000, days=2)
    rows = together(config)
    assert together(config, chunk_rows=777, threads=1).equals(rows)
    assert not together(replace(config, seed=2)).equals(rows)


def test_rows_schema_order_and_ids(life: pa.Table) -> None:
    assert life.schema.equals(SIMULATED_SCHEMA)
    assert Counter(life["day"].to_pylist()) == {"day1": LIFELIKE.rows // 2, "day2": LIFELIKE.rows // 2}
    assert len(pc.unique(life["request_id"])) == LIFELIKE.rows
    times = seconds(life)
    assert (np.diff(times) >= 0).all()
    assert times[0] >= datetime.combine(LIFELIKE.start, datetime.min.time(), UTC).timestamp()
    for text in life["prompt"].to_pylist():
        assert "«" not in text


def test_base_rate_and_shares(life: pa.Table) -> None:
    share = {role: count / LIFELIKE.rows for role, count in Counter(life["role"].to_pylist()).items()}
    assert share["campaign"] == pytest.approx(LIFELIKE.base_rate, rel=0.2)
    assert 0.25 < share["benign_template"] < 0.42
    rare = Counter(together(LifelikeConfig(rows=9_000, days=1))["role"].to_pylist())
    assert rare["campaign"] / 9_000 == pytest.approx(0.022, rel=0.25)


def test_without_a_base_rate_there_is_no_campaign() -> None:
    assert "campaign" not in together(LifelikeConfig(rows=3_000, days=1, base_rate=0))["role"].to_pylist()


def test_too_few_rows_for_the_campaigns_asked_for_are_named() -> None:
    with pytest.raises(UsageError, match="a day expected for what software, crowds and campaigns send"):
        together(LifelikeConfig(rows=1_500, days=1, campaigns=60))


def test_truth_agrees_with_the_traffic(life: pa.Table) -> None:
    truth = life.select(["role", "family", "campaign", "behaviour", "text", "evasion", "repeat", "session"])
    for row in truth.to_pylist():
        campaign = row["role"] == "campaign"
        assert (row["campaign"] is not None) == campaign == (row["behaviour"] is not None)
        assert (row["family"] is None) == (row["role"] == "background")
        assert (row["evasion"] == "none") or row["text"] == row["evasion"]
        assert row["repeat"] != "session" or row["session"] is not None
    sent = Counter(life["account_id"].to_pylist())
    campaign = Counter(only(life, "role", "campaign")["account_id"].to_pylist())
    pairs = set(zip(life["account_id"].to_pylist(), life["mixing"].to_pylist(), strict=True))
    assert all(
        mixing == pytest.approx(campaign[account] / sent[account], abs=1e-4) for account, mixing in pairs
    )


def test_campaigns_are_small_and_of_every_kind(life: pa.Table) -> None:
    campaigns = only(life, "role", "campaign")
    assert set(campaigns["text"].to_pylist()) == set(TEXTS)
    assert set(campaigns["behaviour"].to_pylist()) == set(BEHAVIOURS)
    for one in by(campaigns, "campaign").values():
        for day in by(one, "day").values():
            assert 0.6 * FEWEST <= day.num_rows <= 1.3 * MOST
            assert 0.6 * SMALLEST <= len(pc.unique(day["account_id"])) <= LARGEST


def test_campaigns_behave_as_the_truth_says(life: pa.Table) -> None:
    for behaviour, campaigns in by(only(life, "role", "campaign"), "behaviour").items():
        for one in by(campaigns, "campaign").values():
            # conversations begin when the campaign wants, and go on by themselves
            day = only(one, "day", one["day"][0].as_py())
            begun = {
                name: (second, account)
                for name, second, account in zip(
                    reversed(names(day)),
                    reversed(seconds(day).tolist()),
                    reversed(day["account_id"].to_pylist()),
                    strict=True,
                )
            }
            minutes = len({int(second // 60) for second, _ in begun.values()})
            loads = np.array(sorted(Counter(account for _, account in begun.values()).values()))
            mixing = np.median(one["mixing"].to_numpy())
            if behaviour == "tidy":
                assert minutes <= 30
                assert loads[-1] - loads[0] <= 1
            if behaviour == "drip":
                hours = np.array([second for second, _ in begun.values()]) // 3600 % 24
                assert len(set(hours.tolist())) >= 8
                assert loads[-1] >= 1.5 * np.median(loads)
            assert (mixing < 0.2) == (behaviour == "mixing")


def names(table: pa.Table) -> list[str]:
    """Return the conversation of each request; one without a name is its own."""
    return pc.coalesce(table["session"], table["request_id"].cast(pa.string())).to_pylist()


def test_pools_are_replaced_in_part(life: pa.Table) -> None:
    kept = []
    for one in by(only(life, "role", "campaign"), "campaign").values():
        days = [set(day["account_id"].to_pylist()) for day in by(one, "day").values()]
        if len(days) == 2:
            kept.append(len(days[0] & days[1]) / len(days[0]))
    assert 0.55 < np.mean(kept) < 0.95
    first_days = {one["day"][0].as_py() for one in by(life, "campaign").values()}
    assert first_days == {"day1", "day2"}


def test_texts_do_what_their_name_says(life: pa.Table) -> None:
    texts = {name: one.to_pylist() for name, one in by(only(life, "role", "campaign"), "text").items()}
    openings = {name: Counter(row["prompt"][:30] for row in rows) for name, rows in texts.items()}
    assert len({row["prompt"][:200] for row in texts["reword"]}) > 0.5 * len(texts["reword"])
    assert len(openings["personas"]) >= 5
    assert len(openings["chinese"]) == 1
    assert len({row["variant"] for row in texts["translation"]}) == 5
    assert {row["variant"] for row in texts["growing"]} >= {"step 0", "step 1"}
    lengths = {
        step: min(len(row["prompt"]) for row in texts["growing"] if row["variant"] == step)
        for step in ("step 0", "step 1")
    }
    assert lengths["step 1"] > lengths["step 0"]
    assert all(row["system"] and row["session"] for row in texts["split"])
    assert len(openings["split"]) == 1
    assert np.median([len(row["prompt"].split()) for row in texts["payload_domination"]]) > 1_000
    agent = only(life, "family", "agent:0")["system"][0].as_py()
    assert {row["system"] for row in texts["agentic"]} == {agent}
    tail = Counter(row["prompt"][-30:] for row in texts["inject_end"])
    assert len(tail) == 1
    assert len(openings["inject_start"]) == 1


def test_every_honest_look_alike_is_there(life: pa.Table) -> None:
    benign = only(life, "role", "benign_template")
    assert set(benign["kind"].to_pylist()) == HONEST_KINDS
    assert {"person", "popular", "relay"} <= set(only(life, "role", "background")["kind"].to_pylist())


def test_schedulers_fire_at_the_full_hour_or_a_quarter(life: pa.Table) -> None:
    found = by(only(life, "kind", "scheduler"), "family")
    assert len(found) == 5
    for one in found.values():
        late = seconds(one) % 3600 % 900
        assert late.max() < 151
        assert np.median(late) < 30
        payments = {orjson.loads(text).get("payment_hash") for text in one["metadata"].to_pylist()}
        assert len(payments) > 0.8 * len(pc.unique(one["account_id"]))


def test_all_subscribers_of_a_news_service_get_a_story_within_minutes(life: pa.Table) -> None:
    told = defaultdict(list)
    for row in only(life, "kind", "news").to_pylist():
        told[row["prompt"].split("\n")[-1]].append(row)
    assert len(told) == 28
    for rows in told.values():
        assert len({row["account_id"] for row in rows}) == len(rows) == len({row["prompt"] for row in rows})
        stamps = [row["timestamp"].timestamp() for row in rows]
        assert max(stamps) - min(stamps) < 30 * 60


def test_pupils_get_the_same_questions_in_orders_of_their_own(life: pa.Table) -> None:
    first = [row for row in only(life, "kind", "tutor").to_pylist() if row["day"] == "day1"]
    begun = {(row["account_id"], row["session"] or row["request_id"]): row for row in reversed(first)}
    asked = Counter(row["prompt"] for row in begun.values())
    assert len(asked) == 7
    assert min(asked.values()) >= 3
    order = defaultdict(list)
    for row in sorted(begun.values(), key=lambda row: row["timestamp"]):
        order[row["account_id"]].append(row["prompt"])
    assert len({tuple(prompts) for prompts in order.values()}) > 0.8 * len(order)


def test_an_applicant_sends_one_cv_with_one_advert_after_another(life: pa.Table) -> None:
    cvs, adverts = defaultdict(list), set()
    rows = only(life, "kind", "letters").to_pylist()
    for row in rows:
        cv, advert = row["prompt"].split("My CV:\n")[1].split("\n\nAdvert:\n")
        cvs[row["account_id"]].append(set(cv.split()))
        adverts.add(advert)
    for words in cvs.values():
        # but for the name of somebody who is mentioned
        assert len(set.intersection(*words)) > 0.9 * len(set.union(*words))
    assert len(adverts) == len(rows) > len(cvs)


def test_customers_of_automation_come_at_minutes_of_their_own(life: pa.Table) -> None:
    minute = defaultdict(set)
    for row in only(life, "kind", "automation").to_pylist():
        minute[row["account_id"]].add(row["timestamp"].minute)
    often = [minutes for minutes in minute.values() if len(minutes) > 1]
    assert np.median([max(minutes) - min(minutes) for minutes in often]) <= 2
    assert len(set().union(*minute.values())) > 10


def test_nobody_knows_how_visitors_of_a_shop_pay(life: pa.Table) -> None:
    known = [orjson.loads(text) for text in only(life, "kind", "widget")["metadata"].to_pylist()]
    assert known
    assert not any("payment_hash" in row for row in known)


def test_classes_paste_within_ninety_minutes_with_edits(life: pa.Table) -> None:
    for one in by(only(life, "kind", "class"), "family").values():
        rows = one.to_pylist()
        first: dict[str, dict[str, object]] = {}
        for row in rows:
            first.setdefault(row["account_id"], row)
        stamps = [row["timestamp"].timestamp() for row in first.values()]
        assert max(stamps) - min(stamps) <= 90 * 60
        assert len({row["prompt"] for row in first.values()}) > 3
        assert len({row["day"] for row in rows}) == 1


def test_a_mail_button_is_pressed_at_nine_in_many_zones(life: pa.Table) -> None:
    mail = only(life, "kind", "mail")
    minute = seconds(mail) / 60 % 60
    assert np.median(np.minimum(minute % 30, 30)) < 12
    assert len(set((seconds(mail) // 3600 % 24).tolist())) > 8


def test_one_payer_owns_the_accounts_of_an_agency_and_of_a_game(life: pa.Table) -> None:
    for kind in ("agency", "game"):
        payments = {
            orjson.loads(text).get("payment_hash")
            for text in only(life, "kind", kind)["metadata"].to_pylist()
        }
        assert len(payments) == 1


def test_benchmarks_are_word_for_word(life: pa.Table) -> None:
    for one in by(only(life, "kind", "benchmark"), "family").values():
        senders: dict[str, set[str]] = defaultdict(set)
        for row in one.select(["prompt", "account_id"]).to_pylist():
            senders[row["prompt"]].add(row["account_id"])
        assert min(map(len, senders.values())) == len(pc.unique(one["account_id"])) >= 4


def test_a_retry_job_sends_five_prompts() -> None:
    retry = only(together(LifelikeConfig(rows=6_000, days=1)), "kind", "retry")
    assert len(pc.unique(retry["prompt"])) == 5
    assert len(pc.unique(retry["account_id"])) == 1


def test_requests_of_a_conversation_repeat_all_before(life: pa.Table) -> None:
    talks: dict[str, list[str]] = defaultdict(list)
    for row in life.filter(pc.is_valid(life["session"])).select(["session", "prompt"]).to_pylist():
        talks[row["session"]].append(row["prompt"])
    assert len(talks) > 500
    for prompts in talks.values():
        assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(prompts))
    share = 1 - only(life, "kind", "person")["session"].null_count / only(life, "kind", "person").num_rows
    assert 0.2 < share < 0.4


def test_people_share_payments_and_prefixes_in_part(life: pa.Table) -> None:
    people = [orjson.loads(text) for text in set(only(life, "kind", "person")["metadata"].to_pylist())]
    payments = Counter(entry.get("payment_hash") for entry in people)
    del payments[None]
    shared = sum(count for count in payments.values() if count > 1) / sum(payments.values())
    assert 0.05 < shared < 0.3
    prefixes = Counter(entry["ip_prefix"] for entry in people)
    assert 0.08 < sum(count for count in prefixes.values() if count > 2) / len(people) < 0.35
    none = together(LifelikeConfig(rows=3_000, days=1, metadata=False))
    assert none["metadata"].null_count == 3_000


def test_popular_prompts_repeat(life: pa.Table) -> None:
    popular = only(life, "kind", "popular")
    honest = only(life, "role", "background").filter(pc.equal(only(life, "role", "background")["mixing"], 0))
    assert popular.num_rows / honest.num_rows == pytest.approx(0.1, abs=0.03)
    assert Counter(popular["prompt"].to_pylist()).most_common(1)[0][1] > 20
