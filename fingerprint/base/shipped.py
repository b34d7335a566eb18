"""Files that come with this program beside its package: in a checkout, or where a wheel's data files went."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path


def shipped_folder(name: str, having: str) -> Path | None:
    """Find a folder that has a file of that name; None where it was not installed."""
    root = Path(__file__).parents[2]
    # the second is where `pip install --target` leaves a wheel's data, against what its record says
    places = [root / name, root / "share/fingerprint" / name]
    try:
        record = importlib.metadata.files("fingerprint") or []
    except importlib.metadata.PackageNotFoundError:
        record = []
    inside = f"share/fingerprint/{name}/{having}"
    places += [Path(str(f.locate())).resolve().parent for f in record if f.as_posix().endswith(inside)]
    return next((place for place in places if (place / having).is_file()), None)
