"""Rewords templates by rule: synonyms, clauses in another order, other constructions; slots stay as they are.

A sentence becomes a rule of the grammar whose alternatives are constructions, with a rule of synonyms at each place
that has any, so every request draws a wording of its own. How often a draw departs from the original is the strength.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from fingerprint.simulate.grammar import Grammar, read_text, sections

MOST_CONSTRUCTIONS = 8

_VERBS = frozenset(read_text("verbs.txt").split())
"""Words with which an order may begin."""

_FRAMES = (
    "Please ",
    "You should ",
    "I want you to ",
    "You are asked to ",
    "Be sure to ",
    "What you do is to ",
)
_NEVER = ("Never ", "You must not ", "Please do not ", "At no point ")
_ROLES = (
    "Act as ",
    "Imagine that you are ",
    "Think of yourself as ",
    "From now on you are ",
    "Your role is that of ",
)
_LINKS = ("Also, ", "In addition, ", "Besides, ", "Furthermore, ", "Next, ")
_BEFORE = "after|before|when|whenever|while|if|once|unless|for|in|on|under|between|inside|within"
_BEHIND = "so that|because|until|unless|before|after|while|when|as if"
_LEADING = re.compile(rf"((?:{_BEFORE})\b[^,;:.]*), ([^:]+)\.", re.IGNORECASE)
_TRAILING = re.compile(rf"((?:[^\s;:]+ ){{3,}}?[^\s;:]+?),? ((?:{_BEHIND}) [^,;:.]+)\.", re.IGNORECASE)
_ITEMS = re.compile(r"\b[a-z]+(?:, [a-z]+)+ (?:and|or) [a-z]+\b")
_SLOT = re.compile("[\ue000-\uf8ff]")
_OPEN, _SHUT = "\x01", "\x02"  # around words that a construction brings, which no synonym replaces
_VOWEL = re.compile(r"(?:[aeio]|u(?!ni|s)|8|11|18)", re.IGNORECASE)


def reworded(grammar: Grammar, name: str, sentence: str, strength: float, *, first: bool) -> str:
    """Add the rule `name`, a sentence in endlessly many wordings, and return a slot that calls it.

    strength: how likely each place departs from the original, 0 to 1. first: nothing goes before it, so it opens
    without a link to what was said.
    """
    options = constructions(sentence, first=first)
    texts = [_with_sites(grammar, option, strength) for option in options]
    others = len(texts) - 1
    weights = [1 - strength, *[strength / others] * others] if others else [1.0]
    grammar.add(name, texts, [max(weight, 1e-9) for weight in weights])
    return f"«{name}»"


def wordings(sentences: Sequence[str], count: int) -> list[str]:
    """Return a template's text in `count` rewordings as far from it as the rules go, always the same ones."""
    chance = random.Random(f"wordings {' '.join(sentences)}")
    return [" ".join(_drawn(s, i == 0, chance) for i, s in enumerate(sentences)) for _ in range(count)]


def _drawn(sentence: str, first: bool, chance: random.Random) -> str:
    options = constructions(sentence, first=first)
    text = chance.choice(options[1:] or options)
    return "".join(part if isinstance(part, str) else chance.choice(part[1:]) for part in sites(text))


def constructions(sentence: str, *, first: bool) -> list[str]:
    """Return a sentence and what else it can be built like, at most MOST_CONSTRUCTIONS, the original first."""
    bare, slots = _without_slots(sentence)
    forms = [bare]
    for base in (bare, *_reordered(bare)):
        for framed in (base, *_framed(base)):
            forms += [framed, *([] if first else _linked(framed))]
    kept = list(dict.fromkeys(forms))
    chance = random.Random(f"constructions {sentence}")
    rest = chance.sample(kept[1:], min(len(kept) - 1, MOST_CONSTRUCTIONS - 1))
    return [_with_slots(text, slots) for text in (bare, *rest)]


def _reordered(text: str) -> Iterator[str]:
    """Move a clause to the other end, or make two sentences of one."""
    if match := _LEADING.fullmatch(text):
        yield f"{_capital(match[2])}, {_small(match[1])}."
    if match := _TRAILING.fullmatch(text):
        yield f"{_capital(match[2])}, {_small(match[1])}."
    head, semicolon, tail = text.partition("; ")
    if semicolon:
        yield f"{head}. {_capital(tail)}"
        yield f"{head}, and {tail}"
        return
    for match in re.finditer(r", (?:and|then|but) (\w+)", text):
        if match[1] in _VERBS:
            yield f"{text[: match.start()]}. {_kept('Then ')}{text[match.start(1) :]}"
            break


def _framed(text: str) -> Iterator[str]:
    """Say an order as a request, a duty or a wish."""
    word, _, rest = text.partition(" ")
    if text.startswith("Do not "):
        yield from (_kept(frame) + text[7:] for frame in _NEVER)
    elif text.startswith("You are ") and not rest.startswith("are to "):
        yield from (_kept(frame) + text[8:] for frame in _ROLES)
    elif word.lower() in _VERBS:
        yield from (_kept(frame) + _small(text) for frame in _FRAMES)


def _linked(text: str) -> list[str]:
    """Link a sentence to what was said before it."""
    return [_kept(_LINKS[len(text) % len(_LINKS)]) + _small(text)]


def _kept(words: str) -> str:
    return _OPEN + words + _SHUT


def _with_sites(grammar: Grammar, text: str, strength: float) -> str:
    out = []
    for part in sites(text):
        if isinstance(part, str):
            out.append(part)
            continue
        name = f"reword/{strength:.4f}/{hashlib.blake2b('|'.join(part).encode(), digest_size=8).hexdigest()}"
        others = len(part) - 1
        weights = [1 - strength, *[strength / others] * others]
        grammar.add(name, part, [max(weight, 1e-9) for weight in weights])
        out.append(f"«{name}»")
    return "".join(out)


def sites(text: str) -> list[str | tuple[str, ...]]:
    """Cut a sentence into fixed text and places, each with its own text first and then what may stand there."""
    bare, slots = _without_slots(text)
    parts: list[str | tuple[str, ...]] = []
    at = 0
    for start, end, options in _matches(bare):
        parts += [_with_slots(bare[at:start], slots), tuple(options)]
        at = end
    parts.append(_with_slots(bare[at:], slots))
    return [part for part in parts if part]


def _matches(text: str) -> Iterator[tuple[int, int, list[str]]]:
    """Yield the places of a text and what may stand there, from left to right, the longest first."""
    pattern, synonyms = _lexicon()
    at = 0
    while match := pattern.search(text, at):
        listed = _ITEMS.match(text, match.start())
        if listed:
            yield listed.start(), listed.end(), [listed[0], *_permuted(listed[0])]
            at = listed.end()
            continue
        start, own = match.start(), match[0]
        if len(own) > 1 and own.isupper():  # a name or a marker
            at = match.end()
            continue
        others = [_capital(s) if own[0].isupper() else s for s in synonyms[own.lower()]]
        article = re.search(r"\b(a|an) $", text[at:start], re.IGNORECASE)
        if article:
            start -= len(article[0])
            own = text[start : match.end()]
            others = [_article(article[1], other) for other in others]
        yield start, match.end(), [own, *others]
        at = match.end()


def _permuted(items: str) -> list[str]:
    """Return a list of single words in three other orders."""
    words, last = re.split(r" (?:and|or) ", items)
    joint = " or " if " or " in items else " and "
    every = [*words.split(", "), last]
    turns = (every[1:] + every[:1], every[::-1], every[-1:] + every[:-1])
    return [", ".join(turn[:-1]) + joint + turn[-1] for turn in turns]


@cache
def _lexicon() -> tuple[re.Pattern[str], dict[str, list[str]]]:
    synonyms: dict[str, list[str]] = {}
    for _, lines in sections(read_text("synonyms.txt")):
        for line in lines:
            phrase, _, others = line.partition(" > ")
            known = synonyms.setdefault(phrase, [])
            known += [other for other in others.split(" | ") if other not in known]
    longest = sorted(synonyms, key=lambda phrase: (-len(phrase), phrase))
    words = "|".join(re.escape(phrase) for phrase in longest)
    return re.compile(rf"(?<![\w<>/=_-])(?:{words})(?![\w<>/=_(-])", re.IGNORECASE), synonyms


def _article(own: str, follows: str) -> str:
    if follows.startswith(("a ", "an ", "the ")):
        return follows
    text = ("an " if _VOWEL.match(follows) else "a ") + follows
    return _capital(text) if own[0].isupper() else text


def _without_slots(text: str) -> tuple[str, list[str]]:
    """Put a private-use character in the place of each slot and kept words, so that no rule looks into them."""
    slots: list[str] = []
    out, depth, start = [], 0, 0
    for i, sign in enumerate(text):
        if sign in "«\x01":
            depth += 1
            if depth == 1:
                start = i
        elif sign in "»\x02":
            depth -= 1
            if depth == 0:
                out.append(chr(0xE000 + len(slots)))
                slots.append(text[start : i + 1].strip(_OPEN + _SHUT))
        elif depth == 0:
            out.append(sign)
    return "".join(out), slots


def _with_slots(text: str, slots: Sequence[str]) -> str:
    return _SLOT.sub(lambda match: slots[ord(match[0]) - 0xE000], text)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _small(text: str) -> str:
    if text.startswith(_OPEN):
        return _OPEN + _small(text[1:])
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[:2] == "A " else text


def places(sentences: Iterable[str]) -> float:
    """Return the share of the words of a template, slots apart, that some rule can change."""
    words = changeable = 0
    for sentence in sentences:
        bare, _ = _without_slots(sentence)
        words += len(bare.split())
        changeable += sum(len(bare[start:end].split()) for start, end, _ in _matches(bare))
    return changeable / max(words, 1)
