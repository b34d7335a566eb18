"""A family's page, and what is done to one family: notes, edits, splits, and trying prompts."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Form
from starlette.responses import Response

from fingerprint.casework.editing import cut, preview, scores, with_segments
from fingerprint.casework.similar import differences, near
from fingerprint.domain.casework import HeldPattern
from fingerprint.domain.errors import Conflict, NotFound, UsageError
from fingerprint.domain.signature import Segment, Signature
from fingerprint.service.console import charts
from fingerprint.service.console.base import PageRoute, Reader, Visit, Writer
from fingerprint.service.console.queue import conflict, new_campaign
from fingerprint.store.store import Store

router = APIRouter(route_class=PageRoute, include_in_schema=False)

BINS = 40
"""Bars of the histogram of scores."""

Texts = Annotated[list[str], Form()]
Numbers = Annotated[list[int], Form()]
Version = Annotated[int, Form()]


@router.get("/families/{family_id}")
def family(visit: Reader, family_id: str) -> Response:
    """Show a family; a wording leads to its original."""
    original = visit.dossier.wording_of(family_id)
    if original is not None:
        return visit.back(f"/families/{original}")
    signature = visit.store.signature(family_id)
    patterns = visit.dossier.patterns(family_id)
    return visit.render(
        "family.html",
        signature=signature,
        row=_row(visit, family_id),
        wordings=visit.dossier.wordings(family_id),
        pinned=visit.dossier.pinned(family_id),
        line=visit.dossier.timeline([family_id]),
        heat=visit.dossier.heat(family_id),
        charts=charts,
        neighbours=_neighbours(visit, signature),
        history=_history(visit, family_id),
        versions=visit.store.versions(family_id),
        notes=visit.desk.notes(family_id),
        hunted=preview(signature, signature, patterns, visit.store.versions(family_id)),
        histogram=_histogram(signature, patterns),
        campaigns=visit.worklist.campaigns(),
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
    did = visit.desk.note(family_id, text, by=visit.who.name)
    return visit.back(f"/families/{family_id}", did.id)


@router.post("/families/{family_id}/preview")
def previewed(
    visit: Reader,
    family_id: str,
    threshold: Annotated[float, Form()],
    segment: Texts = [],  # noqa: B006  FastAPI copies it
    drop: Numbers = [],  # noqa: B006
) -> Response:
    """Tell what an edited signature would have matched on past nights."""
    old = visit.store.signature(family_id)
    try:
        new = edited(visit, old, threshold, segment, drop)
    except UsageError as error:
        return visit.render("parts/preview.html", error=str(error), seen=None)
    patterns = visit.dossier.patterns(family_id)
    seen = preview(old, new, patterns, visit.store.versions(family_id))
    values = {"histogram": _histogram(new, patterns), "changed": new is not old}
    return visit.render("parts/preview.html", error=None, seen=seen, signature=new, **values)


@router.post("/families/{family_id}/edit")
def edit(
    visit: Writer,
    family_id: str,
    expected: Version,
    version: Version,
    threshold: Annotated[float, Form()],
    segment: Texts = [],  # noqa: B006
    drop: Numbers = [],  # noqa: B006
) -> Response:
    """Give a family another threshold or template."""
    old = visit.store.signature(family_id)
    if old.version != version:
        error = Conflict(
            f"family {family_id}: version {version} expected, {old.version} found: a night changed it"
        )
        return conflict(visit, {family_id: expected}, error)
    new = edited(visit, old, threshold, segment, drop)
    pins = visit.dossier.pinned(family_id) | ({"template"} if new.template != old.template else set())
    pins |= {"threshold"} if new.threshold != old.threshold else set()
    if new is old:
        raise UsageError("another threshold or template expected, nothing was changed")
    words = f"edited {family_id}: {_told(old, new)}"
    try:
        did = visit.desk.edit(new, pins, by=visit.who.name, expected=expected, words=words)
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
    desk, by = visit.desk, visit.who.name
    try:
        if wording:
            did = desk.part(family_id, wording, by=by, expected=expected)
            child = wording[0]
        else:
            rest, new = cut(visit.store.signature(family_id), cut_off, _embed(visit))
            did, child = desk.cut(rest, new, by=by, expected=expected), new.family_id
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
    """Look a prompt up as the lookup service would; nothing of it is kept."""
    serving = visit.service.live.serving
    if serving is None:
        raise NotFound("no snapshot yet: run `fingerprint nightly`")
    found = serving.matcher.one(prompt, system or None, account.strip() or None) if prompt.strip() else None
    part = visit.render("parts/tried.html", found=found, of=family_id, snapshot=serving.snapshot_id)
    return part if visit.partial else visit.render("try.html", found=found, snapshot=serving.snapshot_id)


def edited(
    visit: Visit, old: Signature, threshold: float, segments: list[str], dropped: list[int]
) -> Signature:
    """Return a signature as a form says it; the same object when nothing is changed. Raises UsageError."""
    if not 0 < threshold <= 1:
        raise UsageError(f"a threshold above 0 and at most 1 expected, {threshold:g} found")
    kept = old.template.segments
    texts: list[str | None] = [
        None if n in dropped else _same(kept[n] if n < len(kept) else None, text)
        for n, text in enumerate(segments)
    ]
    new = with_segments(old, texts, _embed(visit)) if segments else old
    return new if abs(threshold - new.threshold) < 1e-6 else replace(new, threshold=threshold)


def _same(segment: Segment | None, text: str) -> str:
    """Undo what a form does to the ends of lines."""
    plain = text.replace("\r\n", "\n")
    return segment.text if segment is not None and plain.split() == segment.text.split() else plain


def _told(old: Signature, new: Signature) -> str:
    out = []
    if new.threshold != old.threshold:
        out.append(f"threshold {old.threshold:.3f} to {new.threshold:.3f}")
    if new.template != old.template:
        out.append(f"template of {len(old.template.segments)} segments to {len(new.template.segments)}")
    return ", ".join(out)


def _row(visit: Visit, family_id: str) -> Any:
    for row in visit.worklist.families([family_id]):
        return row
    raise NotFound(f"no family {family_id} among those in use")


def _embed(visit: Visit) -> Any:
    serving = visit.service.live.serving
    return None if serving is None else serving.matcher.embed


def _neighbours(visit: Visit, signature: Signature) -> list[dict[str, Any]]:
    serving = visit.service.live.serving
    if serving is None:
        return []
    found = near(serving.matcher.snapshot, signature)
    rows = {row.family.family_id: row for row in visit.worklist.families([n.family_id for n in found])}
    pools = visit.dossier.pools([signature.family_id, *rows])
    at = {name: number for number, name in enumerate(pools.families)}
    return [
        {
            "near": n,
            "row": rows[n.family_id],
            "shared": int(pools.shared[0, at[n.family_id]]),
            "pieces": differences(signature.template, _template(visit.store, n.family_id)),
        }
        for n in found
        if n.family_id in rows
    ]


def _template(store: Store, family_id: str) -> Any:
    return store.signature(family_id).template


def _history(visit: Visit, family_id: str) -> list[dict[str, Any]]:
    """Return what people did and nights saw, newest first."""
    nights = {night.batch_id: night.started for night in visit.store.nights()}
    out: list[dict[str, Any]] = [
        {"at": a.at, "by": a.by, "words": a.words, "action": a} for a in visit.desk.actions(family_id)
    ]
    out += [
        {"at": nights[batch], "by": "night", "words": charts.told(event), "action": None}
        for batch, event in visit.store.events(family_id)
        if batch in nights
    ]
    done = {(a["at"], a["by"]) for a in out}
    out += [
        {"at": w.at, "by": w.by, "words": f"label: {w.label or 'none'}", "action": None}
        for w in visit.store.labels(family_id)
        if (w.at, w.by) not in done
    ]
    return sorted(out, key=lambda line: line["at"], reverse=True)


def _histogram(signature: Signature, patterns: list[HeldPattern]) -> Any:
    found = scores(signature, patterns)
    if not found:
        return None
    at = np.minimum([int(score * BINS) for score, _ in found], BINS - 1)
    requests = np.array([p.requests for _, p in found])
    member = np.array([p.member for _, p in found])
    mine, others = (np.bincount(at, requests * side, BINS).astype(int).tolist() for side in (member, ~member))
    return charts.histogram(mine, others, signature.threshold)
