"""What the client loads: httpx2 and the standard library, so that it runs where nothing else of this program does."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys, sysconfig
before = set(sys.modules)
import fingerprint.client
ours = sorted(m for m in sys.modules if m.startswith("fingerprint.") and not m.startswith("fingerprint.client"))
tops = {m.partition(".")[0] for m in set(sys.modules) - before} - set(sys.stdlib_module_names)
print(ours, sorted(tops & {"faiss", "torch", "numba", "numpy", "pyarrow", "scipy", "fastapi", "starlette", "click", "orjson", "sqlalchemy", "pydantic"}))
"""


def test_nothing_heavy_is_loaded() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert (
        done.stdout.strip()
        == str(
            [
                "fingerprint.base",
                "fingerprint.base.kernel_cache",
                "fingerprint.base.version",
                "fingerprint.domain",
                "fingerprint.domain.errors",
            ]
        )
        + " []"
    )
