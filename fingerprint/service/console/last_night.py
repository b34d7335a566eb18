"""The morning report, as a page and as one file that needs nothing else."""

from __future__ import annotations

from functools import cache

from fastapi import APIRouter
from markupsafe import Markup
from starlette.responses import Response

from fingerprint.casework.morning_report import morning_report
from fingerprint.domain.morning_report import MorningReport
from fingerprint.service.console import charts
from fingerprint.service.console.base import HERE, TEMPLATES, PageRoute, Reader

router = APIRouter(route_class=PageRoute, include_in_schema=False)

MOST_NIGHTS = 90
"""Nights that the page offers."""


@router.get("/last-night")
def last_night(visit: Reader) -> Response:
    """Show the report of the last night, or of the one that `night` names."""
    nights = visit.store.nights()
    report = None
    if nights:
        night = visit.request.query_params.get("night") or None
        report = morning_report(visit.store, visit.service.config.home, night)
    return visit.render(
        "last_night.html", report=report, nights=nights[: -MOST_NIGHTS - 1 : -1], charts=charts
    )


@router.get("/last-night/file")
def last_night_file(visit: Reader) -> Response:
    """Give the report of a night as a file."""
    night = visit.request.query_params.get("night") or None
    report = morning_report(visit.store, visit.service.config.home, night)
    day = (report.night.first_request or report.night.started).date()
    headers = {"Content-Disposition": f'attachment; filename="night-{day}.html"'}
    links = str(visit.request.base_url).rstrip("/")
    return Response(report_file(report, links), media_type="text/html; charset=utf-8", headers=headers)


def report_file(report: MorningReport, links: str | None = None) -> str:
    """Return a report as one HTML file; links: the console's address, for its links; None makes none."""
    page = TEMPLATES.env.get_template("report_file.html")
    return page.render(report=report, links=links, charts=charts, style=_style()).lstrip()


@cache
def _style() -> Markup:
    # the console's own pages have nothing inline; the style sheet is ours, and without "<"
    return Markup(f"<style>{(HERE / 'static' / 'console.css').read_text('utf-8')}</style>")  # noqa: S704


def _trends(report: MorningReport) -> list[tuple[str, list[float], list[str]]]:
    """Return the trends of a report's nights: name, values and their titles."""
    nights = report.volumes
    values: dict[str, list[float]] = {
        "requests": [n.accepted for n in nights],
        "accounts": [n.accounts for n in nights],
        "requests in flagged families": [n.in_flagged for n in nights],
        "flagged families": [n.flagged for n in nights],
        "rejected rows": [n.rejected for n in nights],
        "seconds": [round(n.seconds, 1) for n in nights],
    }
    days = [f"{n.first_request or n.started:%Y-%m-%d %H:%M}" for n in nights]
    return [
        (name, row, [f"{day}: {value:,.6g}" for day, value in zip(days, row, strict=True)])
        for name, row in values.items()
    ]


def _hours(report: MorningReport) -> tuple[list[float], list[str]]:
    """Return requests of flagged families by hour, and a title for each."""
    values: list[float] = [requests for _, requests in report.hours]
    return values, [f"{at:%Y-%m-%d %H:%M}: {requests:,} requests" for at, requests in report.hours]


TEMPLATES.env.globals |= {"trends": _trends, "hours": _hours}
