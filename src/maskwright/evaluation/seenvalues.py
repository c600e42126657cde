"""The values of the images that a model is evaluated on, beside the window it clips them to."""

from dataclasses import dataclass, field

from ..core.histogram import Intensities
from ..core.inputspec import InputSpec
from ..core.labels import LabelSpec
from ..core.sample import Sample
from ..data.intensities import count_intensities
from ..data.values import ValueTally

MOST_IMAGES = 200
"""Images whose values are kept, evenly spread over `total`."""


@dataclass(slots=True, kw_only=True)
class SeenValues:
    """Collects values of some images, in the unit of their files."""

    labels: LabelSpec
    spec: InputSpec
    total: int
    _tally: ValueTally = field(init=False)
    _num_images: int = 0

    def __post_init__(self) -> None:
        self._tally = ValueTally(self.labels)

    def add(self, index: int, sample: Sample) -> None:
        """Take values of the image at an index, if it is one of those that are kept."""
        step = max(1, -(-self.total // MOST_IMAGES))
        holds_data = sample.valid_HW is None or sample.valid_HW.any()
        num_channels = self.spec.channels // self.spec.slices
        if index % step or not holds_data or sample.image_HWC.shape[2] != num_channels:
            return
        self._num_images += 1
        self._tally.add(
            sample.image_HWC,
            sample.valid_HW,
            sample.labels_HW,
            modality=None,
            is_georeferenced=False,
        )

    def finish(self) -> Intensities | None:
        """Histograms of all and of each class; None where no image was kept."""
        if not self._num_images:
            return None
        return count_intensities(
            self._tally.finish(),
            self.labels,
            kind=self.spec.kind,
            reason="the kind of images that the model takes",
            window=self.spec.window[: self.spec.channels // self.spec.slices],
            bands=self.spec.bands,
        )
