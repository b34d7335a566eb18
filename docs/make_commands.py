"""Writes commands.md beside this file: commands, settings, environment variables and exit statuses, from the code.

    python docs/make_commands.py

The texts are those of `--help` and of the settings' docstrings, so a command or a setting is described in one place.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from fingerprint.cli.main import cli
from fingerprint.domain.settings import Settings
from fingerprint.service.http.config import Config

PAGE = Path(__file__).with_name("commands.md")

HEAD = """\
# Commands, settings, exit statuses

<!-- Written by docs/make_commands.py from the program's own help: change the help, then run `make docs`. -->

Every command prints this with `--help`. The commands that work on a home take `--home` and `--database`, or read the
environment variables below. Every command that prints results takes `--format table|jsonl`: text for people, or one
JSON object a line; `--json` is short for `--format jsonl`. The exceptions: `watch` always prints JSON lines, `serve`
logs JSON lines, `demo` and `completion` print text only, and `export --format` chooses a file format. Wherever an id is
expected, its beginning is enough if no other id begins so.
"""

LITERAL = "\b"
"""Begins a paragraph of a help text that click prints line by line."""

OTHER_VARIABLES = {
    "FINGERPRINT_MODELS": "the folder that holds `static-minilm-256/` and `static-multilingual-256/`, where they are not in their usual place",
    "FINGERPRINT_DEBUG": "1: an error is printed with its traceback",
    "FINGERPRINT_SERVE": "set by `fingerprint serve` for its worker processes; not to be set by hand",
}
"""Variables that stand in for no option."""


def page() -> str:
    """Return the text of commands.md."""
    commands = list(_commands(cli, "fingerprint"))
    parts = [
        HEAD,
        _table(("command", ""), [(f"[`{name}`](#{_anchor(name)})", _first(c)) for name, c in commands]),
        *(_section(name, command) for name, command in commands),
        _settings(),
        _environment(commands),
        _exit_statuses(),
    ]
    return "\n".join(parts)


def _commands(group: click.Group, name: str) -> Iterator[tuple[str, click.Command]]:
    """Yield each command with its full name, a group before its own commands."""
    for part, command in group.commands.items():
        yield f"{name} {part}", command
        if isinstance(command, click.Group):
            yield from _commands(command, f"{name} {part}")


def _section(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    rows = [
        (f"`{', '.join(_names(option))}`", _about(option))
        for option in command.params
        if isinstance(option, click.Option)
    ]
    table = "\n" + _table(("option", ""), rows) if rows else ""
    return f"## `{name}`\n\n    {usage}\n\n{_markdown(command.help or '')}{table}"


def _names(option: click.Option) -> Iterator[str]:
    for name in (*option.opts, *option.secondary_opts):
        if option.is_flag:
            yield name
        elif isinstance(option.type, click.Choice):
            yield f"{name} {'|'.join(map(str, option.type.choices))}"
        else:
            yield f"{name} {option.make_metavar(click.Context(cli))}"


def _in_words(default: object) -> str:
    return ", ".join(map(str, default)) if isinstance(default, tuple) else f"{default}"


def _about(option: click.Option) -> str:
    """Return an option's help, and what holds of its value."""
    facts = []
    if option.required:
        facts.append("required")
    if option.multiple:
        facts.append("may be repeated")
    if option.show_default and option.default is not None:
        facts.append(f"default {_in_words(option.default)}")
    if isinstance(option.type, click.IntRange | click.FloatRange):
        facts.append(_range(option.type))
    if option.envvar is not None:
        facts.append(f"environment variable `{option.envvar}`")
    words = " ".join((option.help or "").split())
    facts = [fact for fact in facts if fact not in words]
    return f"{words} ({'; '.join(facts)})" if facts else words


def _range(kind: click.IntRange | click.FloatRange) -> str:
    low = "" if kind.min is None else f"{'above' if kind.min_open else 'at least'} {kind.min}"
    high = "" if kind.max is None else f"{'below' if kind.max_open else 'at most'} {kind.max}"
    return " and ".join(filter(None, (low, high)))


def _markdown(text: str) -> str:
    """Turn a command's help into Markdown; paragraphs that click must not wrap (LITERAL) keep their lines, as code."""
    out = []
    for paragraph in re.split(rf"\n\s*\n|\n(?={LITERAL})", inspect.cleandoc(text)):
        first, *lines = paragraph.removeprefix(LITERAL).strip("\n").split("\n")
        if paragraph.startswith(LITERAL):
            out += [first.strip(), "\n".join(f"    {line[2:]}" for line in lines)]
        else:
            out.append(textwrap.fill(" ".join(paragraph.split()), 120, break_on_hyphens=False))
    return "\n\n".join(out) + "\n"


def _settings() -> str:
    """Describe the settings of the engine and of the service, each with the option that sets it."""
    return f"""\
## Settings of a night

Those without an option can be set from Python only: `nightly(traffic, home, Settings(seed=1))`.

{_setting_table(Settings, cli.commands["nightly"])}
## Settings of the service

Those without an option are fixed.

{_setting_table(Config, cli.commands["serve"])}"""


def _setting_table(settings: type[Any], command: click.Command) -> str:
    options = {p.name: p for p in command.params if isinstance(p, click.Option)}
    described = described_fields(settings)
    rows = []
    for field in fields(settings):
        if field.name in ("path", "database"):
            continue
        option = options.get(field.name)
        default = (
            "none"
            if field.default in (None, ())
            else "off"
            if field.default is False
            else _in_words(field.default)
        )
        words = described.get(field.name) or ("" if option is None else option.help or "").rstrip(".")
        rows.append((f"`{field.name}`", f"`{option.opts[0]}`" if option else "", default, words))
    return _table(("setting", "option", "default", ""), rows)


def described_fields(settings: type[Any]) -> dict[str, str]:
    """Return what a dataclass's docstring says of each field, in which `name: text` begins a description."""
    names = "|".join(field.name for field in fields(settings))
    text = " ".join((settings.__doc__ or "").split())
    pieces = re.split(rf"(?:^|(?<=[.;] ))({names}): ", text)
    return {name: words.strip().rstrip(".") for name, words in zip(pieces[1::2], pieces[2::2], strict=True)}


def _environment(commands: Sequence[tuple[str, click.Command]]) -> str:
    stands: dict[str, set[str]] = {}
    for _, command in commands:
        for option in command.params:
            if isinstance(option.envvar, str):
                stands.setdefault(option.envvar, set()).add(option.opts[0])
    rows = [(f"`{name}`", f"stands in for `{'`, `'.join(sorted(of))}`") for name, of in stands.items()]
    rows += [(f"`{name}`", words) for name, words in OTHER_VARIABLES.items()]
    return "## Environment variables\n\n" + _table(("variable", ""), rows)


def _exit_statuses() -> str:
    rows = re.findall(r"^ +(\d+) +(.+)$", cli.epilog or "", re.MULTILINE)
    return "## Exit statuses\n\n" + _table(("status", ""), rows)


def _first(command: click.Command) -> str:
    return re.split(r"\n\s*\n", command.help or "")[0].replace("\n", " ").strip().rstrip(".")


def _anchor(name: str) -> str:
    return name.replace(" ", "-")


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return "\n".join([line(names), "|" + "---|" * len(names), *map(line, rows)]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
