"""The notebook of examples/ runs from its first cell to its last, and its pictures show what the night found."""

from __future__ import annotations

import contextlib
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples" / "families.py"


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the cells leave, run where the notebook says: in a checkout."""
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "data").symlink_to(ROOT / "data")
    with contextlib.chdir(folder), mpl.rc_context({"backend": "agg"}), pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPLBACKEND", "agg")
        plt.close("all")
        yield runpy.run_path(str(NOTEBOOK))
        plt.close("all")


def test_it_is_a_notebook_without_outputs() -> None:
    marks = [line for line in NOTEBOOK.read_text().splitlines() if line.startswith("# %%")]
    assert marks[0] == "# %% [markdown]"
    assert marks.count("# %%") == 6


def test_prompts_are_counted_in_squares_and_campaigns_drawn_over_them(cells: dict[str, Any]) -> None:
    day = plt.figure(1).axes[0]
    squares, dots = day.collections
    assert int(np.nansum(squares.get_array())) == cells["DRAWN"]
    assert len(dots.get_offsets()) == int(cells["of_campaign"].sum()) > 20


def test_every_family_is_drawn_and_flagged_ones_are_named(cells: dict[str, Any]) -> None:
    [dots] = plt.figure(2).axes[0].collections
    assert len(dots.get_offsets()) == len(cells["signatures"]) > len(cells["flagged"]) > 0
    assert np.isfinite(np.asarray(dots.get_offsets())).all()
    assert len(plt.figure(2).axes[0].texts) == len(cells["flagged"])


def test_the_evidence_of_one_family_is_drawn(cells: dict[str, Any]) -> None:
    [image] = plt.figure(3).axes[0].images
    assert np.nansum(image.get_array().filled(0)) == cells["family"].spread.requests
    widths = [bar.get_width() for bar in plt.figure(4).axes[0].patches]
    assert widths == [reason.contribution for reason in cells["shown"]]
    assert min(widths) < 0 < max(widths)
