"""The kit's small task with a supernet: ``small/cells``, for strategies that share weights.

A made-up table of the cells of NAS-Bench-201, and a supernet of one cell a stage and two channels,
which trains on 24 made-up images. Needs torch.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..core.contracts import SupernetMaker
from ..core.supernet_clock import Search
from ..core.task import TableTask
from ..core.types import Supernet
from ..live.data import Dataset, Part
from ..live.devices import pick
from ..live.objectives import Classification
from ..live.supernet import Supernets
from ..live.training import Training


def made_up() -> Dataset:
    """Two classes of images of 8 × 8, told apart by which half is bright."""
    draw = np.random.default_rng(0)

    def part(examples: int) -> Part:
        labels = np.arange(examples) % 2
        images = draw.integers(0, 128, (examples, 1, 8, 8))
        images[labels == 1, :, :4] += 127
        return Part(images.astype(np.uint8), labels.astype(np.int64))

    return Dataset("made up", "images", part(16), part(8), part(8), ("0", "1"))


class SmallCells(TableTask):
    """A small task whose problem comes with a supernet."""

    reproducible = False

    def supernets(self) -> SupernetMaker | None:
        """Return what makes the supernets of a run."""
        return self._supernets

    def _supernets(self, search: Search, key: str | None) -> Callable[..., Supernet]:
        from ...spaces.networks.nasbench201_supernet import Supernet as Cells

        training, device = Training(batch=16, device="cpu"), pick("cpu")
        objective = Classification(made_up(), training, device)
        return Supernets(
            self.space.sizes,
            lambda: Cells(2, channels=1, width=2, cells=1),
            objective,
            training,
            device,
            search,
            None,
        )
