"""Codec and splits of a located folder: as written where they are written, else inferred.

What is inferred is written down (dataset.yaml, splits.json) where the folder is writable, so
that later steps read it; a read-only folder is inferred anew each time, with the same result.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ...core.codec import LabelCodec
from ...core.errors import DataError
from ...core.progress import Progress
from ..classes.dataset_yaml import (
    FILE_NAME,
    ClassEntry,
    DatasetFile,
    codec_of,
    write_dataset_file,
)
from ..classes.infer import CLASSES_FILE, Hints, infer_codec, read_classes_file
from ..classes.mapping import read_mapping
from ..classes.survey import Survey, survey_masks
from ..entries.annotation import Annotation
from ..entries.scan import UNSPLIT, Entry, sort_entries
from ..pixels.imageref import ImageRef
from ..pixels.rawmask import read_raw_as_stored
from . import splitfile
from .locate import Found
from .splitfile import SplitFile
from .stratify import assign_splits, count_classes

SEED = 0
_SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}
_VAL_OF_TRAIN = 0.15
_ENOUGH_MASKS = 256
"""So many masks tell how listed classes are stored; the others are checked when read."""


def resolve_codec(
    found: Found, progress: Progress, *, save: bool = True
) -> tuple[LabelCodec, tuple[str, ...]]:
    """The codec, and notes on what was inferred; `save` writes it to dataset.yaml.

    Raises:
        DataError: A mask is unreadable, or the values can be understood in two ways.
    """
    if found.document.classes:
        codec = codec_of(_with_pixels(found), where=found.file)
        return _mapped(found, codec), found.document.inferred
    if found.scan.states_labels:
        codec, notes = _stated_codec(found)
    else:
        codec, notes = _inferred_codec(found, progress)
    if found.document.mapping:
        codec = _mapped(found, codec)
        notes = (*notes, f"of these, {len(codec.spec)} by the mapping {found.document.mapping}")
    return codec, (*notes, write_inferred(found, codec, notes)) if save else notes


def _mapped(found: Found, codec: LabelCodec) -> LabelCodec:
    """The codec of the classes that the mapping of dataset.yaml makes of these."""
    name = found.document.mapping
    if name is None:
        return codec
    path = found.beside(name) if Path(name).suffix else Path(name)
    return read_mapping(path, codec.spec).codec(codec)


def _inferred_codec(found: Found, progress: Progress) -> tuple[LabelCodec, tuple[str, ...]]:
    """The codec that the values of the masks themselves suggest."""
    hints = hints_of(found)
    survey = survey_labels(found, hints, progress)
    if survey.num_unreadable:
        more = f"\n({survey.num_unreadable} masks are unreadable)"
        raise DataError(survey.unreadable[0] + (more if survey.num_unreadable > 1 else ""))
    return infer_codec(survey, hints)


def _stated_codec(found: Found) -> tuple[LabelCodec, tuple[str, ...]]:
    """The codec that the layout or the annotation files themselves spell out."""
    stated = {"classes": found.scan.classes, "codec": found.scan.codec}
    codec = codec_of(found.document.model_copy(update=stated), where=found.file)
    codec = replace(codec, listing=found.scan.listing)
    return codec, (f"{len(codec.spec)} classes as the {found.document.format} files name them",)


def write_inferred(found: Found, codec: LabelCodec, notes: tuple[str, ...]) -> str:
    """Write dataset.yaml where the folder is writable; says in words whether it was."""
    folder = found.file.parent
    if not writable(folder):
        return f"{folder} is read-only: {FILE_NAME} is not written, all is inferred anew"
    overlap = found.document.overlap or found.scan.overlap
    document = found.document.model_copy(
        update={"inferred": notes, "overlap": overlap, "mapping": None}
    )
    write_dataset_file(found.file, document, codec)
    return f"written to {found.file}"


def resolve_splits(
    found: Found, codec: LabelCodec, progress: Progress, *, save: bool = True
) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """Entries with a split each, and a note where splits were made.

    Raises:
        DataError: splits.json does not fit, or a mask that must be read is bad.
    """
    entries = found.scan.entries
    path = found.beside(splitfile.FILE_NAME)
    if path.exists():
        return sort_entries(SplitFile.read(path).apply(entries, where=path)), ()
    splits = {e.split for e in entries}
    if splits == {UNSPLIT}:
        made = _drawn(entries, codec, _SHARES, progress)
        how = "no folder names a split: 70 % train, 15 % val, 15 % test were drawn"
    elif "train" in splits and "val" not in splits:
        part = [e for e in entries if e.split == "train"]
        shares = {"train": 1 - _VAL_OF_TRAIN, "val": _VAL_OF_TRAIN}
        rest = [e for e in entries if e.split != "train"]
        made = [*_drawn(part, codec, shares, progress), *rest]
        how = "there is no val: 15 % of train were drawn for it"
    else:
        return entries, ()
    made_entries = sort_entries(made)
    counts = ", ".join(
        f"{s} {sum(e.split == s for e in made)}" for s in ("train", "val", "test")
    )
    note = f"{how} (by group, stratified by class, seed {SEED}): {counts}"
    return made_entries, (note, _saved(path, made_entries)) if save else (note,)


def hints_of(found: Found) -> Hints:
    """What the folder says of its labels before a mask is read."""
    listed, origin = found.scan.classes, f"the {found.document.format} layout"
    by_index = None if listed is None else dict(enumerate(listed))
    file = found.root / CLASSES_FILE
    if by_index is None and file.exists():
        origin = CLASSES_FILE
        by_index = {raw: ClassEntry(name=name) for raw, name in read_classes_file(file).items()}
    codec = found.document.codec
    if codec.pixels is None and codec.ignored is None:
        codec = found.scan.codec
    return Hints(root=found.root, classes=by_index, origin=origin, codec=codec)


def survey_labels(found: Found, hints: Hints, progress: Progress) -> Survey:
    """Count the raw values: of all masks, or of enough where the classes are listed."""
    masks = (mask for entry in found.scan.entries for mask in entry.masks)
    files = [mask for mask in masks if isinstance(mask, ImageRef)]
    if hints.classes is not None:
        files = files[:: max(1, len(files) // _ENOUGH_MASKS)]
    return survey_masks(files, total=len(files), progress=progress)


def _with_pixels(found: Found) -> DatasetFile:
    """The document, with the kind of the first readable mask where it does not say one."""
    document = found.document
    if document.codec.pixels is not None:
        return document
    for entry in found.scan.entries:
        for path in entry.masks:
            with suppress(DataError):  # told when the mask is read for its labels
                kind = "name" if isinstance(path, Annotation) else read_raw_as_stored(path)[0]
                codec = document.codec.model_copy(update={"pixels": kind})
                return document.model_copy(update={"codec": codec})
    return document


def _drawn(
    entries: Iterable[Entry], codec: LabelCodec, shares: dict[str, float], progress: Progress
) -> list[Entry]:
    entries = list(entries)
    present_NC = count_classes(entries, codec, progress) > 0
    groups = [e.group for e in entries]
    if len(set(groups)) < len(shares):
        shares = dict(list(shares.items())[: len(set(groups))])
    drawn = assign_splits(groups, present_NC, shares, seed=SEED)
    return [replace(e, split=s) for e, s in zip(entries, drawn, strict=True)]


def _saved(path: Path, entries: tuple[Entry, ...]) -> str:
    if not writable(path.parent):
        return f"{path.parent} is read-only: the splits are drawn anew each time, all the same"
    splits = {s: tuple(e.key for e in entries if e.split == s) for s in _splits(entries)}
    file = SplitFile(splits=splits, val=_SHARES["val"], test=_SHARES["test"], seed=SEED)
    file.write(path)
    return f"written to {path}; `maskwright split` draws others"


def _splits(entries: Iterable[Entry]) -> list[str]:
    return sorted({e.split for e in entries})


def writable(folder: Path) -> bool:
    """Whether files may be added; a folder without write bits is left alone even by root."""
    return os.access(folder, os.W_OK) and bool(folder.stat().st_mode & 0o222)
