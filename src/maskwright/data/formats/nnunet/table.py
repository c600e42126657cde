"""dataset.json and splits_final.json of nnU-Net."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field, RootModel

from ....core.errors import DataError
from ...classes.dataset_yaml import ClassEntry, CodecEntry
from ...pixels.bands import split_name, split_number
from ...reading.documents import Document

TABLE = "dataset.json"
SPLITS_TABLE = "splits_final.json"
IGNORE_NAME = "ignore"


class Pair(Document):
    """Image and labels of one case, as version 1 lists them, by paths from the folder."""

    image: str
    label: str = ""


class Fold(Document):
    """Cases that train a network, and those that validate it."""

    train: tuple[str, ...]
    val: tuple[str, ...]


_Value = Annotated[int, Field(ge=0, lt=1 << 16)]


class Table(Document):
    """dataset.json, of version 1 or 2."""

    labels: dict[str, _Value | str | tuple[_Value, ...]] = Field(min_length=1)
    channel_names: dict[str, str] = Field(default_factory=dict)
    modality: dict[str, str] = Field(default_factory=dict)
    training: tuple[Pair | str, ...] = ()
    test: tuple[Pair | str, ...] = ()
    file_ending: str = ""
    numTraining: int | None = None

    def list_images(self) -> Iterator[str]:
        """The images that version 1 lists, without the number of a channel."""
        for item in (*self.training, *self.test):
            yield item.image if isinstance(item, Pair) else item

    def list_labels(self) -> dict[str, str]:
        """The case of each file of labels that version 1 lists, both without suffixes."""
        pairs = [item for item in self.training if isinstance(item, Pair) and item.label]
        return {
            split_name(Path(pair.label))[0]: split_number(Path(pair.image))[0] for pair in pairs
        }

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels in order, unique."""
        table = self.channel_names or self.modality
        ordered = sorted(table.items(), key=lambda item: (len(item[0]), item[0]))
        counts = Counter(name.lower() for _, name in ordered)
        return tuple(
            f"{name}_{number}" if counts[name.lower()] > 1 else name for number, name in ordered
        )


class Folds(RootModel[tuple[Fold, ...]]):
    """splits_final.json: one pair of cases for each fold."""

    def find_problem(self, cases: set[str]) -> str:
        """Why the folds are not splits of these cases, "" where they are."""
        folds = self.root
        listed = {case for fold in folds for case in (*fold.train, *fold.val)}
        if listed != cases:
            lone = sorted(listed ^ cases)
            return f"it does not list the cases of imagesTr alone, such as {lone[0]!r}"
        whole = len(folds) == 1 or sum(len(fold.val) for fold in folds) == len(cases)
        if not whole or any({*fold.train} != cases - {*fold.val} for fold in folds):
            return "its folds do not divide the cases: one is in no val, or in several"
        return ""

    def name_splits(self) -> dict[str, str]:
        """The split of each case that validates; one fold alone is val."""
        return {
            case: f"fold{number}" if len(self.root) > 1 else "val"
            for number, fold in enumerate(self.root)
            for case in fold.val
        }


def list_classes(path: Path, table: Table) -> tuple[tuple[ClassEntry, ...], CodecEntry]:
    """The classes in the order of their values, and the value that is ignored."""
    regions = dict(_read_regions(path, table))
    ignored = tuple(regions.pop(IGNORE_NAME, ()))
    smallest: dict[int, str] = {}
    for name, values in sorted(regions.items(), key=lambda item: len(item[1])):
        for value in values:
            smallest.setdefault(value, name)
    raws: dict[str, list[int]] = {}
    for value, name in sorted(smallest.items()):
        raws.setdefault(name, []).append(value)
    classes = tuple(ClassEntry(name=name, raw=tuple(raw)) for name, raw in raws.items())
    return classes, CodecEntry(pixels="index", ignored=ignored)


def _read_regions(path: Path, table: Table) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and values of each label."""
    for key, value in table.labels.items():
        if isinstance(value, str):
            if not key.isdecimal():
                raise DataError(
                    f"{path}: labels has {key!r}: {value!r}, expected a name and its value, as "
                    f'"road": 1; correct it'
                )
            yield value, (int(key),)
        else:
            yield key, value if isinstance(value, tuple) else (value,)
