"""Other tools on the same traffic, as a section of docs/results.md."""

from __future__ import annotations

from benchmarks.common.results import Run, number, paragraph, read, section, table, was_measured
from benchmarks.peers.peers import WORDS

FASTER = 5
"""A night is to be so many times as fast as tools that embed."""


def other_tools() -> str:
    """Compare a labelled day, and 200,000 simulated requests, by this product and by others."""
    day, simulated = read("peers-day1"), read("peers-200000")
    tools = {result["tool"]: result for result in day["results"]}
    own, embedded = tools["fingerprint"], tools["hdbscan"]
    slower = {tool: tools[tool]["seconds"] / own["seconds"] for tool in _rivals(day)}
    return section(
        "Other tools",
        paragraph(f"""The first labelled day ({day["requests"]:,} requests, synthetic) by what a user would take
            instead, each in a process of its own, with reading and starting included, in one run on two cores
            (`python -m benchmarks.peers.peers`). Of a tool's settings the one is shown that had the best F1 by the
            truth, which favours the others."""),
        _tools(day),
        paragraph(f"""{embedded["embedding_seconds"]:,.0f} s of the two with MiniLM are its vectors, which were made
            once and count for both. Against tools that embed, the targets are a higher F1, a fifth of the time, and at
            most 1.5 times the memory of the leanest. They take {_times(slower)} times as long as the night, whose
            memory is {own["peak_mb"] / tools["semhash"]["peak_mb"]:.2f} times SemHash's.
            [D-037](decisions/nights.md) says what limits a night."""),
        paragraph(f"""{simulated["requests"]:,} simulated requests, each tool with the setting that was best above and
            a limit on its time:"""),
        _tools(simulated),
        *_lifelike(),
    )


def _lifelike() -> list[str]:
    if not was_measured("peers-lifelike-day1"):
        return []
    run = read("peers-lifelike-day1")
    return [
        paragraph(f"""The first labelled lifelike day ({run["requests"]:,} requests, 2 % of them campaigns'); a campaign
            counts as found if half of its requests are in groups that are mostly its own:"""),
        _tools(run),
    ]


def _rivals(run: Run) -> list[str]:
    """Name the tools that embed, slowest first."""
    embeds = [r for r in run["results"] if r["tool"] in ("semhash", "bertopic", "hdbscan")]
    return [r["tool"] for r in sorted(embeds, key=lambda r: -r["seconds"])]


def _times(slower: dict[str, float]) -> str:
    few = ": the target is missed"
    return ", ".join(f"{times:.1f} ({tool}{few if times < FASTER else ''})" for tool, times in slower.items())


def _tools(run: Run) -> str:
    ordered = sorted(run["results"], key=lambda r: -(r["micro_f1"] if r["micro_f1"] is not None else -1))
    counted = any(r.get("campaigns") is not None for r in ordered)
    figures = ["micro F1", "macro F1", "unrepeated background in families"]
    return table(
        ["tool", *figures, *(["campaigns found"] if counted else []), "seconds", "peak MB"],
        [
            [
                "`fingerprint nightly`, its defaults"
                if r["tool"] == "fingerprint"
                else WORDS[r["tool"]].format(r["setting"]),
                *(number(r[figure]) for figure in ("micro_f1", "macro_f1", "unrepeated_background")),
                *([_found(r)] if counted else []),
                f"{r['seconds']:,.0f}" if r["finished"] else r["note"],
                f"{r['peak_mb']:,.0f}" if r["finished"] else "–",
            ]
            for r in ordered
        ],
    )


def _found(result: Run) -> str:
    return f"{result['campaigns_found']} of {result['campaigns']}" if result["campaigns"] is not None else "–"
