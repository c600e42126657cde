"""Prediction: the class map of one image, at the image's own resolution, and its pictures."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.atomic import write_bytes
from ..core.decision import Decision
from ..core.errors import DataError, OutputError
from ..core.image import Image
from ..core.labels import IGNORE, LabelMap, LabelSpec
from ..core.verdict import Verdict
from ..data.opening.stratify import count_pixels
from ..pages.display import Display
from ..pages.legend import add_legend, draw_note
from ..pages.pictures import RgbImage, draw_overlay, encode_indexed_png, encode_png
from ..pages.text import format_share


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Prediction:
    """Class map and confidence of one image, same size and orientation as the source.

    `confidence_HW` is float32 in [0, 1]: the softmax share of the predicted class, or its
    marginal where a refiner decided. `model_id` is that of the Bundle or checkpoint, `labels`
    are the classes, and `image_HWC` is the image. `verdict` is None where the model has no
    rule for verdicts, `display` is how the image is shown. `decision` has the shares of all
    classes, and is None where they were not asked for. `entropy_HW` and
    `mutual_information_HW`, float32 in [0, 1], are None where they were not asked for; the
    second also without an ensemble. `features_D` are the means of the encoder's features, None
    where the engine gives none. A notebook shows the overlay.

    Raises DataError where the two maps differ in size.
    """

    labels_HW: LabelMap
    confidence_HW: NDArray[np.float32]
    model_id: str
    labels: LabelSpec
    image_HWC: Image
    verdict: Verdict | None = None
    entropy_HW: NDArray[np.float32] | None = None
    mutual_information_HW: NDArray[np.float32] | None = None
    display: Display = field(default_factory=Display)
    decision: Decision | None = None
    features_D: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if self.labels_HW.shape != self.confidence_HW.shape:
            raise DataError(
                f"labels are {self.labels_HW.shape}, confidence is {self.confidence_HW.shape}; "
                f"both must have the size of the image"
            )

    @property
    def coverage(self) -> dict[str, float]:
        """The share of the predicted pixels of each class that is there, the largest first."""
        counts_C = count_pixels(self.labels_HW, len(self.labels))
        shares = zip(
            self.labels.names, (counts_C / max(1, counts_C.sum())).tolist(), strict=True
        )
        return dict(sorted((s for s in shares if s[1]), key=lambda share: -share[1]))

    def overlay(self) -> RgbImage:
        """The image with the colours of its classes over it, H x W x 3."""
        rgb_HW3 = self.display.draw(self.image_HWC, self.labels_HW != IGNORE)
        return draw_overlay(rgb_HW3, self.labels_HW, self.labels.palette)

    def save(self, path: Path | str) -> Path:
        """Write the class map as a palette PNG file, as `predict` does in `classes/`.

        Raises:
            OutputError: The name does not end in .png, or the file cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() != ".png":
            raise OutputError(f"{path}: a class map is written without loss, as .png")
        write_bytes(path, encode_indexed_png(self.labels_HW, self.labels.palette))
        return path

    def show(self) -> None:
        """Open the overlay in the viewer of this machine; a notebook shows it by itself.

        Below it are the colours, names and shares of the classes that are there.
        """
        from PIL import Image

        Image.fromarray(self._draw()).show()

    def _repr_png_(self) -> bytes:
        return encode_png(self._draw())

    def _draw(self) -> RgbImage:
        colors = {entry.name: entry.color for entry in self.labels}
        entries = [(colors[n], f"{n} {format_share(s)}") for n, s in self.coverage.items()]
        picture_HW3 = add_legend(self.overlay(), entries, most_columns=4)
        note = self.display.describe()
        if not note:
            return picture_HW3
        return np.concatenate([picture_HW3, draw_note(note, picture_HW3.shape[1])])

    def __repr__(self) -> str:
        height, width = self.labels_HW.shape
        listed = ", ".join(f"{n} {format_share(s)}" for n, s in list(self.coverage.items())[:4])
        return f"Prediction({height} x {width}: {listed})"
