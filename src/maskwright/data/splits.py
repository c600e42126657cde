"""Draw new splits by group, stratified by class, and save them beside dataset.yaml."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ConfigError, DataError, OutputError
from ..core.files import is_present, is_writable
from ..core.progress import Progress, silent
from ..pages.text import format_count, list_names
from .entries.scan import Entry, normalise_split
from .opening.earlier import list_kept, read_earlier_splits, require_nothing_lost
from .opening.groupby import find_groups
from .opening.keytable import read_key_table
from .opening.locate import DataFolder, locate, require_complete
from .opening.neighbours import find_neighbours
from .opening.resolve import EACH_IMAGE, choose_pattern, resolve_codec
from .opening.splitfile import FILE_NAME, SplitFile, assign_groups
from .opening.stratify import assign_splits, count_classes
from .reading.archive import is_packed

SHARE = 0.15
"""Share of the images for val and for test, unless given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnSplits:
    """Splits saved at `path`; `images_per_class` counts images by split and class name.

    `notes` warn of images that are alike though they are not in one group.
    """

    path: Path
    file: SplitFile
    num_groups: int
    images_per_class: dict[str, dict[str, int]]
    notes: tuple[str, ...] = ()

    @property
    def missing(self) -> dict[str, list[str]]:
        """Classes that occur in the dataset, but in no image of a split."""
        splits = self.images_per_class.values()
        known = {name for counts in splits for name, count in counts.items() if count}
        return {
            split: [name for name, count in counts.items() if not count and name in known]
            for split, counts in self.images_per_class.items()
        }

    def to_json(self) -> dict[str, object]:
        """The summary as one JSON object; the keys are in the file."""
        return {
            "path": str(self.path),
            "sha256": self.file.sha256,
            "seed": self.file.seed,
            "group": self.file.group,
            "groups": self.num_groups,
            "splits": {split: len(keys) for split, keys in self.file.splits.items()},
            "images_per_class": self.images_per_class,
            "missing": {split: names for split, names in self.missing.items() if names},
            "notes": list(self.notes),
        }


def make_split(
    path: str | Path,
    *,
    val: float | None = None,
    test: float | None = None,
    folds: int | None = None,
    split_file: Path | str | None = None,
    group: str | None = None,
    group_file: Path | str | None = None,
    group_by: str | None = None,
    keep: Collection[str] = (),
    redraw: bool = False,
    seed: int = 0,
    allow_outside: bool = False,
    progress: Progress = silent,
) -> DrawnSplits:
    """Draw train, val and test and save them as splits.json, which later steps use.

    Args:
        path: A folder or its dataset.yaml.
        val: Share of images for val, 0 for none; 0.15 unless given.
        test: As `val`; 0 unless given with `folds`.
        folds: Draw so many folds, `fold0` and so on, in place of train and val.
        split_file: CSV with the columns `key` and `split`: nothing is drawn.
        group: Regular expression cutting a key's group out of it (its first bracket, or the
            whole match); each image is one where all would be of one group.
        group_file: CSV with the columns `key` and `group`, in place of `group`.
        group_by: See `opening.groupby`; with `group_file`, the column of the groups.
        keep: Splits that there are and that stay as they are; the other images are drawn.
        redraw: Draw all images anew, though there are splits.
        seed: The same seed, keys and masks give the same splits everywhere.
        allow_outside: Paths in dataset.yaml may lead out of its folder.
        progress: Of reading masks.

    Raises:
        ConfigError: Nothing is left to train on, or an option is wrong or excludes another.
        DataError: There are splits, an image without mask, a bad file, or a poor split.
        OutputError: The folder is read-only.
    """
    request = _Request(
        shares=_choose_shares(val, test, folds),
        split_file=None if split_file is None else Path(split_file),
        group=group,
        group_file=None if group_file is None else Path(group_file),
        group_by=group_by,
        keep=keep,
        redraw=redraw,
        seed=seed,
    )
    data = _locate_writable(Path(path), allow_outside=allow_outside)
    grouped = _group_entries(data, request, progress)
    kept = _require_free(data, grouped, request)
    codec, _ = resolve_codec(data, progress)
    counts_NC = count_classes(grouped.entries, codec, progress)
    split_of = request.assign(data, grouped.entries, kept, counts_NC > 0)
    drawn = _collect(grouped, request, codec.spec.names, counts_NC, split_of)
    _require_useful(data, drawn)
    drawn = replace(drawn, path=data.beside(FILE_NAME))
    drawn.file.write(drawn.path)
    return drawn


def _locate_writable(path: Path, *, allow_outside: bool) -> DataFolder:
    """The complete dataset at `path`, beside which splits.json can be written."""
    if is_packed(path):
        raise DataError(
            f"{path}: splits are written beside the data; unpack the archive and split it then"
        )
    data = locate(path, allow_outside=allow_outside)
    target = data.beside(FILE_NAME)
    if not is_writable(target.parent):
        raise OutputError(f"{target}: the folder is read-only; split a copy of the data")
    require_complete(data)
    return data


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What a caller of `make_split` asks for; `shares` of images by split sum to 1."""

    shares: dict[str, float]
    split_file: Path | None
    group: str | None
    group_file: Path | None
    group_by: str | None
    keep: Collection[str]
    redraw: bool
    seed: int

    def __post_init__(self) -> None:
        if self.group is not None and (self.group_file or self.group_by):
            other = "--group-file" if self.group_file else "--group-by"
            raise ConfigError(f"--group and {other} both give the groups; use one of them")
        if self.keep and self.redraw:
            raise ConfigError("--redraw draws all images anew and --keep does not; use one")
        if self.split_file is not None and self.keep:
            raise ConfigError("--split-file gives the split of every image; leave out --keep")

    def assign(
        self,
        data: DataFolder,
        entries: Sequence[Entry],
        kept: dict[str, str],
        present_NC: NDArray[np.bool_],
    ) -> dict[str, str]:
        """The split of each key: of the table, kept, or drawn.

        Raises:
            DataError: Fewer groups than splits, or the table lacks an image.
        """
        if self.split_file is not None:
            table = read_key_table(self.split_file, "split", entries)
            return {key: normalise_split(split) for key, split in table.items()}
        rows = [row for row, entry in enumerate(entries) if entry.key not in kept]
        shares = {name: share for name, share in self.shares.items() if name not in self.keep}
        shares = {name: share / sum(shares.values()) for name, share in shares.items()}
        groups = [entries[row].group for row in rows]
        if kept and len(set(groups)) < len(shares):
            shares = {"train": 1.0}  # of a few new images
        _require_enough_groups(data, groups, shares)
        drawn = assign_splits(groups, present_NC[rows], shares, seed=self.seed)
        return {entries[row].key: split for row, split in zip(rows, drawn, strict=True)} | kept


@dataclass(frozen=True, slots=True)
class _Grouped:
    """Entries with their groups, and what gave them: an expression, or a table by key."""

    entries: tuple[Entry, ...]
    pattern: str | None
    table: Mapping[str, str] = field(default_factory=dict)


def _group_entries(data: DataFolder, request: _Request, progress: Progress) -> _Grouped:
    """The entries, grouped; all must be labelled, for they are stratified by class."""
    entries = data.scan.entries
    bare = [e for e in entries if e.labels is None]
    if bare:
        raise DataError(
            f"{bare[0].image} and {len(bare) - 1} other images have no mask; only labelled "
            f"images can be split: move the others out of {data.root}"
        )
    if request.group_file is not None or request.group_by is not None:
        if request.group_file is not None:
            table = read_key_table(request.group_file, request.group_by or "group", entries)
        else:
            by, folder = str(request.group_by), data.file.parent
            table = find_groups(entries, by, progress, folder=folder)
        return _Grouped(tuple(replace(e, group=table[e.key]) for e in entries), None, table)
    path = data.beside(FILE_NAME)
    if request.group is None and request.keep and is_present(path):
        file = SplitFile.read(path)
        return _Grouped(file.assign_groups(entries), file.group, file.groups)
    pattern = request.group or choose_pattern(entries)
    return _Grouped(tuple(assign_groups(entries, pattern)), pattern)


def _require_free(data: DataFolder, grouped: _Grouped, request: _Request) -> dict[str, str]:
    """The keys that are kept; refuses to throw splits away that nobody spoke of."""
    if request.redraw:
        return {}
    earlier = read_earlier_splits(data)
    kept = list_kept(grouped.entries, earlier, request.keep)
    if not kept and not _is_same_draw(data, grouped, request):
        require_nothing_lost(data, earlier)
    return kept


def _is_same_draw(data: DataFolder, grouped: _Grouped, request: _Request) -> bool:
    """Whether splits.json came from this draw of these images: drawing changes nothing."""
    path = data.beside(FILE_NAME)
    if request.split_file is not None or not is_present(path):
        return False
    file = SplitFile.read(path)
    keys = {key for keys in file.splits.values() for key in keys}
    same_groups = file.group == grouped.pattern and file.groups == grouped.table
    return (
        same_groups
        and keys == {entry.key for entry in grouped.entries}
        and set(file.splits) == set(request.shares)
        and (file.val, file.test, file.seed) == _options(request)
    )


def _options(request: _Request) -> tuple[float, float, int]:
    """The shares of val and test, and the seed, as splits.json holds them."""
    return request.shares.get("val", 0.0), request.shares.get("test", 0.0), request.seed


def _collect(
    grouped: _Grouped,
    request: _Request,
    names: tuple[str, ...],
    counts_NC: NDArray[np.int64],
    split_of: Mapping[str, str],
) -> DrawnSplits:
    split_N = np.array([split_of[entry.key] for entry in grouped.entries])
    keys_N = np.array([entry.key for entry in grouped.entries])
    wanted = () if request.split_file is not None else request.shares
    order = [*dict.fromkeys((*wanted, *sorted(set(split_of.values()))))]
    in_split = {split: split_N == split for split in order}
    val, test, seed = _options(request)
    file = SplitFile(
        splits={split: tuple(keys_N[rows_N].tolist()) for split, rows_N in in_split.items()},
        val=val,
        test=test,
        seed=seed,
        group=grouped.pattern,
        groups=grouped.table,
    )
    return DrawnSplits(
        path=Path(FILE_NAME),
        file=file,
        num_groups=len({entry.group for entry in grouped.entries}),
        images_per_class=_count_images(names, counts_NC > 0, in_split),
        notes=_note_neighbours(grouped.entries, counts_NC),
    )


def _require_useful(data: DataFolder, drawn: DrawnSplits) -> None:
    """Require that each split has images and something to tell apart, and train every class.

    Raises:
        DataError: Naming the split, and what to change.
    """
    fix = (
        "add images, name smaller groups with --group, give the split a larger share, or leave "
        "it out (--val 0, --test 0)"
    )
    for split, counts in drawn.images_per_class.items():
        held = [name for name, count in counts.items() if count]
        num_images = len(drawn.file.splits[split])
        known = len(held) + len(drawn.missing[split])
        if not num_images:
            raise DataError(f"{data.root}: {split} would be empty; {fix}")
        if len(held) < 2 <= known:
            only = f"no class but {held[0]}" if held else "no class"
            raise DataError(
                f"{data.root}: {split} ({format_count(num_images, 'image')}) would hold {only} "
                f"of {known}, so that nothing could be learned or scored; {fix}"
            )
    if lost := drawn.missing.get("train"):
        raise DataError(
            f"{data.root}: no image of train would hold {list_names(lost)}, which could not be "
            f"learned; {fix}"
        )


def _note_neighbours(entries: Sequence[Entry], counts_NC: NDArray[np.int64]) -> tuple[str, ...]:
    """A warning where every image is its own group but neighbours have like class shares."""
    if len({entry.group for entry in entries}) < len(entries):
        return ()
    shares_NC = counts_NC / np.maximum(1, counts_NC.sum(axis=1, keepdims=True))
    found = find_neighbours([entry.key for entry in entries], shares_NC)
    return () if found is None else (found.warn("The share of the classes of"),)


def _count_images(
    names: tuple[str, ...],
    present_NC: NDArray[np.bool_],
    in_split: dict[str, NDArray[np.bool_]],
) -> dict[str, dict[str, int]]:
    """Images of each class by split and name."""
    return {
        split: dict(zip(names, present_NC[rows_N].sum(axis=0).tolist(), strict=True))
        for split, rows_N in in_split.items()
    }


def _choose_shares(
    val: float | None, test: float | None, folds: int | None
) -> dict[str, float]:
    """The share of images by split; those of folds are equal."""
    if folds is not None:
        if val is not None or folds < 2:
            raise ConfigError(
                f"--folds {folds}: give two folds or more, and no --val: each fold is the "
                f"validation split of one run"
            )
        of_test = _require_shares(0.0, test or 0.0).get("test", 0.0)
        shares = {f"fold{fold}": (1 - of_test) / folds for fold in range(folds)}
        return shares | ({"test": of_test} if of_test else {})
    return _require_shares(SHARE if val is None else val, SHARE if test is None else test)


def _require_shares(val: float, test: float) -> dict[str, float]:
    if not (0 <= val < 1 and 0 <= test < 1 and val + test < 1):
        raise ConfigError(
            f"val {val} and test {test} must be at least 0 and leave some images to train on"
        )
    shares = {"train": 1 - val - test, "val": val, "test": test}
    return {split: share for split, share in shares.items() if share > 0}


def _require_enough_groups(
    data: DataFolder, groups: Sequence[str], shares: Mapping[str, float]
) -> None:
    num_groups = len(set(groups))
    if num_groups < len(shares):
        raise DataError(
            f"{data.root}: {format_count(len(groups), 'image')} in "
            f"{format_count(num_groups, 'group')} cannot fill "
            f"{len(shares)} splits ({', '.join(shares)}); add images, ask for fewer splits "
            f"with --val 0 or --test 0, or draw each image alone with --group '{EACH_IMAGE}'"
        )
