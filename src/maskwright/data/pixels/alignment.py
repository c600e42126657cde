"""Whether two files lie alike, for every verb that puts one file on another.

The rule is that of `grids`. A file that does not state where it lies, as a PNG without a world
file, lies like any other: nothing is found, and its size is checked by those who read it.
"""

import numpy as np

from ...core.errors import DataError
from .grids import Grid, list_differences
from .imageref import ImageRef
from .images import open_image

FIX = (
    "resample the labels to the grid of the image with `maskwright convert --align`, or save "
    "them on it"
)


def read_grid(image: ImageRef) -> Grid | None:
    """Read where the pixels of a file lie; None where the file does not state it.

    Raises:
        DataError: The georeference or the header is damaged.
    """
    return Grid.from_image(open_image(image))


def describe_place(image: ImageRef | None) -> str:
    """The place of a file as a text that is equal for files at one place, to 0.001 px.

    "" where the file does not state its place, or there is none.

    Raises:
        DataError: The georeference or the header is damaged.
    """
    grid = None if image is None else read_grid(image)
    if grid is None:
        return ""
    system = "" if grid.placement is None else grid.placement.epsg
    sides = np.round(grid.affine_44[:3] / grid.sides.max(), 3) + 0.0  # no -0.0
    return f"{system} {sides.tolist()}"


def describe_misalignment(file: ImageRef, reference: ImageRef) -> str:
    """Describe how one file lies beside another; "" where the two lie alike.

    "is shifted by 7 px (70 m)". Where one of the two does not state where it lies, nothing is
    known, and the answer is "". Of volumes of which one states no orientation, spacing and the
    order of storage are compared.

    Raises:
        DataError: A georeference or a header is damaged.
    """
    own = read_grid(file)
    there = None if own is None else read_grid(reference)
    if own is None or there is None or (own.frame is None) != (there.frame is None):
        return ""
    return ", ".join(list_differences(own, there))


def require_alike(file: ImageRef, reference: ImageRef, *, fix: str = FIX) -> None:
    """Require that two files lie alike.

    Raises:
        DataError: They do not; the message names both, the difference and the fix.
    """
    found = describe_misalignment(file, reference)
    if found:
        raise DataError(f"{file}: does not lie where {reference} lies: it {found}; {fix}")
