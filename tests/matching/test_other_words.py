"""Templates are known in other words and other languages, word by word, and what honest people say near them is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from support.bare_signatures import signature

from fingerprint.base.types import FloatArray
from fingerprint.domain.signature import Segment, Signature, Template
from fingerprint.embedding.embedder import Embedder, stamp_of
from fingerprint.matching.matcher import Matcher
from fingerprint.matching.meanings import MOST_READ, _insert
from fingerprint.matching.snapshot_build import publish
from fingerprint.matching.template_words import NONE, NOT_READ, TemplateWords
from fingerprint.signatures.prototypes import embed_sentences

ASK = (
    "Sort the following letters of customers by urgency and write a short reply to each of them. "
    "Give every reply a title in capital letters and count the words that you needed"
)
SAID = {
    "de": "Ordne die folgenden Briefe der Kunden nach Dringlichkeit und schreibe auf jeden eine kurze Antwort. "
    "Gib jeder Antwort einen Titel in Großbuchstaben und zähle die Wörter, die du gebraucht hast.",
    "es": "Ordena las siguientes cartas de clientes por urgencia y escribe una respuesta breve a cada una. "
    "Da a cada respuesta un título en mayúsculas y cuenta las palabras que has necesitado.",
    "fr": "Trie les lettres de clients suivantes par urgence et écris une courte réponse à chacune. "
    "Donne à chaque réponse un titre en majuscules et compte les mots dont tu as eu besoin.",
    "zh": "请按紧急程度对下面的客户来信排序,并给每封信写一个简短的回复。给每个回复加上大写字母的标题,并统计你用了多少个单词。",
    "en": "Rank these customer letters from most to least urgent, then draft a brief answer for every one. "
    "Each answer gets a headline in capitals, together with the number of words it took.",
}
HONEST = (
    "Please write a thank-you letter to my customers. The tone should be friendly.",
    "Could you help me write a polite letter to my landlord about the heating? It has been cold for three weeks.",
    "Bitte hilf mir, einen Brief an meinen Vermieter zu schreiben. Die Heizung ist seit drei Wochen kalt.",
    "¿Qué título le pondrías a un poema sobre el mar? Escribe también las primeras dos líneas.",
    "请给我的客户写一封感谢信。语气要友好。",
    "count the words in this paragraph and tell me which letter is the most frequent",
)


@pytest.fixture(scope="module")
def multilingual() -> Embedder:
    return Embedder.load("multilingual", light=True)


def asks(embedder: Embedder, text: str = ASK, **changes: object) -> Signature:
    """A family of that template, as a night that knows what strangers say would store it."""
    template = Template((Segment(text, "user", 0.0, 1.0),))
    [(vectors, _)] = embed_sentences([template], embedder.encode)
    plain = signature({1: 1.0}, threshold=0.5, stamp=stamp_of(embedder))
    about = {"similarity": 0.58, "typical_similarity": 0.16, "word_similarity": 0.46} | changes
    return replace(plain, template=template, prototypes=vectors, flagged=True, score=0.95, **about)


def opened(home: Path, embedder: Embedder, *signatures: Signature) -> Matcher:
    publish(home, signatures, stamp_of(embedder), night=None)
    return Matcher.open(home)


def test_a_template_is_known_in_other_words_and_languages(tmp_path: Path, multilingual: Embedder) -> None:
    found = opened(tmp_path, multilingual, asks(multilingual))
    for language, text in SAID.items():
        assert found.one(text).family_id is not None, language
        assert found.one(f"{text}\n\n{HONEST[0]}").family_id is not None, language
    for text in HONEST:
        assert found.one(text).family_id is None, text


def test_one_by_one_or_together(tmp_path: Path, multilingual: Embedder) -> None:
    found = opened(tmp_path, multilingual, asks(multilingual))
    texts = [*HONEST, *SAID.values(), ASK, ""]
    together = found.find_raw(texts)
    assert together.score.tolist() == [found.find_raw([text]).score[0] for text in texts]
    assert (together.family[len(HONEST) : -1] == 0).all()


def test_without_calibrated_words_sentences_decide(tmp_path: Path, multilingual: Embedder) -> None:
    found = opened(tmp_path, multilingual, asks(multilingual, word_similarity=1.0))
    assert found.one(ASK).family_id is not None
    assert found.one(SAID["fr"]).family_id is None


def test_a_changed_text_is_compared_by_the_sentences_that_were_calibrated(
    tmp_path: Path, multilingual: Embedder
) -> None:
    plain = asks(multilingual)
    other = Template((Segment("Tell me about the sea and its islands. Be brief about it", "user", 0.0, 1.0),))
    found = opened(tmp_path, multilingual, replace(plain, template=other))
    beside = opened(tmp_path / "beside", multilingual, replace(plain, word_similarity=1.0))
    for text in (*SAID.values(), *HONEST, ASK):
        assert found.one(text).score == beside.one(text).score


def test_words_are_read_when_they_are_needed(multilingual: Embedder) -> None:
    texts = [[f"{ASK}. Number {n}, and be quick about it"] for n in range(40)]
    templates = [Template(tuple(Segment(text, "user", 0.0, 1.0) for text in own)) for own in texts]
    parts = [vectors for vectors, _ in embed_sentences(templates, multilingual.encode)]
    bounds = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    asked = TemplateWords(
        [*texts[:-1], ["something else entirely"]], np.concatenate(parts), bounds, multilingual
    )
    some = asked.of(np.array([3], np.int32))
    assert (some.first[[2, 3]] == [NOT_READ, 0]).all()
    every = asked.of(np.arange(40, dtype=np.int32))
    assert every.first[39] == NONE
    for n in range(39):
        first, count = every.first[n], len(parts[n])
        [(_, said)] = embed_sentences([templates[n]], multilingual.encode)
        own = multilingual.word_model.words(pa.array(said, pa.large_string()))
        ends = every.words.ends[first : first + count + 1]
        assert every.words.rows[ends[0] : ends[-1]].tolist() == own.rows.tolist()
        assert (ends - ends[0]).tolist() == own.ends.tolist()
    # what was given out before reads the same
    assert some.words.rows[: some.words.ends[1]].tolist() == every.words.rows[: every.words.ends[1]].tolist()


@pytest.mark.parametrize("seed", range(5))
def test_the_nearest_are_read(seed: int) -> None:
    rng = np.random.default_rng(seed)
    families, near = np.full(MOST_READ, -1, np.int32), np.empty(MOST_READ, np.float32)
    ways: FloatArray = rng.integers(0, 6, 12).astype(np.float32)
    for family in rng.permutation(12):
        _insert(families, near, np.int32(family), ways[family])
    assert families.tolist() == np.lexsort((np.arange(12), -ways))[:MOST_READ].tolist()
