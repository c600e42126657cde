"""The inputs of one training run, and the status that it reports after each step."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskwright.core.card import ModelCard
from maskwright.data.dataset import Dataset
from maskwright.nn.transfer import Transfer

from .recipe import Recipe
from .samples.unlabelled import Unlabelled

LEAST_LOOK = 10
"""Steps before which the average of the weights has hardly learnt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The inputs of one training run.

    `run` is its folder; `counts_NC` has the pixels of each class in each training image.
    `transfer` is what the network takes from the one that it starts from, if there is one;
    `unlabelled` are images without labels, of which teachers say the labels.
    """

    run: Path
    recipe: Recipe
    card: ModelCard
    train: Dataset
    val: Dataset
    counts_NC: NDArray[np.int64]
    transfer: Transfer | None = None
    unlabelled: Unlabelled | None = None

    @property
    def samples_per_step(self) -> int:
        """Images per optimizer step, over all processes."""
        return self.recipe.data.batch_size * self.recipe.optim.accumulate

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of an epoch: as the recipe says, else to show every image once."""
        given = self.recipe.schedule.steps_per_epoch
        return given or math.ceil(len(self.train) / self.samples_per_step)

    @property
    def validation_steps(self) -> int:
        """Optimizer steps from one validation to the next."""
        return self.recipe.schedule.validate_every * self.steps_per_epoch

    @property
    def num_steps(self) -> int:
        """Optimizer steps of the whole schedule."""
        return self.recipe.schedule.epochs * self.steps_per_epoch

    @property
    def first_look(self) -> int:
        """The step after which the first predictions are shown: a tenth of the run.

        That of the first validation where it comes earlier; not before `LEAST_LOOK`.
        """
        return min(self.validation_steps, max(LEAST_LOOK, self.num_steps // 10))


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Status of a run after a step.

    `loss` is that of the last batch; `miou` is that of the last validation, None before the
    first; `left_s` is the time to the end of the schedule at the pace so far.
    """

    step: int
    num_steps: int
    epoch: int
    loss: float
    miou: float | None
    best_miou: float | None
    images_per_s: float
    left_s: float


OnStep = Callable[[Status], None]
"""Called after each optimizer step."""
