"""Describe the training images in the card of the best weights, for `predict` to compare."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from maskwright.core.checkpoint import BEST, Checkpoint, write_card
from maskwright.core.image import Image
from maskwright.core.imagestats import ImageStatistics
from maskwright.core.progress import Progress, silent
from maskwright.data.dataset import Dataset

MAX_IMAGES = 64
"""Evenly spread over the training images."""


def describe_images(run: Path, train: Dataset, *, progress: Progress = silent) -> None:
    """Measure scale and colours of training images, and write them to the card."""
    checkpoint = Checkpoint.open(run / BEST)
    spec = checkpoint.card.input

    def images() -> Iterator[Image]:
        indices = np.unique(np.linspace(0, len(train) - 1, MAX_IMAGES).round().astype(int))
        for index in progress(indices.tolist(), total=len(indices), what="measuring images"):
            yield spec.prepare(*train.data(index), where=train.describe(index))

    learnt = ImageStatistics.from_images(images(), spec)
    write_card(checkpoint.root, replace(checkpoint.card, learnt=learnt))
