"""`convert`: a data set of one format written in another, one image in memory at a time.

It is written into a folder beside the target, with a journal: a line for each image that is
done. What was broken off goes on where it stopped; at the end one rename puts the folder in
its place. Images are copied byte by byte.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ..core import parts
from ..core.atomic import explained, write_json
from ..core.codec import LabelCodec
from ..core.errors import ConfigError, DataError, OutputError
from ..core.labels import IGNORE
from ..core.progress import Progress, silent
from . import splitfile
from .account import Account, Agreement
from .annotation import Annotation
from .dataset import Dataset, open_as_is
from .picture import Picture, background_of, open_picture
from .scan import UNSPLIT
from .schema import FILE_NAME, DatasetFile, write_dataset_file
from .shapes.drawing import num_hidden
from .splitfile import split_file_of

FORMATS = "maskwright.data.formats"
ACCOUNT = "conversion.json"
_JOURNAL = ".journal.jsonl"


def writers() -> tuple[str, ...]:
    """Names of the formats that can be written."""
    return tuple(n for n in parts.names(FORMATS) if hasattr(parts.load(FORMATS, n), "write"))


def convert(
    source: Path | str,
    target: Path | str,
    *,
    to: str,
    form: str | None = None,
    verify: bool = False,
    progress: Progress = silent,
) -> Account:
    """Write the data set at `source` (a folder or its dataset.yaml) to `target` as `to`.

    `form` is the format of the source, None to find it by looking.

    Raises:
        DataError: The source is not a data set, or an image of it is bad.
        ConfigError: There is no such format, or it cannot be written.
        OutputError: `target` exists, or cannot be written.
    """
    dataset, target = open_as_is(source, form=form, progress=progress), Path(target)
    part = _writer(to)
    if target.exists():
        raise OutputError(f"{target}: exists already; give a new folder or remove it")
    staging = target.with_name(f".{target.name}.partial")
    shapes = (e.labels for e in dataset.entries if isinstance(e.labels, Annotation))
    account = Account(
        source=dataset.root,
        target=target,
        source_format=dataset.format,
        target_format=to,
        overlap=next((labels.overlap for labels in shapes), None),
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    with explained(target):
        journal = _Journal(staging, head={"source": dataset.fingerprint, "to": to})
        _write_all(dataset, part, journal, account, progress)
        _finish(dataset, part, journal)
        if verify:
            account.agreement = _agreement(dataset, staging, progress)
        write_json(staging / ACCOUNT, account.to_json())
        journal.path.unlink()
        staging.rename(target)
    return account


def _writer(to: str) -> ModuleType:
    part = parts.load(FORMATS, to)
    if not hasattr(part, "write"):
        raise ConfigError(
            f"the format {to!r} can only be read; written can be {', '.join(writers())}"
        )
    return part


class _Journal:
    """The images that are done, a JSON object a line; a line broken off is forgotten."""

    def __init__(self, folder: Path, head: Mapping[str, Any]) -> None:
        self.folder, self.path = folder, folder / _JOURNAL
        self.done: set[str] = set()
        if self.path.exists() and next(self._lines(), None) == head:
            self._cut_broken_line()
            self.done = {line["key"] for line in self.lines()}
            return
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._append(head)

    def lines(self) -> Iterator[dict[str, Any]]:
        """What was recorded of each image, in the order of writing."""
        lines = self._lines()
        next(lines)
        yield from lines

    def add(self, key: str, record: Mapping[str, Any], lost: Mapping[str, int]) -> None:
        """Record one image as done."""
        self._append({"key": key, "record": record, "lost": lost})
        self.done.add(key)

    def _append(self, line: Mapping[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, allow_nan=False) + "\n")

    def _lines(self) -> Iterator[dict[str, Any]]:
        with self.path.open(encoding="utf-8") as file:
            for line in file:
                if line.endswith("\n"):
                    yield json.loads(line)

    def _cut_broken_line(self) -> None:
        with self.path.open("rb+") as file:
            content = file.read()
            file.truncate(content.rfind(b"\n") + 1)


def _write_all(
    dataset: Dataset, part: ModuleType, journal: _Journal, account: Account, progress: Progress
) -> None:
    places = [i for i, entry in enumerate(dataset.entries) if entry.labels is not None]
    left_out = len(dataset) - len(places)
    if left_out:
        account.notes = (f"{left_out} images without labels are left out",)
    for place in progress(places, total=len(places), what="converting"):
        entry = dataset.entries[place]
        if entry.key not in journal.done:
            picture = open_picture(dataset, place)
            written = part.write(journal.folder, picture)
            journal.add(entry.key, written.record, {**_not_held(picture, part), **written.lost})
    for line in journal.lines():
        account.add(line["key"], line["lost"])


def _not_held(picture: Picture, part: ModuleType) -> dict[str, int]:
    """What the source has and the format has no place for."""
    lost: dict[str, int] = {}
    holds: frozenset[str] = part.HOLDS
    if isinstance(picture.entry.labels, Annotation):
        drawing = picture.drawing
        if "overlaps" not in holds:
            lost["pixels of shapes below others"] = num_hidden(drawing, "file")
        if "attributes" not in holds:
            lost["attributes of shapes"] = sum(len(s.attributes) for s in drawing.shapes)
        if "instances" not in holds:
            lost["ids of instances"] = sum(s.instance is not None for s in drawing.shapes)
        lost |= {f"{what} (no regions)": count for what, count in drawing.skipped.items()}
    if "ignored" not in holds:
        lost["ignored pixels"] = int(np.count_nonzero(picture.labels_HW == IGNORE))
    return lost


def _finish(dataset: Dataset, part: ModuleType, journal: _Journal) -> None:
    """What is written once: lists, tables of classes, one file for all, dataset.yaml."""
    background = background_of(dataset.codec)
    part.finish(journal.folder, dataset.spec, (line["record"] for line in journal.lines()))
    codec: LabelCodec = part.codec_for(dataset.spec, background)
    document = DatasetFile(
        format=part.__name__.rpartition(".")[2],
        overlap="file" if codec.pixels == "name" else None,
        source=str(dataset.root),
    )
    write_dataset_file(journal.folder / FILE_NAME, document, codec)
    done = [entry for entry in dataset.entries if entry.key in journal.done]
    if "splits" not in part.HOLDS and {entry.split for entry in done} != {UNSPLIT}:
        split_file_of(done).write(journal.folder / splitfile.FILE_NAME)


def _agreement(dataset: Dataset, folder: Path, progress: Progress) -> Agreement:
    """Read all back and count the pixels whose class is another."""
    written = open_as_is(folder)
    place_of = {entry.key: place for place, entry in enumerate(written.entries)}
    agreement = Agreement()
    places = [i for i, entry in enumerate(dataset.entries) if entry.labels is not None]
    for place in progress(places, total=len(places), what="reading back"):
        key = dataset.entries[place].key
        if key not in place_of:
            raise DataError(f"{folder}: {key} was written and is not found again")
        before_HW, after_HW = dataset.labels(place), written.labels(place_of[key])
        differing = int(np.count_nonzero(before_HW != after_HW))
        agreement.add(key, before_HW.size, differing)
    return agreement
