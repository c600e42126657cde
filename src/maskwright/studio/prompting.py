"""Prompting: the object that clicks and boxes mean, refined prompt by prompt.

Each prompt gets the logits of those before it, as the authors of Segment Anything use it. So
the mask follows from the prompts alone, and an edit can be drawn again. Features and logits of
the last images and prompts are kept.
"""

from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import DataError
from ..pages.pictures import RgbImage
from .edit import Part, Prompt, Prompted
from .kept import Kept
from .pictures import Pictures
from .raster import require_inside
from .repairs import Mask

if TYPE_CHECKING:
    from ..inference.segment_anything import Features, Floats, SegmentAnything

_MOST_FEATURES = 16
"""Images whose features are kept: 4 to 16 MB each."""

_MOST_LOGITS = 64


class Prompter:
    """Finds objects in the pictures of one project."""

    def __init__(self, pictures: Pictures, graphs: "SegmentAnything") -> None:
        self._pictures, self._graphs = pictures, graphs
        self._features: Kept[tuple[str, Part | None], Features] = Kept(
            self._encode, _MOST_FEATURES
        )
        self._logits: Kept[tuple[str, Part | None, tuple[Prompt, ...]], Floats] = Kept(
            self._decode, _MOST_LOGITS
        )

    def prepare(self, key: str) -> tuple[int, int]:
        """Compute the features of a whole image; its size (H, W).

        Raises:
            BundleError: The encoder fails.
            DataError: The image cannot be read.
        """
        return self._features.get((key, None)).size_HW

    def find_object(self, key: str, prompted: Prompted) -> Mask:
        """The pixels of the object, (H, W).

        Raises:
            BundleError: A graph fails.
            DataError: A prompt is outside of the part, or the part outside of the image.
        """
        part, size_HW = prompted.part, self._pictures.read_picture(key).shape[:2]
        _require_inside(prompted, size_HW)
        logits_hw = self._logits.get((key, part, prompted.prompts))
        full_hw = self._graphs.enlarge(logits_hw, self._features.get((key, part)))
        inside_HW = np.zeros(size_HW, np.bool_)
        left, top = (0, 0) if part is None else (part.left, part.top)
        height, width = full_hw.shape
        inside_HW[top : top + height, left : left + width] = full_hw > 0
        return inside_HW

    def _encode(self, name: tuple[str, Part | None]) -> "Features":
        key, part = name
        picture_HW3: RgbImage = self._pictures.read_picture(key)
        if part is not None:
            rows = slice(part.top, part.top + part.height)
            columns = slice(part.left, part.left + part.width)
            picture_HW3 = np.ascontiguousarray(picture_HW3[rows, columns])
        return self._graphs.encode(picture_HW3)

    def _decode(self, name: tuple[str, Part | None, tuple[Prompt, ...]]) -> "Floats":
        from ..inference import segment_anything

        key, part, prompts = name
        before = self._logits.get((key, part, prompts[:-1])) if len(prompts) > 1 else None
        left, top = (0, 0) if part is None else (part.left, part.top)
        moved = [
            segment_anything.Prompt(
                (p.at[0] - left, p.at[1] - top),
                None if p.to is None else (p.to[0] - left, p.to[1] - top),
                p.is_inside,
            )
            for p in prompts
        ]
        return self._graphs.decode(self._features.get((key, part)), moved, before)


def _require_inside(prompted: Prompted, size_HW: tuple[int, ...]) -> None:
    """Require all prompts in the part, and the part in the image."""
    part = prompted.part or Part(left=0, top=0, width=size_HW[1], height=size_HW[0])
    right, bottom = part.left + part.width, part.top + part.height
    if right > size_HW[1] or bottom > size_HW[0]:
        raise DataError(
            f"the part ends at ({right}, {bottom}), the image is {size_HW[1]} x {size_HW[0]}"
        )
    for prompt in prompted.prompts:
        for x, y in (prompt.at, prompt.to or prompt.at):
            require_inside((x, y), (bottom, right))
            if x < part.left or y < part.top:
                raise DataError(
                    f"({x}, {y}) is outside of the part at ({part.left}, {part.top})"
                )
