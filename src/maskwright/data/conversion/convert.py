"""`convert`: write a dataset of one format in another, one image in memory at a time.

The target is a folder of results (`core.results`), so that an interrupted conversion can be
resumed: images whose files have changed since are converted again. Images are copied byte by
byte; a page of a file that holds several becomes a TIFF file of its own.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np

from ...core import parts
from ...core.atomic import write_json
from ...core.codec import LabelCodec
from ...core.errors import ConfigError, DataError
from ...core.journal import Journal, describe_content
from ...core.labels import IGNORE, LabelMap, LabelSpec
from ...core.progress import Progress, silent
from ...core.results import NEW, WriteMode, fill_folder
from ...pages.text import format_subject
from ..classes.codec import write_dataset_file
from ..classes.dataset_yaml import ASIDE, FILE_NAME, DatasetFile, GroupEntry
from ..classes.mapping import ClassMapping, read_mapping
from ..dataset import FolderDataset, open_as_is, open_unpacked
from ..entries.annotation import Annotation
from ..entries.format import FORMATS, Format, load_format
from ..entries.picture import Picture, find_background
from ..entries.scan import SPLITS, UNSPLIT, Entry, LeftOut, name_slice, normalise_split
from ..entries.sizes import list_misaligned
from ..opening import splitfile
from ..opening.splitfile import SplitFile, list_folds
from ..pixels.images import open_image
from ..shapes.raster import Raster
from .account import Account, Agreement
from .groups import find_group_rule
from .journal import JournalLine, add_line, list_files, read_lines
from .losses import count_lost
from .open_picture import open_picture

ACCOUNT = "conversion.json"
_GROUPS = "groups of images that are never split apart"


def list_writable() -> tuple[str, ...]:
    """Names of the formats that can be written."""
    return tuple(n for n in parts.names(FORMATS) if load_format(n).HOLDS is not None)


def convert(
    source: FolderDataset | Path | str,
    target: Path | str,
    *,
    to: str,
    classes: Path | None = None,
    polygons: bool = False,
    align: bool = False,
    verify: bool = False,
    mode: WriteMode = NEW,
    progress: Progress = silent,
) -> Account:
    """Write the dataset `source` (a folder, an archive of one, or opened) to `target` as `to`.

    Args:
        source: The dataset to read.
        target: A new or empty folder, see `core.results`.
        to: The format to write.
        classes: A mapping file.
        polygons: Write all regions as polygons of one ring, with holes filled, for tools that
            read nothing else.
        align: Resample masks that do not lie where their image lies to its grid.
        verify: Read the result back and count the pixels that differ.
        mode: Overwrite replaces a converted dataset, resume continues one.
        progress: Called for every image.

    Raises:
        DataError: The source is not a dataset, or an image of it is bad.
        ConfigError: There is no such format, it cannot be written, or the mapping is wrong.
        OutputError: `target` exists and `mode` does not replace it, or it cannot be written.
    """
    if not isinstance(source, FolderDataset):
        with open_unpacked(source, progress=progress) as dataset:
            return convert(
                dataset,
                target,
                to=to,
                classes=classes,
                polygons=polygons,
                align=align,
                verify=verify,
                mode=mode,
                progress=progress,
            )
    source = replace(source, align=align)
    mapping = None if classes is None else read_mapping(classes, source.spec)
    conversion = _Conversion.begin(source, to, mapping, polygons=polygons)
    target, head = Path(target), conversion.head
    with fill_folder(target, "convert", mode, marker=ACCOUNT, head=head) as partial:
        account = conversion.run(partial.journal, target, progress)
        if verify:
            account.agreement = conversion.compare(partial.folder, progress)
        write_json(partial.folder / ACCOUNT, account.to_json())
    return account


def convert_into(
    folder: Path, source: FolderDataset, target: Path, *, to: str, progress: Progress = silent
) -> Account:
    """Write `source` as `to` into `folder`, which a verb fills and which becomes `target`.

    Images that an interrupted call has written are not written again.

    Raises:
        DataError: An image or its labels are bad.
        ConfigError: There is no such format, or it cannot be written.
    """
    conversion = _Conversion.begin(source, to)
    folder.mkdir(exist_ok=True)
    journal = Journal(folder, conversion.head)
    account = conversion.run(journal, target, progress)
    write_json(folder / ACCOUNT, account.to_json())
    journal.end()
    return account


def _load_writable(to: str, *, polygons: bool) -> tuple[Format, frozenset[str]]:
    """The format `to`, which can be written, and what it holds."""
    part = load_format(to)
    if part.HOLDS is None:
        raise ConfigError(
            f"the format {to!r} can only be read; written can be {', '.join(list_writable())}"
        )
    if polygons and part.OUTLINE_FILL is None:
        able = (name for name in list_writable() if load_format(name).OUTLINE_FILL)
        raise ConfigError(
            f"polygons alone are written to {', '.join(able)}, not to {to!r}; leave out "
            f"`--polygons`"
        )
    return part, part.HOLDS


@dataclass(frozen=True)
class _Conversion:
    dataset: FolderDataset
    name: str
    part: Format
    holds: frozenset[str]
    mapping: ClassMapping | None
    outlined: Raster | None

    @classmethod
    def begin(
        cls,
        dataset: FolderDataset,
        to: str,
        mapping: ClassMapping | None = None,
        *,
        polygons: bool = False,
    ) -> Self:
        """Load the format `to`, and refuse one that cannot be written."""
        part, holds = _load_writable(to, polygons=polygons)
        outlined = part.OUTLINE_FILL if polygons else None
        return cls(dataset, to, part, holds, mapping, outlined)

    def run(self, journal: Journal, target: Path, progress: Progress) -> Account:
        """Write everything into the folder of the journal, which becomes `target`."""
        self.write(journal, progress)
        account = self.account(target, journal)
        self.finish(journal)
        return account

    @cached_property
    def codec(self) -> LabelCodec:
        """The codec of the source, for the classes that are written."""
        codec = self.dataset.codec
        return codec if self.mapping is None else self.mapping.codec(codec)

    @cached_property
    def labelled_indices(self) -> list[int]:
        """Indices of the images that are written."""
        entries = self.dataset.entries
        return [index for index, entry in enumerate(entries) if entry.labels is not None]

    @property
    def head(self) -> dict[str, object]:
        """What identifies this conversion; the journal knows the images."""
        raw = sorted([str(raw), index] for raw, index in self.codec.raw_to_index.items())
        return {
            "verb": "convert",
            "to": self.name,
            "classes": self.codec.spec.to_json(),
            "codec": [self.codec.pixels, raw, sorted(map(str, self.codec.ignored))],
            "polygons": self.outlined is not None,
            "align": self.dataset.align,
        }

    def write(self, journal: Journal, progress: Progress) -> None:
        """Write the files of every image that the journal does not list unchanged."""
        entries = {self.dataset.entries[i].key: i for i in self.labelled_indices}

        def files_of(key: str) -> list[Path] | None:
            return list_files(self.dataset.entries[entries[key]]) if key in entries else None

        done = journal.find_done(files_of)
        for index in progress(
            self.labelled_indices, total=len(self.labelled_indices), what="converting"
        ):
            key = self.dataset.entries[index].key
            if key in done:
                continue
            content = describe_content(list_files(self.dataset.entries[index]))
            picture = self.open(index)
            written = self.part.write(journal.folder, picture)
            lost = Counter({**count_lost(picture, self.holds), **written.lost})
            if self.outlined is not None:
                lost.update(picture.outlining[1])
            add_line(
                journal,
                JournalLine(
                    key=key,
                    read=content,
                    record=written.record,
                    lost=lost,
                    before=_count_pixels(picture.before_HW, self.dataset.spec),
                    after=_count_pixels(picture.labels_HW, picture.spec),
                ),
            )

    def open(self, index: int) -> Picture:
        """Open one image, in the folder of its split where the format reads its name."""
        picture = open_picture(self.dataset, index, self.mapping, outlined=self.outlined)
        if picture.entry.split in self.held_splits:
            return picture
        entry = replace(picture.entry, split=UNSPLIT, split_in_key=False)
        return replace(picture, entry=entry)

    @cached_property
    def held_splits(self) -> frozenset[str]:
        """The splits that the layout of the format holds."""
        there = frozenset(entry.split for entry in self.written)
        if "splits" in self.holds and all(normalise_split(name) == name for name in there):
            return there
        if "folds" in self.holds and self._has_whole_folds(there):
            return there
        usual = SPLITS if "usual splits" in self.holds else frozenset()
        if "usual splits alone" in self.holds and there <= SPLITS:
            usual = SPLITS
        return frozenset({UNSPLIT}) | usual

    def _has_whole_folds(self, splits: frozenset[str]) -> bool:
        """Whether the splits are train and val, or folds, beside test, of whole groups."""
        rest = splits - {"test"}
        named = rest <= {"train", "val"} or set(list_folds(rest)) == rest
        of_groups = {(entry.group, entry.split) for entry in self.written}
        return named and len(of_groups) == len({group for group, _ in of_groups})

    def account(self, target: Path, journal: Journal) -> Account:
        """Count what was written and what was lost, from the journal."""
        entries = self.dataset.entries
        shapes = (e.labels for e in entries if isinstance(e.labels, Annotation))
        account = Account(
            source=self.dataset.source,
            target=target,
            source_format=self.dataset.format,
            target_format=self.name,
            overlap=next((labels.overlap for labels in shapes), None),
            notes=tuple(self._list_notes()),
        )
        for why, names in self._list_left_out():
            account.left_out[why] = (*account.left_out.get(why, ()), *names)
        account.add_unread(self.dataset.unread)
        if "groups" not in self.holds and self.group_rule is None:
            account.add_unread({_GROUPS: self._list_shared_groups()})
        if self.dataset.align:
            keys = (e.key for e in self.written if any(list_misaligned(e)))
            account.resampled = tuple(keys)
        for line in read_lines(journal):
            account.add(line["key"], line["lost"])
            account.before += Counter(line["before"])
            account.after += Counter(line["after"])
        return account

    def _list_left_out(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Reason and names of the samples that are not written."""
        bare = tuple(entry.key for entry in self.dataset.entries if entry.labels is None)
        items = (LeftOut("images without labels", bare), *self.dataset.left_out)
        yield from ((item.reason, item.names) for item in items if item.names)

    def _list_notes(self) -> Iterator[str]:
        yield from self.dataset.notes
        entries = self.dataset.entries
        pages = sum(entries[index].image.page is not None for index in self.labelled_indices)
        if pages and "volumes" not in self.holds:
            yield (
                f"{pages} pages of volumes are written as TIFF files of their own, with the "
                f"values of the modality, as floats where they may be below 0"
            )
        num_turned = sum(open_image(entry.image).orientation > 1 for entry in self.written)
        if num_turned:
            yield (
                f"{format_subject(num_turned, 'image is', 'images are')} turned by the EXIF "
                f"tag: labels fit as viewers show the photograph, and not in a tool that "
                f"ignores the tag"
            )
        yield from self.part.list_notes(self.codec.spec, {e.split for e in self.written})

    @cached_property
    def group_rule(self) -> GroupEntry | None:
        """How groups are found in the keys that are written; None where no rule does it."""
        return find_group_rule(self.written)

    @cached_property
    def written(self) -> list[Entry]:
        """The entries that are written."""
        return [self.dataset.entries[index] for index in self.labelled_indices]

    def _list_shared_groups(self) -> tuple[str, ...]:
        counts = Counter(entry.group for entry in self.written)
        return tuple(group for group, count in counts.items() if count > 1)

    def finish(self, journal: Journal) -> None:
        """Write what is written once: lists, one file for all images, dataset.yaml."""
        spec = self.codec.spec
        self.part.finish(journal.folder, spec, (line["record"] for line in read_lines(journal)))
        codec = self.part.codec_for(spec, find_background(self.codec))
        document = DatasetFile(
            format=self.name,
            group=self.group_rule,
            overlap=self.part.WRITTEN_OVERLAP if codec.pixels == "name" else None,
            bands=self.dataset.bands or None,
            source=self.dataset.source,
        )
        folder = journal.folder / ASIDE if self.part.YAML_ASIDE else journal.folder
        write_dataset_file(folder / FILE_NAME, document, codec)
        done = self.written
        if not {entry.split for entry in done} <= self.held_splits:
            SplitFile.from_entries(done).write(folder / splitfile.FILE_NAME)

    def compare(self, folder: Path, progress: Progress) -> Agreement:
        """Read the result back and count the pixels whose class differs."""
        written = open_as_is(folder)
        by_key = {name_slice(e): index for index, e in enumerate(written.entries)}
        # Keys of a native dataset need no split before them where only one split was written.
        by_name = {(e.split, e.name_in_split): i for i, e in enumerate(written.entries)}
        agreement = Agreement()
        for index in progress(
            self.labelled_indices, total=len(self.labelled_indices), what="reading back"
        ):
            entry = self.dataset.entries[index]
            key = entry.key
            found = by_key.get(
                name_slice(entry), by_name.get((entry.split, entry.name_in_split))
            )
            if found is None:
                raise DataError(f"{folder}: {key!r} was written, but is not read back")
            before_HW = open_picture(self.dataset, index, self.mapping).labels_HW
            after_HW = written.labels(found)
            agreement.add(key, before_HW.size, int(np.count_nonzero(before_HW != after_HW)))
        return agreement


def _count_pixels(labels_HW: LabelMap, spec: LabelSpec) -> dict[str, int]:
    """Pixels of each class that occurs, and of IGNORE as "(ignored)"."""
    counts = np.bincount(labels_HW.ravel(), minlength=256).tolist()
    by_name = {name: counts[index] for index, name in enumerate(spec.names)}
    return {n: c for n, c in {**by_name, "(ignored)": counts[IGNORE]}.items() if c}
