"""Writes docs/results.md from benchmarks/results/*.json: `python -m benchmarks.write_results`.

Each folder of benchmarks has the sections of its own results in `results.py`, figures and words.
"""

from __future__ import annotations

import json

from benchmarks.common.machine import RESULTS, ROOT
from benchmarks.common.results import paragraph, section, table
from benchmarks.peers.results import other_tools
from benchmarks.quality.results import calibration, families_found, many_nights, mixed_accounts
from benchmarks.robustness.results import card
from benchmarks.service.results import service
from benchmarks.speed.results import gpu, hunts, long_texts, ray, scale, speed, watches

PAGE = ROOT / "docs" / "results.md"

HEAD = """\
# Results

<!-- Written by `python -m benchmarks.write_results` from benchmarks/results/*.json. Change the words in
     benchmarks/*/results.py, then run `make docs`. -->
"""

SECTIONS = (
    families_found,
    mixed_accounts,
    calibration,
    card,
    many_nights,
    speed,
    long_texts,
    scale,
    hunts,
    watches,
    service,
    gpu,
    ray,
    other_tools,
)


def page() -> str:
    """Return the text of the page."""
    intro = paragraph("""No figure here is of real traffic. Most are of traffic simulated by this repository, which is
        tidier than life; *labelled* days are synthetic, made from public prompts, and are not part of this repository.
        Each section says which it used and which command measured it. Unless a section says otherwise the machine has
        two cores of an AMD EPYC, 25 GB and no GPU; the last section has the commit, versions and load of each
        measurement. `benchmarks/README.md` says how to repeat them.""")
    return "\n".join([HEAD, intro, *(write() for write in SECTIONS), _machines()])


def _machines() -> str:
    rows = []
    for file in sorted(RESULTS.glob("*.json")):
        facts = json.loads(file.read_text())["machine"]
        rows.append(
            [
                f"`{file.name}`",
                facts["at"][:10],
                f"`{facts['commit'][:10]}`{' with changes' if facts['uncommitted_changes'] else ''}",
                f"{facts['cores']} × {facts['cpu']}, {facts['memory_gb']:.0f} GB",
                facts["python"],
                facts["load_average"][0],
            ]
        )
    head = ["file in benchmarks/results", "date", "commit", "machine", "Python", "load average at the start"]
    return section("Where and when each was measured", table(head, rows, names=5))


def main() -> None:
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
