"""Codec and splits of a located dataset: read where they are written, else inferred.

What is inferred is written to dataset.yaml and splits.json where the folder is writable, and
read from there later; in a read-only folder it is inferred each time, with the same result.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ...core.codec import LabelCodec
from ...core.errors import DataError
from ...core.files import is_present, is_writable
from ...core.progress import Progress
from ...pages.text import format_count, format_subject
from ..classes.codec import build_codec, write_dataset_file
from ..classes.dataset_yaml import FILE_NAME, ClassEntry, DatasetFile
from ..classes.hints import Hints
from ..classes.infer import CLASSES_FILE, infer_codec, read_classes_file
from ..classes.mapping import apply_mappings
from ..classes.palettes import read_by_color, require_one_palette
from ..classes.survey import Survey, survey_masks
from ..entries.annotation import Annotation
from ..entries.scan import SPLITS, Entry, sort_entries
from ..pixels.imageref import ImageRef
from ..pixels.rawmask import find_pixels
from . import splitfile
from .locate import DataFolder
from .renewal import record_inference
from .splitfile import SplitFile, assign_groups
from .stratify import assign_splits, count_classes

SEED = 0
EACH_IMAGE = ".+"
"""The group pattern by which each image is a group of its own."""

WRITTEN = "written to "
"""The beginning of a note that names a file that was written."""

_SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}
_VAL_OF_TRAIN = 0.15
_ENOUGH_MASKS = 256
"""So many masks decide how listed classes are stored; the others are checked when read."""


def resolve_codec(
    data: DataFolder, progress: Progress, *, save: bool = True
) -> tuple[LabelCodec, tuple[str, ...]]:
    """Return the codec and notes on what was inferred; `save` writes it to dataset.yaml.

    Raises:
        DataError: A mask is unreadable, or the values can be understood in two ways.
    """
    if data.document.classes:
        codec = build_codec(_with_pixels(data), where=data.file)
        if codec.pixels == "index" and (
            data.document.codec.pixels is None or data.document.inferred
        ):
            require_one_palette(_list_masks(data), where=str(data.file))
        return apply_mappings(codec, data.document, data.file.parent), data.document.inferred
    if data.scan.states_labels:
        codec, notes = _build_stated_codec(data)
    else:
        codec, notes = _infer_codec(data, progress)
    return apply_inference(data, codec, notes, save=save)


def apply_inference(
    data: DataFolder, codec: LabelCodec, notes: tuple[str, ...], *, save: bool
) -> tuple[LabelCodec, tuple[str, ...]]:
    """The inferred codec after the mapping of dataset.yaml, with notes; `save` writes it."""
    if data.document.mapping:
        codec = apply_mappings(codec, data.document, data.file.parent)
        shown = " and ".join(data.document.mappings)
        notes = (*notes, f"of these, {len(codec.spec)} by the mapping {shown}")
    return codec, (*notes, _save_inferred(data, codec, notes)) if save else notes


def _infer_codec(data: DataFolder, progress: Progress) -> tuple[LabelCodec, tuple[str, ...]]:
    """Infer the codec from the values of the masks."""
    hints = read_hints(data)
    survey = survey_labels(data, hints, progress)
    if survey.num_unreadable:
        counted = format_subject(survey.num_unreadable, "mask is", "masks are")
        more = f"\n({counted} unreadable)"
        raise DataError(survey.unreadable[0] + (more if survey.num_unreadable > 1 else ""))
    return infer_codec(survey, hints)


def _build_stated_codec(data: DataFolder) -> tuple[LabelCodec, tuple[str, ...]]:
    """Build the codec that the layout or the annotation files state."""
    stated = {"classes": data.scan.classes, "codec": data.scan.codec}
    codec = build_codec(data.document.model_copy(update=stated), where=data.file)
    codec = replace(codec, listing=data.scan.listing)
    names = data.scan.origin or f"the {data.document.format} files"
    verb = "names" if data.scan.origin else "name"
    counted = format_count(len(codec.spec), "class")
    return codec, (f"{counted} as {names} {verb} them",)


def _save_inferred(data: DataFolder, codec: LabelCodec, notes: tuple[str, ...]) -> str:
    """Write dataset.yaml where the folder is writable; returns a note on whether it was."""
    folder = data.file.parent
    if not is_writable(folder):
        return f"{folder} is read-only: {FILE_NAME} is not written, it is inferred each time"
    if data.is_foreign:
        return f"{data.file} is of another tool and stays as it is: all is inferred each time"
    overlap = data.document.overlap or data.scan.overlap
    document = data.document.model_copy(
        update={
            "inferred": notes,
            "inferred_from": record_inference(data.root, data.file, data.document),
            "overlap": overlap,
            "mapping": None,
        }
    )
    write_dataset_file(data.file, document, codec)
    return f"{WRITTEN}{data.file}"


def resolve_splits(
    data: DataFolder, codec: LabelCodec, progress: Progress, *, save: bool = True
) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """Return entries with a split each, and notes where splits were drawn.

    Raises:
        DataError: splits.json does not fit, or a mask that must be read is bad.
    """
    entries = data.scan.entries
    path = data.beside(splitfile.FILE_NAME)
    if is_present(path):
        return sort_entries(SplitFile.read(path).apply(entries, where=path)), ()
    splits = {e.split for e in entries}
    pattern = None
    if splitfile.list_folds(splits):
        return entries, ()
    if splits.isdisjoint(SPLITS):
        made, pattern = _draw_splits(entries, codec, _SHARES, progress)
        how = "no folder names a split: 70 % train, 15 % val, 15 % test were drawn"
    elif "train" in splits and "val" not in splits:
        part = [e for e in entries if e.split == "train"]
        shares = {"train": 1 - _VAL_OF_TRAIN, "val": _VAL_OF_TRAIN}
        rest = [e for e in entries if e.split != "train"]
        drawn, pattern = _draw_splits(part, codec, shares, progress)
        made = [*drawn, *rest]
        how = "there is no val: 15 % of train were drawn for it"
    else:
        return entries, ()
    made_entries = sort_entries(made)
    counts = ", ".join(
        f"{s} {sum(e.split == s for e in made)}" for s in ("train", "val", "test")
    )
    unit = "by group" if pattern is None else "by image, as all are in one group"
    note = f"{how} ({unit}, stratified by class, seed {SEED}): {counts}"
    if not save:
        return made_entries, (note,)
    return made_entries, (note, _save_splits(path, made_entries, pattern))


def read_hints(data: DataFolder) -> Hints:
    """Read what the folder states about its labels, and the palettes of its masks.

    Raises:
        DataError: The palettes of two masks disagree.
        ConfigError: classes.txt is wrong.
    """
    listed = data.scan.classes
    origin = data.scan.origin or f"the {data.document.format} layout"
    by_index = None if listed is None else dict(enumerate(listed))
    file = data.root / CLASSES_FILE
    if by_index is None and is_present(file):
        origin = CLASSES_FILE
        by_index = {raw: ClassEntry(name=name) for raw, name in read_classes_file(file).items()}
    codec = data.document.codec
    if codec.pixels is None and codec.ignored is None:
        codec = data.scan.codec
    hints = Hints(root=data.root, classes=by_index, origin=origin, codec=codec)
    return read_by_color(hints, _list_masks(data))


def survey_labels(data: DataFolder, hints: Hints, progress: Progress) -> Survey:
    """Count raw values: of all masks, or of some where the classes are listed."""
    files = _list_masks(data)
    if hints.classes is not None:
        files = files[:: max(1, len(files) // _ENOUGH_MASKS)]
    by_color = hints.codec.pixels == "rgb"
    return survey_masks(files, total=len(files), by_color=by_color, progress=progress)


def _list_masks(data: DataFolder) -> list[ImageRef]:
    masks = (mask for entry in data.scan.entries for mask in entry.masks)
    return [mask for mask in masks if isinstance(mask, ImageRef)]


def _with_pixels(data: DataFolder) -> DatasetFile:
    """The document, with the pixel kind of the first readable mask where it states none."""
    document = data.document
    if document.codec.pixels is not None:
        return document
    for entry in data.scan.entries:
        for path in entry.masks:
            with suppress(DataError):  # reported when the mask is read for its labels
                kind = "name" if isinstance(path, Annotation) else find_pixels(path)
                codec = document.codec.model_copy(update={"pixels": kind})
                return document.model_copy(update={"codec": codec})
    return document


def _draw_splits(
    entries: Iterable[Entry], codec: LabelCodec, shares: dict[str, float], progress: Progress
) -> tuple[list[Entry], str | None]:
    """Draw a split for each entry; returns the group pattern too, where one was needed.

    One group could not be split at all: then each image is drawn by itself.
    """
    entries = list(entries)
    pattern = choose_pattern(entries)
    entries = list(assign_groups(entries, pattern))
    present_NC = count_classes(entries, codec, progress) > 0
    groups = [e.group for e in entries]
    if len(set(groups)) < len(shares):
        shares = dict(list(shares.items())[: len(set(groups))])
    drawn = assign_splits(groups, present_NC, shares, seed=SEED)
    return [replace(e, split=s) for e, s in zip(entries, drawn, strict=True)], pattern


def choose_pattern(entries: Sequence[Entry]) -> str | None:
    """The group pattern for entries that are all of one group, else None: their own groups."""
    return EACH_IMAGE if len({entry.group for entry in entries}) == 1 else None


def _save_splits(path: Path, entries: tuple[Entry, ...], pattern: str | None) -> str:
    if not is_writable(path.parent):
        return (
            f"{path.parent} is read-only: the splits are drawn each time, with the same result"
        )
    splits = {s: tuple(e.key for e in entries if e.split == s) for s in _list_splits(entries)}
    file = SplitFile(
        splits=splits, val=_SHARES["val"], test=_SHARES["test"], seed=SEED, group=pattern
    )
    file.write(path)
    return f"written to {path}; `maskwright split --redraw` draws others"


def _list_splits(entries: Iterable[Entry]) -> list[str]:
    return sorted({e.split for e in entries})
