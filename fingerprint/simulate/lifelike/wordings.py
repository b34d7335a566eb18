"""How campaigns word their requests: each kind of text as the columns of its requests' first turns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from fingerprint.base.types import IntArray
from fingerprint.simulate.evasion import AS_WRITTEN, Evasion
from fingerprint.simulate.families import LANGUAGES, Family, written
from fingerprint.simulate.grammar import read_text, sections, unescape
from fingerprint.simulate.lifelike.agents import Agents
from fingerprint.simulate.lifelike.apps import any_topic
from fingerprint.simulate.lifelike.setup import Setup, Template
from fingerprint.simulate.lifelike.turns import Turns, Value, chats, turns
from fingerprint.simulate.modes import ModeTable
from fingerprint.simulate.render import FIRST, LAST, NONE
from fingerprint.simulate.reword import reworded, wordings

TEXTS = (
    "clean", "reword", "growing", "personas", "inject_start", "inject_middle", "inject_end", "split", "short",
    "payload_domination", "agentic", "translation", "chinese",
)  # fmt: skip
GROWS_EVERY = 30
"""A growing template gets one more sentence after so many requests."""
_BASE = 3  # sentences with which it begins
_BODIES = 4  # lengths of the texts around an injection
_WHOLE = 6  # whole rewordings of a template, at least, each of which is reworded again
_STRENGTH = 0.9  # how likely each place of a reworded text departs from it
_SENTENCE_END = re.compile(r"(?<=[.?!]) (?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Variant:
    """One way in which a campaign's template is sent: rules of the first turn, and the truth."""

    template: Template
    label: int
    aside: int = NONE


@dataclass(frozen=True, slots=True)
class Wording:
    """All ways in which a campaign words its requests.

    second: what the second turn says if the first one is sent only with it. later: rules of turns that follow, one of
    which is drawn for each. turns: of a conversation, fewest and most.
    """

    text: str
    variants: tuple[Variant, ...]
    second: Template | None = None
    later: tuple[int, ...] = (NONE,)
    turns: tuple[int, int] = (1, 1)


class Wordings:
    """Makes the wordings of campaigns, each of a template of its own."""

    def __init__(self, setup: Setup, agents: Agents, random: np.random.Generator) -> None:
        self._setup, self._agents, self._random = setup, agents, random
        self._modes = ModeTable(setup.grammar)
        known = [family for family in written("campaigns.txt") if not family.weak and family.place == "first"]
        setup.composer.keep(known)
        drawn: list[Family] = [known[i] for i in random.permutation(len(known)).tolist()]
        self._translations = [family for family in drawn if len(family.translations) == len(LANGUAGES)]
        self._plain = [family for family in drawn if family not in self._translations]
        self._blank = setup.grammar.add("blank_line", ["\n\n"])
        self._personas = random.permutation(len(sections(read_text("personas.txt")))).tolist()
        self._made = 0

    def wording(self, text: str, campaign: str, behaviour: str) -> Wording:
        """Return a campaign's wording; text is one of TEXTS, and gives way to `clean` where all that there are is in use."""
        if (text in ("translation", "chinese") and not self._translations) or (
            text == "personas" and not self._personas
        ):
            text = "clean"
        truth = {"campaign": campaign, "behaviour": behaviour, "text": text}
        if text == "growing":
            return self._growing(truth)
        if text == "personas":
            return self._framed(truth)
        if text == "split":
            return self._split(truth)
        if text == "agentic":
            return self._agentic(truth)
        if text in ("translation", "chinese"):
            return self._translated(truth)
        if text.startswith("inject"):
            family = self._template()
            ways = [Evasion((text,), (i + 0.5) / _BODIES) for i in range(_BODIES)]
            return Wording(text, tuple(self._variant(family, how, truth) for how in ways))
        if text in ("short", "payload_domination"):
            family = self._composed("brief" if text == "short" else "payload")
            return Wording(text, (self._variant(family, AS_WRITTEN, truth),))
        if text == "reword":
            return self._reworded(truth)
        families = [self._template() for _ in range(int(self._random.integers(1, 3)))]
        return Wording(text, tuple(self._variant(family, AS_WRITTEN, truth) for family in families))

    def _template(self) -> Family:
        """Return a family that no campaign has yet: one written by hand, if there is one left, in half of the cases."""
        if self._plain and self._random.random() < 0.5:
            return self._plain.pop()
        while True:
            family = self._composed("campaign")
            if not family.injected and len(family.sentences) > 1:
                return replace(family, place="first")

    def _composed(self, kind: str) -> Family:
        self._made += 1
        return self._setup.composer.compose(kind, f"template:{self._made:02d}")

    def _label(self, family: str, truth: Mapping[str, str], variant: str | None = None) -> int:
        text = truth["text"]
        evasion = "none" if text == "clean" or variant == "en" else text
        return self._setup.labels.number(
            "campaign", "campaign", family=family, evasion=evasion, variant=variant, **truth
        )

    def _variant(self, family: Family, how: Evasion, truth: Mapping[str, str]) -> Variant:
        template = self._setup.template(family)
        instruction, _, lead, body, tail, aside, layout, *_ = map(int, self._modes.mode(family, how))
        own = template._replace(instruction=instruction, lead=lead, body=body, tail=tail, layout=layout)
        return Variant(own, self._label(family.name, truth), aside)

    def _reworded(self, truth: Mapping[str, str]) -> Wording:
        """Return whole rewordings of a template, each of which is worded anew by rule in each request."""
        family, grammar = self._template(), self._setup.grammar
        template = self._setup.template(family)._replace(lead=self._blank, tail=NONE, layout=FIRST)
        label = self._label(family.name, truth)
        whole = [" ".join(family.sentences), *family.paraphrases]
        whole += wordings(family.sentences, max(0, _WHOLE - len(whole)))
        variants = []
        for i, text in enumerate(whole):
            name = f"fam/{family.name}/anew{i}"
            slots = [
                reworded(grammar, f"{name}/{j}", sentence, _STRENGTH, first=j == 0)
                for j, sentence in enumerate(_SENTENCE_END.split(text))
            ]
            variants.append(
                Variant(template._replace(instruction=grammar.add(name, [" ".join(slots)])), label)
            )
        return Wording("reword", tuple(variants))

    def _growing(self, truth: Mapping[str, str]) -> Wording:
        family = self._composed("growing")
        template = self._setup.template(family)
        variants = []
        for step in range(len(family.sentences) - _BASE + 1):
            instruction = " ".join(family.sentences[: _BASE + step])
            rule = self._setup.grammar.add(f"fam/{family.name}/step{step}", [instruction])
            variants.append(
                Variant(template._replace(instruction=rule), self._label(family.name, truth, f"step {step}"))
            )
        return Wording("growing", tuple(variants))

    def _framed(self, truth: Mapping[str, str]) -> Wording:
        """Return six frames around one question."""
        frames = sections(read_text("personas.txt"))
        name, lines = frames[self._personas.pop()]
        body = self._setup.grammar.number("ask")
        variants = []
        for i, line in enumerate(lines):
            rule = self._setup.grammar.add(f"fam/{name}/frame{i}", [unescape(line[2:])])
            template = Template(rule, NONE, body, NONE, FIRST if line[0] == "-" else LAST)
            variants.append(Variant(template, self._label(name, truth, f"persona {i}")))
        return Wording("personas", tuple(variants))

    def _split(self, truth: Mapping[str, str]) -> Wording:
        """Return a template of which the first sentence is the system prompt, and the rest fills two turns."""
        family = self._composed("split")
        template = self._setup.template(family)
        middle = 1 + len(family.sentences[1:]) // 2
        cuts = (slice(0, 1), slice(1, middle), slice(middle, None))
        aside, early, late = (
            self._setup.grammar.add(f"fam/{family.name}/part{i}", [" ".join(family.sentences[cut])])
            for i, cut in enumerate(cuts)
        )
        first = Template(early, NONE, NONE, NONE, FIRST)
        second = template._replace(instruction=late, layout=FIRST)
        return Wording("split", (Variant(first, self._label(family.name, truth), aside),), second=second)

    def _agentic(self, truth: Mapping[str, str]) -> Wording:
        """Return tasks of one template, given to a public agent."""
        family = self._composed("agentic")
        task = self._setup.template(family)
        agent = self._agents.templates[0]
        template = task._replace(instruction=agent.instruction, layout=agent.layout)
        variant = Variant(template, self._label(family.name, truth), task.instruction)
        rule = self._setup.grammar.number
        return Wording(
            "agentic",
            (variant,),
            later=(rule("tool_result"), rule("tool_result"), rule("agent_more")),
            turns=(2, 5),
        )

    def _translated(self, truth: Mapping[str, str]) -> Wording:
        family = self._translations.pop()
        variants = []
        if truth["text"] == "translation":
            as_written = self._variant(family, AS_WRITTEN, truth)
            variants.append(Variant(as_written.template, self._label(family.name, truth, "en")))
        template = self._setup.template(family)
        for tag, text in zip(LANGUAGES, family.translations, strict=True):
            if truth["text"] == "chinese" and tag != "zh":
                continue
            rule = self._setup.grammar.add(f"fam/{family.name}/{tag}", [text])
            variants.append(
                Variant(template._replace(instruction=rule), self._label(family.name, truth, tag))
            )
        return Wording(truth["text"], tuple(variants))


def worded(
    setup: Setup,
    wording: Wording,
    account: IntArray,
    start: IntArray,
    number: IntArray,
    frame: IntArray,
    random: np.random.Generator,
) -> Turns:
    """Return a campaign's conversations, filled from one list, whoever sends them.

    start: ms since midnight. number: how many the campaign has begun before each. frame: which persona asks.
    """
    count = len(account)
    fewest, most = wording.turns
    chat = chats(start, random.integers(fewest, most + 1, count) + bool(wording.second), 35, random)
    of = chat.conversation
    chosen = _chosen(wording, number, frame, random)
    rules = np.array([(*v.template, v.aside, v.label) for v in wording.variants])[chosen][of]
    seed = np.zeros(count, np.uint64)
    topic = any_topic(setup, count, random)
    if wording.text == "personas":
        # one question goes to about as many accounts as there are frames
        question = random.integers(0, max(1, count // len(wording.variants)), count)
        seed = question.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(int(number[0]) + 1)
        topic = (question * 31 % setup.topics).astype(np.int32)
    columns: dict[str, Value] = {}
    later = np.array(wording.later)[random.integers(0, len(wording.later), len(of))]
    for i, name in enumerate((*Template._fields, "aside")):
        then: Value = NONE if wording.second is None or name == "aside" else getattr(wording.second, name)
        if wording.second is None and name in ("body", "layout"):
            then = later if name == "body" else FIRST
        columns[name] = np.where(chat.place == 0, rules[:, i], then)
    return turns(
        len(of),
        conversation=of,
        account=account[of],
        time=np.where(chat.place == 1, start[of], chat.time) if wording.second else chat.time,
        sent=(chat.place > 0) if wording.second else 1,
        label=rules[:, -1],
        topic=topic[of],
        body_seed=np.where(chat.place == 0, seed[of], np.uint64(0)),
        **columns,
    )


def _chosen(wording: Wording, number: IntArray, frame: IntArray, random: np.random.Generator) -> IntArray:
    """Return which variant each conversation uses."""
    kinds = len(wording.variants)
    if wording.text == "growing":
        return np.minimum(number // GROWS_EVERY, kinds - 1)
    if wording.text == "personas":
        return frame % kinds
    return random.integers(0, kinds, len(number))
