"""Masks of another size or at another place than their image: what is said about them."""

from collections.abc import Iterator

from ...core.errors import DataError
from ..pixels.alignment import describe_misalignment, require_alike
from ..pixels.imageref import ImageRef
from ..pixels.images import open_image
from .annotation import Labels
from .scan import Entry

Size = tuple[int, ...]


def require_one_size(entry: Entry, labels: Labels, *, mask_HW: Size, image_HW: Size) -> None:
    """Require a mask of the size of its image.

    Raises:
        DataError: Naming both files, both sizes, and the turn by EXIF that would explain them.
    """
    if mask_HW != image_HW:
        raise DataError(
            f"{labels}: {describe_mismatch(entry, mask_HW, image_HW)}; save the mask at the "
            f"size of the image as a viewer shows it (EXIF applied)"
        )


def describe_mismatch(entry: Entry, mask_HW: Size, image_HW: Size) -> str:
    """Describe the two sizes, and whether EXIF turns one into the other."""
    text = (
        f"mask is {mask_HW[0]} x {mask_HW[1]}, its image {entry.image} is {image_HW[0]} x "
        f"{image_HW[1]} (H x W)"
    )
    if mask_HW == image_HW[::-1] and open_image(entry.image).orientation >= 5:
        text += ", which EXIF turns by a quarter: the mask fits the image as it is stored"
    return text


def require_one_place(entry: Entry) -> None:
    """Require masks that lie where their image lies, where the files state it.

    Raises:
        DataError: Naming both files, the difference in pixels and mm or metres, and the fix.
    """
    for mask in entry.masks:
        if isinstance(mask, ImageRef):
            require_alike(mask, entry.image)


def list_misaligned(entry: Entry) -> Iterator[tuple[ImageRef, str]]:
    """List the masks that do not lie where their image lies, and how they lie.

    Raises:
        DataError: A georeference is damaged.
    """
    for mask in entry.masks:
        if isinstance(mask, ImageRef) and (found := describe_misalignment(mask, entry.image)):
            yield mask, found
