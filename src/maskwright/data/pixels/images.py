"""Pixels from image files: photographs as a viewer shows them, masks as they are stored.

JPEG, PNG, BMP and WebP are read by Pillow, TIFF by Pillow or tifffile, PNG with 16-bit
colours by OpenCV (Pillow would keep 8 of the 16 bits). EXIF orientation is always applied.
A file that is empty, cut short, damaged or declares more pixels than `MAX_PIXELS` is a
DataError that names it; the pixels of an image too large are never allocated.

An ImageRef may name one page of a file: of a TIFF, of a NIfTI volume or of a DICOM object
of many frames. A path is taken as the text form of an ImageRef.
Medical values that may be below 0 (Hounsfield units) are stored in uint16 with
`SIGNED_OFFSET` added, for all files alike; masks keep their values.
"""

from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from ...core.errors import DataError, MissingDependencyError
from .dicom import Frames, open_frames
from .imagefile import (
    IMAGE_SUFFIXES,
    MAX_PIXELS,
    ORIENTATION,
    TURNS,
    explained,
    opened,
    several,
    too_large,
    unturned,
    unwarned,
)
from .imageref import DICOM_SUFFIXES, MAX_PAGES, NIFTI_SUFFIXES, TIFF_SUFFIXES, ImageRef, to_ref
from .nifti import Volume, open_volume
from .tiff import (
    fits_pillow,
    is_tiff,
    num_tiff_pages,
    read_tiff,
    read_tiff_page,
    tiff_size,
)

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_PIXELS",
    "SIGNED_OFFSET",
    "image_size",
    "num_pages",
    "orientation",
]
__all__ += ["raw_mode", "read_image", "read_pixels", "spacing_mm"]

SIGNED_OFFSET = 32_768
"""Added to the values of medical images that may be below 0: -1000 HU is stored as 31,768."""


def read_image(image: ImageRef | PurePath) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """H x W x C, uint8 or uint16, writable, RGB order, oriented by EXIF.

    Raises:
        DataError: Damaged, too large, or pixels that are no 8 or 16-bit integers.
    """
    ref = to_ref(image)
    pixels: NDArray[Any] = _shown(ref) if _is_medical(ref) else read_pixels(ref, _photograph)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise DataError(
            f"{ref}: pixels are {pixels.dtype}, expected 8 or 16-bit integers; "
            f"rescale the image and save it as uint8 or uint16"
        )
    return pixels if pixels.ndim == 3 else pixels[..., None]


def image_size(image: ImageRef | PurePath) -> tuple[int, int]:
    """(H, W) as `read_image` would return it, from the file's header alone."""
    ref = to_ref(image)
    with explained(ref):
        if _is_medical(ref):
            return _open_medical(ref).size_HW
        if is_tiff(ref):
            return tiff_size(ref)
        with opened(ref.file) as file:
            turned = _orientation(file) >= 5
            return (file.width, file.height) if turned else (file.height, file.width)


def read_pixels(ref: ImageRef, decode: Callable[[Image.Image], NDArray[Any]]) -> NDArray[Any]:
    """What `decode` makes of the opened file, oriented; H x W or H x W x C, contiguous."""
    with explained(ref):
        if _is_medical(ref):
            return _medical(ref, inverted=False)
        if ref.page is not None:
            return read_tiff_page(ref, decode)
        if is_tiff(ref) and not fits_pillow(ref):
            return read_tiff(ref)
        with opened(ref.file) as image:
            orientation = _orientation(image)
            wide = raw_mode(image).startswith(("RGB;16", "RGBA;16"))
            pixels = _read_wide_png(ref.file) if wide else decode(image)
    return np.ascontiguousarray(TURNS.get(orientation, unturned)(pixels))


def num_pages(file: Path) -> int | None:
    """How many images a file holds, each a page; None where it is one, or cannot be read.

    Why it cannot be read is told on reading.
    """
    try:
        with explained(file):
            if _is_medical(ImageRef(file)):
                number = _open_medical(ImageRef(file)).num_pages
            else:
                number = num_tiff_pages(file) if file.suffix.lower() in TIFF_SUFFIXES else 1
    except (DataError, MissingDependencyError):
        return None
    return number if 1 < number <= MAX_PAGES else None


def spacing_mm(image: ImageRef | PurePath) -> tuple[float, float] | None:
    """Height and width of a pixel in mm, where a NIfTI or DICOM header says it."""
    ref = to_ref(image)
    with explained(ref):
        return _open_medical(ref).spacing_mm_HW if _is_medical(ref) else None


def orientation(image: ImageRef | PurePath) -> int:
    """EXIF orientation 1..8 of a file; 1 for TIFF, whose readers apply it themselves."""
    ref = to_ref(image)
    with explained(ref):
        if _is_medical(ref) or is_tiff(ref):
            return 1
        with opened(ref.file) as file:
            return _orientation(file)


def raw_mode(image: Image.Image) -> str:
    """How the opened file stores a pixel, in Pillow's words: "L;2", "RGB;16B"..."""
    tiles = image.tile if isinstance(image, ImageFile.ImageFile) else []
    arguments = tiles[0].args if tiles else ""
    return arguments if isinstance(arguments, str) else str((arguments or ("",))[0])


def _is_medical(ref: ImageRef) -> bool:
    return ref.file.name.lower().endswith((*NIFTI_SUFFIXES, *DICOM_SUFFIXES))


def _open_medical(ref: ImageRef) -> Volume | Frames:
    file = ref.file
    with unwarned:
        nifti = file.name.lower().endswith(NIFTI_SUFFIXES)
        found = open_volume(file) if nifti else open_frames(file)
    height, width = found.size_HW
    if height * width > MAX_PIXELS:
        raise too_large(file, height * width)
    return found


def _medical(ref: ImageRef, *, inverted: bool) -> NDArray[np.integer]:
    found, number = _open_medical(ref), ref.page
    if number is None:
        if found.num_pages > 1:
            raise several(ref.file, found.num_pages)
        number = 0
    with unwarned:
        if isinstance(found, Volume):
            return found.read(number)
        return found.read(number, inverted=inverted)


def _shown(ref: ImageRef) -> NDArray[np.integer]:
    """Values as an image: those that may be below 0 with `SIGNED_OFFSET`, in uint16."""
    with explained(ref):
        values = _medical(ref, inverted=True)
    if values.dtype.kind == "u":
        return values
    lowest, highest = int(values.min(initial=0)), int(values.max(initial=0))
    if lowest < -SIGNED_OFFSET or highest >= SIGNED_OFFSET:
        raise DataError(
            f"{ref}: values {lowest:,} to {highest:,} do not fit 16 bits; "
            f"rescale the image and save it as int16"
        )
    return (values + SIGNED_OFFSET).astype(np.uint16)


def _photograph(image: Image.Image) -> NDArray[Any]:
    if image.mode in ("L", "RGB", "RGBA", "I", "F") or image.mode.startswith("I;16"):
        return np.array(image)
    if image.mode == "1":
        return np.array(image.convert("L"))
    clear = image.mode in ("LA", "La", "PA", "RGBa") or "transparency" in image.info
    return np.array(image.convert("RGBA" if clear else "RGB"))


def _orientation(image: Image.Image) -> int:
    """1..8. TIFF is turned by Pillow itself; PNG keeps EXIF before its pixels or not at all."""
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return 1
    value = image.getexif().get(ORIENTATION, 1)
    return value if value in TURNS else 1


def is_whole_png(content: NDArray[np.uint8]) -> bool:
    """Whether every chunk that a PNG declares lies inside the file.

    OpenCV fills as much memory as a chunk declares, 4 GiB at most, before it looks.
    """
    place, kind = 8, b""
    while place < len(content) and kind != b"IEND":
        head = content[place : place + 8].tobytes()
        place, kind = place + 12 + int.from_bytes(head[:4], "big"), head[4:]
    return place <= len(content)


def _read_wide_png(path: Path) -> NDArray[np.uint16]:
    content = np.fromfile(path, np.uint8)
    pixels = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if is_whole_png(content) else None
    if pixels is None or pixels.dtype != np.uint16:
        raise DataError(
            f"{path}: the image is cut short or damaged; copy it again or remove it"
        )
    to_rgb = cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(pixels, to_rgb), np.uint16)
