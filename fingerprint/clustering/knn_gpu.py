"""Nearest neighbours on a device that torch knows, in the place of FAISS's inverted lists: all pairs are compared.

A GPU multiplies matrices faster than lists can be read, so nothing is approximate here (brute force with a running
k-selection, as in Johnson, Douze and Jégou 2017, section 5.1; why torch: D-113). As with FAISS, the device only chooses candidates:
`knn.knn_graph` ranks them again, so the device's rounding decides no similarity.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from fingerprint.base.types import FloatArray, IntArray
from fingerprint.clustering.faiss_index import BATCH
from fingerprint.domain.errors import ModelError

BLOCK_COLUMNS = 1 << 16
"""Points that a batch is compared with at once: with BATCH rows, 2 GB of similarities on the device."""


class DeviceSearch:
    """Searches as `faiss_index.search` does, by brute force on one device; the points must fit there (n × d × 4 bytes).

    device: as torch names it. Raises ModelError where torch has no such device.
    """

    def __init__(self, device: str) -> None:
        try:
            torch.zeros(1, device=device)
        except (RuntimeError, AssertionError, ValueError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise ModelError(f"--device {device}: torch cannot use it here: {reason}") from error
        self.device = device

    def __call__(self, points: FloatArray, wide: int, seed: int, exact_up_to: int) -> Iterator[IntArray]:
        """Yield for every BATCH points (n, d) the numbers of the `wide` nearest to each, (rows, wide); n >= wide.

        seed, exact_up_to: of searches that are not exact; this one always is. Raises ModelError where the device has
        too little memory.
        """
        del seed, exact_up_to
        try:
            with torch.inference_mode():
                everything = torch.from_numpy(points).to(self.device)
                for start in range(0, len(points), BATCH):
                    yield self._nearest(everything[start : start + BATCH], everything, wide).cpu().numpy()
        except torch.cuda.OutOfMemoryError as error:
            raise ModelError(
                f"--device {self.device}: too little memory there for {len(points):,} vectors; "
                "without --device they are compared on the CPU"
            ) from error

    @staticmethod
    def _nearest(rows: torch.Tensor, points: torch.Tensor, wide: int) -> torch.Tensor:
        """Return the numbers of the `wide` points nearest to each row, (rows, wide) int64."""
        near = torch.empty((len(rows), 0), device=points.device)
        ids = torch.empty((len(rows), 0), dtype=torch.int64, device=points.device)
        for first in range(0, len(points), BLOCK_COLUMNS):
            part = rows @ points[first : first + BLOCK_COLUMNS].T
            best = part.topk(min(wide, part.shape[1]), sorted=False)
            near = torch.cat([near, best.values], dim=1)
            ids = torch.cat([ids, best.indices + first], dim=1)
            if near.shape[1] > wide:
                kept = near.topk(wide, sorted=False)
                near, ids = kept.values, ids.gather(1, kept.indices)
        return ids
