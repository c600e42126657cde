"""SampleOrder: which image each sample of a run shows.

Each epoch shows every image once, in an order drawn from (seed, epoch). Slices of gzipped
volumes are the exception to a free order: where all volumes together are larger than a process
keeps unpacked (`KEPT_BYTES`), the volumes of an epoch are drawn in blocks that fit, and the
slices are drawn within each block. So each volume is unpacked once per epoch, not once per
slice. Other images of a sample (rare classes, pasted pixels) come from its block.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from maskwright.data.dataset import Dataset
from maskwright.data.pixels.gunzip import KEPT_BYTES

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Epoch:
    """The images of one epoch in their order, and the images (sorted) of each block."""

    number: int
    order_N: Indices
    block_of_N: Indices
    blocks: tuple[Indices, ...]


class SampleOrder:
    """A pure function of (seed, n); keeps the epoch that was asked for last.

    `cases` are sets of images that are read from the same files, with their unpacked bytes.
    """

    def __init__(
        self,
        num_images: int,
        seed: int,
        cases: Sequence[tuple[Indices, int]] = (),
        *,
        limit_bytes: int = KEPT_BYTES,
    ) -> None:
        self.num_images = num_images
        self.seed = seed
        self.cases = cases
        self.limit_bytes = limit_bytes
        self._epoch: Epoch | None = None

    @classmethod
    def from_dataset(
        cls, dataset: Dataset, seed: int, *, limit_bytes: int = KEPT_BYTES
    ) -> Self:
        """The order of a dataset: images with the same gzipped files are a case."""
        files = [dataset.unpacked_bytes(index) for index in range(len(dataset))]
        cases = find_cases(files)
        return cls(len(dataset), seed, cases, limit_bytes=limit_bytes)

    @property
    def is_in_blocks(self) -> bool:
        """Whether the volumes do not fit into memory together."""
        return sum(size for _, size in self.cases) > self.limit_bytes

    def image_index(self, n: int) -> int:
        """The image of sample n of the run, the first being 0."""
        epoch = self._get_epoch(n // self.num_images)
        return int(epoch.order_N[n % self.num_images])

    def find_block(self, n: int) -> Indices | None:
        """The images that are in memory with that of sample n; None where all are."""
        if not self.is_in_blocks:
            return None
        epoch = self._get_epoch(n // self.num_images)
        return epoch.blocks[int(epoch.block_of_N[n % self.num_images])]

    def _get_epoch(self, number: int) -> Epoch:
        if self._epoch is None or self._epoch.number != number:
            self._epoch = self._draw(number)
        return self._epoch

    def _draw(self, number: int) -> Epoch:
        rng = np.random.default_rng((self.seed, 0, number))
        if not self.is_in_blocks:
            order_N = rng.permutation(self.num_images)
            return Epoch(number, order_N, np.zeros_like(order_N), ())
        blocks: list[list[Indices]] = []
        left = 0
        for case in rng.permutation(len(self.cases)).tolist():
            images, size = self.cases[case]
            if size > left or not blocks:
                blocks.append([])
                left = self.limit_bytes
            blocks[-1].append(images)
            left -= size
        joined = [np.sort(np.concatenate(block)) for block in blocks]
        order_N = np.concatenate([rng.permutation(block) for block in joined])
        block_of_N = np.repeat(np.arange(len(joined)), [len(block) for block in joined])
        return Epoch(number, order_N, block_of_N, tuple(joined))


def find_cases(files: Sequence[Mapping[Path, int]]) -> list[tuple[Indices, int]]:
    """The images that are read from the same files, and the bytes of these, by first image.

    `files` has the files of each image. An image without any is a case of its own, of 0 bytes.
    """
    by_files: dict[object, list[int]] = {}
    for index, sizes in enumerate(files):
        by_files.setdefault(frozenset(sizes) or index, []).append(index)
    return [(np.array(i, np.int64), sum(files[i[0]].values())) for i in by_files.values()]
