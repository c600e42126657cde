"""Write class maps of DICOM images as a DICOM-SEG, by highdicom; DICOM PS3.3, section A.51.

One segment per class, called as the class, of the type BINARY, which viewers read. The object
belongs to the study of its source and refers to each source image. As the standard asks, it
holds the patient's name and number as the source does.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...core.atomic import new_file
from ...core.errors import DataError, MissingDependencyError
from ...core.labels import IGNORE, ClassDef, LabelMap
from .dicom import open_frames
from .faults import no_warnings
from .imageref import ImageRef

_MAY_BE_MISSING = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex"),
    *("AccessionNumber", "StudyID", "StudyDate", "StudyTime"),
)
"""They may be empty by the standard (type 2); anonymisers remove them, highdicom needs them."""

_SERIES_NUMBER = 1000
"""Above those of scanners, so that viewers list the segmentation last."""
_LONGEST = 64
"""Characters of a long string (LO); PS3.5, section 6.2."""


def write_segmentation(
    images: Sequence[ImageRef],
    target: Path,
    maps: Iterable[LabelMap],
    *,
    segments: Mapping[int, ClassDef],
    model: str,
) -> None:
    """Write class maps as a DICOM-SEG.

    Args:
        images: Slices of one series, a file of one image, or frames of one file.
        target: A new file.
        maps: The class map of each of them.
        segments: The classes that become segments, by index; the others are background.
        model: What predicted them, for the description of the algorithm.

    Raises:
        DataError: The images lack what a DICOM-SEG needs.
        MissingDependencyError: highdicom is not installed.
    """
    try:
        import highdicom
    except ModuleNotFoundError as error:
        raise MissingDependencyError("highdicom", "medical") from error
    numbers_K = np.zeros(256, np.uint8)
    for number, index in enumerate(segments, start=1):
        numbers_K[index] = number
    files, maps_DHW = _arrange(images, maps)
    entropy = [model, hashlib.sha256(maps_DHW.tobytes()).hexdigest()]
    with no_warnings, _explain(images[0]):
        heads = [_read_head(path) for path in files]
        entropy += [str(head.SOPInstanceUID) for head in heads]
        segmentation = highdicom.seg.Segmentation(
            source_images=heads,
            pixel_array=numbers_K[maps_DHW],
            segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=_describe_segments(segments.values(), model),
            series_instance_uid=_make_uid(entropy, "series"),
            series_number=_SERIES_NUMBER,
            sop_instance_uid=_make_uid(entropy, "instance"),
            instance_number=1,
            manufacturer="maskwright",
            manufacturer_model_name="maskwright",
            software_versions=version("maskwright"),
            device_serial_number=model[:_LONGEST],
        )
        with new_file(target) as file:
            segmentation.save_as(file)


def _arrange(
    images: Sequence[ImageRef], maps: Iterable[LabelMap]
) -> tuple[list[Path], NDArray[np.uint8]]:
    """The source files, and the maps in their order: one per file, or one per frame."""
    first = images[0]
    if first.series is not None:
        return [image.file for image in images], np.stack([*maps])
    frames = open_frames(first.file)
    maps_DHW = np.full((frames.num_pages, *frames.size_HW), IGNORE, np.uint8)
    for image, labels_HW in zip(images, maps, strict=True):
        maps_DHW[frames.order[image.page or 0]] = labels_HW
    return [first.file], maps_DHW


@contextmanager
def _explain(source: ImageRef) -> Iterator[None]:
    """Name what is missing, but no value of the header: it may name a patient."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        reason = f" ({error})" if isinstance(error, AttributeError) else ""
        raise DataError(
            f"{source}: its header lacks what a DICOM-SEG needs{reason}; export it again"
        ) from error


def _read_head(path: Path) -> Any:
    import pydicom

    head = pydicom.dcmread(path, stop_before_pixels=True)
    for keyword in _MAY_BE_MISSING:
        if keyword not in head:
            setattr(head, keyword, "")
    return head


def _make_uid(entropy: list[str], kind: str) -> Any:
    """A UID that is the same for the same map of the same images."""
    from pydicom.uid import generate_uid

    return generate_uid(entropy_srcs=[*entropy, kind])


def _describe_segments(classes: Iterable[ClassDef], model: str) -> list[Any]:
    import highdicom
    from pydicom.sr.codedict import codes

    algorithm = highdicom.AlgorithmIdentificationSequence(
        name="maskwright",
        version=model[:_LONGEST],
        family=codes.DCM.ArtificialIntelligence,
    )
    return [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=entry.name[:_LONGEST],
            segmented_property_category=codes.SCT.Tissue,
            segmented_property_type=codes.SCT.Tissue,
            algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
            display_color=highdicom.color.CIELabColor(*_to_lab(entry.color)),
        )
        for number, entry in enumerate(classes, start=1)
    ]


def _to_lab(color: tuple[int, int, int]) -> list[float]:
    """L* in 0..100, a* and b* in -128..127."""
    rgb_113 = np.array([[color]], np.float32) / 255
    lab_3: NDArray[np.float32] = cv2.cvtColor(rgb_113, cv2.COLOR_RGB2LAB)[0, 0]
    return [float(value) for value in lab_3]
