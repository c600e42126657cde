"""Validate the averaged weights of a run on its validation images, at source resolution."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import nn

from maskwright.core.confusion import Confusion
from maskwright.core.errors import BundleError, TrainingError
from maskwright.inference.engine import Engine
from maskwright.inference.predictor import Predictor
from maskwright.nn.build import build_model

from .checkpoint import TrainingState
from .job import Job
from .optim import explain_learning_rate


def validate(job: Job, state: TrainingState, accelerator: Accelerator) -> Confusion:
    """Predict the validation images, shared out among the processes, and count their pixels."""
    model = build_model(job.card).to(accelerator.device)
    model.load_state_dict(state.average.state)
    predictor = Predictor(_MemoryEngine(model, accelerator), job.card, "in training")
    num_classes = len(job.card.labels)
    total = Confusion.zero(num_classes)
    for index in range(accelerator.process_index, len(job.val), accelerator.num_processes):
        sample = job.val[index]
        if sample.labels_HW is not None:
            where = job.val.describe(index)
            with _explain_infinite(job, state):
                predicted_HW = predictor.label(sample.image_HWC, sample.valid_HW, where=where)
            total += Confusion.from_labels(sample.labels_HW, predicted_HW, num_classes)
    counts_CC = torch.from_numpy(total.counts_CC).to(accelerator.device)
    return Confusion(accelerator.reduce(counts_CC, "sum").cpu().numpy())


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
    accelerator: Accelerator
    name = "training"

    def __call__(self, image_BCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        x_BCHW = torch.from_numpy(image_BCHW).to(self.accelerator.device)
        with torch.inference_mode(), self.accelerator.autocast():
            logits_BKHW = self.model(x_BCHW.contiguous(memory_format=torch.channels_last))
        logits: NDArray[np.float32] = logits_BKHW.float().cpu().numpy()
        return logits
