"""Count what an image has and the target format cannot store."""

from collections import Counter

import numpy as np

from ...core.labels import IGNORE
from ..entries.picture import Picture
from ..pixels.imageref import ImageRef
from ..pixels.images import open_image
from ..pixels.nifti_write import is_nifti
from ..shapes.drawing import Drawing, count_overlap_pixels

_SPACINGS = "spacings of slices in mm, which the TIFF file of a page does not hold"
_ORIENTATIONS = "orientations of slices in the patient, which the TIFF file does not hold"
_PLACES = "georeferences of masks, whose images have none"
_NO_SHAPES = "shapes, written as pixels"
_FOLDERS = "names of folders, which become the start of the file name"


def count_lost(picture: Picture, holds: frozenset[str]) -> dict[str, int]:
    """Count what is lost of one image, by kind; `holds` is what the format can store."""
    lost: dict[str, int] = {}
    if picture.is_drawn:
        lost |= _count_lost_of_drawing(picture.drawn, holds)
    if len(picture.entry.votes) > 1:
        lost["masks of single annotators (the majority is written)"] = len(picture.entry.masks)
    if "ignored" not in holds:
        lost["ignored pixels"] = int(np.count_nonzero(picture.labels_HW == IGNORE))
    lost |= _count_lost_of_place(picture, holds)
    image = picture.entry.image
    if image.page is None and picture.entry.key.endswith(f"__{image.file.stem}"):
        lost[_FOLDERS] = 1
    return lost


def _count_lost_of_place(picture: Picture, holds: frozenset[str]) -> dict[str, int]:
    """Count what says where the pixels lie and has no place in the written files."""
    image, labels = picture.entry.image, picture.entry.labels
    opened = open_image(image)
    lost: dict[str, int] = {}
    if "volumes" in holds and image.page is not None and all(map(is_nifti, image.files)):
        return lost
    if image.page is not None or picture.is_medical:
        frame = opened.patient_frame
        lost[_SPACINGS] = int(opened.spacing_mm_HW is not None)
        lost[_ORIENTATIONS] = int(frame is not None and frame.stated)
    elif isinstance(labels, ImageRef) and opened.placement is None:
        lost[_PLACES] = int(open_image(labels).placement is not None)
    return lost


def _count_lost_of_drawing(drawing: Drawing, holds: frozenset[str]) -> dict[str, int]:
    lost = dict(drawing.unread)
    if "polygons" in holds:
        kinds = Counter(s.primitive for s in drawing.shapes if s.primitive)
        lost |= {f"{kind}, written as polygons or masks": n for kind, n in kinds.items()}
    else:
        lost[_NO_SHAPES] = sum(bool(s.rings or s.primitive) for s in drawing.shapes)
    if "overlaps" not in holds:
        lost["pixels of shapes below others"] = count_overlap_pixels(drawing, "file")
    if "attributes" not in holds:
        lost["attributes of shapes"] = sum(len(s.attributes) for s in drawing.shapes)
    if "instances" not in holds:
        lost["ids of instances"] = sum(s.instance is not None for s in drawing.shapes)
    lost |= {f"{what}, which are not regions": n for what, n in drawing.skipped.items()}
    return lost
