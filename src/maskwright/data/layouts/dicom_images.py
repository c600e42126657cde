"""The DICOM images of a folder, as segmentations and structure sets name them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ...core.errors import DataError
from ...pages.text import format_count, list_names
from ..classes.dataset_yaml import DatasetFile
from ..entries.annotation import SHAPE_CODEC, Annotation, list_shape_classes
from ..entries.scan import Entry, LeftOut, Scan, make_keys_unique, parse_place
from ..entries.walk import image_files, list_image_files
from ..georef.patient import SlicePlane
from ..pixels.dicom_head import DicomKind, read_head
from ..pixels.imageref import ImageRef
from ..pixels.series import SliceReference, find_reference
from ..shapes.drawing import Drawing, Overlap

IndicesByFile = Mapping[Path, list[int]]
"""The frames or contours of each file with labels that are on one image."""

OVERLAP: Overlap = "smaller_on_top"
"""Regions inside others stay visible: a tumour in the liver, the liver in the body."""


@dataclass(frozen=True, slots=True)
class DicomImages:
    """Images by SOPInstanceUID and number of the frame, by series, and by volume.

    `references` are how other objects name each image, and where it lies. The number is None
    for a file of one image. A volume is that of `ImageRef.shown_file`.
    """

    by_instance: Mapping[tuple[str, int | None], ImageRef]
    by_series: Mapping[str, frozenset[Path]]
    by_volume: Mapping[Path, tuple[ImageRef, ...]]
    references: Mapping[ImageRef, SliceReference]

    def __len__(self) -> int:
        return len(self.by_instance)

    def find(self, instance: str, frame: int | None) -> ImageRef | None:
        """The image that a reference names; a file of one image may be named as its frame 1."""
        found = self.by_instance.get((instance, frame))
        return found or self.by_instance.get((instance, None))

    def find_nearest(self, plane: SlicePlane, volumes: Iterable[Path]) -> ImageRef | None:
        """The image of some volumes whose first pixel lies nearest to that of a plane."""
        planes = {
            image: own
            for volume in volumes
            for image in self.by_volume[volume]
            if (own := self.references[image].plane) is not None
        }
        if not planes:
            return None
        positions_N3 = np.array([own.position for own in planes.values()])
        nearest = np.linalg.norm(positions_N3 - plane.position, axis=1).argmin()
        return list(planes)[int(nearest)]


def find_dicom_images(root: Path) -> DicomImages:
    """Find the images below `root` by their UIDs.

    Raises:
        DataError: A header is damaged, or two images have one SOPInstanceUID.
    """
    by_instance: dict[tuple[str, int | None], ImageRef] = {}
    by_series: dict[str, set[Path]] = defaultdict(set)
    by_volume: dict[Path, list[ImageRef]] = defaultdict(list)
    references: dict[ImageRef, SliceReference] = {}
    for image in image_files(root):
        reference = find_reference(image)
        if reference is None:
            continue
        twin = by_instance.setdefault((reference.instance, reference.frame), image)
        if twin is not image:
            raise DataError(
                f"{image.file}: has the SOPInstanceUID of {twin.file}, so that labels could "
                f"mean either; remove one if they are copies, or give each a UID of its own"
            )
        by_series[reference.series].add(image.shown_file)
        by_volume[image.shown_file].append(image)
        references[image] = reference
    return DicomImages(
        by_instance,
        {uid: frozenset(volumes) for uid, volumes in by_series.items()},
        {volume: tuple(images) for volume, images in by_volume.items()},
        references,
    )


def list_label_files(root: Path, kind: DicomKind) -> list[Path]:
    """List the DICOM files below `root` that hold labels of one kind."""
    heads = ((file, read_head(file)) for file in list_image_files(root))
    return [file for file, head in heads if head is not None and head.kind == kind]


def has_labels_of(root: Path, kind: DicomKind) -> bool:
    """Whether a folder has DICOM files with labels of one kind."""
    return root.is_dir() and bool(list_label_files(root, kind))


def find_image_folder(root: Path, document: DatasetFile) -> Path:
    """The folder of the images: `images` of dataset.yaml, else that of the labels."""
    return root if document.images is None else root / document.images


def make_scan(
    root: Path,
    document: DatasetFile,
    images: DicomImages,
    drawn: Mapping[ImageRef, IndicesByFile],
    read: Callable[[ImageRef, IndicesByFile], Drawing],
    *,
    labels: Iterable[str],
    what: str,
    missing: Iterable[str] = (),
    notes: tuple[str, ...] = (),
) -> Scan:
    """Make a scan of the images below `root` that have labels; others are left out.

    `drawn` says which frames or contours of which files are on an image, and `read` draws them.
    `what` names the files with labels, in the plural; `missing` are those of them that refer
    to images that are not there.

    Raises:
        DataError: No image has labels.
    """
    if not drawn:
        raise DataError(
            f"{root}: none of the {what} refers to one of {format_count(len(images), 'image')} "
            f"here ({list_names(tuple(missing))}); put the images that they were drawn on into "
            f"the folder"
        )
    entries = []
    for image, indices in drawn.items():
        annotation = Annotation(
            file=next(iter(indices)),
            others=tuple(indices)[1:],
            place=image.path.name,
            overlap=document.overlap or OVERLAP,
            read=partial(read, image, indices),
        )
        split, key, group = parse_place(image.path.relative_to(root))
        entries.append(Entry(key=key, split=split, image=image, labels=annotation, group=group))
    bare = [
        volume.relative_to(root).as_posix()
        for volume, own in images.by_volume.items()
        if not any(image in drawn for image in own)
    ]
    left_out = (
        LeftOut(f"DICOM images to which none of the {what} refers", tuple(bare)),
        LeftOut(f"{what} that refer to images that are not there", tuple(missing)),
    )
    return Scan(
        entries=make_keys_unique(entries),
        classes=list_shape_classes(labels, document),
        codec=SHAPE_CODEC,
        overlap=document.overlap or OVERLAP,
        left_out=tuple(item for item in left_out if item.names),
        notes=notes,
    )
