from __future__ import annotations

import subprocess
import sys

import pytest

from fingerprint.domain.vocabulary import misspelt_label


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("campain", "campaign"),
        ("Campaign", "campaign"),
        ("campaigns", "campaign"),
        ("campaing ", "campaign"),
        ("bening", "benign"),
        ("BENIGN", "benign"),
        ("Relays", "relay"),
        ("campaign", None),
        ("relay", None),
        ("delay", None),
        ("benign", None),
        ("design", None),
        ("malign", None),
        ("our own benchmark", None),
        ("", None),
    ],
)
def test_only_near_misses_are_taken_for_misspelt_labels(word: str, meant: str | None) -> None:
    assert misspelt_label(word) == meant


def test_vocabulary_loads_nothing_heavy() -> None:
    ask = "import sys, fingerprint.domain.vocabulary; print('numpy' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", ask], check=True, capture_output=True, text=True)
    assert answer.stdout == "False\n"
