"""Public coding agents: a long system prompt, and sessions in which each request repeats all before it."""

from __future__ import annotations

from collections.abc import Iterator

from fingerprint.simulate.families import Family
from fingerprint.simulate.lifelike.apps import App, uneven
from fingerprint.simulate.lifelike.setup import Setup, Source, Template
from fingerprint.simulate.lifelike.software import HONEST
from fingerprint.simulate.lifelike.turns import Turns

_RULES = (
    (" \n\n# Tools\n\n", "tool_rules", 10),
    (" \n\n# Work\n\n", "conduct_rules", 30),
    (" \n\n# Talk\n\n", "talk_rules", 12),
)


class Agents:
    """Two agents; in the second one tool results are user turns."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self.names = ("agent:0", "agent:1")
        self.templates = [self._template(name) for name in self.names]
        rule = setup.grammar.number
        self.follow = ((rule("agent_more"),), (*[rule("tool_result")] * 5, rule("agent_more")))

    def _template(self, name: str) -> Template:
        composer = self._setup.composer
        sentences = composer.clauses("agent_head", 1)
        for heading, bank, count in _RULES:
            sentences += [
                f"{heading if i == 0 else ''}- {line}\n"
                for i, line in enumerate(composer.clauses(bank, count))
            ]
        return self._setup.template(
            Family(name, tuple(sentences), place="system", body="agent_task", kind="harness")
        )

    def sources(self) -> Iterator[Source]:
        """Yield what each agent's users send."""
        for name, template, follow in zip(self.names, self.templates, self.follow, strict=True):
            yield self._source(name, template, follow)

    def _source(self, name: str, template: Template, follow: tuple[int, ...]) -> Source:
        setup = self._setup
        random = setup.random(name)
        users = setup.some_persons(setup.size(320, 10, random), random)
        setup.register.use_agent(users, f"{name.replace(':', '')}-cli/2.{random.integers(9)}")
        label = setup.labels.number(HONEST, "agent", family=name)
        app = App(template, label, turns=7.4, pause=40, follow=follow)
        share = uneven(len(users), random, 1.2)

        def day(number: int) -> Turns:
            random = setup.random(name, number)
            who = random.choice(users, random.poisson(0.97 * len(users)), p=share)
            return app.used(setup, who, setup.people.of(who).moments(random), random)

        return day
