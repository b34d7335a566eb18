"""Neighbours found on a device of torch: the same as FAISS's exact ones."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fingerprint import simulate
from fingerprint.clustering import knn, knn_gpu
from fingerprint.clustering.knn import knn_graph
from fingerprint.clustering.knn_gpu import DeviceSearch
from fingerprint.domain.errors import ModelError, UsageError
from fingerprint.domain.settings import Home, Settings
from fingerprint.jobs.nightly import nightly
from fingerprint.store.store import Store

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def unit(n: int, d: int = 32) -> np.ndarray:
    x = np.random.default_rng(7).standard_normal((n, d))
    return np.ascontiguousarray(x / np.linalg.norm(x, axis=1, keepdims=True), dtype=np.float32)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("columns", [16, 700, 1 << 16])
def test_graph_is_that_of_faiss(monkeypatch: pytest.MonkeyPatch, device: str, columns: int) -> None:
    monkeypatch.setattr(knn_gpu, "BLOCK_COLUMNS", columns)
    for module in (knn, knn_gpu):
        monkeypatch.setattr(module, "BATCH", 1_000)
    x = unit(2_500)
    x[11] = 0
    found, expected = knn_graph(x, 12, search=DeviceSearch(device)), knn_graph(x, 12)
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_array_equal(found.similarity, expected.similarity)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("n", [2, 3, 20])
def test_fewer_points_than_wanted(device: str, n: int) -> None:
    x = unit(n)
    np.testing.assert_array_equal(knn_graph(x, 30, search=DeviceSearch(device)).ids, knn_graph(x, 30).ids)


@pytest.mark.parametrize("device", ["nosuchdevice", *([] if torch.cuda.is_available() else ["cuda"])])
def test_a_device_that_is_not_there_is_named(device: str) -> None:
    with pytest.raises(ModelError, match=rf"^--device {device}: torch cannot use it here: "):
        DeviceSearch(device)


def test_too_little_memory_on_the_device_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    search = DeviceSearch("cpu")
    monkeypatch.setattr(search, "_nearest", full, raising=True)
    with pytest.raises(ModelError, match=r"^--device cpu: too little memory there for 50 vectors"):
        knn_graph(unit(50), 5, search=search)


@pytest.mark.parametrize("device", DEVICES)
def test_a_night_finds_the_same_families_on_a_device(tmp_path: Path, device: str) -> None:
    traffic = tmp_path / "traffic.jsonl"
    simulate.write(simulate.preset("default", rows=2_000, accounts=300, seed=3), traffic)
    found = []
    for name in (None, device):
        home = Home(tmp_path / str(name))
        nightly([traffic], home, Settings(device=name))
        with Store.open(home.path, read_only=True) as store:
            found.append([(f.template, f.requests, f.accounts) for f in store.families()])
    assert found[0]
    assert found[0] == found[1]


def test_a_cluster_takes_no_device(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--device: only with --engine local"):
        nightly([tmp_path], Home(tmp_path / "home"), Settings(device="cpu", engine="ray"))
