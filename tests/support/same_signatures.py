"""What several test files make alike: assert_same."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from fingerprint.domain.signature import Signature


def assert_same(left: Signature, right: Signature) -> None:
    for field in fields(Signature):
        a, b = getattr(left, field.name), getattr(right, field.name)
        if isinstance(a, np.ndarray):
            assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes()), field.name
        else:
            assert a == b, field.name
