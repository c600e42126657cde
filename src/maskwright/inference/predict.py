"""Images -> class maps, overlays, heat maps and coverage, one image in memory at a time."""

from collections.abc import Iterable
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
from .outputs import output_writer
from .predictor import Predictor
from .refiner import Refinement


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coverage:
    """Pixels per class over all images of one prediction run, shape (C,)."""

    labels: LabelSpec
    num_images: int
    pixels_C: NDArray[np.int64]
    refine: Refinement | None = None

    def to_json(self) -> dict[str, Any]:
        """The number of images, and one object a class with `pixels` and `percent`.

        With what refined the predictions, if anything did.
        """
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
    progress: Progress = silent,
) -> Coverage:
    """Predict every image; `out` gets the files that `outputs` lists for all of them, or none.

    Args:
        model: From `open_model`.
        inputs: Image files, and folders of images, searched to the bottom.
        out: Files of the same name in it are replaced, others stay.
        progress: Told of every image.

    Raises:
        DataError: An image is missing, damaged, or of another kind than the model takes.
        OutputError: `out` cannot be written.
    """
    labels = model.card.labels
    images = find_images(inputs, outside=Path(out))
    pixels_C = np.zeros(len(labels), np.int64)
    source = _source(model)
    with into_folder(Path(out)) as staging, output_writer(staging, labels, source) as writer:
        for key, image in progress(images.items(), total=len(images), what="predicting"):
            image_HWC = read_image(image)
            prediction = model.predict(image_HWC, where=str(image))
            tags = copy_tags(image.file) if image.page is None else ()
            pixels_C += writer.write(key, image_HWC, prediction, tags)
    return Coverage(
        labels=labels, num_images=len(images), pixels_C=pixels_C, refine=model.refine
    )


def _source(model: Predictor) -> str | None:
    """What dataset.yaml says of refined maps; of others nothing."""
    if model.refine is None:
        return None
    return f"predicted by model {model.model_id}, refined by {model.refine}"
