"""FolderDataset: a Dataset on disk.

`open_dataset` opens it and is strict: a folder with gaps is refused with the first file, the
count and the fix. What had to be inferred is in `notes` and is written to dataset.yaml where
the folder is writable.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Self

from ..core.codec import LabelCodec
from ..core.errors import DataError
from ..core.files import is_present, open_file
from ..core.image import Image, PixelData
from ..core.labels import LabelMap, LabelSpec
from ..core.progress import Progress, silent
from ..core.sample import Sample
from ..core.storage import find_scheme, to_path
from .entries.annotation import Labels
from .entries.content import describe_labels
from .entries.scan import Entry, LeftOut
from .entries.sizes import require_one_place, require_one_size
from .entries.votes import ignore_invalid, majority_vote, read_vote_strips, read_votes
from .entries.windows import cut_entry
from .opening import splitfile
from .opening.locate import locate, require_complete
from .opening.resolve import resolve_codec, resolve_splits
from .opening.splitfile import SplitFile
from .pixels.imagefile import ImageFile, ImageKind
from .pixels.imageref import ImageRef
from .pixels.images import MAX_FILE_BYTES, find_reader, image_size, open_image, read_image
from .pixels.strips import needs_strips, read_valid_strips
from .protocol import Dataset
from .reading.archive import name_archive, open_as_folder
from .reading.unpacked import keep_as_folder

__all__ = ["Dataset", "Entry", "FolderDataset", "open_dataset"]


@dataclass(frozen=True, kw_only=True)
class FolderDataset(Dataset):
    """Images and masks in a folder; `entries` say where the files of each image lie.

    `unread` lists what the files hold beside labels, by kind, as in `Scan`. With `align`, masks
    that do not lie where their image lies are resampled to its grid.
    """

    root: Path | str
    codec: LabelCodec
    entries: tuple[Entry, ...]
    format: str
    notes: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    state: str = ""
    unread: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    align: bool = False

    def __getitem__(self, index: int) -> Sample:
        """One Sample, with the votes of its annotators where there are two or more."""
        entry = self.entries[index]
        votes_AHW = None
        if entry.labels is not None:
            votes_AHW = read_votes(entry, self.codec, align=self.align)
        image_HWC, valid_HW = self.data(index)
        if votes_AHW is not None and entry.labels is not None:
            require_one_size(
                entry, entry.labels, mask_HW=votes_AHW.shape[1:], image_HW=image_HWC.shape[:2]
            )
            votes_AHW = ignore_invalid(votes_AHW, valid_HW)
        return Sample(
            key=entry.key,
            group=entry.group,
            image_HWC=image_HWC,
            labels_HW=None if votes_AHW is None else majority_vote(votes_AHW),
            votes_AHW=None if votes_AHW is None or len(votes_AHW) < 2 else votes_AHW,
            valid_HW=valid_HW,
        )

    @property
    def spec(self) -> LabelSpec:
        """The classes."""
        return self.codec.spec

    @property
    def source(self) -> str:
        """The folder, archive or address."""
        return str(self.root)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The unique name of each image."""
        return tuple(entry.key for entry in self.entries)

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """The group of each image."""
        return tuple(entry.group for entry in self.entries)

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits over classes, codec, keys, splits, sizes of images and labels.

        The labels count by the content of their files, so that a mask that was edited, or a
        value that became another class or ignored, gives another fingerprint.
        """
        codec = self.codec
        raws = (sorted(codec.raw_to_index.items()), sorted(codec.ignored), codec.names)
        digest = hashlib.sha256(repr((self.spec.fingerprint, codec.pixels, raws)).encode())
        for entry in self.entries:
            sizes = [file.stat().st_size for file in entry.image.files]
            size = sizes[0] if len(sizes) == 1 else sizes
            labels = [describe_labels(label) for label in entry.masks]
            digest.update(repr((entry.key, entry.split, size, labels)).encode())
        return digest.hexdigest()[:16]

    @property
    def old_fingerprints(self) -> frozenset[str]:
        """The fingerprints up to version 0.1: classes, keys, splits and sizes of files."""
        files = [
            repr((entry.key, entry.split, sizes)).encode()
            for entry in self.entries
            for sizes in [[f.file.stat().st_size for f in (entry.image, *entry.masks)]]
        ]
        heads = (self.spec.fingerprint, self.spec.fingerprint_with_kinds)
        return frozenset(
            hashlib.sha256(b"".join([head.encode(), *files])).hexdigest()[:16] for head in heads
        )

    def split_of(self, index: int) -> str:
        """The split of one image, "" where the folder has none."""
        return self.entries[index].split

    def describe(self, index: int) -> str:
        """The path of one image."""
        return str(self.entries[index].image)

    def has_labels(self, index: int) -> bool:
        """Whether one image has a mask or shapes."""
        return self.entries[index].labels is not None

    def image(self, index: int) -> Image:
        """One image, H x W x C, oriented by EXIF; its mask is not read."""
        return read_image(self.entries[index].image)

    def data(self, index: int) -> PixelData:
        """One image, with the map of the pixels that hold data."""
        return open_image(self.entries[index].image).read_data()

    def size_HW(self, index: int) -> tuple[int, int]:
        """Rows and columns of one image, from its header."""
        return image_size(self.entries[index].image)

    def image_kind(self, index: int) -> ImageKind:
        """Channels and type of the values of one image, from its header."""
        return open_image(self.entries[index].image).kind

    def image_file(self, index: int) -> ImageFile | None:
        """One image, opened for what its header states."""
        return open_image(self.entries[index].image)

    def unpacked_bytes(self, index: int) -> Mapping[Path, int]:
        """The gzipped volumes of one image and its masks, with their unpacked bytes."""
        entry = self.entries[index]
        refs = (entry.image, *(mask for mask in entry.masks if isinstance(mask, ImageRef)))
        return {f: n for ref in refs for f, n in open_image(ref).unpacked_bytes.items()}

    def image_digest(self, index: int) -> bytes:
        """A hash of the image file; of its pixels where the file holds several images."""
        image = self.entries[index].image
        if image.page is not None or image.bands or image.window:
            return super().image_digest(index)
        with open_file(image.file, most_bytes=MAX_FILE_BYTES) as file:
            return hashlib.file_digest(file, "blake2b").digest()

    @property
    def bands(self) -> tuple[str, ...]:
        """The names of the channels, where dataset.yaml or the model has named them."""
        return self.entries[0].image.bands if self.entries else ()

    def with_bands(self, bands: tuple[str, ...]) -> Self:
        """The dataset with these channels of its images; as it is where none are named."""
        if not bands or bands == self.bands:
            return self
        entries = (replace(e, image=e.image.with_bands(bands)) for e in self.entries)
        return replace(self, entries=tuple(entries))

    def cut_large_images(self) -> Self:
        """The dataset with windows in place of images that are too large to be read whole.

        Only images and masks are cut whose files can be read in windows.
        """
        entries = tuple(part for entry in self.entries for part in cut_entry(entry))
        return self if len(entries) == len(self.entries) else replace(self, entries=entries)

    def with_slices(self, number: int) -> Self:
        """The dataset whose images are `number` neighbouring slices of volumes, as channels.

        Raises:
            DataError: An image is not a slice of a volume.
        """
        if all(entry.image.num_slices == number for entry in self.entries):
            return self
        images = [replace(entry.image, num_slices=number) for entry in self.entries]
        for image in images if number > 1 else ():
            open_image(image)  # refuses what has no neighbours
        entries = (replace(e, image=i) for e, i in zip(self.entries, images, strict=True))
        return replace(self, entries=tuple(entries))

    @property
    def bands_by_order(self) -> tuple[str, ...]:
        """The names of the channels, where the files tell them by their order alone."""
        image = self.entries[0].image if self.entries else ImageRef(Path(self.root))
        if image.sources or not image.bands or image.scene is not None:
            return image.sources
        part = find_reader(image.file).open_file(image.parts[0])
        return () if part.bands else image.bands

    def labels(self, index: int) -> LabelMap:
        """The class map of one image: with several annotators, the majority.

        Raises:
            DataError: There is none, it is unreadable, a value is not in the codec, or the
                masks of two annotators differ in size.
        """
        entry = self.entries[index]
        labels_HW = majority_vote(read_votes(entry, self.codec, align=self.align))
        return ignore_invalid(labels_HW, open_image(entry.image).read_valid())

    def label_strips(self, index: int) -> Iterator[LabelMap]:
        """The rows of `labels`, in strips where image and mask are large."""
        entry = self.entries[index]
        image = open_image(entry.image)
        if self.align or entry.votes or not _are_large(image, entry.labels):
            yield self.labels(index)
        else:
            maps = map(majority_vote, read_vote_strips(entry, self.codec))
            yield from map(ignore_invalid, maps, read_valid_strips(image))

    def mask_file(self, index: int) -> ImageRef | None:
        """The mask of one image; the first where there are several annotators."""
        labels = self.entries[index].labels
        return labels if isinstance(labels, ImageRef) else None

    def require_one_place(self, progress: Progress = silent) -> None:
        """Require masks that lie where their images lie; reads headers alone."""
        total = len(self.entries)
        for entry in progress(self.entries, total=total, what="checking where masks lie"):
            require_one_place(entry)

    def subset(self, split: str) -> Self:
        """The images of one split, or of several, as `fold0+fold1`.

        Raises:
            DataError: There is no such split; the message lists those there are.
        """
        wanted = {split} if split in self.splits else set(split.split("+"))
        if not wanted <= self.splits.keys():
            listed = ", ".join(f"{name} ({count})" for name, count in self.splits.items())
            raise DataError(
                f"{self.root}: no split {split!r}; there are {listed}; "
                f"`maskwright split` makes train, val and test"
            )
        return replace(self, entries=tuple(e for e in self.entries if e.split in wanted))


def _are_large(image: ImageFile, labels: Labels | None) -> bool:
    """Whether labels are a mask file, which has the strips of a large image."""
    if not isinstance(labels, ImageRef) or not needs_strips(image):
        return False
    return open_image(labels).size_HW == image.size_HW


def open_dataset(
    path: str | Path, *, allow_outside: bool = False, progress: Progress = silent
) -> FolderDataset:
    """Open a folder, its dataset.yaml, an archive of a folder, or an address (s3, gs, http).

    An archive stays unpacked and an address copied until the process ends, and nothing is
    written to them. With `allow_outside`, paths in dataset.yaml may lead out of the folder.

    Raises:
        DataError: Files are missing, unreadable or ambiguous; the message names them.
        ConfigError: dataset.yaml or classes.txt is wrong.
    """
    archive = to_path(path) if find_scheme(path) is None else str(path)
    folder = keep_as_folder(archive, progress)
    save = folder == archive
    with name_archive(folder, archive):
        data = locate(folder, allow_outside=allow_outside, save=save)
        require_complete(data)
        codec, label_notes = resolve_codec(data, progress, save=save)
        if data.document.classes:
            label_notes = ()  # dataset.yaml has them, and `check` prints them
        entries, split_notes = resolve_splits(data, codec, progress, save=save)
    return FolderDataset(
        root=data.root if save else archive,
        codec=codec,
        entries=entries,
        format=str(data.document.format),
        notes=(*data.scan.notes, *label_notes, *split_notes),
        left_out=data.scan.list_left_out(data.root),
        state=data.document.state or "",
    )


@contextmanager
def open_unpacked(
    path: str | Path,
    *,
    form: str | None = None,
    allow_outside: bool = False,
    progress: Progress = silent,
) -> Iterator[FolderDataset]:
    """Open a folder or an archive as `open_as_is` does; an archive is unpacked in the block."""
    with open_as_folder(Path(path)) as folder:
        dataset = open_as_is(folder, form=form, allow_outside=allow_outside, progress=progress)
        if folder != Path(path):
            notes = tuple(note.replace(str(folder), str(path)) for note in dataset.notes)
            dataset = replace(dataset, root=Path(path), notes=notes)
        yield dataset


def open_as_is(
    path: str | Path,
    *,
    form: str | None = None,
    allow_outside: bool = False,
    progress: Progress = silent,
) -> FolderDataset:
    """Open a dataset as `open_dataset` does, but draw no splits and write no file.

    `form` is the name of the format, None to detect it.
    """
    data = locate(Path(path), form=form, allow_outside=allow_outside, save=False)
    require_complete(data)
    codec, notes = resolve_codec(data, progress, save=False)
    file = data.beside(splitfile.FILE_NAME)
    entries = data.scan.entries
    return FolderDataset(
        root=data.root,
        codec=codec,
        entries=SplitFile.read(file).apply(entries, where=file)
        if is_present(file)
        else entries,
        format=str(data.document.format),
        notes=(*data.scan.notes, *notes),
        left_out=data.scan.list_left_out(data.root),
        state=data.document.state or "",
        unread=data.scan.unread,
    )
