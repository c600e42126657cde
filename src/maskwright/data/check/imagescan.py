"""ImageScan: what `check` takes of one image, which is read in strips where it is large.

The thumbnail is the mean of the first three channels in 32 x 32 cells. The perceptual hash has
the signs of the lowest 8 x 8 cosine coefficients of it, against their median (Zauner 2010,
section 3.2.1).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...core.image import PixelData, ValidMap
from ..pixels.imagefile import ImageFile, ImageKind
from ..pixels.imageref import ImageRef
from ..pixels.images import open_image
from ..pixels.reduce import AreaMean, shrink
from ..pixels.strips import is_large, needs_strips, read_strips, read_valid_strips

SIDE_PX = 32
"""Height and width of thumbnails."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageScan:
    """What stays of one image; `num_invalid` pixels hold no data, None where all must.

    `digest` are 64 bits that two images share only where all pixels are equal, `hash` 64 bits
    of which similar images share most. `shown` is the image, reduced where it is large.
    """

    file: ImageFile
    size_HW: tuple[int, int]
    kind: ImageKind
    digest: int
    hash: int
    num_invalid: int | None
    shown: PixelData

    def read_valid_strips(self) -> Iterator[ValidMap | None]:
        """The map of the pixels with data, in the strips of a mask of this size."""
        if not is_large(self.size_HW):
            yield self.shown.valid_HW
        else:
            yield from read_valid_strips(self.file)


def scan_image(image: ImageRef, side_px: int) -> ImageScan:
    """Read an image; one that is large is shown with at most `side_px` on its longer side.

    Raises:
        DataError: It is damaged.
        MissingDependencyError: The file needs a package that is not installed.
    """
    file = open_image(image)
    if needs_strips(file):
        return _scan_strips(file, side_px)
    image_HWC, valid_HW = data = file.read_data()
    pixels = hashlib.blake2b(np.ascontiguousarray(image_HWC).data, digest_size=8)
    return ImageScan(
        file=file,
        size_HW=image_HWC.shape[:2],
        kind=ImageKind(image_HWC.shape[2], str(image_HWC.dtype)),
        digest=_finish_digest(pixels, image_HWC.shape),
        hash=compute_perceptual_hash(make_thumbnail(image_HWC)),
        num_invalid=None if valid_HW is None else int(np.count_nonzero(~valid_HW)),
        shown=data,
    )


def _scan_strips(file: ImageFile, side_px: int) -> ImageScan:
    size_HW = file.size_HW
    pixels, num_invalid = hashlib.blake2b(digest_size=8), 0
    thumbnail = AreaMean(size_HW, (SIDE_PX, SIDE_PX))
    shown = AreaMean(size_HW, shrink(size_HW, side_px))
    for image_HWC, valid_HW in read_strips(file):
        kind = ImageKind(image_HWC.shape[2], str(image_HWC.dtype))
        pixels.update(np.ascontiguousarray(image_HWC).data)
        thumbnail.add(image_HWC[..., :3])
        shown.add(image_HWC, valid_HW)
        num_invalid += 0 if valid_HW is None else int(np.count_nonzero(~valid_HW))
    return ImageScan(
        file=file,
        size_HW=size_HW,
        kind=kind,
        digest=_finish_digest(pixels, (*size_HW, kind.channels)),
        hash=compute_perceptual_hash(_to_grey(thumbnail.finish().image_HWC)),
        num_invalid=num_invalid or None,
        shown=shown.finish(),
    )


def read_thumbnail(image: ImageRef) -> NDArray[np.float32]:
    """The thumbnail of an image, SIDE_PX x SIDE_PX."""
    file = open_image(image)
    if not needs_strips(file):
        return make_thumbnail(file.read())
    thumbnail = AreaMean(file.size_HW, (SIDE_PX, SIDE_PX))
    for image_HWC, _ in read_strips(file):
        thumbnail.add(image_HWC[..., :3])
    return _to_grey(thumbnail.finish().image_HWC)


def make_thumbnail(image_HWC: NDArray[Any]) -> NDArray[np.float32]:
    """32 x 32 mean of the first three channels."""
    shown_HWC = np.ascontiguousarray(image_HWC[..., :3])  # OpenCV averages four at most
    small = cv2.resize(shown_HWC, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    return _to_grey(small.reshape(SIDE_PX, SIDE_PX, -1))


def _to_grey(small_hwC: NDArray[Any]) -> NDArray[np.float32]:
    grey_hw: NDArray[np.float32] = small_hwC.mean(axis=2, dtype=np.float32)
    return grey_hw


def compute_perceptual_hash(thumbnail_hw: NDArray[np.float32]) -> int:
    """64-bit hash that differs in few bits between similar images."""
    waves = cv2.dct(thumbnail_hw)[:8, :8].ravel()
    bits = waves > np.median(waves[1:])
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _finish_digest(pixels: hashlib.blake2b, shape: tuple[int, ...]) -> int:
    pixels.update(repr(shape).encode())
    return int.from_bytes(pixels.digest(), "big")
