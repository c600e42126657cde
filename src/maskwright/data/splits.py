"""Draw new splits by group, stratified by class, and save them beside dataset.yaml."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ConfigError, DataError, OutputError
from ..core.progress import Progress, silent
from ..pages.text import format_count
from .entries.scan import Entry
from .opening.locate import DataFolder, locate, require_complete
from .opening.neighbours import find_neighbours
from .opening.resolve import EACH_IMAGE, choose_pattern, is_writable, resolve_codec
from .opening.splitfile import FILE_NAME, SplitFile, assign_groups
from .opening.stratify import assign_splits, count_classes
from .reading.archive import is_packed


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
    val: float = 0.15,
    test: float = 0.15,
    group: str | None = None,
    seed: int = 0,
    allow_outside: bool = False,
    progress: Progress = silent,
) -> DrawnSplits:
    """Draw train, val and test and save them as splits.json, which later steps use.

    Args:
        path: A folder or its dataset.yaml.
        val: Share of images for val, 0 for none.
        test: Share of images for test, 0 for none.
        group: Regular expression cutting a key's group out of it (its first bracket, or the
            whole match); a group is never split apart. Without one, and where all images are
            of one group, each image is drawn by itself.
        seed: The same seed, keys and masks give the same splits everywhere.
        allow_outside: Whether paths in dataset.yaml may lead out of its folder.
        progress: Shows the progress of reading masks.

    Raises:
        ConfigError: Shares that leave nothing to train on, or a wrong regular expression.
        DataError: Images without masks, fewer groups than splits, or a bad file.
        OutputError: The folder is read-only.
    """
    shares = _require_shares(val, test)
    if is_packed(Path(path)):
        raise DataError(
            f"{path}: splits are written beside the data; unpack the archive and split it then"
        )
    data = locate(Path(path), allow_outside=allow_outside)
    target = _require_writable(data.beside(FILE_NAME))
    require_complete(data)
    entries = _group_entries(data, group)
    if group is None and (group := choose_pattern(entries)):
        entries = _group_entries(data, group)
    _require_enough_groups(data, entries, shares)
    codec, _ = resolve_codec(data, progress)
    counts_NC = count_classes(entries, codec, progress)
    present_NC = counts_NC > 0
    split_N = assign_splits([e.group for e in entries], present_NC, shares, seed=seed)
    keys = np.array([entry.key for entry in entries])
    in_split = {split: np.array(split_N) == split for split in shares}
    splits = {split: tuple(keys[rows_N].tolist()) for split, rows_N in in_split.items()}
    file = SplitFile(splits=splits, val=val, test=test, seed=seed, group=group)
    file.write(target)
    return DrawnSplits(
        path=target,
        file=file,
        num_groups=len({entry.group for entry in entries}),
        images_per_class=_count_images(codec.spec.names, present_NC, in_split),
        notes=_note_neighbours(entries, counts_NC),
    )


def _require_writable(target: Path) -> Path:
    if not is_writable(target.parent):
        raise OutputError(f"{target}: the folder is read-only; split a copy of the data")
    return target


def _note_neighbours(entries: list[Entry], counts_NC: NDArray[np.int64]) -> tuple[str, ...]:
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


def _require_shares(val: float, test: float) -> dict[str, float]:
    if not (0 <= val < 1 and 0 <= test < 1 and val + test < 1):
        raise ConfigError(
            f"val {val} and test {test} must be at least 0 and leave some images to train on"
        )
    shares = {"train": 1 - val - test, "val": val, "test": test}
    return {split: share for split, share in shares.items() if share > 0}


def _group_entries(data: DataFolder, group: str | None) -> list[Entry]:
    """The entries, grouped; all must be labelled, for they are stratified by class."""
    bare = [e for e in data.scan.entries if e.labels is None]
    if bare:
        raise DataError(
            f"{bare[0].image} and {len(bare) - 1} other images have no mask; only labelled "
            f"images can be split: move the others out of {data.root}"
        )
    return list(assign_groups(data.scan.entries, group))


def _require_enough_groups(
    data: DataFolder, entries: list[Entry], shares: dict[str, float]
) -> None:
    num_groups = len({entry.group for entry in entries})
    if num_groups < len(shares):
        raise DataError(
            f"{data.root}: {format_count(len(entries), 'image')} in "
            f"{format_count(num_groups, 'group')} cannot fill "
            f"{len(shares)} splits ({', '.join(shares)}); add images, ask for fewer splits "
            f"with --val 0 or --test 0, or draw each image alone with --group '{EACH_IMAGE}'"
        )
