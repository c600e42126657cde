"""DICOM Segmentation objects (SEG) beside the DICOM images that they were made from.

    ct/patient1/IM0001 ...     seg/patient1.dcm        in any folders, under any names

A segment is a class, by its SegmentLabel; frames belong to images by SOPInstanceUID, else by
their position. A slice of a referenced series without a frame of a segment is background. Where
segments overlap, the smaller lies on top. Several files of one series are read as one; in
fractional files a fraction of at least one half belongs to the segment. A frame that does not
lie on the grid of its image is refused.
Source: DICOM PS3.3, A.51 and C.8.20; label maps: supplement 243.
"""

from collections import defaultdict
from pathlib import Path

import numpy as np

from ...core.errors import DataError
from ...pages.text import format_count, list_names
from ..classes.dataset_yaml import DatasetFile
from ..entries.scan import Scan
from ..georef.patient import SlicePlane
from ..layouts.dicom_images import (
    DicomImages,
    IndicesByFile,
    find_dicom_images,
    find_image_folder,
    has_labels_of,
    list_label_files,
    make_scan,
)
from ..pixels.grids import TOLERANCE_PX
from ..pixels.imageref import ImageRef
from ..pixels.series import SliceReference, find_reference
from ..reading.segmentation import Segmentation, SegmentFrame, open_segmentation
from ..shapes.drawing import Drawing, Shape
from ..shapes.raster import Crop

_FIX = (
    "resample the segmentation to the grid of its images, or give the images it was made from"
)


def recognises(root: Path) -> bool:
    """Whether there is a DICOM file with a segmentation."""
    return has_labels_of(root, "segmentation")


def scan(root: Path, document: DatasetFile) -> Scan:
    """Find the frames of each image.

    Raises:
        DataError: A header is damaged, or no segmentation refers to an image here.
        MissingDependencyError: pydicom is not installed.
    """
    folder = find_image_folder(root, document)
    images = find_dicom_images(folder)
    frames_of: dict[ImageRef, dict[Path, list[int]]] = defaultdict(dict)
    labels, missing, several = set[str](), list[str](), set[Path]()
    for file in list_label_files(root, "segmentation"):
        segmentation = open_segmentation(file)
        found = _match(segmentation, images)
        num_lost = len(segmentation.frames) - sum(map(len, found.values()))
        covered = _find_volumes(segmentation, images, found)
        if num_lost:
            name = file.relative_to(root).as_posix()
            missing.append(f"{name} ({format_count(num_lost, 'frame')})")
        if covered:
            labels.update(segmentation.labels.values())
        for volume in covered:
            several |= {volume} if frames_of[images.by_volume[volume][0]] else set()
            for image in images.by_volume[volume]:
                frames_of[image][file] = found.get(image, [])
    names = [volume.relative_to(folder).as_posix() for volume in sorted(several)]
    note = f"segments of several files are on one image, read as one: {list_names(names)}"
    return make_scan(
        folder,
        document,
        images,
        frames_of,
        _read,
        labels=labels,
        what="segmentations",
        missing=missing,
        notes=(note,) if several else (),
    )


def _match(segmentation: Segmentation, images: DicomImages) -> dict[ImageRef, list[int]]:
    """The indices of the frames of each image: by reference, else by position."""
    found: dict[ImageRef, list[int]] = defaultdict(list)
    candidates = {
        volume
        for uid in segmentation.referenced
        if (image := images.find(uid, None) or images.find(uid, 1))
        for volume in [image.shown_file]
    }
    for index, frame in enumerate(segmentation.frames):
        sources = {image for source in frame.sources if (image := images.find(*source))}
        image = next(iter(sources)) if len(sources) == 1 else None
        if image is None:
            near = candidates or {source.shown_file for source in sources}
            image = _find_by_position(frame, near, images)
        if image is not None:
            found[image].append(index)
    return found


def _find_by_position(
    frame: SegmentFrame, volumes: set[Path], images: DicomImages
) -> ImageRef | None:
    image = None if frame.plane is None else images.find_nearest(frame.plane, sorted(volumes))
    if image is None or _measure_offset(frame.plane, images.references[image]) > TOLERANCE_PX:
        return None
    return image


def _find_volumes(
    segmentation: Segmentation, images: DicomImages, found: dict[ImageRef, list[int]]
) -> set[Path]:
    """The volumes to which a file refers; slices without a frame are background there."""
    named = (images.find(uid, None) or images.find(uid, 1) for uid in segmentation.referenced)
    return {image.shown_file for image in (*found, *named) if image is not None}


def _read(image: ImageRef, frames: IndicesByFile) -> Drawing:
    """The segments of one image.

    Raises:
        DataError: A frame is damaged, or does not lie on the grid of the image.
    """
    reference = find_reference(image)
    if reference is None:
        raise DataError(f"{image.file}: is not DICOM any more; copy it again")
    shapes = []
    for file, indices in frames.items():
        segmentation = open_segmentation(file)
        for index in indices:
            _require_grid(segmentation, index, reference)
            for number, inside_HW in segmentation.read(index):
                label = segmentation.labels.get(number, f"segment {number}")
                crop = Crop(0, 0, np.ascontiguousarray(inside_HW))
                shapes.append(Shape(label=label, masks=(crop,), instance=str(number)))
    return Drawing(size_HW=reference.size_HW, shapes=tuple(shapes))


def _require_grid(segmentation: Segmentation, index: int, reference: SliceReference) -> None:
    """Require a frame of the size of its image that lies where the image lies."""
    plane, spacing = segmentation.frames[index].plane, segmentation.spacing_mm_HW
    where = f"{segmentation.path}: frame {index + 1}"
    if segmentation.size_HW != reference.size_HW:
        (height, width), (rows, columns) = segmentation.size_HW, reference.size_HW
        raise DataError(
            f"{where} is {height} x {width}, its image {reference.file} is {rows} x {columns} "
            f"(H x W); {_FIX}"
        )
    own = reference.spacing_mm_HW
    if spacing and own and not np.allclose(spacing, own, rtol=1e-4):
        raise DataError(
            f"{where} has pixels of {spacing[0]:.4g} x {spacing[1]:.4g} mm, its image "
            f"{reference.file} of {own[0]:.4g} x {own[1]:.4g} mm; {_FIX}"
        )
    offset_px = _measure_offset(plane, reference) if plane and reference.plane else 0.0
    if offset_px > TOLERANCE_PX:
        how = "is turned" if np.isinf(offset_px) else f"lies {offset_px:.4g} px away"
        raise DataError(f"{where} {how} from its image {reference.file}; {_FIX}")


def _measure_offset(plane: SlicePlane | None, reference: SliceReference) -> float:
    """How far a plane lies from that of an image, in pixels; infinite where it is turned."""
    own = reference.plane
    if plane is None or own is None or not plane.is_parallel(own):
        return float("inf")
    offset_mm = np.linalg.norm(np.array(plane.position) - own.position)
    return float(offset_mm / min(reference.spacing_mm_HW or (1.0, 1.0)))
