from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse
from support.crafted import Sent, batch_of, words

from fingerprint.base.types import FloatArray
from fingerprint.discovery.filling_kinds import Resemblance, resemblance
from fingerprint.discovery.same_fillings import same_fillings
from fingerprint.embedding.embedder import Embedder
from fingerprint.signatures.siblings import PART_UNLIKE, WORDING_UNLIKE, OnePool, of_one_pool, siblings
from fingerprint.signatures.variants import Wording

ACCOUNTS = 2_000
NOTHING = sparse.csr_matrix((3, 3), dtype=np.bool_)


def pools(*accounts: Sequence[int]) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Members of families with one prompt an account, and who sent each."""
    sizes = [len(a) for a in accounts]
    family = np.repeat(np.arange(len(accounts)), sizes)
    rows = np.arange(len(family))
    members = sparse.csr_matrix((np.ones(len(rows)), (family, rows)), shape=(len(accounts), len(rows)))
    sender = np.concatenate([np.array(a) for a in accounts])
    return members, sparse.csr_matrix((np.ones(len(rows)), (rows, sender)), shape=(len(rows), ACCOUNTS))


def alike(family: int, cosines: Sequence[float]) -> FloatArray:
    """Orthogonal sentences, each of that cosine with its like in another family."""
    out = np.zeros((len(cosines), 4 * max(len(cosines), 1)), dtype=np.float32)
    for n, cosine in enumerate(cosines):
        out[n, 4 * n], out[n, 4 * n + 1 + family] = np.sqrt(cosine), np.sqrt(1 - cosine)
    return out


def joined(
    *accounts: Sequence[int],
    familiar: tuple[float, float, float] = (0.6, 0.1, 0.1),
    length: tuple[int, int, int] = (300, 280, 320),
    born: tuple[bool, bool, bool] = (True, True, True),
    original: tuple[int, int, int] = (-1, -1, -1),
    filled: sparse.csr_matrix = NOTHING,
    same_words: bool = False,
    words: int = 12,
    cosines: Sequence[float] = (),
    unlike: float = np.nan,
    mixed: float = 0.0,
    sentences: Sequence[FloatArray] | None = None,
) -> list[int]:
    """Which family each of three is put to; cosines: of each sentence of one and its like in another, or else the sentences."""
    members, senders = pools(*accounts)
    rare = np.ones((3, 3 * words)) if same_words else np.kron(np.eye(3), np.ones(words))
    wording = Wording(
        sentences or [alike(family, cosines) for family in range(3)],
        members,
        np.array(familiar),
        sparse.csr_matrix(rare),
        np.array(length),
        np.ones(3),
        {}.get,
    )
    one, other, mostly = of_one_pool(members, senders)
    pairs = OnePool(one, other, mostly, Resemblance(np.full(len(one), unlike), np.full(len(one), mixed)))
    none = np.empty(0, np.int64)
    return siblings(
        wording, np.array(born), np.array(original, np.int32), filled, pairs, (none, none)
    ).tolist()


def test_one_pools_languages_are_one_family_the_largest_being_the_original() -> None:
    assert joined(range(8), range(2, 13), range(4, 12)) == [1, -1, 1]


def test_stored_families_keep_their_place() -> None:
    assert joined(range(8), range(2, 13), range(4, 12), born=(False, True, True)) == [-1, 0, 0]
    assert joined(range(8), range(2, 13), range(4, 12), born=(False, False, False)) == [-1, -1, -1]


@pytest.mark.parametrize(
    "other",
    [
        {"familiar": (0.6, 0.5, 0.5)},  # one language
        {"length": (300, 1_000, 90)},  # one says much more
        {"familiar": (0.1, 0.1, 0.1), "same_words": True},  # one language that few here write
        {"words": 4},  # too few words to tell a language
    ],
)
def test_two_templates_of_one_pool_in_one_language_stay_apart(other: dict[str, object]) -> None:
    if "length" in other:
        assert joined(range(8), range(2, 13), range(100, 108), **other) == [-1, -1, -1]  # type: ignore[arg-type]
    else:
        assert joined(range(8), range(2, 13), range(4, 12), **other) == [-1, -1, -1]  # type: ignore[arg-type]


def test_busy_accounts_among_many_senders_are_no_pool() -> None:
    assert joined(range(8), range(2, 300), range(500, 508)) == [-1, -1, -1]


def test_strangers_in_two_languages_stay_apart() -> None:
    assert joined(range(8), range(20, 31), range(40, 48)) == [-1, -1, -1]


def test_what_is_filled_alike_is_one_family_whoever_sends_it() -> None:
    alike = sparse.csr_matrix(np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]], dtype=np.bool_))
    assert joined(range(8), range(20, 31), range(40, 48), filled=alike) == [1, -1, -1]


def test_what_a_small_family_is_filled_with_stands_in_a_large_one_by_chance() -> None:
    alike = sparse.csr_matrix(np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]], dtype=np.bool_))
    assert joined(range(8), range(20, 60), range(70, 74), filled=alike) == [-1, -1, -1]


ONE_LANGUAGE = (0.6, 0.6, 0.6)


def test_wordings_that_a_pool_deals_evenly_are_one_family() -> None:
    pools = (range(8), range(2, 13), range(100, 108))
    assert joined(*pools, familiar=ONE_LANGUAGE, cosines=[0.5, 0.5]) == [1, -1, -1]
    assert joined(*pools, familiar=ONE_LANGUAGE, cosines=[0.4, 0.4]) == [-1, -1, -1]


def test_so_are_large_ones_where_they_are_filled_alike() -> None:
    pools = (range(300), range(2, 340), range(1_000, 1_008))
    assert joined(*pools, familiar=ONE_LANGUAGE, cosines=[0.9, 0.9], unlike=0.05) == [1, -1, -1]


def test_templates_of_one_pool_that_say_the_same_of_other_things_stay_apart() -> None:
    pools = (range(300), range(2, 340), range(1_000, 1_008))
    assert joined(*pools, familiar=ONE_LANGUAGE, cosines=[0.9, 0.9], unlike=0.2) == [-1, -1, -1]


@pytest.mark.parametrize(("left", "whole"), [((0.1, 0.1), False), ((0.6, 0.6), True), ((1.0, 1.0), True)])
def test_templates_that_share_most_sentences_are_one_if_the_others_mean_the_same(
    left: tuple[float, ...], whole: bool
) -> None:
    pools = (range(300), range(2, 340), range(1_000, 1_008))
    result = joined(*pools, familiar=ONE_LANGUAGE, cosines=[1.0, 1.0, 1.0, *left], unlike=0.0)
    assert result == ([1, -1, -1] if whole else [-1, -1, -1])


@pytest.mark.parametrize(("cosine", "whole"), [(0.5, False), (0.65, False), (0.75, True)])
def test_single_sentences_of_two_families_are_somewhat_alike_by_chance(cosine: float, whole: bool) -> None:
    pools = (range(8), range(2, 13), range(100, 108))
    result = joined(*pools, familiar=ONE_LANGUAGE, cosines=[cosine], unlike=0.0)
    assert result == ([1, -1, -1] if whole else [-1, -1, -1])


JOINT = ([*range(12)], [*range(4), *range(12, 20)], [*range(4, 8), *range(12, 16), *range(20, 24)])
"""Each two have a third of their accounts in common, and each has two thirds of them in common with the others."""


def test_wordings_that_other_accounts_of_a_pool_send_are_one_family() -> None:
    assert joined(*JOINT, familiar=ONE_LANGUAGE, cosines=[0.6] * 2, unlike=0.0) == [-1, 0, 0]
    assert joined(*JOINT, familiar=ONE_LANGUAGE, cosines=[0.1] * 2, unlike=0.0) == [-1, -1, -1]
    assert joined(*JOINT, familiar=ONE_LANGUAGE, cosines=[0.6] * 2, unlike=0.3) == [-1, -1, -1]
    # the third has accounts in common with one of them only, and so has each of these
    two = (*JOINT[:2], [*range(4), *range(30, 38)])
    assert joined(*two, familiar=ONE_LANGUAGE, cosines=[0.6] * 2, unlike=0.0) == [-1, -1, -1]


def test_that_two_families_are_in_two_languages_is_not_enough_for_a_joint_pool() -> None:
    assert joined(*JOINT) == [-1, -1, -1]


def test_a_joint_pool_is_told_by_all_its_families() -> None:
    rng = np.random.default_rng(3)
    dealt = [rng.choice(60, 16, replace=False).tolist() for _ in range(7)]
    # people who use some of seven things have some in common with each other, too, but most of them use one
    used = [[*rng.choice(24, 4, replace=False), *range(100 + 20 * n, 112 + 20 * n)] for n in range(7)]
    one, other, mostly = of_one_pool(*pools(*dealt))
    assert set(zip(one.tolist(), other.tolist(), strict=True)) == {(i, j) for j in range(7) for i in range(j)}
    assert mostly.sum() <= 1
    assert not len(of_one_pool(*pools(*used))[0])


def test_strangers_who_say_the_same_stay_apart() -> None:
    pools = (range(8), range(20, 31), range(40, 48))
    assert joined(*pools, familiar=ONE_LANGUAGE, cosines=[0.9] * 3, unlike=0.0, mixed=1.0) == [-1, -1, -1]


@pytest.mark.parametrize(
    ("cosine", "unlike", "whole"),
    [(0.35, 0.0, True), (0.2, 0.0, False), (0.35, 0.1, False), (0.35, np.nan, False)],
)
def test_three_parts_that_a_pool_fills_alike_are_one_template(
    cosine: float, unlike: float, whole: bool
) -> None:
    pools = (range(8), range(2, 13), range(4, 12))
    result = joined(*pools, familiar=ONE_LANGUAGE, cosines=[cosine], unlike=unlike)
    assert result == ([1, -1, 1] if whole else [-1, -1, -1])


def test_two_wordings_of_a_part_are_no_two_parts() -> None:
    pools = (range(8), range(2, 13), range(4, 12))
    # the first two say the same, and the third something a little like it
    rows = [[1.0, 0.0, 0.0], [0.9, 0.436, 0.0], [0.35, 0.08, 0.933]]
    said = [np.array([row], dtype=np.float32) for row in rows]
    assert joined(*pools, familiar=ONE_LANGUAGE, sentences=said, unlike=0.0) == [1, -1, -1]
    rows[1] = [0.35, -0.08, -0.933]
    said = [np.array([row], dtype=np.float32) for row in rows]
    assert joined(*pools, familiar=ONE_LANGUAGE, sentences=said, unlike=0.0) == [1, -1, 1]


@pytest.mark.parametrize(
    ("mixed", "unlike", "whole"),
    [
        (0.2, 0.0, True),
        (0.05, 0.0, False),
        (0.2, 0.1, False),
        (0.2, np.nan, False),
        (0.6, 0.09, True),
        (0.6, 0.12, False),
    ],
)
def test_parts_that_stand_together_in_some_prompts_are_one_template_whatever_they_say(
    mixed: float, unlike: float, whole: bool
) -> None:
    pools = (range(300), range(2, 340), range(1_000, 1_008))
    result = joined(*pools, familiar=ONE_LANGUAGE, cosines=[0.0] * 4, unlike=unlike, mixed=mixed)
    assert result == ([1, -1, -1] if whole else [-1, -1, -1])


FRAMES = ["answer what follows in one line", "say what you think of this", "read it, and reply to it"]


def compared(kinds: list[list[str]], said: list[list[str]], embedder: Embedder) -> Resemblance:
    """The first family beside each other one, every one in a frame of its own; said: their templates' sentences."""
    sent = [Sent(f"{frame}. {x}", "a") for frame, kind in zip(FRAMES, kinds, strict=False) for x in kind]
    batch = batch_of(sent)
    family = np.repeat(np.arange(len(kinds)), [len(kind) for kind in kinds])
    rows = np.arange(len(sent))
    members = sparse.csr_matrix((np.ones(len(rows)), (family, rows)), shape=(len(kinds), len(rows)))
    others = np.arange(1, len(kinds))
    first = np.zeros(len(others), dtype=np.int64)
    vectors = [embedder.encode(pa.array(texts, pa.large_string())) for texts in said]
    return resemblance(batch.texts_of, members, vectors, first, others, embedder.encode)


def filled(kinds: list[list[str]], embedder: Embedder) -> list[float]:
    """How unlike the first kind of filling is to each other one."""
    return compared(kinds, [[frame] for frame in FRAMES[: len(kinds)]], embedder).unlike.tolist()


def test_fillings_of_one_kind_are_less_unlike_than_those_of_two() -> None:
    random = np.random.default_rng(5)

    def kind(things: list[str], others: list[str], count: int) -> list[str]:
        return [
            f"where can one {random.choice(things)} the {random.choice(others)} {n}" for n in range(count)
        ]

    pets = (["feed", "wash", "comb", "walk"], ["dog", "cat", "horse", "parrot"])
    money = (["invest", "lend", "borrow", "tax"], ["dividend", "mortgage", "pension", "salary"])
    same, unlike = filled([kind(*pets, 20), kind(*pets, 20), kind(*money, 20)], Embedder.load("static"))
    assert same < PART_UNLIKE
    assert unlike > 3 * PART_UNLIKE
    assert np.isnan(filled([kind(*pets, 20), kind(*pets, 3)], Embedder.load("static"))).all()


def test_what_says_what_the_template_says_in_other_words_is_no_filling() -> None:
    pets = [f"where can one wash the {['dog', 'cat', 'parrot'][n % 3]} {n}" for n in range(24)]
    reply = "please give your answer to all that follows in a single line"
    embedder = Embedder.load("static")

    def unlike(said: list[str]) -> float:
        """How unlike others are filled, five of which hold a sentence that comes once in every way of writing it."""
        other = [f"{x}. {reply}{' now' * n}" if n < 5 else x for n, x in enumerate(pets[12:])]
        return float(compared([pets[:12], other], [[FRAMES[0]], [FRAMES[1], *said]], embedder).unlike[0])

    assert unlike([reply]) < WORDING_UNLIKE < unlike([])


ASKED = [
    "where does the river rise", "who paints murals in naples", "how long do bees sleep", "is granite heavier than oak",
    "what makes bread go stale", "why was the tram late", "can a violin be glued", "which moon has volcanoes",
    "how is felt dyed", "do penguins have knees", "who drew the first map", "what does a notary cost",
    "when do figs ripen", "why is the harbour closed", "how fast is a falcon", "who invented the zip",
]  # fmt: skip


def test_what_most_prompts_say_in_other_words_is_the_templates_though_it_does_not_show_it() -> None:
    embedder = Embedder.load("static")
    ways = [
        "please give your answer to all of it in a single line",
        "and answer everything in one line only, please",
    ]
    holding = [f"{x}. {ways[n % 2]}{' now' * n}" for n, x in enumerate(ASKED[8:])]
    said = [[frame] for frame in FRAMES[:2]]
    assert compared([ASKED[:8], holding], said, embedder).unlike[0] < WORDING_UNLIKE


def test_fillings_of_one_narrow_kind_are_fillings_though_all_are_alike() -> None:
    pets = [f"where can one wash the dog after walk {n}" for n in range(12)]
    money = [f"how does one tax the mortgage of year {n}" for n in range(12)]
    unlike = filled([pets, money], Embedder.load("static"))
    assert unlike[0] > WORDING_UNLIKE


def test_families_mix_where_prompts_of_one_hold_what_the_others_template_says() -> None:
    embedder = Embedder.load("static")
    rule = "never name a price before the customer does"
    alone = [f"where can one buy a lamp number {n}" for n in range(20)]
    some = [f"{x}. {rule}" if n < 5 else x for n, x in enumerate(alone)]
    few = [f"{x}. {rule}" if n < 2 else x for n, x in enumerate(alone)]

    def mixed(kinds: list[list[str]], other: list[str]) -> float:
        return float(compared(kinds, [[FRAMES[0]], other], embedder).mixed[0])

    assert mixed([some, alone], [FRAMES[1], rule]) == 0.25
    assert mixed([few, alone], [FRAMES[1], rule]) == 0
    assert mixed([alone, alone], [FRAMES[1], rule]) == 0
    assert mixed([some, alone], []) == 0


def test_variants_of_a_family_that_joins_another_go_with_it() -> None:
    alike = sparse.csr_matrix(np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]], dtype=np.bool_))
    joined_all = joined(range(8), range(20, 31), range(4), original=(-1, -1, 0), filled=alike)
    assert joined_all == [1, -1, 1]


def in_frames(questions: list[str], frames: list[str]) -> sparse.csr_matrix:
    sent = [Sent(f"{frame}: {q}", f"a{n}") for frame in frames for n, q in enumerate(questions)]
    batch = batch_of(sent)
    family = np.repeat(np.arange(len(frames)), len(questions))
    rows = np.arange(len(sent))
    members = sparse.csr_matrix((np.ones(len(rows)), (family, rows)), shape=(len(frames), len(rows)))
    return same_fillings(batch.texts_of, members)


def test_frames_around_the_same_questions_are_filled_alike() -> None:
    random = np.random.default_rng(0)
    questions = [f"how many {words(random, 8)} are left" for _ in range(10)]
    frames = [words(random, 12) for _ in range(3)]
    assert in_frames(questions, frames).toarray().tolist() == (~np.eye(3, dtype=bool)).tolist()


def test_all_families_texts_are_read_together_so_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fingerprint.discovery.same_fillings.AT_ONCE", 7)
    random = np.random.default_rng(0)
    texts = batch_of([Sent(f"how many {words(random, 8)} are left", f"a{n}") for n in range(40)]).texts_of
    members = sparse.csr_matrix(np.tile(np.eye(2), 20))  # every other prompt
    asked: list[int] = []

    def read(prompts: np.ndarray) -> pa.ChunkedArray:
        assert len(prompts) <= 7
        asked.extend(prompts.tolist())
        return texts(prompts)

    assert not same_fillings(read, members).nnz
    assert asked == list(range(40))


def test_too_few_or_one_text_in_all_is_no_filling() -> None:
    random = np.random.default_rng(1)
    frames = [words(random, 12) for _ in range(2)]
    assert not in_frames([f"how many {words(random, 8)} are left" for _ in range(4)], frames).nnz
    assert not in_frames(
        [f"{words(random, 2)}. what all of them say at the end" for _ in range(10)], frames
    ).nnz


def test_no_families() -> None:
    nothing = sparse.csr_matrix((0, 0))
    empty = Wording([], nothing, np.empty(0), nothing, np.empty(0, dtype=np.int64), np.empty(0), {}.get)
    none = np.empty(0, dtype=np.int64)
    pairs = OnePool(none, none, np.empty(0, np.bool_), Resemblance(np.empty(0), np.empty(0)))
    assert not len(
        siblings(empty, np.empty(0, np.bool_), np.empty(0, np.int32), nothing, pairs, (none, none))
    )
    embed = Embedder.load("static").encode
    assert not len(resemblance(batch_of([]).texts_of, nothing, [], none, none, embed).unlike)
    assert same_fillings(batch_of([]).texts_of, nothing).shape == (0, 0)
