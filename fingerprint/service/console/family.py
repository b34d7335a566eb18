"""A family's page and what it can do: notes, edits, splits; and the page to try a prompt on."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, NamedTuple

import numpy as np
from fastapi import APIRouter, Depends, Form
from starlette.responses import Response

from fingerprint.assessment.campaign_names import family_name
from fingerprint.casework.editing import preview, scores, split_segments, with_segments
from fingerprint.casework.similar import differences, similar_families
from fingerprint.domain.casework import HeldPattern
from fingerprint.domain.errors import Conflict, NotFound, UsageError
from fingerprint.domain.signature import Segment, Signature
from fingerprint.domain.verdict_line import verdict_line
from fingerprint.service.console import charts
from fingerprint.service.console.base import PageRoute, Reader, Visit, Writer
from fingerprint.service.console.facts import facts_of
from fingerprint.service.console.queue import conflict, new_campaign

router = APIRouter(route_class=PageRoute, include_in_schema=False)

BINS = 40
"""Bars of the histogram of scores."""

Texts = Annotated[list[str], Form()]
Numbers = Annotated[list[int], Form()]
Version = Annotated[int, Form()]


class EditForm(NamedTuple):
    """What the edit form says of a family.

    segments: the texts of all segments in their order; dropped: the numbers, from 0, of those to leave out.
    """

    threshold: float
    segments: list[str]
    dropped: list[int]


def edit_form(
    threshold: Annotated[float, Form()],
    segment: Texts = [],  # noqa: B006  FastAPI copies it
    drop: Numbers = [],  # noqa: B006
) -> EditForm:
    """Read the edit form."""
    return EditForm(threshold, segment, drop)


@router.get("/families/{family_id}")
def family(visit: Reader, family_id: str) -> Response:
    """Show a family; a wording leads to its original."""
    original = visit.queries.wording_of(family_id)
    if original is not None:
        return visit.back(f"/families/{original}")
    signature = visit.store.signature(family_id)
    patterns = visit.queries.patterns(family_id)
    return visit.render(
        "family.html",
        signature=signature,
        verdict=verdict_line(signature.reasons, signature.spread.accounts, flagged=signature.flagged),
        title=family_name(signature),
        facts=facts_of([signature]),
        row=_row(visit, family_id),
        wordings=visit.queries.wordings(family_id),
        pinned=visit.queries.pinned(family_id),
        line=visit.queries.timeline([family_id]),
        heat=visit.queries.heat([family_id]),
        charts=charts,
        similar=_similar(visit, signature),
        history=_history(visit, family_id),
        versions=visit.store.versions(family_id),
        notes=visit.actions.notes(family_id),
        outcome=preview(signature, signature, patterns, visit.store.versions(family_id)),
        histogram=_histogram(signature, patterns),
        campaigns=visit.queue.campaigns(),
        fresh_campaign=new_campaign(family_id),
        history_kept=bool(visit.service.config.history),
    )


@router.get("/families/{family_id}/peek")
def peek(visit: Reader, family_id: str) -> Response:
    """Show the short form beside the queue."""
    return visit.render(
        "parts/peek.html", signature=visit.store.signature(family_id), row=_row(visit, family_id)
    )


@router.post("/families/{family_id}/notes")
def note(visit: Writer, family_id: str, text: Annotated[str, Form()]) -> Response:
    """Write a note."""
    did = visit.actions.note(family_id, text, by=visit.who.name)
    return visit.back(f"/families/{family_id}", did.id)


@router.post("/families/{family_id}/preview")
def previewed(visit: Reader, family_id: str, form: Annotated[EditForm, Depends(edit_form)]) -> Response:
    """Show what an edited signature would have matched on past nights."""
    old = visit.store.signature(family_id)
    try:
        new = edited(visit, old, form)
    except UsageError as error:
        return visit.render("parts/preview.html", error=str(error), outcome=None)
    patterns = visit.queries.patterns(family_id)
    values = {
        "outcome": preview(old, new, patterns, visit.store.versions(family_id)),
        "histogram": _histogram(new, patterns),
        "changed": new is not old,
    }
    return visit.render("parts/preview.html", error=None, signature=new, **values)


@router.post("/families/{family_id}/edit")
def edit(
    visit: Writer,
    family_id: str,
    expected: Version,
    version: Version,
    form: Annotated[EditForm, Depends(edit_form)],
) -> Response:
    """Give a family another threshold or template."""
    old = visit.store.signature(family_id)
    if old.version != version:
        error = Conflict(
            f"family {family_id}: version {version} expected, {old.version} found: a night changed it"
        )
        return conflict(visit, {family_id: expected}, error)
    new = edited(visit, old, form)
    pins = visit.queries.pinned(family_id) | ({"template"} if new.template != old.template else set())
    pins |= {"threshold"} if new.threshold != old.threshold else set()
    if new is old:
        raise UsageError("nothing was changed: give another threshold or template")
    words = f"edited {family_id}: {_changes(old, new)}"
    try:
        did = visit.actions.edit(new, pins, by=visit.who.name, expected=expected, words=words)
    except Conflict as error:
        return conflict(visit, {family_id: expected}, error)
    return visit.back(f"/families/{family_id}", did.id)


@router.post("/families/{family_id}/split")
def split(
    visit: Writer,
    family_id: str,
    expected: Version,
    wording: Texts = [],  # noqa: B006
    cut_off: Numbers = [],  # noqa: B006
) -> Response:
    """Split wordings, or segments, off a family."""
    actions, by = visit.actions, visit.who.name
    try:
        if wording:
            did = actions.split_wordings(family_id, wording, by=by, expected=expected)
            child = wording[0]
        else:
            rest, new = split_segments(visit.store.signature(family_id), cut_off, _embed(visit))
            did, child = actions.split_text(rest, new, by=by, expected=expected), new.family_id
    except Conflict as error:
        return conflict(visit, {family_id: expected}, error)
    return visit.back(f"/families/{child}", did.id)


@router.get("/try")
def try_page(visit: Reader) -> Response:
    """Show the box for trying a prompt against all families."""
    return visit.render("try.html")


@router.post("/try")
def try_prompt(
    visit: Reader,
    prompt: Annotated[str, Form()] = "",
    system: Annotated[str, Form()] = "",
    account: Annotated[str, Form()] = "",
    family_id: Annotated[str, Form()] = "",
) -> Response:
    """Look a prompt up as the lookup service would; the prompt is not stored."""
    serving = visit.service.live.serving
    if serving is None:
        raise NotFound("no snapshot yet; run `fingerprint nightly`")
    match, decision = None, None
    if prompt.strip():
        sender = account.strip() or None
        match = serving.matcher.one(prompt, system or None, sender, explained=True)
        decision = visit.service.policy.decide(match, sender, "api")
    named = [] if match is None else [match.candidate_id, *(layer.family_id for layer in match.also)]
    rows = {row.family.family_id: row.family for row in visit.queue.families([n for n in named if n])}
    values: dict[str, Any] = {
        "match": match,
        "decision": decision,
        "families": rows,
        "snapshot": serving.snapshot_id,
        "typed": {"prompt": prompt, "system": system, "account": account},
    }
    if visit.partial:
        return visit.render("parts/match.html", of=family_id, **values)
    return visit.render("try.html", **values)


def edited(visit: Visit, old: Signature, form: EditForm) -> Signature:
    """Return a signature as the edit form has it; the same object if nothing changed. Raises UsageError."""
    threshold = form.threshold
    if not 0 < threshold <= 1:
        raise UsageError(f"a threshold above 0 and at most 1 expected, {threshold:g} found")
    kept = old.template.segments
    texts: list[str | None] = [
        None if n in form.dropped else _same(kept[n] if n < len(kept) else None, text)
        for n, text in enumerate(form.segments)
    ]
    new = with_segments(old, texts, _embed(visit)) if form.segments else old
    return new if abs(threshold - new.threshold) < 1e-6 else replace(new, threshold=threshold)


def _same(segment: Segment | None, text: str) -> str:
    """Return a segment's own text if the form sent it back with other line ends only, else the form's."""
    plain = text.replace("\r\n", "\n")
    return segment.text if segment is not None and plain.split() == segment.text.split() else plain


def _changes(old: Signature, new: Signature) -> str:
    changes = []
    if new.threshold != old.threshold:
        changes.append(f"threshold {old.threshold:.3f} to {new.threshold:.3f}")
    if new.template != old.template:
        changes.append(f"template of {len(old.template.segments)} segments to {len(new.template.segments)}")
    return ", ".join(changes)


def _row(visit: Visit, family_id: str) -> Any:
    for row in visit.queue.families([family_id]):
        return row
    raise NotFound(f"no family {family_id} that is still listed")


def _embed(visit: Visit) -> Any:
    serving = visit.service.live.serving
    return None if serving is None else serving.matcher.embed


def _similar(visit: Visit, signature: Signature) -> list[dict[str, Any]]:
    """Return the similar families, each with its overlap, queue row, shared accounts, and the words that differ."""
    serving = visit.service.live.serving
    if serving is None:
        return []
    similar = similar_families(serving.matcher.snapshot, signature)
    rows = {row.family.family_id: row for row in visit.queue.families([s.family_id for s in similar])}
    pools = visit.queries.pools([signature.family_id, *rows])
    number_of = {family: number for number, family in enumerate(pools.families)}
    return [
        {
            "overlap": s,
            "row": rows[s.family_id],
            "shared": int(pools.shared[0, number_of[s.family_id]]),
            "pieces": differences(signature.template, visit.store.signature(s.family_id).template),
        }
        for s in similar
        if s.family_id in rows
    ]


def _history(visit: Visit, family_id: str) -> list[dict[str, Any]]:
    """Return what people did and nights saw, newest first."""
    nights = {night.batch_id: night.started for night in visit.store.nights()}
    lines: list[dict[str, Any]] = [
        {"at": a.at, "by": a.by, "words": a.words, "action": a} for a in visit.actions.history(family_id)
    ]
    lines += [
        {"at": nights[batch], "by": "night", "words": charts.event_words(event), "action": None}
        for batch, event in visit.store.events(family_id)
        if batch in nights
    ]
    # labels given here are among the actions; those that came with an import are not
    listed = {(line["at"], line["by"]) for line in lines}
    lines += [
        {"at": row.at, "by": row.by, "words": f"label: {row.label or 'none'}", "action": None}
        for row in visit.store.labels(family_id)
        if (row.at, row.by) not in listed
    ]
    return sorted(lines, key=lambda line: line["at"], reverse=True)


def _histogram(signature: Signature, patterns: list[HeldPattern]) -> Any:
    """Draw the requests of past nights by the score that a signature gives them; None without any."""
    scored = scores(signature, patterns)
    if not scored:
        return None
    bins = np.minimum([int(score * BINS) for score, _ in scored], BINS - 1)
    requests = np.array([p.requests for _, p in scored])
    member = np.array([p.member for _, p in scored])
    members, others = (
        np.bincount(bins, requests * side, BINS).astype(int).tolist() for side in (member, ~member)
    )
    return charts.histogram(members, others, signature.threshold)
