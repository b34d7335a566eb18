from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fingerprint.base.parallel import workers
from fingerprint.domain.errors import UsageError
from fingerprint.domain.settings import Settings
from fingerprint.nights.engine import Threads, choose_engine
from fingerprint.nights.ray_engine import Ray
from fingerprint.nights.spool import warm_up


def add(given: int, item: int) -> int:
    return given + item


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(engine="spark"), "'spark'"),
        (Settings(ray_address="auto"), "--ray-address: only with --engine ray"),
        (Settings(engine="ray", device="cuda"), "--device: only with --engine local"),
    ],
)
def test_settings_that_do_not_go_together(tmp_path: Path, settings: Settings, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        choose_engine(settings, spill=tmp_path, warm_up=warm_up)


def test_threads_are_as_many_as_asked_for(tmp_path: Path) -> None:
    for threads in (None, 3):
        with choose_engine(Settings(threads=threads), spill=tmp_path, warm_up=warm_up) as engine:
            assert isinstance(engine, Threads)
            assert engine.count == (threads or workers())
            assert not engine.spreads
            assert list(engine.in_order(add, 10, range(9))) == list(range(10, 19))


def test_ray_is_not_started_before_it_is_used(tmp_path: Path) -> None:
    with choose_engine(Settings(engine="ray"), spill=tmp_path / "spill", warm_up=warm_up) as engine:
        assert isinstance(engine, Ray)
        assert engine.spreads
        assert not (tmp_path / "spill").exists()


def test_what_nodes_call_first_leaves_nothing_to_compile() -> None:
    program = """if True:
        import gc
        import numpy as np
        import pyarrow as pa
        from numba.core.dispatcher import Dispatcher
        from fingerprint.nights.claims import core_table
        from fingerprint.nights.spool import prepare, warm_up

        def compiled():
            return sum(len(o.signatures) for o in gc.get_objects() if isinstance(o, Dispatcher))

        before = compiled()
        warm_up()
        warm = compiled()
        columns = [pa.array(["", "be brief", None]), pa.array(["tell a joke to me", "ünï 2026-03-02", "x"])]
        rows = pa.record_batch([c.cast(pa.large_string()) for c in columns], names=["system", "prompt"])
        prepare((core_table([np.arange(1, 5, dtype=np.uint64)]), 0.6), rows)
        print(warm - before, compiled() - warm)
    """
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    by_warm_up, by_work = map(int, run.stdout.split())
    assert by_warm_up > 5
    assert by_work == 0
