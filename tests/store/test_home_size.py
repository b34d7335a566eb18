from __future__ import annotations

from pathlib import Path

from support.stored_nights import save_first

from fingerprint.domain.settings import Home
from fingerprint.store.home_size import DATABASE, home_sizes
from fingerprint.store.store import Store


def test_every_part_of_a_home_is_counted_once(tmp_path: Path, store_url: str | None) -> None:
    home = Home(tmp_path / "home", store_url)
    with Store.open(home.path, store_url) as store:
        save_first(store)
        for folder, size in ((home.snapshots, 700), (home.rejects, 30), (home.vector_cache / "m", 5)):
            folder.mkdir(parents=True)
            (folder / "part").write_bytes(bytes(size))
        home.lock_file.write_bytes(bytes(11))
        sizes = home_sizes(home, store.database)
    assert sizes.pop(DATABASE) > 10_000
    assert sizes == {"cache": 5, "other files": 11, "rejects": 30, "snapshots": 700}
