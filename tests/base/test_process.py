"""A command starts with little, and ends without a last look for garbage."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.migrated import migrate

from fingerprint.base.parallel import workers


def told(code: str) -> Any:
    """Run code in a process of its own, and return what it prints as JSON."""
    command = [sys.executable, "-c", f"import gc, json, os, sys\n{code}"]
    # these tests are settled themselves
    ours = ("OPENBLAS_NUM_THREADS", "OMP_WAIT_POLICY", "ARROW_DEFAULT_MEMORY_POOL")
    unsettled = {k: v for k, v in os.environ.items() if k not in ours}
    job = subprocess.run(command, check=True, capture_output=True, text=True, env=unsettled)
    return json.loads(job.stdout)


def test_a_night_loads_only_what_it_needs() -> None:
    code = """
import fingerprint.jobs.nightly
before_reading = list(sys.modules)
import fingerprint.jobs.night_steps
print(json.dumps([before_reading, list(sys.modules)]))
"""
    before_reading, loaded = map(set, told(code))
    assert {"numpy", "faiss", "sqlalchemy", "scipy.special"} <= loaded
    assert loaded.isdisjoint(("scipy.stats", "alembic", "torch", "sentence_transformers", "sklearn", "ray"))
    assert before_reading.isdisjoint(("sqlalchemy", "scipy.special", "fingerprint.nights.spool"))


def test_only_a_database_of_before_is_opened_with_alembic(tmp_path: Path) -> None:
    """An empty one gets its tables without it, and one of today has them."""
    opens = f"from pathlib import Path\nfrom fingerprint.store.store import Store\nStore.open(Path({str(tmp_path)!r})).close()"
    loads = f"{opens}\nprint(json.dumps('alembic' in sys.modules))"
    assert told(loads) is False
    assert told(loads) is False
    (tmp_path / "fingerprint.db").unlink()
    migrate(tmp_path, None, "0010_sessions")
    assert told(loads) is True


def test_commands_are_settled_before_the_heavy_libraries_come() -> None:
    code = """
from fingerprint.cli import main as cli
def seen(*arguments, **options):
    threads = [os.environ["OPENBLAS_NUM_THREADS"], os.environ["OMP_WAIT_POLICY"]]
    print(json.dumps([gc.get_threshold()[0], threads, "numpy" in sys.modules]))
cli.cli.main = seen
cli.main()
"""
    assert told(code) == [100_000, ["1", "passive"], False]


def test_what_is_set_by_hand_stays() -> None:
    code = """
os.environ["OPENBLAS_NUM_THREADS"] = "20"
from fingerprint.base.process import settle
settle()
print(json.dumps(os.environ["OPENBLAS_NUM_THREADS"]))
"""
    assert told(code) == "20"


def test_threads_of_libraries_wait_asleep() -> None:
    """BLAS of NumPy has one thread after `settle`, FAISS as many as there are processors."""
    code = """
from fingerprint.base.process import settle
settle()
import faiss
from threadpoolctl import threadpool_info
pools = [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info() if pool["internal_api"] == "openblas"]
print(json.dumps([[count for path, count in pools if "numpy" in path], faiss.omp_get_max_threads()]))
"""
    of_numpy, of_faiss = told(code)
    assert set(of_numpy) <= {1}  # none where NumPy has another BLAS
    assert of_faiss == workers()


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="malloc cannot be told")
def test_memory_that_was_given_back_is_used_again() -> None:
    """Arrays of 20 MB, made and let go 50 times, are new pages to the system each time, unless malloc keeps them."""
    code = """
import resource
from fingerprint.base.process import settle
if {settled}: settle()
import numpy as np
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(20_000_000, np.uint8)
np.ones(20_000_000, np.uint8), np.ones(20_000_000, np.uint8)
before = faults()
for _ in range(50):
    one, two, three = (np.ones(20_000_000, np.uint8) for _ in range(3))
    del one, two, three
print(json.dumps(faults() - before))
"""
    settled, plain = (told(code.replace("{settled}", str(on))) for on in (True, False))
    assert settled < plain / 2, (settled, plain)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="malloc cannot be told")
def test_arrow_takes_its_memory_from_the_heap_that_is_kept() -> None:
    """Unless the environment says otherwise."""
    code = """
{by_hand}
from fingerprint.base.process import settle
settle()
import pyarrow
print(json.dumps(pyarrow.default_memory_pool().backend_name))
"""
    by_hand = 'os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "mimalloc"'
    assert told(code.replace("{by_hand}", "")) == "system"
    assert told(code.replace("{by_hand}", by_hand)) == "mimalloc"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say what is resident")
def test_free_memory_is_given_back() -> None:
    code = """
from pathlib import Path
from fingerprint.base.process import give_back, settle
settle()
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
blocks = [b"x" * (1 << 20) for _ in range(100)]
last, blocks[-1:] = blocks[-1], []  # the heap's end stays
blocks.clear()
before = resident()
give_back()
print(json.dumps([before - resident(), hasattr(__import__("ctypes").CDLL(None), "malloc_trim")]))
"""
    less, is_glibc = told(code)
    assert less > 50 << 20 or not is_glibc
