"""Fit one temperature for the best weights of a run, on validation images.

The sample of pixels is bounded whatever the number and size of the images, and drawn by the
run's seed. Weights and labels do not change; the card beside the weights does.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskwright.core.checkpoint import BEST, Checkpoint, write_card
from maskwright.core.errors import TrainingError
from maskwright.core.labels import IGNORE, LabelMap
from maskwright.core.logits import Logits
from maskwright.core.progress import Progress, silent
from maskwright.data.dataset import Dataset
from maskwright.inference.predictor import Predictor, open_model
from maskwright.inference.resolution import decide, planes
from maskwright.metrics import calibration
from maskwright.metrics.temperature import fit_temperature

MAX_IMAGES = 32
MAX_LOGITS = 1 << 21
"""Logits of the whole sample: about 110,000 pixels of 19 classes, 17 MB in float64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A fitted temperature, and the scores before and after of the pixels it was fitted on."""

    temperature: float
    num_images: int
    num_pixels: int
    nll_before: float
    nll_after: float
    ece_before: float
    ece_after: float

    def __str__(self) -> str:
        return (
            f"temperature {self.temperature:.3f}, fitted on {self.num_pixels} pixels of "
            f"{self.num_images} validation images: negative log-likelihood "
            f"{self.nll_before:.4f} -> {self.nll_after:.4f}, calibration error "
            f"{self.ece_before:.4f} -> {self.ece_after:.4f}"
        )


def calibrate(
    run: Path, val: Dataset, *, seed: int, progress: Progress = silent
) -> Calibration | None:
    """Fit the temperature of the best weights and write it to their card.

    None, and no change, where no pixel of the images is labelled.

    Raises:
        TrainingError: The network produced NaN or infinite logits.
    """
    parts = list(_sample_pixels(open_model(run), val, seed, progress))
    truth_P = np.concatenate([truth for truth, _ in parts])
    if not len(truth_P):
        return None
    logits_PK = np.concatenate([logits for _, logits in parts])
    if not np.isfinite(logits_PK).all():
        raise TrainingError(
            f"{run}: the network produced NaN or infinite logits; train again with a lower "
            f"optim.lr"
        )
    fitted = _fit(logits_PK, truth_P, num_images=len(parts))
    _write_to_card(Checkpoint.open(run / BEST), fitted)
    return fitted


def _sample_pixels(
    model: Predictor, val: Dataset, seed: int, progress: Progress
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """Yield truth (p,) and logits (p, K) of some labelled pixels, of evenly spread images."""
    indices = np.unique(np.linspace(0, len(val) - 1, MAX_IMAGES).round().astype(int)).tolist()
    num_pixels = max(1, MAX_LOGITS // len(model.card.labels) // len(indices))
    for index in progress(indices, total=len(indices), what="calibrating"):
        labels_HW = val.labels(index)
        logits = model.logits(*val.data(index), where=val.describe(index))
        rng = np.random.default_rng([seed, index])
        chosen_p = _draw_labelled(labels_HW, num_pixels, rng)
        logits_Kp = [p.ravel()[chosen_p] for p in planes(logits)]
        # K x (p,) -> (p, K)
        yield labels_HW.ravel()[chosen_p], np.stack(logits_Kp, axis=1)


def _draw_labelled(
    labels_HW: LabelMap, num_pixels: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Flat indices of labelled pixels: all of them, or `num_pixels` drawn at random."""
    labelled = np.flatnonzero(labels_HW != IGNORE)
    if len(labelled) <= num_pixels:
        return labelled
    return rng.choice(labelled, num_pixels, replace=False)


def _fit(
    logits_PK: NDArray[np.float32], truth_P: NDArray[np.uint8], *, num_images: int
) -> Calibration:
    temperature = fit_temperature(logits_PK, truth_P)
    (nll_before, ece_before), (nll_after, ece_after) = (
        _score(logits_PK, truth_P, t) for t in (1.0, temperature)
    )
    return Calibration(
        temperature=temperature,
        num_images=num_images,
        num_pixels=len(truth_P),
        nll_before=nll_before,
        nll_after=nll_after,
        ece_before=ece_before,
        ece_after=ece_after,
    )


def _score(
    logits_PK: NDArray[np.float32], truth_P: NDArray[np.uint8], temperature: float
) -> tuple[float, float]:
    """Negative log-likelihood and calibration error; the pixels form an image of height 1."""
    truth_1P, num_classes = truth_P[None], logits_PK.shape[1]
    # (P, K) -> (K, 1, P)
    logits_K1P = np.ascontiguousarray(logits_PK.T)[:, None]
    decision = decide(Logits.of_image(logits_K1P, truth_1P.shape), temperature=temperature)
    overall = calibration.scores(
        calibration.count(truth_1P, logits_K1P, decision, num_classes)
    ).overall
    return float(overall["nll"]), float(overall["ece"])


def _write_to_card(checkpoint: Checkpoint, fitted: Calibration) -> None:
    card = checkpoint.card
    calibrated = replace(
        card,
        temperature=fitted.temperature,
        provenance=card.provenance | {"calibration": asdict(fitted)},
    )
    write_card(checkpoint.root, calibrated)
