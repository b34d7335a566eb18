"""What one pass over raw texts excludes, the full lookup does not match; and it leaves little to the long way."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.matched import ASK, END, family

from fingerprint import simulate
from fingerprint.domain.schemas import SYSTEM_END, TRAFFIC_SCHEMA, TURN_END
from fingerprint.domain.settings import Home
from fingerprint.embedding.embedder import Embedder
from fingerprint.hunting.ascii_filter import UNKNOWN, AsciiFilter
from fingerprint.hunting.hunter import Hunter, Target
from fingerprint.hunting.meaning_bounds import no_targets
from fingerprint.jobs.hunt import stored_target
from fingerprint.jobs.nightly import nightly
from fingerprint.store.store import Store
from fingerprint.text.normalise import compose, normalise
from fingerprint.traffic.reader import read_traffic

FILLING = "the garden is full of old roses, weeds and 21 snails. "
LOOKALIKES = str.maketrans("aeopcx", "аеорсх")
PIECES = [
    *(
        ASK,
        END,
        ASK.upper(),
        END.title(),
        ASK.replace(" ", "  "),
        END.replace(" ", "\n"),
        f"({ASK})",
        f"{END}.",
    ),
    *(
        ASK.translate(LOOKALIKES),
        END.replace("e", "e\u200b"),
        ASK.replace("a", "á"),
        "ｐｌｅａｓｅ ａｃｔ ａｓ",
    ),
    *(
        "write one brief table and add no remark",
        "act as an experienced adviser on taxes",
        "Review this! Now: go?",
    ),
    *(
        "2026-03-02 04:05",
        "https://example.org/a?b=1",
        "call 0123456789px",
        "$1,234.50",
        "a@b.org",
        "don't x_y",
        "5 pm",
    ),
    *(
        SYSTEM_END,
        TURN_END,
        "\n",
        "\t",
        "\x00",
        "!!!",
        "漢字",
        "😀",
        FILLING,
        FILLING * 30,
        FILLING * 70,
        "x" * 1500,
    ),
]
texts = st.lists(st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder.load(light=True)


@pytest.fixture(scope="module")
def hunters(embedder: Embedder) -> list[Hunter]:
    return hunters_of(embedder)


@pytest.fixture(scope="module")
def multilingual_hunters() -> list[Hunter]:
    return hunters_of(Embedder.load("multilingual", light=True))


def hunters_of(embedder: Embedder) -> list[Hunter]:
    said = embedder.encode([ASK, END])
    loose = {"prototypes": said, "similarity": 0.3, "typical_similarity": 0.15}
    signatures = [
        family(embedder, ASK, END),
        family(embedder, ASK, END, threshold=0.05, **loose),
        replace(
            family(embedder, ASK, threshold=0.3, **loose),
            grams=np.array([7], np.uint64),
            weights=np.ones(1, np.float32),
        ),
        replace(family(embedder, ASK, threshold=0.3, **loose), kind="topical"),
    ]
    return [Hunter(Target((one,)), embedder) for one in signatures]


def batch(prompts: list[str]) -> pa.RecordBatch:
    rows = [
        {"request_id": f"r{n}", "account_id": "u", "timestamp": n, "prompt": text}
        for n, text in enumerate(prompts)
    ]
    return pa.RecordBatch.from_pylist(rows, TRAFFIC_SCHEMA)


def differences(hunter: Hunter, some: pa.RecordBatch) -> tuple[int, list[str], list[str]]:
    """How many requests the family's own matcher matches, and which of them the hunter misses or adds."""
    whole = normalise(compose(some.column("system"), some.column("prompt")))
    full = hunter._matcher.find(whole, some.column("account_id"))
    expected = some.column("request_id").filter(pa.array(full.matched)).to_pylist()
    found = hunter.find(some)["request_id"].to_pylist()
    return len(expected), sorted({*expected} - {*found}), sorted({*found} - {*expected})


@settings(max_examples=60, deadline=None)
@given(texts=texts)
def test_no_hit_is_lost_whatever_the_disguise(hunters: list[Hunter], texts: list[str]) -> None:
    for hunter in hunters:
        assert differences(hunter, batch(texts))[1:] == ([], [])


FOREIGN = [
    *(
        "actúa como asesor fiscal con experiencia y revisa lo que sigue",
        "Responde en una tabla breve, sin comentario.",
    ),
    *(
        "agis en conseiller fiscal confirmé et vérifie ce qui suit.",
        "antworte in einer kurzen Tabelle ohne Kommentar",
    ),
    *(
        "请担任资深税务顾问,审查以下内容。",
        "действуй как налоговый консультант",
        "ตอบเป็นตารางสั้น",
        "표로 대답하세요",
    ),
]


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(
        st.lists(st.sampled_from([*FOREIGN, *PIECES]), max_size=9).map(" ".join), min_size=1, max_size=8
    )
)
def test_no_hit_is_lost_in_another_language(multilingual_hunters: list[Hunter], texts: list[str]) -> None:
    for hunter in multilingual_hunters:
        assert differences(hunter, batch(texts))[1:] == ([], [])


def test_a_translation_is_hunted_by_its_meaning(multilingual_hunters: list[Hunter]) -> None:
    matched, missed, added = differences(
        multilingual_hunters[1], batch([f"{one} {two}" for one, two in pairwise(FOREIGN)])
    )
    assert matched > 0
    assert missed == added == []


def test_long_texts_hold_what_their_beginning_and_end_say(hunters: list[Hunter]) -> None:
    said = "write one brief table and add no remark. act as an experienced adviser on taxes"
    for shift in range(0, 60, 7):
        filled = f"{'a' * shift}. {FILLING * 80}"
        some = batch(
            [
                f"{said}. {filled}",
                f"{filled} {said}",
                f"{filled} {said}. {filled}",
                f"{ASK} {filled} {END}",
                f"{said}. {filled * 20}",
            ]
        )
        for hunter in hunters:
            assert differences(hunter, some)[1:] == ([], [])
        ascii_filter = hunters[1]._prefilter.for_thread(some.column("prompt"))._ascii_filter
        assert ascii_filter is not None
        assert UNKNOWN not in ascii_filter.verdicts(some.column("prompt"))


def test_what_is_left_to_the_long_way(hunters: list[Hunter]) -> None:
    plain = [
        f"{ASK} 21 (twice), don't! $1,234.50 on 2026-03-02 04:05 pm; see https://example.org/a?b=1, a@b.org",
        "x",
    ]
    asked = ["é", "a\x00b", "!?", "", SYSTEM_END * 300 + "x"]
    ascii_filter = AsciiFilter(hunters[0]._prefilter._weights, no_targets())
    verdict = ascii_filter.verdicts(pa.array(plain + asked, pa.large_string()))
    assert (verdict == UNKNOWN).tolist() == [False] * len(plain) + [True] * len(asked)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Path]:
    folder = tmp_path_factory.mktemp("simulated")
    config = replace(
        simulate.preset("default", seed=5, evasion="mix"), rows=12_000, days=2, campaigns=8, smallest=0.005
    )
    first, second = simulate.write(config, folder / "traffic")
    home = Home(folder / "home")
    nightly([first], home)
    return home, second


@pytest.mark.parametrize("by_meaning", [True, False])
def test_hits_on_disguised_traffic_are_those_of_the_full_lookup(
    simulated: tuple[Home, Path], embedder: Embedder, by_meaning: bool
) -> None:
    home, traffic = simulated
    with Store.open(home.path, read_only=True) as store:
        families = sorted(store.families(), key=lambda f: (not f.flagged, -f.requests, f.family_id))
    some = next(iter(read_traffic([traffic], rejects=None)))
    total = 0
    for one in families[:5]:
        hunter = Hunter(stored_target(home, one.family_id), embedder, by_meaning=by_meaning)
        hits, missed, added = differences(hunter, some)
        assert (missed, added) == ([], [])
        total += hits
    assert total > 100
