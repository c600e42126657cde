"""The DICOM files of a folder as images: slices of series, and images of their own.

    ct/patient1/IM0001, IM0002 ...    a series alone in its folder: ct/patient1/0000 ...
    ct/1.2.840.dcm ...                several series in one folder: ct/series_<hash>/0000 ...

A series is named after the folder that it has for itself, so that masks of the same name belong
to it; else after the hash of its SeriesInstanceUID (`georef.identity`). No UID enters a name.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from os.path import commonpath
from pathlib import Path

from ...core.errors import DataError
from ...pages.text import format_count
from ..georef.identity import name_image, name_series
from ..pixels.dicom_head import SUFFIXES, DicomHead, may_be_dicom, read_head
from ..pixels.imageref import ImageRef, Series
from ..pixels.images import count_pages
from ..pixels.series import describe_fault, group_series, is_scout, order_slices
from .scan import IMAGE_FOLDERS, SPLITS, normalise_split

_UID = re.compile(r"\d+(\.\d+){4,}")
_MOST_FAULTS = 8
_MASK_FOLDERS = frozenset({"annotations", "gt", "label", "labels", "mask", "masks"})


@dataclass(frozen=True, slots=True)
class DicomFiles:
    """The DICOM files of a folder by what they are; `others` hold no image of their own."""

    images: tuple[ImageRef, ...] = ()
    localizers: tuple[Path, ...] = ()
    labels: tuple[Path, ...] = ()
    others: tuple[Path, ...] = ()


def sort_dicom(files: Sequence[Path], root: Path) -> tuple[list[Path], DicomFiles]:
    """The files that are not known to be DICOM, and the others by what they are.

    `files` are all image files below `root`.

    Raises:
        DataError: Files of a series are not one volume; all such series are named.
    """
    heads = [h for file in files if may_be_dicom(file.name) and (h := read_head(file))]
    by_kind = {
        kind: tuple(head.path for head in heads if head.kind in kinds)
        for kind, kinds in (
            ("labels", ("segmentation", "structures")),
            ("others", ("other",)),
        )
    }
    localizers = [h.path for h in heads if h.kind == "image" and h.is_localizer]
    joined: dict[Path, ImageRef] = {}
    faults = list[str]()
    groups = group_series(heads)
    localizers += [head.path for group in groups if is_scout(group) for head in group]
    for group in (group for group in groups if not is_scout(group)):
        if fault := describe_fault(group):
            place = _find_folder(group)
            faults.append(f"{place}: {format_count(len(group), 'file')} of one series: {fault}")
        else:
            beside = {*localizers, *by_kind["labels"], *by_kind["others"]}
            joined |= {image.file: image for image in _join(group, files, beside, root)}
    if faults:
        more = len(faults) - _MOST_FAULTS
        shown = ". ".join(faults[:_MOST_FAULTS]) + (f". {more} more" if more > 0 else "")
        raise DataError(f"DICOM series that are not one volume: {len(faults)}. {shown}")
    used = {*joined, *localizers, *by_kind["labels"], *by_kind["others"]}
    alone = [head for head in heads if head.path not in used]
    used |= {head.path for head in alone}
    images = (*joined.values(), *(image for head in alone for image in _list_alone(head)))
    rest = [file for file in files if file not in used]
    return rest, DicomFiles(images=images, localizers=tuple(localizers), **by_kind)


def name_by_file(image: ImageRef) -> ImageRef:
    """A slice of a series under the name of its file, as tools list it; others as they are."""
    if image.series is None:
        return image
    return replace(image, series=replace(image.series, by_file=True))


def find_group(image: ImageRef, key: str) -> str:
    """The group of an image in no folder of its own: its series, else its key."""
    return key if image.series is None else image.series.path.name


def _find_folder(group: Iterable[DicomHead]) -> Path:
    """The deepest folder that holds all files of a series."""
    return Path(commonpath([head.path.parent for head in group]))


def _join(
    group: Sequence[DicomHead], files: Iterable[Path], beside: Iterable[Path], root: Path
) -> list[ImageRef]:
    """The slices of a series in order, named after its folder where it is alone there.

    `beside` are files that are no images to label, and may lie in the folder.
    """
    ordered = order_slices(group)
    folder, own = _find_folder(group), {head.path for head in group}
    aside = {*own, *beside}
    plain = folder.name.lower() in IMAGE_FOLDERS | _MASK_FOLDERS
    split = normalise_split(folder.name) in SPLITS
    shared = any(file not in aside and file.is_relative_to(folder) for file in files)
    if folder == root or plain or split or shared:
        folder /= name_series(ordered[0].series, ordered[0].path)
    series = Series(folder, tuple(head.path for head in ordered))
    return [ImageRef(file, page, series=series) for page, file in enumerate(series.files)]


def _list_alone(head: DicomHead) -> Iterator[ImageRef]:
    """A file that is no slice of a series, or its frames.

    One that is called by a UID, without a suffix, has a hash as its name.
    """
    is_bare = not head.path.name.lower().endswith(SUFFIXES)
    shown = None
    if is_bare and _UID.fullmatch(head.path.name):
        shown = head.path.with_name(name_image(head.instance, head.path))
    count = count_pages(head.path)
    if count is None:
        yield ImageRef(head.path, alias=shown)
    for page in range(count or 0):
        yield ImageRef(head.path, page, alias=shown)


def describe_series(images: Iterable[ImageRef]) -> tuple[str, ...]:
    """Sentences on the DICOM series among images, and on slopes that differ within them."""
    found = {image.series for image in images if image.series is not None}
    if not found:
        return ()
    count = format_count(sum(len(series.files) for series in found), "slice")
    how = "by SeriesInstanceUID and position, from feet to head, back to front or left to right"
    notes = [f"{len(found)} series of DICOM, {count}, {how}"]
    slopes = [
        {head.rescale[0] for file in series.files if (head := read_head(file))}
        for series in found
    ]
    several = [values for values in slopes if len(values) > 1]
    if several:
        least, most = min(map(min, several)), max(map(max, several))
        notes.append(
            f"slices of {len(several)} series have slopes of their own, from {least:.6g} to "
            f"{most:.6g}: each is rescaled by its own, to values of the modality"
        )
    return tuple(notes)
