"""DICOM images by pydicom; a page is a frame of a file, or a slice of a series of files."""

from functools import partial

from ..dicom import open_frames
from ..dicom_head import SUFFIXES, is_dicom
from ..faults import no_warnings
from ..imagefile import ImageFile
from ..imageref import ImageRef
from ..medical import MedicalImage
from ..series import open_series

PRIORITY = 20
PAGED_SUFFIXES = SUFFIXES
BY_NAME = True
"""The signature of DICOM may be missing; so may the suffix."""


def takes(start: bytes) -> bool:
    """Whether a file of another name begins as DICOM."""
    return is_dicom(start)


def open_file(ref: ImageRef) -> ImageFile:
    """Read the header; MissingDependencyError without pydicom."""
    with no_warnings:
        frames = open_frames(ref.file)
        header = frames if ref.series is None else open_series(ref.series)
    read_values = partial(header.read, inverted=False)
    is_inverted = frames.kind == "MONOCHROME1"
    return MedicalImage(
        ref=ref,
        header=header,
        read_shown=partial(header.read, inverted=True) if is_inverted else read_values,
        read_values=read_values,
        padding=header.find_padding(ref.page or 0),
    )
