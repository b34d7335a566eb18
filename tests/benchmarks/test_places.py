from __future__ import annotations

import pyarrow as pa
import pytest

from benchmarks.robustness.places import ASKED, PLACES, moved

SENT = pa.table(
    {
        "role": ["background", "campaign", "campaign"],
        "system": pa.array(["be kind", "be brief", None], pa.large_string()),
        "prompt": pa.array(["hello", "name a bird", "name a fish"], pa.large_string()),
    }
)


@pytest.mark.parametrize("place", PLACES)
def test_what_campaigns_say_moves_and_the_rest_stays(place: str) -> None:
    rows = moved(SENT, place).to_pylist()
    assert rows[0] == SENT.to_pylist()[0]
    for row, said in zip(rows[1:], ("be brief\nname a bird", "name a fish"), strict=True):
        whole = f"{row['system'] or ''} {row['prompt']}"
        assert whole.count(said) == whole.count(ASKED["content"]) == 1
        assert (said in (row["system"] or "")) == (place in ("in developer", "in tools"))
