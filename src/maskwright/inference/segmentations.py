"""Write the predictions of DICOM images as DICOM-SEG, one for each series or file.

    dicom_seg/<series>.dcm   see `data.pixels.dicom_write`

They are made of the class maps in `classes`, which stay as they are. A series of which a slice
could not be predicted has none.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from ..core.errors import DataError, MissingDependencyError
from ..core.labels import LabelMap, LabelSpec
from ..data.classes.kinds import BACKGROUND_NAMES
from ..data.pixels.dicom_write import write_segmentation
from ..data.pixels.imageref import ImageRef
from ..data.pixels.images import open_image
from ..data.pixels.pseudonyms import is_dicom_file
from ..pages.text import format_subject, list_names
from .volumes import CLASSES, group_slices

FOLDER = "dicom_seg"


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentationWriter:
    """Writes the DICOM-SEG of `images`, the inputs by key, into the folder of results."""

    folder: Path
    images: Mapping[str, ImageRef]
    labels: LabelSpec
    model_id: str

    def write(self, done: Collection[str]) -> tuple[str, ...]:
        """Write a file for each series of which all slices are in `done`.

        Returns:
            Sentences on images that have no DICOM-SEG, with the reason.
        """
        missing = dict[str, str]()
        for name, slices in group_slices(self.images, _is_dicom, _name).items():
            if not slices.keys() <= set(done):
                missing[name] = "slices could not be predicted"
                continue
            try:
                self._write_one(name, slices)
            except (DataError, MissingDependencyError) as error:
                missing[name] = str(error)
        if not missing:
            return ()
        counted = format_subject(len(missing), "image or series", "images or series")
        reason = next(iter(missing.values()))
        return (f"{counted} without a DICOM-SEG ({list_names(missing)}): {reason}",)

    def _write_one(self, name: str, slices: Mapping[str, ImageRef]) -> None:
        segments = {
            index: entry
            for index, entry in enumerate(self.labels)
            if entry.name.lower() not in BACKGROUND_NAMES
        }
        write_segmentation(
            [*slices.values()],
            self.folder / FOLDER / f"{name}.dcm",
            self._read_maps(slices),
            segments=segments,
            model=self.model_id,
        )

    def _read_maps(self, slices: Collection[str]) -> Iterator[LabelMap]:
        for key in slices:
            yield open_image(self.folder / CLASSES / f"{key}.png").read_stored()


def _is_dicom(image: ImageRef) -> bool:
    return is_dicom_file(image.file)


def _name(key: str, image: ImageRef) -> str:
    """The path of a series, or of a file without its suffix."""
    path = PurePath(key) if image.page is None else PurePath(key).parent
    return path.with_name(path.name.removesuffix(".dcm")).as_posix()
