"""NIfTI-1 and NIfTI-2 volumes by nibabel; a page is a slice."""

from ..faults import no_warnings
from ..imagefile import ImageFile
from ..imageref import ImageRef
from ..medical import MedicalImage
from ..nifti import open_volume

PRIORITY = 20
SUFFIXES = PAGED_SUFFIXES = (".nii", ".nii.gz")
BY_NAME = True
"""Every file that is packed by gzip begins alike."""


def open_file(ref: ImageRef) -> ImageFile:
    """Read the header; MissingDependencyError without nibabel."""
    with no_warnings:
        volume = open_volume(ref.file)
    return MedicalImage(ref=ref, header=volume, read_shown=volume.read, read_values=volume.read)
