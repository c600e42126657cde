"""Open the data that is labelled: any dataset, also one with gaps, or images alone."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..core.codec import LabelCodec
from ..core.errors import ConfigError, DataError
from ..core.files import is_present
from ..core.labels import LabelSpec
from ..core.progress import Progress, silent
from ..data.dataset import FolderDataset
from ..data.entries.scan import SPLITS, UNSPLIT, Entry
from ..data.mapfiles import find_maps
from ..data.opening import splitfile
from ..data.opening.locate import locate
from ..data.opening.resolve import resolve_codec
from ..data.opening.splitfile import SplitFile
from ..pages.text import list_names

CLASSES = "name them with --classes road,car"


@dataclass(frozen=True)
class LabelledData:
    """Images that are labelled; some have labels already."""

    dataset: FolderDataset

    @cached_property
    def index_by_key(self) -> dict[str, int]:
        """The index of each image in the dataset."""
        return {key: index for index, key in enumerate(self.dataset.keys)}

    @cached_property
    def has_usual_splits(self) -> bool:
        """Whether each image is in train, val or test."""
        return {entry.split for entry in self.dataset.entries} <= SPLITS

    def find(self, key: str) -> int:
        """The index of an image.

        Raises:
            DataError: It is not there any more.
        """
        if key not in self.index_by_key:
            raise DataError(
                f"{self.dataset.root}: the image {key!r} is not there any more; put it back"
            )
        return self.index_by_key[key]


def open_data(
    path: Path,
    *,
    form: str | None = None,
    classes: Sequence[str] = (),
    allow_outside: bool = False,
    progress: Progress = silent,
) -> LabelledData:
    """Open a folder for labelling; nothing in it is changed.

    With `classes`, the folder holds images without labels.

    Raises:
        DataError: Not a folder with images, or two images have one key.
        ConfigError: Classes are given for a dataset that has its own, or two are equal.
    """
    if not path.is_dir():
        raise DataError(f"{path}: not a folder; the studio needs one: unpack an archive first")
    if classes:
        return LabelledData(_open_images(path, classes))
    try:
        located = locate(path, form=form, allow_outside=allow_outside, save=False)
    except DataError as error:
        if _holds_nothing_but_images(path, error):
            raise DataError(
                f"{path}: has images and no labels; for labelling from the start the studio "
                f"needs the classes: {CLASSES}"
            ) from error
        raise
    codec, notes = resolve_codec(located, progress, save=False)
    file, entries = located.beside(splitfile.FILE_NAME), located.scan.entries
    if is_present(file):
        entries = SplitFile.read(file).apply(entries, where=file)
    dataset = FolderDataset(
        root=located.root,
        codec=codec,
        entries=entries,
        format=str(located.document.format),
        notes=(*located.scan.notes, *notes),
    )
    _require_unique_keys(dataset)
    return LabelledData(dataset)


def _open_images(path: Path, classes: Sequence[str]) -> FolderDataset:
    spec = LabelSpec.from_names(tuple(name.strip() for name in classes))
    try:
        located = locate(path, save=False)
    except (DataError, ConfigError):
        located = None
    if located is not None and any(entry.labels for entry in located.scan.entries):
        raise ConfigError(
            f"{path}: has labels already, of the format {located.document.format}; leave out "
            f"--classes"
        )
    entries = tuple(
        Entry(
            key=key.replace("/", "__"),
            split=UNSPLIT,
            image=image,
            labels=None,
            group=key.rpartition("/")[0].replace("/", "__") or key,
        )
        for key, image in find_maps(path).items()
    )
    dataset = FolderDataset(
        root=path, codec=LabelCodec.identity(spec), entries=entries, format="mask_folder"
    )
    _require_unique_keys(dataset)
    return dataset


def _holds_nothing_but_images(path: Path, error: DataError) -> bool:
    try:
        return bool(find_maps(path))
    except DataError:
        raise error from None


def _require_unique_keys(dataset: FolderDataset) -> None:
    twins = [key for key, number in Counter(dataset.keys).items() if number > 1]
    if twins:
        raise DataError(
            f"{dataset.root}: {len(twins)} keys are those of several images: "
            f"{list_names(twins)}; keys are unique over all splits, rename the files"
        )
