"""RT Structure Sets (RTSTRUCT) beside the DICOM images that they were drawn on.

    ct/patient1/IM0001 ...     rt/patient1.dcm        in any folders, under any names

A region of interest is a class, by its ROIName. Its contours on a slice cover the pixels whose
centres are inside, by the even-odd rule over all of them: a contour inside another is a hole.
Contours belong to slices by SOPInstanceUID, else by their position in the series that the file
refers to; one that lies on no slice is refused. Where regions overlap, the smaller lies on top.
Points and open contours are no regions, and are counted.
Source: DICOM PS3.3, A.19 and C.8.8.5 to C.8.8.6.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...core.errors import DataError
from ...pages.text import format_count, list_names
from ..classes.dataset_yaml import DatasetFile
from ..entries.scan import Scan
from ..georef.patient import UNEVEN, PatientFrame
from ..layouts.dicom_images import (
    DicomImages,
    IndicesByFile,
    find_dicom_images,
    find_image_folder,
    has_labels_of,
    list_label_files,
    make_scan,
)
from ..pixels.imageref import ImageRef
from ..pixels.images import open_image
from ..reading.structures import Contour, StructureSet, open_structures
from ..shapes.drawing import Drawing, Shape
from ..shapes.raster import Ring

_DIGITS = 6
"""Corners are rounded to so many digits of a pixel, so that edges on centres stay on them."""


def recognises(root: Path) -> bool:
    """Whether there is a DICOM file with a structure set."""
    return has_labels_of(root, "structures")


def scan(root: Path, document: DatasetFile) -> Scan:
    """Find the contours of each image.

    Raises:
        DataError: A header is damaged, a contour lies on no slice, or no structure set refers
            to an image here.
        MissingDependencyError: pydicom is not installed.
    """
    folder = find_image_folder(root, document)
    images = find_dicom_images(folder)
    contours_of: dict[ImageRef, dict[Path, list[int]]] = defaultdict(dict)
    labels, missing, faults = set[str](), list[str](), list[str]()
    for file in list_label_files(root, "structures"):
        structures = open_structures(file)
        volumes = _find_volumes(structures, images)
        if not volumes:
            missing.append(file.relative_to(root).as_posix())
            continue
        found, stray = _match(structures, volumes, images)
        faults += _describe_stray(structures, stray)
        labels.update(structures.names[contour.roi] for contour in structures.contours)
        for volume in volumes:
            for image in images.by_volume[volume]:
                contours_of[image][file] = found.get(image, [])
    if faults:
        raise DataError(". ".join(faults))
    return make_scan(
        folder,
        document,
        images,
        contours_of,
        _read,
        labels=labels,
        what="structure sets",
        missing=missing,
    )


def _find_volumes(structures: StructureSet, images: DicomImages) -> list[Path]:
    """The volumes to which a file refers, by series or by the images of contours."""
    named = {volume for uid in structures.series for volume in images.by_series.get(uid, ())}
    drawn = (images.find(contour.instance, None) for contour in structures.contours)
    return sorted(named | {image.shown_file for image in drawn if image is not None})


def _match(
    structures: StructureSet, volumes: Sequence[Path], images: DicomImages
) -> tuple[dict[ImageRef, list[int]], list[tuple[Contour, float]]]:
    """The indices of the contours of each image, and contours on no slice, with their slice."""
    found: dict[ImageRef, list[int]] = defaultdict(list)
    stray: list[tuple[Contour, float]] = []
    frames = {volume: _open_frame(images.by_volume[volume][0]) for volume in volumes}
    for index, contour in enumerate(structures.contours):
        image = images.find(contour.instance, None)
        near = volumes if image is None else [image.shown_file]
        for volume in near:
            heights = _find_heights(contour, frames[volume])
            slices, page = images.by_volume[volume], round(float(heights.mean()))
            off = float(np.abs(heights - page).max())
            if contour.skipped:  # no region: counted on the nearest slice
                off, page = 0.0, min(max(page, 0), len(slices) - 1)
            if off <= UNEVEN and 0 <= page < len(slices):
                found[slices[page]].append(index)
                break
        else:
            stray.append((contour, float(heights.mean())))
    return found, stray


def _find_heights(
    contour: Contour, frame: PatientFrame
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The position of each corner along the slices; slice k lies at k."""
    if not len(contour.points_LPS):
        return np.zeros(1)
    return np.asarray(frame.to_pixels(contour.points_LPS)[:, 2])


def _open_frame(image: ImageRef) -> PatientFrame:
    frame = open_image(image).patient_frame
    if frame is None:
        raise DataError(
            f"{image.file}: does not state where it lies in the patient, and a structure set "
            f"refers to it; export the images again"
        )
    return frame


def _describe_stray(
    structures: StructureSet, stray: Sequence[tuple[Contour, float]]
) -> list[str]:
    if not stray:
        return []
    counts = Counter(structures.names[contour.roi] for contour, _ in stray)
    names = [f"{name} ({count})" for name, count in counts.items()]
    counted = format_count(len(stray), "contour")
    problem = (
        f"{structures.path}: {counted} on planes that are no slices of the series it refers "
        f"to, in {list_names(names)}; the first lies at slice {stray[0][1]:.2f}: export the "
        f"contours on the slices, or give the series that they were drawn on"
    )
    return [problem]


def _read(image: ImageRef, indices: IndicesByFile) -> Drawing:
    """The regions of one image."""
    opened, frame = open_image(image), _open_frame(image)
    shapes, skipped = list[Shape](), Counter[str]()
    for file, own in indices.items():
        structures = open_structures(file)
        rings: dict[int, list[Ring]] = defaultdict(list)
        for contour in (structures.contours[index] for index in own):
            if contour.skipped or len(contour.points_LPS) < 3:
                skipped[contour.skipped or "contours of under 3 corners"] += 1
                continue
            corners = frame.to_pixels(contour.points_LPS)[:, :2]
            rings[contour.roi].append(np.round(corners, _DIGITS))
        shapes += [
            Shape(label=structures.names[roi], rings=tuple(r), instance=str(roi))
            for roi, r in rings.items()
        ]
    return Drawing(size_HW=opened.size_HW, shapes=tuple(shapes), skipped=skipped)
