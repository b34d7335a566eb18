from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.crafted import Sent, batch_of, by_accounts, grams_of, words

from fingerprint.domain.signature import Segment, Slot, Template
from fingerprint.signatures.slots import slot_kind
from fingerprint.signatures.template import LEAST_SAMPLE, SAMPLE, Corpus, write_template
from fingerprint.text.masking import unmask
from fingerprint.text.normalise import normalise
from fingerprint.text.tokenise import tokens

ASK = "please act as a senior tax adviser and review what follows"
END = "answer in one short table without any comment of your own"


def template_of(sent: Sequence[Sent], *, accounts: int = 3, share: float = 0.7) -> Template:
    """The template of prompts that are one family, its core what that share of them hold."""
    batch = batch_of(sent)
    found, shared = grams_of(batch, min_prompts=2, min_accounts=1)
    core = np.flatnonzero(np.diff(shared.postings.indptr) >= share * batch.distinct).astype(np.int32)
    corpus = Corpus(found, shared, batch.texts, batch.shown, batch.senders(), tokens, normalise, unmask)
    return write_template(corpus, core, np.arange(batch.distinct, dtype=np.int32), accounts=accounts)


def filled(count: int, form: str, *, low: int = 5, high: int = 12, seed: int = 0) -> list[str]:
    """A form with each {} filled with some invented words."""
    random = np.random.default_rng(seed)
    slots = form.count("{}")
    return [
        form.format(*(words(random, random.integers(low, high)) for _ in range(slots))) for _ in range(count)
    ]


def test_a_segment_and_a_slot() -> None:
    prompts = filled(30, ASK + " {}")
    template = template_of(by_accounts(prompts, 6))
    segment, slot = template.parts
    assert segment == Segment(ASK, "user", 0.0, 1.0)
    fillings = [p.removeprefix(ASK + " ") for p in prompts]
    assert slot == Slot(30, min(map(len, fillings)), max(map(len, fillings)), "text")
    assert str(template) == f"{ASK} ⟨…⟩"


def test_more_members_than_are_looked_at_have_at_least_so_many_values() -> None:
    _, slot = template_of(by_accounts(filled(SAMPLE + 50, ASK + " {}"), 6)).parts
    assert isinstance(slot, Slot)
    assert (slot.distinct, slot.sampled, slot.count) == (SAMPLE, True, f"{SAMPLE}+")
    _, slot = template_of(by_accounts(filled(SAMPLE, ASK + " {}"), 6)).parts
    assert isinstance(slot, Slot)
    assert (slot.sampled, slot.count) == (False, f"{SAMPLE}")


def test_of_long_members_fewer_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = by_accounts(filled(60, ASK + " {}"), 6)
    monkeypatch.setattr("fingerprint.signatures.template.SAMPLE_GRAMS", 1)
    for accounts, looked_at in ((3, LEAST_SAMPLE), (5, 10)):
        segment, slot = template_of(prompts, accounts=accounts).parts
        assert isinstance(segment, Segment)
        assert isinstance(slot, Slot)
        assert (segment.text, slot.distinct, slot.sampled) == (ASK, looked_at, True)


def test_parts_stand_in_the_order_of_the_prompt() -> None:
    template = template_of(by_accounts(filled(30, "{} " + ASK + " {} " + END + " {}"), 6))
    assert [type(part) for part in template.parts] == [Slot, Segment, Slot, Segment, Slot]
    assert [s.text for s in template.segments] == [ASK, END]
    first, second = (s.position for s in template.segments)
    assert 0.1 < first < 0.4 < second < 0.9


def test_places() -> None:
    prompts = filled(24, ASK + " {}")
    in_system = [Sent("go on please", s.account, s.second, system=s.prompt) for s in by_accounts(prompts, 6)]
    in_either = [
        Sent(s.prompt, s.account, s.second, system=None) if n % 2 else t
        for n, (s, t) in enumerate(zip(by_accounts(prompts, 6), in_system, strict=True))
    ]
    assert template_of(in_system).segments[0].place == "system"
    assert {s.text: s.place for s in template_of(in_either).segments}[ASK] == "either"
    assert [s.text for s in template_of(in_system).segments] == [ASK, "go on please"]
    assert [s.place for s in template_of(in_system).segments] == ["system", "user"]


def test_coverage_is_the_share_of_members() -> None:
    with_end = filled(32, ASK + " {} " + END)
    template = template_of(by_accounts([*with_end, *filled(8, ASK + " {}", seed=1)], 6))
    assert [(s.text, s.coverage) for s in template.segments] == [(ASK, 1.0), (END, 0.8)]


def test_a_slot_that_is_empty_in_the_shortest_prompt_is_a_slot() -> None:
    middle = filled(30, ASK + " {} " + END)
    template = template_of(by_accounts([*middle, f"{ASK} {END}"], 6))
    assert [type(part) for part in template.parts] == [Segment, Slot, Segment]
    assert [s.text for s in template.segments] == [ASK, END]


def test_text_that_comes_twice_stands_once() -> None:
    template = template_of(by_accounts(filled(30, "{} " + END + " {} " + ASK + " {} " + END + " {}"), 6))
    assert [s.text for s in template.segments] == [END, ASK]
    assert all(s.place == "user" and s.coverage == 1 for s in template.segments)


def test_no_slots() -> None:
    random = np.random.default_rng(3)
    # a family without a slot is one prompt; two near-copies share all but a word in the middle
    prompts = [f"{ASK} {words(random, 1)} {END}" for _ in range(12)]
    template = template_of(by_accounts(prompts, 4))
    assert [type(part) for part in template.parts] == [Segment, Slot, Segment]
    assert template.parts[1].distinct == 12  # type: ignore[union-attr]


def test_text_without_spaces() -> None:
    ask, end = "请你作为资深税务顾问审阅以下内容", "请用一个简短的表格回答不要评论"
    random = np.random.default_rng(4)
    letters = list("春夏秋冬东南西北山水风雨雷电花草树木鸟兽虫鱼")
    prompts = [f"{ask}:{''.join(random.choice(letters, 12))}。{end}" for _ in range(30)]
    template = template_of(by_accounts(prompts, 6))
    assert [s.text for s in template.segments] == [ask, end]
    slot = template.parts[1]
    assert isinstance(slot, Slot)
    assert (slot.shortest, slot.longest, slot.kind) == (12, 12, "language")


@pytest.mark.parametrize(
    ("kind", "fill"),
    [
        ("number", lambda r: str(r.integers(100, 999))),
        (
            "number",
            lambda r: " ".join(f"{n} {n % 89}" for n in r.integers(10**8, 10**9, r.integers(1, 9))),
        ),
        ("number", lambda r: f"{r.integers(1, 12)}.5 {r.integers(1, 99)}"),
        ("text", lambda r: words(r, 6)),
        ("text", lambda r: f"{r.integers(1, 9)} {words(r, 6)}"),
        ("text", lambda r: f"{r.bytes(4).hex()}-0000-4000-8000-{r.bytes(6).hex()} {words(r, 2)}"),
        ("code", lambda r: "{}({}[{}]) = {{{}}};".format(*words(r, 4).split())),
        ("language", lambda r: "".join(r.choice(list("абвгдежзиклмнопрст"), 30))),
    ],
)
def test_what_fills_a_slot(kind: str, fill: object) -> None:
    random = np.random.default_rng(5)
    prompts = [f"{ASK} {fill(random)} {END}" for _ in range(40)]  # type: ignore[operator]
    template = template_of(by_accounts(prompts, 6))
    slots = [part for part in template.parts if isinstance(part, Slot)]
    assert [slot.kind for slot in slots] == [kind]


def test_slot_kinds_of_masks() -> None:
    assert slot_kind(["⟨number⟩", "12"]) == "number"
    assert slot_kind(["⟨date⟩ ⟨time⟩"]) == "number"
    assert slot_kind(["⟨uuid⟩"]) == slot_kind(["⟨email⟩ or ⟨url⟩"]) == "text"
    assert slot_kind([""]) == "text"


def test_parts_shorter_than_a_gram_make_no_template() -> None:
    one = [Sent(p, "a", n) for n, p in enumerate(filled(20, "{} alpha bravo charlie delta echo foxtrot {}"))]
    others = [Sent(p, f"b{n}", n) for n, p in enumerate(filled(6, "{} alpha bravo charlie {}", seed=1))]
    assert template_of([*one, *others]).parts == ()


def test_only_text_of_enough_accounts_stands_in_a_template() -> None:
    prompts = filled(20, ASK + " {} " + END)
    assert len(template_of(by_accounts(prompts, 3)).segments) == 2
    assert template_of(by_accounts(prompts, 2)).parts == ()
    assert template_of(by_accounts(prompts, 2), accounts=2).segments[0].text == ASK


SECRETS = st.lists(
    st.tuples(st.integers(0, 3), st.text("abcdefghijklmnop", min_size=8, max_size=12)), min_size=1, max_size=6
)


@settings(max_examples=40)
@given(SECRETS, st.integers(0, 100), st.integers(0, 20))
def test_what_fewer_than_k_accounts_sent_never_stands_in_a_template(
    secrets: list[tuple[int, str]], seed: int, repeat: int
) -> None:
    # two of many accounts put a secret among the fixed words, so often that the core holds it
    random = np.random.default_rng(seed)
    fixed = ASK.split()
    private = list(fixed)
    for place, secret in secrets:
        private.insert(min(3 * place, len(private)), "zq" + secret)
    sent = [
        Sent(f"{' '.join(private)} {words(random, 5)} {END}", f"two{n % 2}") for n in range(20 + 4 * repeat)
    ]
    sent += [Sent(f"{ASK} {words(random, 5)} {END}", f"a{n}") for n in range(12)]
    template = template_of(sent, share=0.3)
    text = " ".join(s.text for s in template.segments)
    assert "zq" not in text
    assert END in text


def test_no_signs_of_one_account_stand_in_a_template() -> None:
    # accounts vouch for words only; what stands between them is the first sender's
    head, tail = ASK.split(" review ")
    secret = "... --- ... .-- .... .-"
    random = np.random.default_rng(6)
    sent = [Sent(f"{head} {secret} review {tail} {words(random, 5)}", f"a{n % 6}") for n in range(12)]
    template = template_of(sent)
    assert template.segments[0].text == ASK
    assert secret not in str(template)


def test_the_same_family_gives_the_same_template() -> None:
    sent = by_accounts(filled(300, ASK + " {} " + END), 9)
    assert template_of(sent) == template_of(sent)


def test_a_template_is_shown_as_most_accounts_wrote_it() -> None:
    said = "Act as Corvid, the command line Agent of Papertrail Notes"
    prompts = [f"{said if n % 4 else said.upper()}: {n} {'xyz'[n % 3]}" for n in range(24)]
    assert template_of(by_accounts(prompts, 6)).segments[0].text == said


def test_cyrillic_is_folded_for_matching_only() -> None:
    said = "Напиши подробный ответ на вопрос и объясни каждый шаг решения"
    assert (
        template_of(by_accounts([f"{said}: {n} {'xyz'[n % 3]}" for n in range(24)], 6)).segments[0].text
        == said
    )


def test_a_spelling_of_one_account_is_not_shown() -> None:
    said = "list the facts that you need one by one and then answer"
    prompts = [
        "".join(c.upper() if (n >> i % 8) & 1 else c for i, c in enumerate(said)) + f" {n}"
        for n in range(1, 24)
    ]
    assert template_of(by_accounts(prompts, 6)).segments[0].text == said
