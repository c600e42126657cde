"""NIfTI-1 and NIfTI-2 volumes by nibabel; a page is a slice."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..faults import no_warnings
from ..imagefile import ImageFile
from ..imageref import ImageRef
from ..medical import MedicalImage
from ..nifti import Volume, open_volume

PRIORITY = 20
SUFFIXES = PAGED_SUFFIXES = (".nii", ".nii.gz")
BY_NAME = True
"""Every file that is packed by gzip begins alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NiftiImage(MedicalImage):
    """A slice of a volume, whose fourth axis, if it has one, are channels."""

    header: Volume

    @property
    def unpacked_bytes(self) -> Mapping[Path, int]:
        """The file, where it is gzipped."""
        return self.header.unpacked_bytes

    @property
    def ambiguity(self) -> str:
        """What a fourth axis may be: the header does not say it."""
        number = self.header.num_channels
        if number == 1:
            return ""
        return (
            f"has the shape {(*self.header.shape, number)}: its fourth axis holds {number} "
            f"channels, or times{self.header.time_step}; if channels, name all of them in "
            f"dataset.yaml, as bands: [T1, T2]; else save each time as a volume of its own"
        )


def takes(start: bytes) -> bool:  # noqa: ARG001 - the name decides
    """No file is taken by its content."""
    return False


def open_file(ref: ImageRef) -> ImageFile:
    """Read the header; MissingDependencyError without nibabel."""
    with no_warnings:
        volume = open_volume(ref.file)
    return NiftiImage(ref=ref, header=volume, read_shown=volume.read, read_values=volume.read)
