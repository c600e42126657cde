"""ImageFile and Reader: what an opened image offers, and what opens it.

A reader is one file in `readers/`. It holds no file open: an ImageFile opens its file again for
each call, so that it can be kept, copied to another thread and forgotten.
"""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ...core.image import Image, PixelData, ValidMap
from ..georef.geotags import Tag, copy_tags, make_tags
from ..georef.patient import PatientFrame
from ..georef.placement import Placement, read_placement
from ..georef.units import DEGREE
from .imageref import ImageRef

Window = tuple[slice, slice]
"""Rows and columns of an image, as `np.s_[top:bottom, left:right]`."""


_MOST_WHOLE = 1 << 24
"""Whole numbers up to this are exact in float32."""


class ImageKind(NamedTuple):
    """What all images of a network have in common: channels, and type of values ("uint8")."""

    channels: int
    dtype: str

    @property
    def max_value(self) -> int:
        """255 for images of 8 bits, 65535 for wider ones."""
        return 255 if self.dtype == "uint8" else 65535

    def __str__(self) -> str:
        return (
            f"{self.channels} {'channel' if self.channels == 1 else 'channels'} of {self.dtype}"
        )


class Assumption(NamedTuple):
    """What is assumed of a file, in one clause: its unit, its orientation, or its frames."""

    on: Literal["unit", "orientation", "frames"]
    text: str


class ImageFile(Protocol):
    """One opened image: a file, or one page of it.

    Every call raises DataError where the file is damaged, and before it allocates pixels of an
    image that is too large.
    """

    ref: ImageRef

    @property
    @abstractmethod
    def size_HW(self) -> tuple[int, int]:
        """Rows and columns, oriented by EXIF, from the header."""

    @property
    def level_sizes(self) -> tuple[tuple[int, int], ...]:
        """Rows and columns of each level of a pyramid, the finest first; one for most files."""
        return (self.size_HW,)

    @property
    def num_pages(self) -> int:
        """How many images the file holds, each of them a page."""
        return 1

    @property
    def spacing_mm_HW(self) -> tuple[float, float] | None:
        """Height and width of a pixel in mm; None where the header does not state them."""
        return None

    @property
    def spacing_mm_DHW(self) -> tuple[float, float, float] | None:
        """Distance of the pages, height and width of a pixel in mm, where the header has them.

        None where it does not, and where pages are not the slices of a volume.
        """
        return None

    @property
    def orientation(self) -> int:
        """EXIF orientation, 1 to 8, that reading undoes."""
        return 1

    @property
    def placement(self) -> Placement | None:
        """Where the image lies on the ground: by its GeoTIFF tags, else by a world file.

        None where neither exists, and for a page of several.

        Raises:
            DataError: The tags or the world file are damaged.
        """
        return None if self.ref.page is not None else read_placement(self.ref.file)

    @property
    def patient_frame(self) -> PatientFrame | None:
        """Where the slices of the file lie in the patient; None for what is not a volume."""
        return None

    @property
    def modality(self) -> str | None:
        """How a medical image was acquired, as DICOM's codes say it ("CT", "MR").

        "" where its header does not state it, None for other images.
        """
        return None

    @property
    def geotags(self) -> tuple[Tag, ...]:
        """The tags of a GeoTIFF on the grid of the image; none where it has no georeference.

        Those of a GeoTIFF as they are. A world file gives none.
        """
        return () if self.ref.page is not None else copy_tags(self.ref.file)

    @property
    def bands(self) -> tuple[str, ...]:
        """The names of the channels; empty where the file does not name all of them."""
        return ()

    @property
    def ambiguity(self) -> str:
        """Why bands must be named before the image is read, with the fix; "" where not."""
        return ""

    @property
    def palette_N3(self) -> NDArray[np.uint8] | None:
        """The colours of palette indices; empty without a palette, None if it is not known."""
        return None

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """What is assumed of the file where its header says nothing, or two things."""
        return ()

    @property
    def unpacked_bytes(self) -> Mapping[Path, int]:
        """Files that are unpacked whole to read one of their pages, and their bytes then."""
        return {}

    @property
    def kind(self) -> ImageKind:
        """Channels and type of the values that `read` returns; from the header where it can."""
        return read_kind(self)

    @property
    def nodata(self) -> float | None:
        """The value of pixels without data, as GDAL's tag states it; None where none does."""
        return None

    @property
    def may_lack_data(self) -> bool:
        """Whether pixels may hold no data, by the header: nodata, a mask, alpha, or floats."""
        return False

    @property
    def reads_windows(self) -> bool:
        """Whether `read` of a window decodes a part of the file alone."""
        return False

    @abstractmethod
    def read_data(self, window: Window | None = None) -> PixelData:
        """Read the image, or a window of it, without its alpha, and which pixels hold data.

        Returns:
            (H, W, C), RGB order, oriented by EXIF, writable; see `core.image.Image`.

        Raises:
            DataError: Damaged, too large, or pixels that are not real numbers.
        """

    def read(self, window: Window | None = None) -> Image:
        """The pixels of `read_data` alone."""
        return self.read_data(window).image_HWC

    def read_valid(self, window: Window | None = None) -> ValidMap | None:
        """Which pixels hold data, None where all do; decodes no pixels where all must."""
        return self.read_data(window).valid_HW if self.may_lack_data else None

    @abstractmethod
    def read_stored(self) -> NDArray[Any]:
        """Values as stored, oriented: (H, W) or (H, W, C), any dtype; palettes give indices."""

    def read_stored_window(self, window: Window) -> NDArray[Any]:
        """A window of `read_stored`; decodes no more than that where the file allows it."""
        return self.read_stored()[window].copy()

    @property
    def reads_stored_windows(self) -> bool:
        """Whether `read_stored_window` decodes a part of the file alone."""
        return False

    def read_colors(self) -> NDArray[Any]:
        """As `read_stored`, but a palette gives its colours: (H, W, 3)."""
        return self.read_stored()


def choose_level_size(image: ImageFile) -> tuple[int, int]:
    """Rows and columns of the level of a pyramid that the reference of an image names.

    Raises:
        DataError: It has fewer levels.
    """
    sizes = image.level_sizes
    if image.ref.level >= len(sizes):
        raise DataError(f"{image.ref}: has no level {image.ref.level}, it has {len(sizes)}")
    return sizes[image.ref.level]


def read_kind(image: ImageFile) -> ImageKind:
    """The kind of an image, from its pixels."""
    image_HWC = image.read()
    return ImageKind(image_HWC.shape[2], str(image_HWC.dtype))


def list_geotags(image: ImageFile) -> tuple[Tag, ...]:
    """The tags that place an image; made of its placement where a world file gives that."""
    place = None if image.geotags else image.placement
    if place is None:
        return image.geotags
    return make_tags(place.affine, place.epsg, is_geographic=place.unit == DEGREE)


class Reader(Protocol):
    """What a part of `readers/` offers.

    `SUFFIXES` are endings of file names in lower case; a file that ends as `PAGED_SUFFIXES` do
    is opened when a folder is listed, to count its pages. The reader of the highest `PRIORITY`
    that takes a file opens it: by its ending where `BY_NAME`, or by its content.
    """

    PRIORITY: int
    SUFFIXES: tuple[str, ...]
    PAGED_SUFFIXES: tuple[str, ...] = ()
    BY_NAME: bool = False

    def takes(self, start: bytes) -> bool:  # noqa: ARG002 - the default takes every file
        """Whether this reader opens a file that begins with these bytes, up to 132."""
        return True

    @abstractmethod
    def open_file(self, ref: ImageRef) -> ImageFile:
        """Open an image of a file that it takes."""


def to_image(pixels: NDArray[Any], ref: ImageRef, window: Window | None = None) -> Image:
    """Check decoded pixels, (H, W) or (H, W, C), cut the window out: (h, w, C).

    Raises:
        DataError: Pixels that are not real numbers, or integers that float32 cannot hold.
    """
    image_HWC = pixels if pixels.ndim == 3 else pixels[..., None]  # (H, W) -> (H, W, 1)
    if window is not None:
        image_HWC = image_HWC[window].copy()
    if image_HWC.dtype not in (np.uint8, np.uint16):
        return _to_float(image_HWC, ref)
    image: Image = image_HWC
    return image


def find_type(dtype: np.dtype[Any]) -> str:
    """The type of values of an image whose file stores them as `dtype`."""
    return str(dtype) if dtype in (np.uint8, np.uint16) else "float32"


def _to_float(image_HWC: NDArray[Any], ref: ImageRef) -> NDArray[np.float32]:
    """Values with a sign, of 32 bits or floats, as float32."""
    kind = image_HWC.dtype.kind
    if kind not in "iuf":
        raise DataError(
            f"{ref}: pixels are {image_HWC.dtype}, expected integers or floats; rescale the "
            f"image and save it as uint8, uint16 or float32"
        )
    if kind != "f" and image_HWC.dtype.itemsize > 2 and image_HWC.size:
        lowest, highest = int(image_HWC.min()), int(image_HWC.max())
        if max(-lowest, highest) > _MOST_WHOLE and lowest != np.iinfo(image_HWC.dtype).min:
            raise DataError(
                f"{ref}: values of {image_HWC.dtype} from {lowest:,} to {highest:,}, float32 "
                f"holds up to {_MOST_WHOLE:,} exactly; rescale the image"
            )
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite: no data
        return np.asarray(image_HWC, np.float32)
