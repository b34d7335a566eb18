from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from fingerprint.discovery import families as refine
from fingerprint.discovery import proof
from fingerprint.discovery.families import Families, assign, renew, strength
from fingerprint.discovery.segments import Segments
from fingerprint.discovery.shared_ngrams import SharedGrams
from fingerprint.evidence.coactivity import Behaviour

LEAST = 8


def csr(dense: object) -> sparse.csr_matrix:
    return sparse.csr_matrix(np.asarray(dense, dtype=np.float32))


def shared_of(postings: np.ndarray) -> SharedGrams:
    k = len(postings)
    return SharedGrams(
        np.arange(1, k + 1, dtype=np.uint64), np.full(k, 9, np.int32), np.empty(0, np.int32), csr(postings)
    )


def one_gram_segments(postings: np.ndarray) -> Segments:
    k = len(postings)
    return Segments(np.arange(k, dtype=np.int32), np.ones(k, np.int64), csr(postings))


def candidates(
    postings: np.ndarray, label: list[int], stored: np.ndarray | None = None
) -> tuple[Families, SharedGrams]:
    shared = shared_of(postings)
    cores = csr(np.zeros((0, len(postings)))) if stored is None else csr(stored)
    found = refine.candidates(
        np.array(label, dtype=np.int32), one_gram_segments(postings), shared, cores, least=LEAST
    )
    return found, shared


def cores_of(families: Families) -> list[list[int]]:
    return [families.core[f].indices.tolist() for f in range(len(families))]


def members_of(families: Families) -> list[list[int]]:
    return [sorted(families.members[f].indices.tolist()) for f in range(len(families))]


def block(grams: slice, prompts: slice, shape: tuple[int, int]) -> np.ndarray:
    out = np.zeros(shape, dtype=np.float32)
    out[grams, prompts] = 1
    return out


def test_a_repeated_slot_value_is_not_a_family_beside_its_template() -> None:
    # grams 0-9 are the template of prompts 0-29, grams 10-12 a filling that 12 of them have
    postings = block(slice(0, 10), slice(0, 30), (13, 40)) + block(slice(10, 13), slice(0, 12), (13, 40))
    found, _ = candidates(postings, [0] * 10 + [1] * 3)
    assert cores_of(found) == [list(range(10))]
    assert members_of(found) == [list(range(30))]


def test_templates_that_share_little_stay_apart() -> None:
    # both have grams 0-2, four of ten each
    shape = (17, 40)
    postings = block(slice(0, 3), slice(0, 40), shape)
    postings += block(slice(3, 10), slice(0, 20), shape) + block(slice(10, 17), slice(20, 40), shape)
    found, _ = candidates(postings, [0] * 3 + [1] * 7 + [2] * 7)
    assert sorted(zip(members_of(found), cores_of(found), strict=True)) == [
        (list(range(20)), list(range(10))),
        (list(range(40)), [0, 1, 2]),
        (list(range(20, 40)), [0, 1, 2, *range(10, 17)]),
    ]


def test_noise_segments_are_candidates_of_their_own() -> None:
    shape = (5, 60)
    postings = block(slice(0, 2), slice(0, 20), shape) + block(slice(2, 4), slice(20, 40), shape)
    postings[4, 40:] = 1
    segments = Segments(np.array([0, 0, 1, 1, 2], np.int32), np.array([2, 2, 1]), csr(postings[[0, 2, 4]]))
    noise = np.array([-1, -1, -1], dtype=np.int32)
    found = refine.candidates(noise, segments, shared_of(postings), csr(np.zeros((0, 5))), least=LEAST)
    assert sorted(cores_of(found)) == [[0, 1], [2, 3]]  # one gram is no core


def test_too_few_prompts_are_no_family() -> None:
    shape = (6, 20)
    found, _ = candidates(block(slice(0, 6), slice(0, LEAST - 1), shape), [0] * 6)
    assert len(found) == 0
    found, _ = candidates(block(slice(0, 6), slice(0, LEAST), shape), [0] * 6)
    assert len(found) == 1


def test_two_stored_families_never_become_one() -> None:
    # stored cores overlap by nine of ten grams, and the batch holds both
    shape = (11, 40)
    postings = block(slice(0, 9), slice(0, 40), shape)
    postings[9, :20] = postings[10, 20:] = 1
    stored = np.zeros((2, 11), dtype=np.float32)
    stored[0, :10] = 1
    stored[1, [*range(9), 10]] = 1
    found, _ = candidates(postings, [0] * 9 + [1, 2], stored)
    assert sorted(found.known[found.known >= 0].tolist()) == [0, 1]
    assert len(found) == 2  # what was found joins one of them


def test_a_stored_family_goes_on_with_what_was_found() -> None:
    postings = block(slice(0, 10), slice(0, 30), (12, 40))
    stored = np.zeros((1, 12), dtype=np.float32)
    stored[0, 2:12] = 1  # grams 10 and 11 are no longer sent
    found, _ = candidates(postings, [0] * 10 + [-1, -1], stored)
    assert found.known.tolist() == [0]
    assert cores_of(found) == [list(range(10))]
    assert found.support.tolist() == [30]


def test_a_stored_part_of_a_template_goes_on_as_the_whole_where_the_prompts_are_the_same() -> None:
    # of 40 n-grams of an application's system prompt and 10 of users' turns only those of the turns are stored
    stored = np.zeros((1, 50), dtype=np.float32)
    stored[0, 40:] = 1
    alone = block(slice(0, 50), slice(0, 30), (50, 60))
    found, _ = candidates(alone, [0] * 50, stored)
    assert found.known.tolist() == [0]
    assert cores_of(found) == [list(range(50))]
    shared_by_others = alone + block(slice(0, 40), slice(30, 60), (50, 60))
    found, _ = candidates(shared_by_others, [0] * 40 + [1] * 10, stored)
    assert sorted(zip(found.known.tolist(), found.support.tolist(), strict=True)) == [(-1, 60), (0, 30)]


@pytest.mark.parametrize("members", [0, 1, LEAST - 1])
def test_a_stored_family_with_few_members_keeps_its_core(members: int) -> None:
    shape = (10, 30)
    postings = block(slice(0, 8), slice(0, members), shape)
    stored = np.ones((1, 10), dtype=np.float32)
    found, _ = candidates(postings, [-1] * 10, stored)
    assert found.known.tolist() == [0]
    assert cores_of(found) == [list(range(10))]
    assert found.support.tolist() == [members]


def test_a_stored_core_never_melts_away() -> None:
    # every member lacks other four of ten grams: none is in seven of ten members
    random = np.random.default_rng(0)
    postings = np.ones((10, 30), dtype=np.float32)
    for prompt in range(30):
        postings[(np.arange(4) + prompt) % 10, prompt] = 0
    found, _ = candidates(postings[:, random.permutation(30)], [-1] * 10, np.ones((1, 10), np.float32))
    assert found.known.tolist() == [0]
    assert cores_of(found) == [list(range(10))]


def test_cores_are_sorted() -> None:
    random = np.random.default_rng(1)
    found, _ = candidates(
        (random.random((60, 80)) < 0.8).astype(np.float32), random.integers(0, 3, 60).tolist()
    )
    assert len(found) > 0
    assert found.core.has_sorted_indices
    assert all(c == sorted(c) for c in cores_of(found))


def test_renewed_cores_are_what_the_assigned_prompts_hold() -> None:
    shape = (12, 40)
    shared = shared_of(block(slice(0, 10), slice(0, 30), shape) + block(slice(10, 12), slice(0, 12), shape))
    families = Families(csr(np.ones((2, 12))), csr(np.ones((2, 40))), np.array([-1, -1], dtype=np.int32))
    assigned = np.zeros((2, 40))
    assigned[0, :12] = 1
    assigned[1, 12:14] = 1  # too few
    fresh, left = renew(families, csr(assigned), shared, least=LEAST)
    assert left.tolist() == [0]
    assert cores_of(fresh) == [list(range(12))]
    # the template's other prompts cover ten of the twelve grams
    assert members_of(fresh) == [list(range(30))]


def with_set_phrases(own: int, phrases: int, strangers: int) -> np.ndarray:
    """Postings: 20 prompts of a template with its own n-grams and set phrases, and strangers' prompts.

    One of these holds all phrases, and so many hold each of them: one half the even ones, the other the odd ones.
    """
    out = np.zeros((own + phrases, 20 + 1 + 2 * strangers), dtype=np.float32)
    out[:, :20] = 1
    out[own:, 20] = 1
    out[own::2, 21 : 20 + strangers] = 1
    out[own + 1 :: 2, 20 + strangers : 19 + 2 * strangers] = 1
    return out


@pytest.mark.parametrize(
    ("own", "phrases", "strangers", "known", "core", "members"),
    [
        (4, 6, 20, -1, 4, 20),
        (4, 6, 7, -1, 10, 21),  # fewer strangers hold each phrase than a family needs prompts
        (5, 6, 20, -1, 11, 20),  # the phrases alone make no member
        (1, 9, 20, -1, 10, 21),  # nothing else would be left
        (4, 6, 20, 0, 10, 21),  # a stored core stays
    ],
)
def test_ordinary_language_alone_makes_no_member(
    own: int, phrases: int, strangers: int, known: int, core: int, members: int
) -> None:
    postings = with_set_phrases(own, phrases, strangers)
    assigned = np.zeros((1, postings.shape[1]))
    assigned[0, :20] = 1
    families = Families(csr(np.ones((1, own + phrases))), csr(assigned), np.array([known], dtype=np.int32))
    fresh, left = renew(families, csr(assigned), shared_of(postings), least=LEAST)
    assert left.tolist() == [0]
    assert cores_of(fresh) == [list(range(core))]
    assert members_of(fresh) == [list(range(members))]


def test_what_is_left_of_a_core_without_ordinary_language_may_be_a_stored_familys() -> None:
    postings = with_set_phrases(4, 6, 20)
    cores = np.ones((2, 10))
    cores[0, 4:] = 0
    assigned = np.zeros((2, postings.shape[1]))
    assigned[1, :20] = 1
    families = Families(csr(cores), csr(assigned), np.array([0, -1], dtype=np.int32))
    fresh, left = renew(families, csr(assigned), shared_of(postings), least=LEAST)
    assert left.tolist() == [0]
    assert cores_of(fresh) == [[0, 1, 2, 3]]
    assert members_of(fresh) == [list(range(20))]


def families_with(members: object, known: list[int] | None = None) -> Families:
    held = csr(members)
    f = held.shape[0]
    return Families(csr(np.ones((f, 3))), held, np.array(known or [-1] * f, dtype=np.int32))


def test_a_shared_payload_does_not_steal_members() -> None:
    # family 0: 30 prompts; family 1: a payload in ten of them and in ten others
    members = np.zeros((2, 50))
    members[0, :30] = 1
    members[1, 20:40] = 1
    label = assign(families_with(members), np.array([2.0, 1.5]), least=LEAST)
    assert label.tolist() == [0] * 30 + [1] * 10 + [-1] * 10


def test_a_family_that_starves_gives_its_prompts_back() -> None:
    members = np.zeros((3, 30))
    members[0, :20] = 1
    members[1, 15:30] = 1  # stronger, but family 2 takes most of it
    members[2, 19:30] = 1
    label = assign(families_with(members), np.array([1.0, 2.0, 9.0]), least=LEAST)
    assert label.tolist() == [0] * 19 + [2] * 11


def test_stored_families_do_not_starve() -> None:
    members = np.zeros((2, 30))
    members[0, :20] = 1
    members[1, 28:] = 1
    label = assign(families_with(members, [-1, 4]), np.array([1.0, 1.0]), least=LEAST)
    assert label.tolist() == [0] * 20 + [-1] * 8 + [1] * 2


def test_ties_go_to_the_first_family() -> None:
    label = assign(families_with(np.ones((4, 20))), np.ones(4), least=LEAST)
    assert label.tolist() == [0] * 20


@given(st.integers(0, 6), st.integers(0, 30), st.integers(0, 99))
def test_labels_name_families_that_a_prompt_belongs_to(f: int, n: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    members = random.random((f, n)) < 0.5
    families = families_with(members)
    label = assign(families, random.random(f), least=3)
    assert label.shape == (n,)
    assert all(family == -1 or members[family, p] for p, family in enumerate(label))
    sizes = np.bincount(label[label >= 0], minlength=f)
    assert ((sizes == 0) | (sizes >= 3)).all()


def of(
    cores: list[range], members: list[range], shape: tuple[int, int], known: list[int] | None = None
) -> Families:
    k, n = shape
    core, held = np.zeros((len(cores), k)), np.zeros((len(cores), n))
    for f, (grams, prompts) in enumerate(zip(cores, members, strict=True)):
        core[f, list(grams)], held[f, list(prompts)] = 1, 1
    return Families(csr(core), csr(held), np.array(known or [-1] * len(cores), np.int32))


@pytest.mark.parametrize(
    ("members", "ragged", "edged", "expected"),
    [
        (8, 1, 0, True),  # crisp: few grams beside the core
        (8, 5, 0, False),  # frayed like excerpts of a document
        (12, 5, 0, True),  # solid: no cut falls into the core
        (8, 5, 4, True),  # half of the sections begin with it
        (8, 5, 3, False),
    ],
)
def test_what_has_an_outline(members: int, ragged: int, edged: int, expected: bool) -> None:
    # grams 0-9 are the core, 10-14 stand beside it in some prompts, 15 marks the beginning of a section
    shape = (16, members)
    postings = block(slice(0, 10), slice(0, members), shape)
    postings += block(slice(10, 10 + ragged), slice(0, members // 3 + 1), shape)
    postings += block(slice(15, 16), slice(0, edged), shape)
    boundary = np.arange(16) == 15
    found = of([range(10)], [range(members)], shape)
    assert proof.has_outline(found, shared_of(postings), boundary).tolist() == [expected]


def test_an_excerpt_cut_in_the_core_has_no_outline() -> None:
    postings = block(slice(0, 10), slice(0, 20), (14, 20))
    postings[0:4, 0:5] = 0  # in a quarter of the excerpts the text begins later
    postings += block(slice(10, 14), slice(5, 12), (14, 20))
    found = of([range(10)], [range(20)], (14, 20))
    assert not proof.has_outline(found, shared_of(postings), np.zeros(14, np.bool_)).any()


def test_fragments_give_back_the_prompts_of_longer_templates() -> None:
    # templates 0 and 1 share the sentence of fragment 2, which 4 other prompts hold, too
    cores = [range(20), range(16, 40), range(16, 20)]
    members = [range(30), range(30, 50), range(54)]
    proven = np.array([True, True, True])
    found = proof.without_fragments(of(cores, members, (40, 60)), proven)
    assert members_of(found) == [list(range(30)), list(range(30, 50)), list(range(50, 54))]
    # what nobody proved takes nothing
    found = proof.without_fragments(of(cores, members, (40, 60)), np.array([False, False, True]))
    assert members_of(found)[2] == list(range(54))


def test_a_template_is_no_fragment_of_what_fills_it_now_and_then() -> None:
    # the first family is the second's template and a popular document
    cores, members = [range(40), range(10)], [range(15), range(60)]
    found = proof.without_fragments(of(cores, members, (40, 60)), np.array([True, True]))
    assert members_of(found)[1] == list(range(60))
    # a long one keeps its prompts however often it is filled like that, and a stored one whatever is found
    found = proof.without_fragments(
        of([range(40), range(16)], members[1:] * 2, (40, 60)), np.array([True, True])
    )
    assert members_of(found)[1] == list(range(60))
    found = proof.without_fragments(
        of(cores, [range(50), range(60)], (40, 60), [-1, 0]), np.array([True, True])
    )
    assert members_of(found)[1] == list(range(60))


def test_an_unproven_phrase_does_not_starve_a_template() -> None:
    nobody = np.ones(2)
    act = Behaviour(*(np.zeros(2, np.int64) for _ in range(5)), nobody, nobody, nobody)
    found = of([range(16), range(16, 21)], [range(12), range(1_800)], (21, 1_800))
    worth = strength(found, act, np.array([True, False]))
    assert assign(found, worth, least=LEAST)[:13].tolist() == [0] * 12 + [1]


def test_nothing() -> None:
    found, _ = candidates(np.zeros((0, 0), np.float32), [])
    assert len(found) == 0
    assert assign(found, np.zeros(0), least=LEAST).shape == (0,)
    found, _ = candidates(np.zeros((0, 5), np.float32), [])
    assert assign(found, np.zeros(0), least=LEAST).tolist() == [-1] * 5
    fresh, left = renew(found, csr(np.zeros((0, 5))), shared_of(np.zeros((0, 5))), least=LEAST)
    assert (len(fresh), len(left)) == (0, 0)
    # stored families in a batch without any shared text
    found, _ = candidates(np.zeros((2, 5), np.float32), [-1, -1], np.ones((1, 2), np.float32))
    assert (found.known.tolist(), found.support.tolist()) == ([0], [0])
