"""Validate the averaged weights of a run on its validation images, at source resolution."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import nn

from maskwright.core.card import ModelCard
from maskwright.core.confusion import Confusion
from maskwright.core.errors import BundleError, TrainingError
from maskwright.core.labels import LabelMap
from maskwright.core.sample import Sample
from maskwright.data.dataset import Dataset
from maskwright.inference.engine import Engine
from maskwright.inference.predictor import Predictor
from maskwright.nn.build import build_model, choose_revision
from maskwright.nn.memory_format import use_channels_last

from .checkpoint import TrainingState
from .job import Job
from .machine import Machine, use_precision
from .optim import explain_learning_rate
from .recipe import Recipe

NUM_TIMED = 8
"""Images of which the time is measured, with the first, which does not count."""


OnPrediction = Callable[[int, Sample, LabelMap], None]
"""Called with the index of a validation image, the image, and what is predicted for it."""


def validate(
    job: Job,
    state: TrainingState,
    accelerator: Accelerator,
    on_prediction: OnPrediction | None = None,
    *,
    images: Sequence[int] | None = None,
) -> Confusion:
    """Predict the validation images, shared out among the processes, and count their pixels.

    With `images`, only those are predicted, all of them in each process.
    """
    predictor = _make_predictor(job, state, accelerator)
    total = Confusion.zero(len(job.card.labels))
    own = range(accelerator.process_index, len(job.val), accelerator.num_processes)
    for index in own if images is None else images:
        with _explain_infinite(job, state):
            total += _count_image(predictor, job.val, index, on_prediction)
    counts_CC = torch.from_numpy(total.counts_CC).to(accelerator.device)
    return Confusion(accelerator.reduce(counts_CC, "sum").cpu().numpy())


def time_images(
    job: Job, state: TrainingState, accelerator: Accelerator, *, limit_s: float
) -> float:
    """Measure the seconds to validate an image of the mean area, as `measure_image_seconds`."""
    with _explain_infinite(job, state):
        return _time_images(_make_predictor(job, state, accelerator), job.val, limit_s)


def _make_predictor(job: Job, state: TrainingState, accelerator: Accelerator) -> Predictor:
    """A Predictor with the averaged weights."""
    model = build_model(job.card).to(accelerator.device)
    model.load_state_dict(state.average.state)
    engine = _MemoryEngine(model, accelerator.device, accelerator.autocast)
    return Predictor(engine, job.card, "in training")


def measure_image_seconds(
    recipe: Recipe, val: Dataset, machine: Machine, *, limit_s: float = math.inf
) -> float:
    """Measure the seconds to validate an image of the mean area of `val`, from random weights.

    It is read, predicted and counted: at a small scale most of the time is that of the source
    resolution. Images are evenly spread over `val`; the first does not count, since it takes
    many times as long. No image but the second begins after `limit_s`.
    """
    card = ModelCard(
        labels=val.spec,
        input=recipe.input.spec,
        arch=choose_revision(recipe.model.graph, recipe.model.revision or None),
    )
    model = build_model(card).eval().to(machine.device)
    model = use_channels_last(model)
    engine = _MemoryEngine(model, machine.device, partial(use_precision, recipe, machine))
    return _time_images(Predictor(engine, card, "in planning"), val, limit_s)


def _time_images(predictor: Predictor, val: Dataset, limit_s: float) -> float:
    sizes = (val.size_HW(index) for index in range(len(val)))
    areas_px = [height * width for height, width in sizes]
    spread = [round(index) for index in np.linspace(0, len(val) - 1, NUM_TIMED).tolist()]
    seconds: list[float] = []
    for index in spread:
        if sum(seconds[1:]) > limit_s:
            break
        started_s = time.perf_counter()
        _count_image(predictor, val, index)
        seconds.append(time.perf_counter() - started_s)
    timed_px = sum(areas_px[index] for index in spread[1 : len(seconds)])
    seconds_per_px: float = sum(seconds[1:]) / timed_px
    return seconds_per_px * sum(areas_px) / len(areas_px)


def _count_image(
    predictor: Predictor,
    dataset: Dataset,
    index: int,
    on_prediction: OnPrediction | None = None,
) -> Confusion:
    """Predict one image and count its pixels; none where it has no labels."""
    sample, num_classes = dataset[index], len(predictor.card.labels)
    if sample.labels_HW is None:
        return Confusion.zero(num_classes)
    where = dataset.describe(index)
    predicted_HW = predictor.label(sample.image_HWC, sample.valid_HW, where=where)
    if on_prediction is not None:
        on_prediction(index, sample, predicted_HW)
    return Confusion.from_labels(sample.labels_HW, predicted_HW, num_classes)


@contextmanager
def _explain_infinite(job: Job, state: TrainingState) -> Iterator[None]:
    """Turn the error on infinite logits, which blames a damaged file, into one on training."""
    try:
        yield
    except BundleError as error:
        lr = job.recipe.optim.lr
        raise TrainingError(
            f"after step {state.progress.step} the network gives NaN or infinite values, with "
            f"the learning rate optim.lr={lr:g}; {explain_learning_rate(lr)} and train again"
        ) from error


@dataclass(frozen=True, slots=True)
class _MemoryEngine(Engine):
    """An Engine that runs the network in memory, at the precision of training."""

    model: nn.Module
    device: torch.device | str
    autocast: Callable[[], AbstractContextManager[object]]
    name = "training"

    def __call__(self, image_BCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        x_BCHW = torch.from_numpy(image_BCHW).to(self.device)
        with torch.inference_mode(), self.autocast():
            logits_BKhw = self.model(x_BCHW.contiguous(memory_format=torch.channels_last))
        logits: NDArray[np.float32] = logits_BKhw.float().cpu().numpy()
        return logits
