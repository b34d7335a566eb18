"""Files and folders that open to their owner only, whatever the umask."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fingerprint.base.files import durable_file, replacing
from fingerprint.base.private import close_to_others, folder_for_output, private_file, private_folder


@pytest.fixture(autouse=True, params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield int(request.param)
    os.umask(before)


def mode(path: Path) -> int:
    return path.lstat().st_mode & 0o777


def test_what_is_made_is_private(tmp_path: Path) -> None:
    folder = private_folder(tmp_path / "above" / "folder")
    file = private_file(folder / "file")
    with durable_file(folder / "durable") as out:
        out.write(b"x")
    assert [mode(path) for path in (folder, file, folder / "durable")] == [0o700, 0o600, 0o600]


def test_what_is_there_keeps_its_bytes_and_is_closed(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")
    file.chmod(0o664)
    assert private_file(file).read_bytes() == b"old"
    assert mode(file) == 0o600


def test_output_follows_the_umask_but_in_a_private_folder(tmp_path: Path, umask: int) -> None:
    tmp_path.chmod(0o755)
    for place, folder_mode, file_mode in (
        (tmp_path / "open", 0o777 & ~umask, 0o666 & ~umask),
        (private_folder(tmp_path / "home") / "exports" / "deep", 0o700, 0o600),
    ):
        file = folder_for_output(place) / "out.csv"
        with replacing(file) as out:
            out.write(b"x")
        assert (mode(place), mode(file)) == (folder_mode, file_mode)


def test_a_tree_is_closed_and_what_links_point_to_is_not(tmp_path: Path) -> None:
    outside, home = tmp_path / "outside", tmp_path / "home"
    (home / "below").mkdir(parents=True)
    for file in (outside, home / "below" / "file"):
        file.write_bytes(b"x")
        file.chmod(0o644)
    (home / "link").symlink_to(outside)
    close_to_others([home, tmp_path / "none"])
    assert [mode(path) for path in (home, home / "below", home / "below" / "file")] == [0o700, 0o700, 0o600]
    assert mode(outside) == 0o644
