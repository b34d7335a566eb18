"""The commands that list or show what is stored, or name it: families, accounts, campaigns, nights, label."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fingerprint.cli.commands.options import (
    by_option,
    home_options,
    list_options,
    login,
    output_options,
    worked_home_of,
)
from fingerprint.cli.output.terminal import plain
from fingerprint.domain.errors import HomeLocked, UsageError
from fingerprint.domain.settings import Home
from fingerprint.domain.vocabulary import FAMILY_SORTS, POOL_SORTS, FamilySort, PoolSort, misspelt_label

if TYPE_CHECKING:
    from fingerprint.store.store import Store


def _stored(home: Home) -> Store:
    from fingerprint.store.store import Store

    return Store.open(home.path, home.database, read_only=True)


@click.group(invoke_without_command=True)
@home_options
@output_options
@list_options
@click.option("--label", metavar="WORD", help="List only families with this label; none: without a label.")
@click.option(
    "--sort",
    type=click.Choice(FAMILY_SORTS),
    default="score",
    show_default=True,
    help="What to sort by; the highest or latest comes first.",
)
@click.pass_context
def families(
    context: click.Context,
    path: Path | None,
    database: str | None,
    as_json: bool,
    flagged: bool,
    min_score: float | None,
    limit: int | None,
    label: str | None,
    sort: FamilySort,
) -> None:
    """List the stored families, or show one.

    \b
    Example:
      fingerprint families --home home --flagged
      fingerprint families --home home --sort last-seen --limit 20

    The output has for each family its id, score, whether it is flagged as a campaign, label, accounts, requests and
    template, in which ⟨…⟩ marks the parts that vary.
    """
    if context.invoked_subcommand is not None:
        return
    from fingerprint.cli.output import printing

    home = worked_home_of(path, database)
    with _stored(home) as store:
        rows = store.families(
            flagged=flagged or None, min_score=min_score, label=label, sort=sort, limit=limit
        )
    meant = None if rows or label is None else misspelt_label(label)
    if meant is not None:
        click.echo(
            f"fingerprint: no family is labelled {plain(label or '')}; did you mean {meant}?", err=True
        )
    printing.result(rows, lambda: printing.families(rows), as_json=as_json)


@families.command(name="show")
@click.argument("family", metavar="ID")
@home_options
@output_options
def show_family(family: str, path: Path | None, database: str | None, as_json: bool) -> None:
    """Show one family.

    \b
    Example:
      fingerprint families show f1c9a2b7d3e4 --home home

    The output is its template with slots, when and by how many accounts it was sent, the reasons for its score, its
    threshold, labels and events. --json prints the whole signature, which `fingerprint import` loads into another home.
    """
    from fingerprint.cli.output import printing
    from fingerprint.domain import signature_json

    with _stored(worked_home_of(path, database)) as store:
        family_id = store.full_id("family", family)
        signature = store.signature(family_id)
        printing.result(
            [signature_json.to_json(signature)],
            lambda: printing.family(signature, store.labels(family_id), store.events(family_id)),
            as_json=as_json,
        )


@click.group(invoke_without_command=True)
@home_options
@output_options
@list_options
@click.option(
    "--departed",
    is_flag=True,
    help="List only accounts whose requests in no family are unlike honest traffic: a weak sign, and no flag.",
)
@click.option(
    "--relays",
    is_flag=True,
    help="List only accounts that take turns, with many people or one list behind them, as a relay's do: no flag.",
)
@click.option("--campaign", metavar="C", help="List all accounts that sent any family of this campaign.")
@click.option("--family", metavar="F", help="List all accounts that sent this family.")
@click.option("--prefix", metavar="P", help="With one of these two: only accounts whose ids begin with P.")
@click.option(
    "--sort",
    type=click.Choice(POOL_SORTS),
    default="requests",
    show_default=True,
    help="With one of them: what to sort by; the most and the latest come first.",
)
@click.option("--csv", "as_csv", is_flag=True, help="With one of them: print CSV.")
@click.pass_context
def accounts(
    context: click.Context,
    path: Path | None,
    database: str | None,
    as_json: bool,
    flagged: bool,
    min_score: float | None,
    limit: int | None,
    departed: bool,
    relays: bool,
    campaign: str | None,
    family: str | None,
    prefix: str | None,
    sort: PoolSort,
    as_csv: bool,
) -> None:
    """List the assessed accounts, those of a campaign or family, or show one.

    \b
    Example:
      fingerprint accounts --home home --flagged --limit 50
      fingerprint accounts --campaign c5776d2826a --csv --home home

    The output has for each account its id, score, whether it is flagged, requests, the families it sent, and the
    evidence. The highest score comes first. An account that sent no family has the score 0; it is listed because its
    requests could be compared with honest traffic.

    With --campaign or --family it has every account that sent of it, assessed or not: how many requests and
    conversations, how much of all its requests these are, the first and the last day, and whether it is flagged.
    """
    if context.invoked_subcommand is not None:
        return
    if campaign is not None or family is not None:
        if departed or relays or min_score is not None:
            raise UsageError("--departed, --relays and --min-score go with neither --campaign nor --family")
        from fingerprint.cli.output import account_lists
        from fingerprint.domain.casework import PoolQuery

        with _stored(worked_home_of(path, database)) as store:
            query = PoolQuery(
                campaign=None if campaign is None else store.full_id("campaign", campaign),
                family=None if family is None else store.full_id("family", family),
                prefix=prefix or "",
                flagged=flagged,
                sort=sort,
            )
            account_lists.of_pool(store, query, limit=limit, as_json=as_json, as_csv=as_csv)
        return
    if prefix is not None or as_csv:
        raise UsageError("--prefix and --csv go with --campaign or --family")
    from fingerprint.cli.output import account_lists, printing

    with _stored(worked_home_of(path, database)) as store:
        rows = store.accounts(
            flagged=flagged or None, min_score=min_score, limit=limit, departed=departed, relay=relays
        )
    printing.result(rows, lambda: account_lists.assessed(rows), as_json=as_json)


@accounts.command(name="show")
@click.argument("account", metavar="ID")
@home_options
@output_options
def show_account(account: str, path: Path | None, database: str | None, as_json: bool) -> None:
    """Show one assessed account.

    \b
    Example:
      fingerprint accounts show org-1742 --home home

    The output is its score, requests, the families it sent, and the evidence with the weight of each reason.
    """
    from fingerprint.cli.output import printing

    with _stored(worked_home_of(path, database)) as store:
        row = store.account(store.full_id("account", account))
    printing.result([row], lambda: printing.account(row), as_json=as_json)


@click.group(invoke_without_command=True)
@home_options
@output_options
@list_options
@click.pass_context
def campaigns(
    context: click.Context,
    path: Path | None,
    database: str | None,
    as_json: bool,
    flagged: bool,
    min_score: float | None,
    limit: int | None,
) -> None:
    """List campaigns, or show one.

    A campaign is one or more families that the same pool of accounts sends, or that an analyst put together.

    \b
    Example:
      fingerprint campaigns --home home

    The output has for each campaign its id, name, score, label, families, accounts, requests, when it was last seen, and the
    template of its largest family. The highest score comes first.
    """
    if context.invoked_subcommand is not None:
        return
    from fingerprint.cli.output import printing

    with _stored(worked_home_of(path, database)) as store:
        rows = store.campaigns(flagged=flagged or None, min_score=min_score, limit=limit)
    printing.result(rows, lambda: printing.campaigns(rows), as_json=as_json)


@campaigns.command(name="show")
@click.argument("campaign", metavar="ID")
@home_options
@output_options
def show_campaign(campaign: str, path: Path | None, database: str | None, as_json: bool) -> None:
    """Show one campaign.

    \b
    Example:
      fingerprint campaigns show c5776d2826a --home home

    The output is its name, score, label, when and by how many accounts it was sent, and its families with their templates.
    """
    from fingerprint.cli.output import printing

    with _stored(worked_home_of(path, database)) as store:
        row = store.campaign(store.full_id("campaign", campaign))
    printing.result([row], lambda: printing.campaign(row), as_json=as_json)


@campaigns.command(name="rename")
@click.argument("campaign", metavar="ID")
@click.argument("name")
@home_options
@output_options
@by_option
def rename_campaign(
    campaign: str, name: str, path: Path | None, database: str | None, as_json: bool, by: str | None
) -> None:
    """Give a campaign another name, which nights leave; its id stays.

    \b
    Example:
      fingerprint campaigns rename c5776d2826a "graders of March" --home home

    The output is one line. The console can undo it.
    """
    from fingerprint.casework.actions import Actions
    from fingerprint.cli.output import printing
    from fingerprint.store.store import Store

    home, who = worked_home_of(path, database), by or login()
    with Store.open(home.path, home.database) as store:
        campaign_id = store.full_id("campaign", campaign)
        Actions(store.database).rename_campaign(campaign_id, name, by=who)
        row = store.campaign(campaign_id)
    printing.result([row], lambda: printing.renamed(row, who), as_json=as_json)


@click.command()
@click.argument("family")
@click.argument("word", metavar="LABEL", required=False)
@home_options
@output_options
@click.option("--campaign", metavar="C", help="The campaign it belongs to; created if it is new.")
@click.option("--reason", metavar="R", help="Why, for whoever reads it later.")
@by_option
@click.option(
    "--as-written",
    is_flag=True,
    help="Keep LABEL as it is, though it looks like campaign, benign or relay misspelt.",
)
@click.option("--undo", is_flag=True, help="Withdraw the label instead of giving one.")
def label(
    family: str,
    word: str | None,
    path: Path | None,
    database: str | None,
    as_json: bool,
    campaign: str | None,
    reason: str | None,
    by: str | None,
    as_written: bool,
    undo: bool,
) -> None:
    """Label FAMILY as campaign, benign, relay, or with a word of your own.

    \b
    Example:
      fingerprint label f1c9a2b7d3e4 benign --reason "our own benchmark" --home home

    The output is one line. The history of labels is kept: --undo adds a withdrawal. Lookups answer with the new
    label at once.
    """
    from fingerprint.casework.actions import Actions
    from fingerprint.cli.output import printing
    from fingerprint.jobs import publish
    from fingerprint.store.store import Store

    if undo and word is not None:
        raise UsageError("give a LABEL or --undo, not both")
    if not undo and (word is None or not word.strip()):
        raise UsageError("give a LABEL of at least one letter, or --undo to withdraw the present one")
    home = worked_home_of(path, database)
    with Store.open(home.path, home.database) as store:
        row = Actions(store.database).set_label(
            store.full_id("family", family),
            word,
            by=by or login(),
            campaign=campaign,
            reason=reason,
            as_written=as_written,
        )
    try:
        publish.publish_snapshot(home)
        published = True
    except HomeLocked:
        published = False
    printing.result([row], lambda: printing.label(row, published=published), as_json=as_json)


@click.command()
@home_options
@output_options
def nights(path: Path | None, database: str | None, as_json: bool) -> None:
    """List the nights stored in the home, oldest first.

    \b
    Example:
      fingerprint nights --home home

    The output has for each night when it ran, its rows (read = accepted + rejected + duplicate), distinct prompts,
    families, and seconds.
    """
    from fingerprint.cli.output import printing

    with _stored(worked_home_of(path, database)) as store:
        rows = store.nights()
    printing.result(rows, lambda: printing.nights(rows), as_json=as_json)


COMMANDS = (families, accounts, campaigns, label, nights)
