"""What people ask when no template is behind it: single prompts, conversations, and what everybody asks."""

from __future__ import annotations

import numpy as np

from fingerprint.base.types import IntArray
from fingerprint.simulate.lifelike.apps import uneven
from fingerprint.simulate.lifelike.people import People
from fingerprint.simulate.lifelike.setup import Setup
from fingerprint.simulate.lifelike.turns import Turns, chats, lengths, together, turns
from fingerprint.simulate.population import LANGUAGES
from fingerprint.simulate.render import NONE, TWEAK
from fingerprint.simulate.traffic import TWEAKED
from fingerprint.simulate.world import popularity

POPULAR_SHARE = 0.11
_SESSIONS = 0.11  # share of the conversations with several turns
_TURNS = 3.6
_GENERAL = 0.3  # share of the prompts that could be anybody's: riddles, pasted articles, code, logs


class Background:
    """Honest people, each with topics, hours and words of their own."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._label = setup.labels.number("background", "person")
        self._popular_label = setup.labels.number("background", "popular")
        self._volume = uneven(len(setup.persons), setup.random("volume"), 1.1)
        self._popular = popularity(max(80, round(400 * setup.scale)))
        rule = setup.grammar.number
        by_language = [rule("background" if tag == "en" else f"background_{tag}") for tag in LANGUAGES]
        self._general = np.array(by_language)
        self._opening, self._follow = rule("my_opening"), rule("my_follow")
        self._systems = np.array([rule("system_generic"), rule("system_app")])

    def day(self, number: int, count: int) -> Turns:
        """Return `count` requests."""
        setup, random = self._setup, self._setup.random("background", number)
        popular = round(POPULAR_SHARE * count)
        parts = [self._everybody(popular, random)]
        missing = count - popular
        while missing > 0:
            people_count = round(1.05 * missing / (1 + _SESSIONS * (_TURNS - 1))) + 5
            who = random.choice(setup.persons, people_count, p=self._volume)
            people = setup.people.of(who)
            part = self.asked(people, who, people.moments(random), self._label, random)
            part = part.at(np.arange(len(part.time)) < missing)
            missing -= len(part.time)
            parts.append(part)
        return together(parts)

    def asked(
        self, people: People, account: IntArray, start: IntArray, label: int, random: np.random.Generator
    ) -> Turns:
        """Return what these people ask from these accounts, conversation by conversation.

        start: (conversations,), ms since midnight.
        """
        setup, count = self._setup, len(account)
        several = random.random(count) < _SESSIONS
        length = np.where(several, 1 + lengths(count, _TURNS - 1, random), 1)
        chat = chats(start, length, 110, random)
        of = chat.conversation
        general = (random.random(count) < _GENERAL) | (people.language > 0)
        english = (people.language == 0) | (random.random(count) < 0.15)
        opening = np.where(general, self._general[np.where(english, 0, people.language)], self._opening)
        later = np.where(english, self._follow, opening)
        # some have a system prompt of their own, the same in all their requests
        kind = (people.seed >> np.uint64(20)) % np.uint64(16)
        system = np.where(kind < 3, self._systems[0], np.where(kind < 5, self._systems[1], NONE))
        return turns(
            len(of),
            conversation=of,
            account=account[of],
            time=chat.time,
            label=label,
            topic=people.subjects(setup.topics, random)[of],
            person=people.seed[of],
            body=np.where(chat.place == 0, opening[of], later[of]),
            system=np.where(chat.place == 0, system[of], NONE),
            system_of=people.seed[of],
        )

    def _everybody(self, count: int, random: np.random.Generator) -> Turns:
        """Return popular prompts, most of them word for word, from accounts of people."""
        setup = self._setup
        who = random.choice(setup.persons, count, p=self._volume)
        rank = np.searchsorted(self._popular, random.random(count))
        first, written, more = setup.popular
        # the written ones take the even ranks as long as they last
        rule = np.where((rank % 2 == 0) & (rank // 2 < written), first + rank // 2, more)
        seeds = (rank.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(
            setup.seed
        )
        return turns(
            count,
            conversation=np.arange(count),
            account=who,
            time=setup.people.of(who).moments(random),
            label=self._popular_label,
            repeat=rank,
            topic=(rank * 7919 % setup.topics).astype(np.int32),
            body=rule,
            body_seed=seeds,
            disguise=np.where(random.random(count) < TWEAKED, TWEAK, 0),
        )
