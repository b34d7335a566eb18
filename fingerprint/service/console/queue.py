"""The queue page: families to look at, filters, saved views, and actions on several families at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, get_args
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Form
from starlette.responses import Response

from fingerprint.domain.casework import ActionRow, QueueQuery, QueueSort, QueueState
from fingerprint.domain.errors import Conflict, UsageError
from fingerprint.service.console.base import PageRoute, Reader, Visit, Writer

router = APIRouter(route_class=PageRoute, include_in_schema=False)

PAGE_ROWS = 50
STATES: tuple[QueueState, ...] = get_args(QueueState)
SORTS: tuple[QueueSort, ...] = get_args(QueueSort)
DEFAULT = QueueQuery()


@router.get("/")
def queue(visit: Reader) -> Response:
    """Show the queue, or the rows after the cursor `after`."""
    params = visit.request.query_params
    query = query_of(params)
    ranked = visit.queue.cases if query.by == "campaign" else visit.queue.page
    page = ranked(query, after=params.get("after"), limit=PAGE_ROWS)
    values: dict[str, Any] = {
        "page": page,
        "query": query,
        "address": address_of(query),
        "sorted_by": lambda sort: f"/?{urlencode({**values_of(query), 'sort': sort})}",
        "more": f"/?{urlencode({**values_of(query), 'after': page.after})}" if page.after else None,
    }
    if visit.partial:
        part = "parts/rows.html" if params.get("after") else "parts/queue.html"
        return visit.render(part, **values)
    choices: dict[str, Any] = {
        "views": visit.actions.views(),
        "campaigns": visit.queue.campaigns(),
        "states": STATES,
    }
    return visit.render("queue.html", **values, **choices)


@router.post("/act")
def act(
    visit: Writer,
    what: Annotated[str, Form()],
    family: Annotated[list[str], Form()],
    campaign: Annotated[str, Form()] = "",
    reason: Annotated[str, Form()] = "",
    days: Annotated[int, Form()] = 7,
    back: Annotated[str, Form()] = "/",
) -> Response:
    """Do one thing to families, each given as `id@revision`, then go back; what: as in `perform`."""
    read = dict(map(_revision_of, family))
    try:
        did = perform(visit, what, read, {"campaign": campaign, "reason": reason, "days": days})
    except Conflict as error:
        return conflict(visit, read, error)
    return visit.back(_after(visit, what, local(back), did), did.id)


@router.post("/undo")
def undo(
    visit: Writer, action: Annotated[int | None, Form()] = None, back: Annotated[str, Form()] = "/"
) -> Response:
    """Undo an action, or the visitor's own last one."""
    did = (
        visit.actions.undo_last(by=visit.who.name)
        if action is None
        else visit.actions.undo(action, by=visit.who.name)
    )
    return visit.back(local(back), did.id)


@router.post("/views")
def view(
    visit: Writer,
    name: Annotated[str, Form()],
    query: Annotated[str, Form()] = "",
    drop: Annotated[bool, Form()] = False,
) -> Response:
    """Save the queue's query under a name, or remove the name."""
    did = visit.actions.save_view(name, None if drop else query, by=visit.who.name)
    return visit.back(f"/?{query}", did.id)


def perform(visit: Visit, what: str, read: Mapping[str, int | None], values: Mapping[str, Any]) -> ActionRow:
    """Do one thing to families; what: campaign, benign, relay, clear, snooze or merge, others raise UsageError.

    read: the families, each with its revision when it was read. values: `campaign`, `reason` and `days` of the form.
    """
    actions, by, reason = visit.actions, visit.who.name, values["reason"].strip() or None
    if what == "campaign":
        typed = values["campaign"].strip()
        campaign = visit.cases.id_of(typed) or typed or None
        return actions.label(read, "campaign", by=by, campaign=campaign or _own(visit, read), reason=reason)
    if what in ("benign", "relay"):
        return actions.label(read, what, by=by, reason=reason)
    if what == "clear":
        return actions.label(read, None, by=by, reason=reason)
    if what == "snooze":
        days = max(0, min(int(values["days"]), 365))
        until = datetime.now(UTC) + timedelta(days=days) if days else None
        return actions.snooze(read, until, by=by)
    if what == "merge":
        return actions.merge(next(iter(read)), read, by=by)
    raise UsageError(f"one of campaign, benign, relay, clear, snooze, merge expected, {what} found")


def _after(visit: Visit, what: str, back: str, did: ActionRow) -> str:
    """Return the page to go to: from a campaign's page to the one that its families are confirmed as now."""
    if what != "campaign" or not back.startswith("/campaigns/") or not did.families:
        return back
    campaign = visit.store.signature(did.families[0]).campaign_id
    return back if campaign is None else f"/campaigns/{quote(campaign, safe='')}"


def _own(visit: Visit, families: Iterable[str]) -> str | None:
    """Return a new campaign for families of none; None, which leaves each in its own, where they have one."""
    rows = visit.queue.families(list(families))
    own = all(row.family.campaign_id is not None for row in rows)
    return None if own and rows else new_campaign(next(iter(families)))


def conflict(visit: Visit, read: Mapping[str, int | None], error: Conflict) -> Response:
    """Show what others did in the meantime and what was to be done; the visitor chooses one."""
    rows = {row.family.family_id: row for row in visit.queue.families(list(read))}
    since = {
        family: [
            line for line in visit.store.access.audit(subject=family, limit=20) if line.id > (revision or 0)
        ]
        for family, revision in read.items()
    }
    changed = [family for family in read if family in rows and since[family] and read[family] is not None]
    changed = changed or [family for family in read if family in rows]
    return visit.render(
        "conflict.html",
        412,
        error=error,
        rows=rows,
        since=since,
        changed=changed,
        wanted=_wanted(visit, rows),
    )


def _wanted(visit: Visit, rows: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the fields of the form that met the conflict, with today's revisions."""
    form = visit.request._form  # already read by the route
    pairs = [] if form is None else [(k, v) for k, v in form.multi_items() if isinstance(v, str)]
    out = []
    for name, value in pairs:
        family = value.partition("@")[0]
        if name == "family" and family in rows:
            value = f"{family}@{rows[family].revision}"
        elif name in ("expected", "version") and len(rows) == 1:
            row = next(iter(rows.values()))
            value = str(row.revision if name == "expected" else row.family.version)
        if name != "csrf_token":
            out.append((name, value))
    return out


def query_of(params: Mapping[str, str]) -> QueueQuery:
    """Read a query from an address; values that make no sense are left out."""
    state = params.get("state", DEFAULT.state)
    return QueueQuery(
        words=params.get("words", "").strip()[:500],
        state=next((s for s in STATES if s == state), DEFAULT.state),
        label=params.get("label") or None,
        campaign=params.get("campaign") or None,
        account=params.get("account") or None,
        assignee=params.get("assignee") or None,
        kind=params.get("kind") or None,
        flagged=params.get("flagged") in ("1", "true", "on"),
        min_score=min(max(_number(params.get("min_score")), 0.0), 1.0),
        min_accounts=int(min(max(_number(params.get("min_accounts")), 0), 10**9)),
        days=int(min(max(_number(params.get("days")), 0), 36_500)) or None,
        by="family" if params.get("by") == "family" else DEFAULT.by,
        sort=next((s for s in SORTS if s == params.get("sort")), DEFAULT.sort),
    )


def values_of(query: QueueQuery) -> dict[str, str]:
    """Return the values of a query that differ from DEFAULT, as an address has them."""
    values = ((name, getattr(query, name), getattr(DEFAULT, name)) for name in QueueQuery.__slots__)
    return {name: "1" if value is True else str(value) for name, value, default in values if value != default}


def address_of(query: QueueQuery) -> str:
    """Return a query as the query string of an address."""
    return urlencode(values_of(query))


def new_campaign(family_id: str) -> str:
    """Make up an id for a campaign whose first family this is."""
    return f"c-{family_id.removeprefix('f')[:8]}"


def local(where: str) -> str:
    """Return an address if it is one of this site, else the queue's."""
    # browsers read a backslash as a slash, and leave tabs and line breaks out
    plain = where.isprintable() and "\\" not in where
    return where if plain and where.startswith("/") and not where.startswith("//") else "/"


def _revision_of(value: str) -> tuple[str, int | None]:
    """Split `id@revision`; the revision is None if there is none."""
    family, _, revision = value.partition("@")
    return family, int(revision) if revision.isascii() and revision.isdigit() else None


def _number(value: str | None) -> float:
    try:
        number = float(value or 0)
    except ValueError:
        return 0.0
    return number if abs(number) < 1e12 else 0.0
