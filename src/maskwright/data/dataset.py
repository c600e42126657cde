"""Dataset: finite, ordered, random access to Samples under one LabelSpec; transforms nothing.

`open_dataset` is strict: a folder with gaps is refused with the first file, the count and the
fix. What it had to infer it says in `Dataset.notes` and writes to dataset.yaml where it can.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.codec import LabelCodec
from ..core.errors import DataError
from ..core.labels import LabelMap, LabelSpec
from ..core.progress import Progress, silent
from ..core.sample import Sample
from .entries.annotation import file_of
from .entries.scan import Entry
from .entries.votes import majority, read_votes
from .opening import splitfile
from .opening.locate import locate, refuse_gaps
from .opening.resolve import resolve_codec, resolve_splits
from .opening.splitfile import SplitFile
from .pixels.images import read_image
from .pixels.pages import stored_file
from .reading.archive import unpacked

__all__ = ["Dataset", "Entry", "open_dataset"]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Images with their label maps. `notes` say in words what was inferred, and why."""

    root: Path
    codec: LabelCodec
    entries: tuple[Entry, ...]
    format: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Sample:
        """Read one Sample; it checks that image and labels have one size."""
        entry = self.entries[index]
        votes_AHW = None if entry.labels is None else read_votes(entry, self.codec)
        return Sample(
            key=entry.key,
            group=entry.group,
            image_HWC=self.image(index),
            labels_HW=None if votes_AHW is None else majority(votes_AHW),
            votes_AHW=None if votes_AHW is None or len(votes_AHW) < 2 else votes_AHW,
        )

    @property
    def spec(self) -> LabelSpec:
        """The classes."""
        return self.codec.spec

    @property
    def splits(self) -> dict[str, int]:
        """Number of images in each split."""
        return dict(Counter(entry.split for entry in self.entries))

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits over the classes, keys, splits and sizes of files."""
        digest = hashlib.sha256(self.spec.fingerprint.encode())
        for entry in self.entries:
            paths = (entry.image, *map(file_of, entry.masks))
            sizes = [stored_file(path).stat().st_size for path in paths]
            digest.update(repr((entry.key, entry.split, sizes)).encode())
        return digest.hexdigest()[:16]

    def image(self, index: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """H x W x C, oriented by EXIF; the labels are not read."""
        return read_image(self.entries[index].image)

    def labels(self, index: int) -> LabelMap:
        """The LabelMap of one image: of several annotators, what most say.

        Raises:
            DataError: There is none, it is unreadable, a value is not in the codec, or the
                masks of two annotators differ in size.
        """
        return majority(read_votes(self.entries[index], self.codec))

    def subset(self, split: str) -> "Dataset":
        """The images of one split.

        Raises:
            DataError: There is no such split; the message lists those there are.
        """
        if split not in self.splits:
            listed = ", ".join(f"{name} ({count})" for name, count in self.splits.items())
            raise DataError(
                f"{self.root}: no split {split!r}; there are {listed}; "
                f"`maskwright split` makes train, val and test"
            )
        return replace(self, entries=tuple(e for e in self.entries if e.split == split))


def open_dataset(path: str | Path, *, progress: Progress = silent) -> Dataset:
    """Open a folder, or its dataset.yaml.

    Raises:
        DataError: Files are missing, unreadable or ambiguous; the message names them.
        ConfigError: dataset.yaml or classes.txt is wrong.
    """
    found = locate(Path(path))
    refuse_gaps(found)
    codec, label_notes = resolve_codec(found, progress)
    entries, split_notes = resolve_splits(found, codec, progress)
    return Dataset(
        root=found.root,
        codec=codec,
        entries=entries,
        format=str(found.document.format),
        notes=(*found.scan.notes, *label_notes, *split_notes),
    )


@contextmanager
def opened_as_is(
    path: str | Path, *, form: str | None = None, progress: Progress = silent
) -> Iterator[Dataset]:
    """As `open_as_is`, of an archive too, which is unpacked as long as the block lasts."""
    with unpacked(Path(path)) as folder:
        dataset = open_as_is(folder, form=form, progress=progress)
        yield dataset if folder == Path(path) else replace(dataset, root=Path(path))


def open_as_is(
    path: str | Path, *, form: str | None = None, progress: Progress = silent
) -> Dataset:
    """As `open_dataset`, but draws no splits and writes nothing beside the data.

    `form` is the format, None to find it by looking.
    """
    found = locate(Path(path), form=form)
    refuse_gaps(found)
    codec, notes = resolve_codec(found, progress, save=False)
    file = found.beside(splitfile.FILE_NAME)
    entries = found.scan.entries
    return Dataset(
        root=found.root,
        codec=codec,
        entries=SplitFile.read(file).apply(entries, where=file) if file.exists() else entries,
        format=str(found.document.format),
        notes=(*found.scan.notes, *notes),
    )
