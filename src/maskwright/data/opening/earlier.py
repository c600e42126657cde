"""Splits that a dataset has already: kept where asked, and never thrown away in silence."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from ...core.errors import ConfigError, DataError, suggest
from ...core.files import is_present
from ..entries.scan import SPLITS, Entry
from .locate import DataFolder
from .splitfile import FILE_NAME, SplitFile


def read_earlier_splits(data: DataFolder) -> dict[str, str]:
    """The split of each key that has one, by splits.json, else by the names of folders.

    Raises:
        DataError: splits.json is damaged or was edited.
    """
    path = data.beside(FILE_NAME)
    if is_present(path):
        splits = SplitFile.read(path).splits
        return {key: split for split, keys in splits.items() for key in keys}
    return {entry.key: entry.split for entry in data.scan.entries if entry.split in SPLITS}


def list_kept(
    entries: Sequence[Entry], earlier: Mapping[str, str], keep: Collection[str]
) -> dict[str, str]:
    """The split of each key that stays where it is.

    Raises:
        ConfigError: There is no such split.
        DataError: A group has images in a split that is kept, and others.
    """
    known = sorted(set(earlier.values()))
    for name in keep:
        if name not in known:
            raise ConfigError(f"--keep {name}: there is no such split{suggest(name, known)}")
    kept = {e.key: earlier[e.key] for e in entries if earlier.get(e.key) in keep}
    split_of_group = {e.group: kept[e.key] for e in entries if e.key in kept}
    for entry in entries:
        split = split_of_group.get(entry.group)
        if split is not None and kept.get(entry.key) != split:
            raise DataError(
                f"group {entry.group!r} has images in {split}, which is kept, and others "
                f"({entry.image}); draw all anew with --redraw, or correct the groups"
            )
    return kept


def require_nothing_lost(data: DataFolder, earlier: Mapping[str, str]) -> None:
    """Refuse to replace splits that a person may have chosen.

    Raises:
        DataError: There are two splits or more.
    """
    counts = Counter(earlier.values())
    if len(counts) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        where = FILE_NAME if is_present(data.beside(FILE_NAME)) else "the folders"
        raise DataError(
            f"{data.root}: there are splits already, by {where} ({listed}); draw all images "
            f"anew with --redraw, or keep some with for example --keep {max(counts)}"
        )
