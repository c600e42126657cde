"""The situation that a plan is made for: facts of the data, and the machine."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Self

from maskwright.data.dataset import Dataset
from maskwright.data.facts import Facts
from maskwright.nn.encoder_weights import EncoderCheckpoint

from ..data import TrainingData
from ..initial import InitialNetwork
from ..machine import (
    Machine,
    measure_step_seconds,
    start_slowness,
)
from ..recipe import Recipe
from ..samples.loader import Crops
from ..samples.order import SampleOrder
from ..validate import measure_image_seconds
from . import few_images

TIMED_SAMPLES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """The data and the machine that a plan is made for.

    `facts` are of the training images; `sample_seconds` measures the time to read and augment
    one sample under a recipe, `step_seconds` that of a step on a batch and `image_seconds` that
    of validating an image, both within a limit in seconds; `slowness` is what
    `machine.start_slowness` returns; `conversion` says which images are converted, "" if none
    is.
    `substitute` is the encoder whose weights are installed, where those of the usual encoder
    cannot be downloaded, else "". `class_names` are those of the classes, in order. `initial`
    is the whole network that training starts from, `checkpoint` that of the encoder's weights,
    where they come from one.
    """

    facts: Facts
    num_classes: int
    num_val: int
    sample_seconds: Callable[[Recipe], float]
    step_seconds: Callable[[Recipe, float], float]
    image_seconds: Callable[[Recipe, float], float]
    splits: tuple[str, str]
    machine: Machine
    slowness: Callable[[], float] = field(default_factory=start_slowness)
    conversion: str = ""
    substitute: str = ""
    class_names: tuple[str, ...] = ()
    initial: InitialNetwork | None = None
    checkpoint: EncoderCheckpoint | None = None

    @classmethod
    def from_data(
        cls,
        data: TrainingData,
        machine: Machine,
        *,
        substitute: str = "",
        initial: InitialNetwork | None = None,
        checkpoint: EncoderCheckpoint | None = None,
    ) -> Self:
        """The situation of a dataset on a machine."""
        return cls(
            facts=data.facts,
            num_classes=len(data.dataset.spec),
            class_names=data.dataset.spec.names,
            num_val=len(data.val),
            sample_seconds=partial(_measure_sample_seconds, data),
            step_seconds=partial(_measure_step, len(data.dataset.spec), machine),
            image_seconds=partial(_measure_image, data.val, machine),
            splits=data.split_names,
            machine=machine,
            conversion=data.conversion,
            substitute=substitute,
            initial=initial,
            checkpoint=checkpoint,
        )

    @property
    def num_train(self) -> int:
        """Training images."""
        return len(self.facts.counts_NC)

    @property
    def is_georeferenced(self) -> bool:
        """Whether images lie on the ground."""
        return self.facts.values.num_georeferenced > 0

    @property
    def has_few_images(self) -> bool:
        """Whether a smaller model and more augmentation are advisable."""
        return few_images.is_few(self.num_train)


def _measure_step(num_classes: int, machine: Machine, recipe: Recipe, limit_s: float) -> float:
    return measure_step_seconds(recipe, num_classes, machine, limit_s=limit_s)


def _measure_image(val: Dataset, machine: Machine, recipe: Recipe, limit_s: float) -> float:
    return measure_image_seconds(recipe, val, machine, limit_s=limit_s)


def _measure_sample_seconds(data: TrainingData, recipe: Recipe) -> float:
    crops = Crops(
        data.train.__getitem__,
        data.facts.counts_NC,
        recipe,
        num_samples=TIMED_SAMPLES,
        order=SampleOrder.from_dataset(data.train, recipe.seed),
    )
    started_s = time.perf_counter()
    for index in range(len(crops)):
        crops[index]
    return (time.perf_counter() - started_s) / len(crops)
