"""DICOM images by pydicom; a page is a frame."""

from functools import partial

from ..dicom import open_frames
from ..faults import no_warnings
from ..imagefile import ImageFile
from ..imageref import ImageRef
from ..medical import MedicalImage

PRIORITY = 20
SUFFIXES = PAGED_SUFFIXES = (".dcm", ".dicom")
BY_NAME = True
"""The signature of DICOM may be missing."""


def open_file(ref: ImageRef) -> ImageFile:
    """Read the header; MissingDependencyError without pydicom."""
    with no_warnings:
        frames = open_frames(ref.file)
    read_values = partial(frames.read, inverted=False)
    is_inverted = frames.kind == "MONOCHROME1"
    return MedicalImage(
        ref=ref,
        header=frames,
        read_shown=partial(frames.read, inverted=True) if is_inverted else read_values,
        read_values=read_values,
        padding=frames.padding,
    )
