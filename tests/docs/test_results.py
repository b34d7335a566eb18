"""The page of results is that of the committed results."""

from __future__ import annotations

from benchmarks import write_results


def test_page_is_that_of_these_results() -> None:
    assert write_results.PAGE.read_text() == write_results.page(), "docs/results.md is old: run `make docs`"


def test_every_result_is_on_the_page() -> None:
    page = write_results.PAGE.read_text()
    assert [f.name for f in write_results.RESULTS.glob("*.json") if f"`{f.name}`" not in page] == []
    assert [f.name for f in write_results.RESULTS.glob("*.svg") if f"results/{f.name})" not in page] == []
