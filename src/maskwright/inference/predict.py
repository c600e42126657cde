"""Predict image files and write the results, one image in memory at a time.

Images do not share a batch here: measured on two CPU cores (U-Net on ResNet-18, 240 x 320 px),
a batch of 8 takes 0.75 times the processor time of its images one by one on ONNX Runtime and
1.2 times on torch, and images of a folder differ in size.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.atomic import into_folder
from ..core.labels import LabelSpec
from ..core.progress import Progress, silent
from ..data.georef.geotags import copy_tags
from ..data.pixels.images import read_image
from .inputs import find_images
from .outputs import ALL, Destination, PredictedImage, open_writers, require_outputs
from .predictor import Predictor
from .refiner import Refinement


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PredictionSummary:
    """Pixels per class over all images of one prediction run, shape (C,)."""

    labels: LabelSpec
    num_images: int
    pixels_C: NDArray[np.int64]
    refine: Refinement | None = None

    def to_json(self) -> dict[str, Any]:
        """The number of images, `pixels` and `percent` per class, and the refiner if any."""
        total = max(1, int(self.pixels_C.sum()))
        return {
            "num_images": self.num_images,
            "classes": [
                {"name": name, "pixels": count, "percent": 100 * count / total}
                for name, count in zip(self.labels.names, self.pixels_C.tolist(), strict=True)
            ],
        } | ({} if self.refine is None else {"refine": self.refine.to_json()})


def predict(
    model: Predictor,
    inputs: Iterable[Path | str],
    out: Path | str,
    *,
    write: Sequence[str] = ALL,
    progress: Progress = silent,
) -> PredictionSummary:
    """Predict every image; write the outputs of all of them into `out`, or of none.

    Args:
        model: From `open_model`.
        inputs: Image files, and folders of images, searched to the bottom.
        out: Files of the same name in it are replaced, others stay.
        write: What is written: `classes`, `overlay`, `confidence`, `coverage`; see `outputs`.
        progress: Called with every image.

    Raises:
        ConfigError: `write` is empty or has an unknown name.
        DataError: An image is missing, damaged, or of another kind than the model takes.
        OutputError: `out` cannot be written.
    """
    require_outputs(write)
    labels = model.card.labels
    images = find_images(inputs, outside=Path(out))
    pixels_C = np.zeros(len(labels), np.int64)
    with into_folder(Path(out)) as staging:
        to = Destination(folder=staging, labels=labels, source=_source(model))
        with open_writers(write, to) as writers:
            for key, image in progress(images.items(), total=len(images), what="predicting"):
                image_HWC = read_image(image)
                prediction = model.predict(image_HWC, where=str(image))
                tags = copy_tags(image.file) if image.page is None else ()
                item = PredictedImage(
                    key=key, image_HWC=image_HWC, prediction=prediction, tags=tags
                )
                for writer in writers:
                    writer.write(item)
                pixels_C += np.bincount(prediction.labels_HW.ravel(), minlength=len(labels))
    return PredictionSummary(
        labels=labels, num_images=len(images), pixels_C=pixels_C, refine=model.refine
    )


def _source(model: Predictor) -> str | None:
    """The `source` in dataset.yaml, for refined maps alone."""
    if model.refine is None:
        return None
    return f"predicted by model {model.model_id}, refined by {model.refine}"
