"""Open image files by the reader that takes them, which is chosen once per open.

JPEG, PNG, BMP, GIF and WebP are read by Pillow, HEIC by pillow-heif, PNG with 16-bit colours by
OpenCV, PBM, PGM and PPM by NumPy, TIFF by Pillow, tifffile or GDAL, JPEG 2000 and VRT by GDAL
(rasterio), NIfTI by nibabel, DICOM by pydicom (`readers/`). EXIF orientation is always applied.
Values are those of the file or of the modality, such as Hounsfield units, in every type.

Everywhere a path is taken as the text form of an ImageRef, such as `ct.nii.gz/0012`.
"""

from functools import cache
from pathlib import Path, PurePath

from ...core import parts
from ...core.errors import DataError, MissingDependencyError
from ...core.files import open_file
from ...core.image import Image, PixelData
from .bands import BandStack
from .dicom_head import may_be_dicom, read_head
from .faults import explain_faults
from .imagefile import ImageFile, Reader
from .imageref import MAX_PAGES, ImageRef
from .slices import SliceStack
from .window import WindowImage

READERS = f"{__package__}.readers"
_START_BYTES = 132

MAX_FILE_BYTES = 64 << 30
"""Largest image file; volumes and stacks of pages are read page by page."""


def open_image(image: ImageRef | PurePath) -> ImageFile:
    """Open one image; what its properties and `read` need is read when they are asked for.

    Raises:
        DataError: No such file, or a medical file whose header is damaged.
        MissingDependencyError: The file needs a package that is not installed.
    """
    ref = to_ref(image)
    if ref.window is not None:
        return WindowImage(ref, open_image)
    if ref.num_slices > 1:
        return SliceStack(ref, open_image)
    with explain_faults(ref):
        if ref.bands:
            opened = (find_reader(part.file).open_file(part) for part in ref.parts)
            return BandStack(ref, tuple(opened))
        file = find_reader(ref.file).open_file(ref)
        if file.ambiguity:
            raise DataError(f"{ref.file}: {file.ambiguity}")
        return file


def read_image(image: ImageRef | PurePath) -> Image:
    """H x W x C, writable, RGB order, oriented by EXIF, without alpha; see `core.image.Image`.

    Raises:
        DataError: Damaged, too large, or pixels that are not real numbers.
    """
    return open_image(image).read()


def read_data(image: ImageRef | PurePath) -> PixelData:
    """As `read_image`, with the map of the pixels that hold data."""
    return open_image(image).read_data()


def image_size(image: ImageRef | PurePath) -> tuple[int, int]:
    """(H, W) as `read_image` would return it, from the file's header alone."""
    return open_image(image).size_HW


def to_ref(image: ImageRef | PurePath | str) -> ImageRef:
    """The reference itself, or the one of which this is the text form.

    Digits below a name that ends as a reader's `PAGED_SUFFIXES` are the index of a page.
    """
    if isinstance(image, ImageRef):
        return image
    path = Path(image)
    digits = path.name.isascii() and path.name.isdecimal()
    if digits and path.parent.name.lower().endswith(paged_suffixes()):
        return ImageRef(path.parent, int(path.name))
    return ImageRef(path)


def count_pages(image: ImageRef | Path) -> int | None:
    """How many images a file holds, each a page; None where it is one, or cannot be read.

    Files whose bands are joined are counted by the first of them. The reason why one cannot be
    read is given when it is read.
    """
    ref = ImageRef(image) if isinstance(image, Path) else image
    is_paged = ref.file.name.lower().endswith(paged_suffixes())
    if not is_paged and not (may_be_dicom(ref.file.name) and read_head(ref.file)):
        return None
    try:
        number = open_image(ref).num_pages
    except (DataError, MissingDependencyError):
        return None
    return number if 1 < number <= MAX_PAGES else None


def find_reader(file: Path) -> Reader:
    """The reader of the highest priority that takes a file."""
    with open_file(file, most_bytes=MAX_FILE_BYTES) as content:
        start = content.read(_START_BYTES)
    name = file.name.lower()
    return next(
        reader
        for reader in _readers()
        if (reader.BY_NAME and name.endswith(reader.SUFFIXES)) or reader.takes(start)
    )


@cache
def image_suffixes() -> tuple[str, ...]:
    """Endings of image files in lower case, sorted."""
    return tuple(sorted({suffix for reader in _readers() for suffix in reader.SUFFIXES}))


@cache
def paged_suffixes() -> tuple[str, ...]:
    """Endings, in lower case, of files that may hold several images."""
    return tuple(suffix for reader in _readers() for suffix in reader.PAGED_SUFFIXES)


@cache
def _readers() -> tuple[Reader, ...]:
    """All readers, the highest priority first."""
    readers = [parts.load(READERS, name, like=Reader) for name in parts.names(READERS)]
    return tuple(sorted(readers, key=lambda reader: -reader.PRIORITY))
