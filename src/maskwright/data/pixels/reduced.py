"""JPEG photographs at an eighth of their rows and columns, in a fraction of the time.

The decoder computes one pixel of each block of 8 x 8 from its coefficients (libjpeg, "scaled
decoding"), and nothing of the others.
"""

import numpy as np
from numpy.typing import NDArray

from .faults import explain_faults
from .imageref import ImageRef
from .jpeg import SIGNATURE
from .orientation import turn_upright
from .pillow import exif_orientation, open_pixels

HALVINGS = 3
"""An eighth is a half of a half of a half."""


def read_eighth(ref: ImageRef) -> NDArray[np.uint8] | None:
    """A JPEG photograph, (H, W, 1) or (H, W, 3), upright; sizes are divided by 8, rounded up.

    None for images that are not one such file, or of which some channels are read.

    Raises:
        DataError: The file is damaged or missing.
    """
    if ref.others or ref.bands or ref.window or ref.page is not None or ref.num_slices > 1:
        return None
    with explain_faults(ref):
        with ref.file.open("rb") as file:
            if not file.read(len(SIGNATURE)).startswith(SIGNATURE):
                return None
        with open_pixels(ref) as image:
            size = image.width >> HALVINGS, image.height >> HALVINGS
            if image.mode not in ("L", "RGB") or 0 in size:
                return None
            if image.draft(image.mode, size) is None:
                return None
            pixels = turn_upright(np.array(image), exif_orientation(image))
    return pixels.reshape(*pixels.shape[:2], -1)
