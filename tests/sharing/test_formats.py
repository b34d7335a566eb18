"""The table of formats agrees with the words that the command line offers."""

from __future__ import annotations

from fingerprint.domain.vocabulary import EXPORT_FORMATS
from fingerprint.sharing.formats import FORMATS
from fingerprint.sharing.rules import Terms


def test_every_word_has_its_row_and_every_row_its_word() -> None:
    assert tuple(FORMATS) == EXPORT_FORMATS
    assert all(name == row.name for name, row in FORMATS.items())


def test_files_of_different_formats_have_different_names() -> None:
    assert len({row.suffix for row in FORMATS.values()}) == len(FORMATS)


def test_no_families_make_a_file_all_the_same() -> None:
    for row in FORMATS.values():
        assert row.write([], Terms("amber")).isascii()
