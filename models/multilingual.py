"""Makes models/static-multilingual-256: the English static model and the words of 29 other languages beside it.

    python models/multilingual.py LEXICON models/static-minilm-256 models/static-multilingual-256

LEXICON is a folder of LANGUAGE.tsv.gz: a line a word, with the WordNet 3.0 synsets that it names (`models/README.md` says
where they are from). English text keeps its tokens and their vectors; what is added:

1. a synset's vector is the mean of those of the English words that name it, and a word's the mean of its synsets', each
   counting by how common its English words are; the words of `common-words.txt` have those of their English ones;
2. frequent words that are not listed take the mean of the listed ones with the same stem (Snowball), or with the longest
   common beginning;
3. what all these vectors have in common is taken out (the first step of Arora, Liang & Ma, "A Simple but Tough-to-Beat
   Baseline for Sentence Embeddings", ICLR 2017, section 3, with the mean for the first axis);
4. words of like vectors share a row (k-means in two levels), so that the file is small;
5. `words.npy` has each word's row, and how much oftener other languages use it than English does, by which texts that
   are not English are told (`fingerprint/embedding/languages.py`).

A sentence is the mean of its words' rows: rows of words with many or common meanings are short, so they count for less.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import sysconfig
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = (
    "1"  # sums depend on the number of threads
)

import faiss
import numpy as np
import pyarrow as pa
import snowballstemmer
from model_folder import write_folder
from safetensors.numpy import load_file
from scipy import sparse
from tokenizers import Tokenizer
from wordfreq import get_frequency_dict

from fingerprint.embedding.languages import MOST_EVIDENCE, packed
from fingerprint.text.normalise import normalise

Words = tuple[list[str], np.ndarray, np.ndarray]
"""Words (n,), their vectors (n, d) and frequencies (n,)."""

SPACELESS = ("zh", "ja", "th")
"""Languages that put no spaces between words."""

LONGEST = 64
"""Characters of the longest word."""

COMMON_WORDS = Path(__file__).parent / "common-words.txt"
STEMMERS = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek", "es": "spanish",
    "fi": "finnish", "fr": "french", "hi": "hindi", "hu": "hungarian", "id": "indonesian", "it": "italian", "nl": "dutch",
    "no": "norwegian", "pl": "polish", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sv": "swedish", "tr": "turkish",
}  # fmt: skip
PREFIXES = {"he": ("ו", "ה", "ב", "ל", "כ", "מ", "ש"), "ar": ("و", "ال", "ب", "ل", "ف", "ك")}
"""What is written together with the word behind it."""

CORPUS = {"no": "nb"}
"""The language whose frequencies are taken, where it goes by another name."""

LEMMAS, FORMS = 16_000, 40_000
"""Most frequent listed words of a language, and other frequent ones."""

LEAST = 1e-6
"""Frequency of the rarest word that is taken, in a language of which frequencies are known."""

RARE, BY_HAND = 1e-8, 1e-5
"""Frequency of words that no list has, and of those of `common-words.txt`."""

SENSE, WORD = 0.5, 0.5
"""Powers of the frequencies by which the synsets of a word, and the words of a synset, are weighted."""

MIN_BEGINNING, BEGINNING_SHARE, MOST_ALIKE, MOST_LONGER = 4, 0.6, 12, 3
ROWS = 32_000
COARSE_STEPS, FINE_STEPS = 10, 8
LEAST_ENGLISH = 3e-7
"""Frequency of the rarest English word that tells a text to be English."""

MOSTLY_ENGLISH = 30
"""A word that English uses so many times oftener than any other language is English in their texts, too."""

MOST_OF_LENGTH = {1: 0, 2: 16, 3: 24}
"""Evidence that words of so many ASCII letters give at most: they stand for anything in programs."""

MOST_OF_ASCII = 32
"""Evidence that a longer word of ASCII letters gives at most, for either side."""

MIN_IN_CODE, OF_CODE = 3, 1e-5
"""Times that the standard library must hold a word of programs, and the frequency that it counts with."""

LICENCE = Path(__file__).parent / "LICENSE-multilingual"


@dataclass(frozen=True)
class English:
    """The English model: tokenizer, rows (v, d), how frequent words are, and the synsets' vectors and weights."""

    tokenizer: Tokenizer
    rows: np.ndarray
    frequency: dict[str, float]
    number: dict[str, int]
    meaning: np.ndarray
    weight: np.ndarray


def lemmas(lexicon: Path, language: str) -> list[tuple[str, list[str]]]:
    """Words of a language and the synsets that each names."""
    with gzip.open(lexicon / f"{language}.tsv.gz", "rt", encoding="utf-8") as file:
        pairs = [line.rstrip("\n").split("\t") for line in file]
    return [(word.lower(), synsets.split()) for word, synsets in pairs]


def sums(tokenizer: Tokenizer, rows: np.ndarray, texts: list[str]) -> np.ndarray:
    """(n, d) the sum of the rows of each text's tokens."""
    ids = [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=False)]
    return np.array([rows[i].sum(axis=0) for i in ids], dtype=np.float32).reshape(len(texts), rows.shape[1])


def read_english(lexicon: Path, folder: Path) -> English:
    """Read the model, and give each synset the mean of its words, the common and unambiguous ones first."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    rows = load_file(folder / "model.safetensors")["embedding.weight"].astype(np.float32)
    frequency = get_frequency_dict("en", "best")
    words = lemmas(lexicon, "en")
    number = {s: n for n, s in enumerate(sorted({s for _, synsets in words for s in synsets}))}
    entry = [(number[s], w, len(synsets)) for w, (_, synsets) in enumerate(words) for s in synsets]
    synset, word, senses = (np.array(column) for column in zip(*entry, strict=True))
    common = np.array([min(frequency.get(part, RARE) for part in text.split()) for text, _ in words])
    alone = np.array([0.05 if " " in text else 1.0 for text, _ in words])
    weight = (common * alone)[word] / senses
    shape = (len(number), len(words))
    named = sparse.csr_matrix((weight**WORD, (synset, word)), shape)
    vectors = sums(tokenizer, rows, [text for text, _ in words])
    meaning = (named @ vectors) / np.asarray(named.sum(axis=1))
    total = np.bincount(synset, weight, len(number)) ** SENSE
    return English(tokenizer, rows, frequency, number, meaning.astype(np.float32), total)


def keys_of(words: list[str]) -> list[str]:
    """Each word as normalised texts have it; "" for what is read as no word or as several."""
    return [_key(text) for text in normalise(pa.array(words, pa.large_string())).to_pylist()]


def _key(text: str) -> str:
    apart = any(unicodedata.category(c)[0] in "PZSC" for c in text)
    return "" if apart or not any(c.isalpha() for c in text) or len(text) > LONGEST else text


def common_words() -> dict[str, list[tuple[str, str]]]:
    """Read forms and their English words, by language."""
    out: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for line in COMMON_WORDS.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            language, *entries = line.split()
            for entry in entries:
                english, _, forms = entry.partition("=")
                out[language] += [(form, english) for form in forms.split(",") if "_" not in form]
    return out


def frequencies(language: str) -> dict[str, float]:
    """Frequency of each key of a language, the most frequent first; none where no list is known."""
    try:
        listed = get_frequency_dict(CORPUS.get(language, language), "best")
    except LookupError:
        return {}
    words = list(listed)[:200_000]
    out: dict[str, float] = defaultdict(float)
    for word, key in zip(words, keys_of(words), strict=True):
        if key:
            out[key] += listed[word]
    return dict(out)


def without_meaning(known: set[str], frequency: list[dict[str, float]]) -> dict[str, float]:
    """Frequent words of other languages that have no vector, and how frequent they are: they tell a text's language."""
    out: dict[str, float] = {}
    for listed in frequency:
        for key, p in listed.items():
            if p >= LEAST and key not in known:
                out[key] = max(out.get(key, 0.0), p)
    return out


def relatives(language: str, keys: list[str], listed: list[str]) -> dict[str, list[str]]:
    """The listed words that each of some others is a form of, where there are any."""
    stemmer = snowballstemmer.stemmer(STEMMERS[language]) if language in STEMMERS else None
    stem = stemmer.stemWord if stemmer else str
    by_stem, by_beginning = defaultdict(list), defaultdict(list)
    for word in listed:
        by_stem[stem(word)].append(word)
        letters = unicodedata.normalize("NFD", word)  # endings of Korean words change within a syllable
        for n in range(MIN_BEGINNING, len(letters) + 1):
            by_beginning[letters[:n]].append(word)

    def alike(word: str) -> list[str]:
        key = unicodedata.normalize("NFD", word)
        if stem(word) in by_stem:
            return by_stem[stem(word)]
        for prefix in PREFIXES.get(language, ()):
            rest = word.removeprefix(prefix)
            if rest != word and len(rest) > 1 and (found := [rest] if rest in known else alike(rest)):
                return found
        for n in range(len(key), max(MIN_BEGINNING, int(BEGINNING_SHARE * len(key) + 0.99)) - 1, -1):
            found = [w for w in by_beginning.get(key[:n], ()) if len(w) <= len(word) + MOST_LONGER]
            if 0 < len(found) <= MOST_ALIKE:
                return found
        return []

    known = set(listed)
    least = 1 if language == "ko" else 2
    return {key: found for key in keys if len(key) > least and (found := alike(key))}


def words_of(lexicon: Path, language: str, frequency: dict[str, float], english: English) -> Words:
    """Keys (n,) of a language, their vectors (n, d) and frequencies (n,)."""
    listed: dict[str, set[int]] = defaultdict(set)
    entries = [(w, s) for w, s in lemmas(lexicon, language) if " " not in w]
    for key, (_, synsets) in zip(keys_of([w for w, _ in entries]), entries, strict=True):
        if key:
            listed[key].update(english.number[s] for s in synsets if s in english.number)
    own = sorted((k for k in listed if listed[k]), key=lambda k: (-frequency.get(k, 0.0), k))[:LEMMAS]
    pairs = [(row, s) for row, key in enumerate(own) for s in sorted(listed[key])]
    row, synset = (np.array(column) for column in zip(*pairs, strict=True))
    names = sparse.csr_matrix((english.weight[synset], (row, synset)), (len(own), len(english.number)))
    vectors = (names @ english.meaning) / np.asarray(names.sum(axis=1))
    rest = [] if language in SPACELESS else [k for k in frequency if k not in listed][:FORMS]
    found = relatives(language, rest, own)
    place = {key: n for n, key in enumerate(own)}
    others = list(found)
    pairs = [(n, place[w], frequency.get(w, 0.0) + RARE) for n, key in enumerate(others) for w in found[key]]
    row, lemma, weight = (
        (np.array(column) for column in zip(*pairs, strict=True)) if pairs else (np.zeros(0, int),) * 3
    )
    forms = sparse.csr_matrix((weight, (row, lemma)), (len(others), len(own)))
    derived = (forms @ vectors) / np.maximum(np.asarray(forms.sum(axis=1)), 1e-30)
    keys = [*own, *others]
    p = np.array([frequency.get(k, RARE) for k in keys])
    kept = p >= LEAST if frequency else np.ones(len(p), bool)
    return (
        [k for k, take in zip(keys, kept, strict=True) if take],
        np.concatenate([vectors, derived])[kept],
        p[kept],
    )


def join(languages: list[Words]) -> Words:
    """Put the words of all languages together; what several spell alike is their mean, by frequency."""
    place: dict[str, int] = {}
    owner = np.array([place.setdefault(key, len(place)) for keys, _, _ in languages for key in keys])
    vectors = np.concatenate([v for _, v, _ in languages])
    p = np.concatenate([f for _, _, f in languages]) + RARE
    mean = sparse.csr_matrix((p, (owner, np.arange(len(owner)))), (len(place), len(owner)))
    highest = np.zeros(len(place))
    np.maximum.at(highest, owner, p)
    return list(place), (mean @ vectors) / np.asarray(mean.sum(axis=1)), highest


def code_words() -> list[str]:
    """Words of the standard library's code and documentation."""
    root, count = Path(sysconfig.get_path("stdlib")), Counter[str]()
    for path in sorted(root.rglob("*.py")):
        if not {"site-packages", "dist-packages", "test", "tests"} & set(path.relative_to(root).parts):
            count.update(re.findall("[a-z]{2,}", path.read_text("utf-8", errors="replace").lower()))
    return sorted(word for word, times in count.items() if times >= MIN_IN_CODE)


def english_words(english: English) -> dict[str, float]:
    """English words and those of programs, with their frequencies."""
    words = [word for word, p in english.frequency.items() if p >= LEAST_ENGLISH]
    out: dict[str, float] = {}
    for key, word in zip(keys_of(words), words, strict=True):
        if key:
            out[key] = out.get(key, 0.0) + english.frequency[word]
    return out | {key: max(out.get(key, 0.0), OF_CODE) for key in keys_of(code_words()) if key}


def with_common_words(
    words: Words, pairs: list[tuple[str, str]], frequency: dict[str, float], english: English
) -> Words:
    """Give the words that are listed by hand the vectors of their English words, whatever a lexicon says of them."""
    forms: dict[str, list[str]] = defaultdict(list)
    for key, (_, word) in zip(keys_of([form for form, _ in pairs]), pairs, strict=True):
        if key:
            forms[key].append(word)
    keys, vectors, p = words
    others = [n for n, key in enumerate(keys) if key not in forms]
    own = np.array([sums(english.tokenizer, english.rows, w).mean(axis=0) for w in forms.values()])
    p_own = np.array([max(frequency.get(key, 0.0), BY_HAND) for key in forms])
    return (
        [*(keys[n] for n in others), *forms],
        np.concatenate([vectors[others], own]),
        np.concatenate([p[others], p_own]),
    )


def without_common_direction(vectors: np.ndarray) -> np.ndarray:
    """Take from vectors (n, d) their part along their mean."""
    mean = vectors.mean(axis=0)
    mean /= np.linalg.norm(mean)
    return vectors - np.outer(vectors @ mean, mean)


def share_rows(vectors: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of about ROWS rows each vector (n, d) takes, (n,), and these rows; frequent words count more."""
    weight = np.clip(np.sqrt(p / LEAST), 1, 100).astype(np.float32)
    vectors = np.ascontiguousarray(vectors, np.float32)

    def means(part: np.ndarray, count: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
        clusters = faiss.Kmeans(
            vectors.shape[1],
            count,
            niter=steps,
            seed=1,
            min_points_per_centroid=1,
            max_points_per_centroid=len(vectors),
        )
        clusters.train(vectors[part], weights=weight[part])
        return clusters.index.search(vectors[part], 1)[1][:, 0], clusters.centroids

    coarse, _ = means(np.arange(len(vectors)), int(ROWS**0.5), COARSE_STEPS)
    place, rows = np.empty(len(vectors), np.int64), []
    for group in range(coarse.max() + 1):
        part = np.flatnonzero(coarse == group)
        if len(part):
            inside, centres = means(part, max(1, round(ROWS * len(part) / len(vectors))), FINE_STEPS)
            place[part] = inside + sum(map(len, rows))
            rows.append(centres)
    return place, np.concatenate(rows)


def evidence_of(keys: list[str], p: np.ndarray, english: dict[str, float]) -> np.ndarray:
    """How much oftener another language uses each word than English does, (n,) int64 in eighths of a nat."""
    most = np.array(
        [MOST_OF_LENGTH.get(len(k), MOST_OF_ASCII) if k.isascii() else MOST_EVIDENCE for k in keys]
    )
    p_english = np.array([english.get(key, RARE) for key in keys])
    evidence = np.clip(np.rint(8 * np.log(p / p_english)), -most, most).astype(np.int64)
    # English has no words of other letters but those in its list
    never = np.array([not key.isascii() and key not in english for key in keys])
    return np.where(never, MOST_EVIDENCE, evidence)


def table_of(
    keys: list[str], place: np.ndarray, p: np.ndarray, others: dict[str, float], english: dict[str, float]
) -> np.ndarray:
    """The words that a text is read by: those of other languages, and those that only tell which language it is in."""
    p_english = np.array([english.get(key, 0.0) for key in keys])
    rows = np.where(p_english <= MOSTLY_ENGLISH * p, place, -1)
    known = {*keys, *others}
    rest = [*others, *(key for key in english if key not in known)]
    every, p_rest = [*keys, *rest], np.array([others.get(key, RARE) for key in rest])
    evidence = evidence_of(every, np.concatenate([p, p_rest]), english)
    rows = np.concatenate([rows, np.full(len(rest), -1)])
    kept = np.flatnonzero((rows >= 0) | (evidence != 0))
    return packed([every[n] for n in kept], rows[kept], evidence[kept])


def main() -> None:
    """Make the model from the folders given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("lexicon", "english", "folder"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args()
    faiss.omp_set_num_threads(1)
    english = read_english(given.lexicon, given.english)
    by_hand, languages, listed = common_words(), [], []
    for path in sorted(given.lexicon.glob("*.tsv.gz")):
        language = path.name.removesuffix(".tsv.gz")
        if language != "en":
            frequency = frequencies(language)
            words = words_of(given.lexicon, language, frequency, english)
            languages.append(with_common_words(words, by_hand[language], frequency, english))
            listed.append(frequency)
            print(f"{language}: {len(languages[-1][0])} words", flush=True)
    keys, vectors, p = join(languages)
    place, rows = share_rows(without_common_direction(vectors), p)
    table = np.concatenate(
        [load_file(given.english / "model.safetensors")["embedding.weight"], rows.astype(np.float16)]
    )
    words_table = table_of(keys, place, p, without_meaning(set(keys), listed), english_words(english))
    tokenizer = (given.english / "tokenizer.json").read_text("utf-8")
    write_folder(given.folder, table, tokenizer, LICENCE, words_table)
    print(f"{len(keys)} words of {len(languages)} languages in {len(rows)} rows", flush=True)


if __name__ == "__main__":
    main()
