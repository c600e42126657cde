"""Fit an estimator of mIoU without labels on labelled images, and put it into a Bundle.

The images are predicted as they are and corrupted. A server measures the same numbers of each
image, at few pixels, and estimates the mIoU of what it sees.
"""

import json
from pathlib import Path
from typing import cast

import numpy as np

from ..core.bundle import ESTIMATOR, Bundle, add_files, fill_bundle, open_bundle
from ..core.confusion import Confusion
from ..core.errors import DataError
from ..core.image import Image
from ..core.labels import LabelMap
from ..core.progress import Progress, silent
from ..core.results import NEW, WriteMode
from ..corruption.corrupt import corrupt_sample
from ..data.dataset import Dataset
from ..inference.observe import sample_shares
from ..inference.predictor import Predictor, open_model
from ..monitoring.estimate import BLOCKS, Estimator, LabelledGroup
from ..monitoring.softcounts import SoftCounts
from .evaluate import require_fit
from .verdicts.decide import require_bundle

KINDS = (
    "gaussian_noise",
    "defocus_blur",
    "motion_blur",
    "snow",
    "fog",
    "brightness",
    "contrast",
    "jpeg",
)
"""Two or more of each group of Hendrycks and Dietterich 2019: noise, blur, weather, digital."""

SEVERITIES = (1, 3, 5)
MOST_IMAGES = 24


def estimate(
    model: Path | str,
    dataset: Dataset,
    out: Path | str,
    *,
    split: str = "val",
    most_images: int = MOST_IMAGES,
    engine: str | None = None,
    mode: WriteMode = NEW,
    progress: Progress = silent,
) -> tuple[Bundle, Estimator]:
    """Fit an estimator for `model` and write the Bundle `out`, which has it.

    Args:
        model: A Bundle, or a finished run, whose Bundle is taken.
        dataset: Images with labels, of the model's classes, in splits.
        out: See `core.results`; may be the Bundle itself with overwrite.
        split: The split whose images are used, evenly spread.
        most_images: Of them, 4 or more.
        engine: Name of the engine that runs the model.
        mode: Overwrite replaces a Bundle.
        progress: Called for each condition.

    Raises:
        BundleError: There is no Bundle, or it is damaged.
        DataError: The dataset has other classes, or too few labelled images.
        OutputError: `out` exists and `mode` does not replace it, or it cannot be written.
    """
    path = require_bundle(Path(model))
    with fill_bundle(Path(out), mode) as folder:
        bundle = open_bundle(path)
        predictor = open_model(path, engine=engine)
        estimator = fit_estimator(
            predictor, dataset.subset(split), most_images=most_images, progress=progress
        )
        text = json.dumps(estimator.to_json(), allow_nan=False) + "\n"
        (folder / ESTIMATOR).write_text(text, encoding="utf-8")
        files = {name: bundle.file(name) for name in bundle.files}
        files[ESTIMATOR] = folder / ESTIMATOR
        add_files(folder, bundle.card, files, graphs=bundle.graphs, model_id=bundle.model_id)
    return open_bundle(Path(out)), estimator


def fit_estimator(
    model: Predictor,
    dataset: Dataset,
    *,
    most_images: int = MOST_IMAGES,
    progress: Progress = silent,
) -> Estimator:
    """Fit on images of a dataset, evenly spread; raises DataError as `estimate`."""
    require_fit(model.card.labels, dataset)
    dataset = dataset.with_input(model.card.input)
    if len(dataset) < BLOCKS:
        raise DataError(f"{len(dataset)} images; an estimator needs {BLOCKS} or more")
    chosen = np.linspace(0, len(dataset) - 1, min(most_images, len(dataset)))
    indices = np.unique(chosen.round().astype(int)).tolist()
    conditions = [("", 0), *((kind, severity) for kind in KINDS for severity in SEVERITIES)]
    groups = {
        condition: _predict(model, dataset, indices, *condition)
        for condition in progress(conditions, total=len(conditions), what="fitting")
    }
    corrupted = {kind: [groups[kind, severity] for severity in SEVERITIES] for kind in KINDS}
    return Estimator.fit(groups["", 0], corrupted)


def _predict(
    model: Predictor, dataset: Dataset, indices: list[int], kind: str, severity: int
) -> LabelledGroup:
    """What the model thinks of images in one condition, and their confusions."""
    num, counts, confusions = len(model.card.labels), [], []
    for index in indices:
        image_HWC, truth_HW = dataset.image(index), dataset.labels(index)
        if kind:
            rng = np.random.default_rng([index, severity])
            pair = corrupt_sample(image_HWC, truth_HW, kind, severity, rng)
            image_HWC, truth_HW = cast("tuple[Image, LabelMap]", pair)
        logits = model.logits(image_HWC, where=dataset.keys[index])
        shown_HWC = model.card.input.prepare(image_HWC, where=dataset.keys[index])
        decision = model.decide(logits, shown_HWC, where=dataset.keys[index])
        shares_Khw = sample_shares(decision.logits, decision.temperature)
        labels_hw = shares_Khw.argmax(axis=0).astype(np.uint8)
        counts.append(SoftCounts.from_shares(labels_hw, shares_Khw, num))
        confusions.append(Confusion.from_labels(truth_HW, decision.labels_HW, num))
    return LabelledGroup(tuple(counts), tuple(confusions))
