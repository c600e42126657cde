"""One mosaic of the class maps of many tiles that lie on one grid of the ground.

Where tiles overlap, the class of the higher confidence is kept, and that of the first tile
between equals. Pixels that no tile covers are 255 in `mosaic.tif`, 0 in
`mosaic_confidence.tif`: both are the nodata value of the file. The files are written in place,
so that no more than one tile is in memory.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.labels import IGNORE, LabelMap
from ..data.georef.geotags import Affine, Tag, move_tags, nodata_tag
from ..data.georef.placement import Placement
from ..data.pixels.faults import MAX_PIXELS
from ..data.pixels.imageref import ImageRef
from ..data.pixels.images import open_image

MAPS, CONFIDENCE = "mosaic.tif", "mosaic_confidence.tif"
_TOLERANCE_PX = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class MosaicGrid:
    """The grid of a mosaic: its size and tags, and the first row and column of each image."""

    size_HW: tuple[int, int]
    tags: tuple[Tag, ...]
    corners: Mapping[str, tuple[int, int]]

    @classmethod
    def from_images(cls, images: Mapping[str, ImageRef]) -> "MosaicGrid":
        """The grid that covers all images; reads headers alone.

        Raises:
            DataError: An image without a georeference, two grids, or a mosaic too large.
        """
        places, sizes = dict[str, Placement](), dict[str, tuple[int, int]]()
        tags: tuple[Tag, ...] = ()
        for key, image in images.items():
            opened = open_image(image)
            placement = opened.placement
            if placement is None:
                raise DataError(
                    f"{image}: has no georeference, a mosaic needs that of every image; "
                    f"leave it out, or predict without a mosaic"
                )
            places[key], sizes[key] = placement, opened.size_HW
            tags = tags or opened.geotags
        first_key, first = next(iter(places.items()))
        corners = {
            key: _find_corner(place, first, images[key], images[first_key])
            for key, place in places.items()
        }
        top, left = (min(corner[axis] for corner in corners.values()) for axis in (0, 1))
        ends = [(corners[k][0] + sizes[k][0], corners[k][1] + sizes[k][1]) for k in corners]
        height, width = max(end[0] for end in ends) - top, max(end[1] for end in ends) - left
        if height * width > MAX_PIXELS:
            raise DataError(
                f"the mosaic of {len(images):,} images has {height:,} x {width:,} px (H, W), "
                f"at most {MAX_PIXELS:,} px are written; predict the images in parts"
            )
        return cls(
            size_HW=(height, width),
            tags=move_tags(tags, _move(first.affine, top, left)),
            corners={key: (y - top, x - left) for key, (y, x) in corners.items()},
        )


def _find_corner(
    place: Placement, first: Placement, image: ImageRef, first_image: ImageRef
) -> tuple[int, int]:
    """Row and column of an image on the grid of the first image."""
    sides, first_sides = _sides(place.affine), _sides(first.affine)
    alike = np.allclose(sides, first_sides, rtol=1e-6, atol=0) and place.epsg == first.epsg
    x, y = first.to_pixels((place.affine[2], place.affine[5])).tolist()
    off_px = max(abs(x - round(x)), abs(y - round(y)))
    if not alike or off_px > _TOLERANCE_PX:
        raise DataError(
            f"{image}: lies on another grid than {first_image} ({place.system}, pixels of "
            f"{place.affine[0]:g} x {place.affine[4]:g}, {off_px:.2f} px beside it); a mosaic "
            f"needs one grid: warp the images to it, or predict without a mosaic"
        )
    return round(y), round(x)


def _sides(affine: Affine) -> tuple[float, float, float, float]:
    a, b, _, d, e, _ = affine
    return a, b, d, e


def _move(affine: Affine, top: int, left: int) -> Affine:
    """The affine of a grid that begins at another row and column."""
    a, b, c, d, e, f = affine
    return a, b, c + a * left + b * top, d, e, f + d * left + e * top


class Mosaic:
    """The two files of a mosaic, which images are laid into."""

    def __init__(
        self,
        grid: MosaicGrid,
        folder: Path,
        palette: NDArray[np.uint8],
        heat: NDArray[np.uint8],
    ) -> None:
        self._grid = grid
        self._maps_HW = _open_file(folder / MAPS, grid, palette, empty=IGNORE)
        self._confidence_HW = _open_file(folder / CONFIDENCE, grid, heat, empty=0)

    def add(self, key: str, labels_HW: LabelMap, confidence_HW: NDArray[np.uint8]) -> None:
        """Lay the map of one image where it lies; the confidence is in steps of 1 / 255."""
        top, left = self._grid.corners[key]
        height, width = labels_HW.shape
        window = np.s_[top : top + height, left : left + width]
        wins_HW = (confidence_HW > self._confidence_HW[window]) & (labels_HW != IGNORE)
        self._maps_HW[window][wins_HW] = labels_HW[wins_HW]
        self._confidence_HW[window][wins_HW] = confidence_HW[wins_HW]


def to_bytes(confidence_HW: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The confidence in steps of 1 / 255."""
    return np.rint(confidence_HW * 255).astype(np.uint8)


def _open_file(path: Path, grid: MosaicGrid, palette: NDArray[np.uint8], *, empty: int) -> Any:
    """The pixels of a TIFF file on disk; a file of an interrupted run goes on."""
    import tifffile

    if path.is_file():
        return tifffile.memmap(path, mode="r+")
    tags: Sequence[Tag] = (*grid.tags, nodata_tag(empty))
    pixels_HW = tifffile.memmap(
        path,
        shape=grid.size_HW,
        dtype=np.uint8,
        photometric="palette",
        colormap=palette.T.astype(np.uint16) * 257,
        metadata=None,
        software=False,
        extratags=tags,
    )
    pixels_HW[:] = empty
    return pixels_HW
