"""Joint augmentation of one image and its labels: a random view, then a random appearance.

Geometry is drawn once and applied to the image and to the maps of labels (`view`); colour,
blur, noise and JPEG change the image alone (`appearance`): values in their range with
`augment.unit` "range", else the input of the network, in standard deviations. Where the crop
reaches beyond the image, labels are IGNORE and the image has the input mean. All randomness
comes from the argument `rng`.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskwright.core.image import Image
from maskwright.core.inputspec import InputSpec
from maskwright.core.labels import LabelMap

from ..recipe import AugmentOptions
from .appearance import change_photograph, change_values
from .view import Pixels, draw_view


class Crop(NamedTuple):
    """Image (H, W, C) and labels (1 + A, H, W): the LabelMap, then the votes of A annotators.

    The image has the type and values of its source with `augment.unit` "range", else it is
    network input, float32.
    """

    image_HWC: Pixels
    labels_AHW: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """Draws random views of a Sample, each of exactly `crop_HW` pixels, for an input."""

    options: AugmentOptions
    crop_HW: tuple[int, int]
    spec: InputSpec

    def __call__(
        self,
        image_HWC: Image,
        labels_HW: LabelMap,
        rng: np.random.Generator,
        focus_yx: tuple[int, int] | None = None,
        votes_AHW: NDArray[np.uint8] | None = None,
    ) -> Crop:
        """A crop with random geometry and appearance; `focus_yx` stays in it."""
        scaling = self.spec.measure_scaling(image_HWC)
        view = draw_view(
            (image_HWC.shape[0], image_HWC.shape[1]),
            self.crop_HW,
            self.options,
            rng,
            scale_ratio=self.spec.scale_ratio,
            focus_yx=focus_yx,
        )
        votes = () if votes_AHW is None else votes_AHW
        labels_AHW = np.stack([view.sample_labels(each) for each in (labels_HW, *votes)])
        crop_HWC = view.sample_image(image_HWC, scaling.neutral_C)
        if self.options.unit == "range":
            changed = change_photograph(crop_HWC, self.options, self.spec.max_value, rng)
            return Crop(np.ascontiguousarray(changed), labels_AHW)
        # (C, H, W) -> (H, W, C)
        x_HWC = np.ascontiguousarray(scaling.normalize(crop_HWC).transpose(1, 2, 0))
        return Crop(np.ascontiguousarray(change_values(x_HWC, self.options, rng)), labels_AHW)
