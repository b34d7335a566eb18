"""Charts as SVG with classes for colours: they need no script, and print and scale.

Every chart has a text for screen readers, or is `aria-hidden` where a table has the same numbers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from math import log1p

import numpy as np
from markupsafe import Markup, escape

from fingerprint.domain.casework import AccountDays, Heat, Pools, Timeline
from fingerprint.domain.rows import Event

SHADES = 6
"""Shades of a heat map; 0 is none."""

CELL = 12
LANE = 34
HEAD = 16
"""Heights in pixels: of a heat map's row, of a family's row, of the dates above them."""

MAX_DAY = 120.0
WIDTH = 640
"""Widths in pixels: the largest of a day, and of a chart."""


def sparkline(values: Sequence[int], *, width: int = 72, height: int = 20) -> Markup:
    """Draw small bars, one a value."""
    top = max(values, default=0)
    if not top:
        return Markup('<span class="none" aria-hidden="true">·</span>')
    step = width / len(values)
    bars = "".join(
        _rect(n * step, height - _tall(v, top, height), step - 1, _tall(v, top, height), "bar")
        for n, v in enumerate(values)
        if v
    )
    return _svg(bars, width, height, "spark", hidden=True)


def series(line: Timeline) -> str:
    """Return a timeline as JSON for the interactive chart: seconds, requests, accounts."""
    return json.dumps([[int(t.timestamp()) for t in line.starts], list(line.requests), list(line.accounts)])


def heat(grid: Heat) -> Markup:
    """Draw accounts by time; each cell's shade grows with the logarithm of its requests."""
    rows, columns = grid.requests.shape
    cell_w = max(4.0, min(16.0, 720 / max(columns, 1)))
    top = log1p(int(grid.requests.max(initial=0)))
    cells = []
    for row, column in zip(*np.nonzero(grid.requests), strict=True):
        n = int(grid.requests[row, column])
        title = f"{grid.accounts[row]}, {_when(grid.starts[column], grid.step)}: {n:,} requests"
        shade = 1 + int((SHADES - 1) * log1p(n) / top + 0.5)
        cells.append(_rect(column * cell_w, 16 + row * CELL, cell_w - 1, CELL - 1, f"s{shade}", title))
    ticks = _ticks(grid.starts, grid.step, cell_w)
    words = f"{rows} accounts by {_unit(grid.step)}; darker is more requests"
    return _svg("".join([*ticks, *cells]), columns * cell_w, 16 + rows * CELL, "heat", words)


def lanes(
    names: Sequence[str],
    days: Sequence[date],
    counts: np.ndarray,
    events: Mapping[str, Iterable[tuple[date, Event]]] | None = None,
) -> Markup:
    """Draw one row of daily bars for each family, (f, d), with marks where something happened to it."""
    if not days:
        return Markup("")
    span = (days[-1] - days[0]).days + 1
    step = min(WIDTH / max(span, 1), MAX_DAY)
    total = step * span
    out = [
        f'<text class="tick" x="0" y="10">{days[0]}</text>',
        f'<text class="tick" x="{max(total, 150):.1f}" y="10" text-anchor="end">{days[-1]}</text>',
    ]
    for row, name in enumerate(names):
        base = HEAD + (row + 1) * LANE - 6
        top = int(counts[row].max(initial=0))
        out.append(f'<line class="base" x1="0" x2="{total:.1f}" y1="{base}" y2="{base}"/>')
        for column, day in enumerate(days):
            n = int(counts[row, column])
            if n:
                x, tall = (day - days[0]).days * step, _tall(n, top, LANE - 10)
                out.append(
                    _rect(x, base - tall, max(step - 1, 1), tall, "bar", f"{name}, {day}: {n:,} requests")
                )
        for day, event in (events or {}).get(name, ()):
            at = min(max((day - days[0]).days, 0), span - 1) * step + step / 2
            title = f"<title>{escape(f'{day}: {event_words(event)}')}</title>"
            out.append(
                f'<circle class="event {event.kind}" cx="{at:.1f}" cy="{base - LANE + 12}" r="4">{title}</circle>'
            )
    words = f"requests by day of {len(names)} families, {days[0]} to {days[-1]}"
    return _svg("".join(out), max(total, 150), HEAD + LANE * len(names), "lanes", words)


def account_lanes(sent: AccountDays) -> Markup:
    """Draw what an account sent of each family by day."""
    return lanes(sent.families, sent.days, sent.requests)


def pools(overlap: Pools, *, most: int = 24) -> Markup:
    """Draw families, left, and groups of accounts that send the same of them, right; lines grow with accounts."""
    groups = overlap.groups[:most]
    height = max(len(overlap.families) * 44, len(groups) * 26, 44)
    left = [(n + 0.5) * height / max(len(overlap.families), 1) for n in range(len(overlap.families))]
    right = [(n + 0.5) * height / max(len(groups), 1) for n in range(len(groups))]
    top = max((g.accounts for g in groups), default=1)
    out = []
    for number, group in enumerate(groups):
        width = max(1.0, 12 * group.accounts / top)
        kind = "shared" if len(group.families) > 1 else "alone"
        for family in group.families:
            a, b = left[family], right[number]
            title = f"{overlap.families[family]}: {group.accounts:,} accounts"
            out.append(
                f'<path class="flow {kind}" d="M190,{a:.1f} C330,{a:.1f} 330,{b:.1f} 450,{b:.1f}" '
                f'stroke-width="{width:.1f}"><title>{escape(title)}</title></path>'
            )
    for number, name in enumerate(overlap.families):
        out.append(
            f'<a href="/families/{escape(name)}"><text class="name" x="180" y="{left[number] + 4:.1f}" '
            f'text-anchor="end">{escape(name)}</text></a>'
        )
    for number, group in enumerate(groups):
        of = f"of {len(group.families)} families" if len(group.families) > 1 else "of one family"
        words = f"{group.accounts:,} accounts {of}"
        title = f"<title>{escape(', '.join(group.examples))}</title>"
        out.append(f'<text class="group" x="460" y="{right[number] + 4:.1f}">{words}{title}</text>')
    words = (
        f"{len(overlap.families)} families and the {len(groups)} largest groups of accounts that send them"
    )
    return _svg("".join(out), WIDTH, height, "pools", words, role="group")


def histogram(members: Sequence[int], others: Sequence[int], threshold: float) -> Markup:
    """Draw requests by score, 0 to 1: the family's own above, others below the line; and the threshold."""
    count, half = len(members), 48
    top = max(log1p(max([*members, *others], default=0)), 1e-9)
    step = WIDTH / count
    out = [f'<line class="base" x1="0" x2="{WIDTH}" y1="{half}" y2="{half}"/>']
    for n, (own, other) in enumerate(zip(members, others, strict=True)):
        for value, up, kind in ((own, True, "mine"), (other, False, "others")):
            tall = half * log1p(value) / top
            if value:
                title = f"score {n / count:.2f} to {(n + 1) / count:.2f}: {value:,} requests, {kind}"
                out.append(_rect(n * step, half - tall if up else half, step - 1, tall, kind, title))
    out += [
        f'<text class="tick" x="{x}" y="{2 * half + 11}" text-anchor="{anchor}">{words}</text>'
        for x, anchor, words in ((0, "start", "0"), (WIDTH / 2, "middle", "0.5"), (WIDTH, "end", "1"))
    ]
    at = threshold * WIDTH
    out.append(f'<line class="threshold" x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="{2 * half}"/>')
    return _svg(
        "".join(out), WIDTH, 2 * half + 14, "histogram", f"requests by score; threshold {threshold:.3f}"
    )


def stacked(seconds: Mapping[str, float], *, width: int = 220) -> Markup:
    """Draw one bar of a night's stages by time."""
    whole = sum(seconds.values())
    if whole <= 0:
        return Markup("")
    out, x = [], 0.0
    for number, (stage, took) in enumerate(seconds.items()):
        part = width * took / whole
        out.append(_rect(x, 0, max(part - 0.5, 0.1), 12, f"c{number % 8}", f"{stage}: {took:,.1f} s"))
        x += part
    return _svg("".join(out), width, 12, "stages", hidden=True)


def columns(values: Sequence[float], titles: Sequence[str], *, width: int = 240, height: int = 56) -> Markup:
    """Draw a small trend as bars with a title each."""
    top = max(values, default=0)
    step = width / max(len(values), 1)
    bars = [
        _rect(
            n * step, height - _tall(v, top, height), min(step - 1, 28), _tall(v, top, height), "bar", title
        )
        for n, (v, title) in enumerate(zip(values, titles, strict=True))
        if v
    ]
    base = f'<line class="base" x1="0" x2="{width}" y1="{height}" y2="{height}"/>'
    return _svg("".join([*bars, base]), width, height + 1, "trend", hidden=True)


def event_words(event: Event) -> str:
    """Say what happened to a family."""
    detail = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in event.detail.items())
    return f"{event.kind} {detail}".strip()


def _ticks(starts: Sequence[datetime], step: int, cell: float) -> list[str]:
    """Write days over the columns, and hours between them where there is room."""
    out, last = [], -100.0
    for column, at in enumerate(starts):
        x = column * cell
        new_day = column == 0 or at.date() != starts[column - 1].date()
        if x - last >= 64 and (new_day or (step < 6 and at.hour % 6 == 0)):
            words = f"{at:%m-%d}" if new_day else f"{at:%H:%M}"
            out.append(f'<text class="tick" x="{x:.1f}" y="11">{words}</text>')
            last = x
    return out


def _when(at: datetime, step: int) -> str:
    return f"{at:%Y-%m-%d}" if step >= 24 else f"{at:%Y-%m-%d %H:00} UTC"


def _unit(step: int) -> str:
    return "day" if step == 24 else "hour" if step == 1 else f"{step} hours"


def _tall(value: float, top: float, height: float) -> float:
    return max(1.5, height * value / top) if value and top else 0.0


def _rect(x: float, y: float, width: float, height: float, kind: str, title: str | None = None) -> str:
    inner = f"<title>{escape(title)}</title>" if title else ""
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}">{inner}</rect>'


def _svg(
    inner: str,
    width: float,
    height: float,
    kind: str,
    words: str = "",
    *,
    hidden: bool = False,
    role: str = "img",
) -> Markup:
    label = 'aria-hidden="true"' if hidden else f'role="{role}" aria-label="{escape(words)}"'
    # nothing in `inner` but numbers and what `escape` made safe
    return Markup(  # noqa: S704
        f'<svg class="{kind}" {label} viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" focusable="false">{inner}</svg>'
    )
