from __future__ import annotations

import subprocess
import sys

import pytest

import fingerprint


@pytest.mark.parametrize("name", fingerprint.__all__)
def test_public_names_are_there(name: str) -> None:
    assert getattr(fingerprint, name) is not None
    assert name in dir(fingerprint)


def test_another_name_is_told() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'pipeline'"):
        fingerprint.pipeline  # noqa: B018


def test_the_package_alone_loads_nothing_heavy() -> None:
    code = "import sys, fingerprint; print([m for m in ('numpy', 'pyarrow', 'click', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
