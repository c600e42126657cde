"""nnU-Net raw data: one file of labels per case, and the classes in dataset.json.

    imagesTr/<case>_0000.png   labelsTr/<case>.png   dataset.json
    imagesTs/<case>_0000.png   labelsTs/<case>.png, where test cases have labels

`Tr` is train, `Ts` is test. `_0000` is the channel; a colour image is one file of channel 0.
The Medical Segmentation Decathlon, from which the layout comes, has files without a channel and
lists labels as {"0": "background"}. The label `ignore` is IGNORE. Where labels are regions
(lists of values), a value belongs to the smallest region that has it. The slices of a volume
are one group.
Source: github.com/MIC-DKFZ/nnUNet, documentation/dataset_format.md, region_based_training.md.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ...core.errors import DataError
from ..classes.dataset_yaml import ClassEntry, CodecEntry, DatasetFile
from ..entries.scan import Entry, LeftOut, Scan, make_keys_unique
from ..entries.walk import images_by_name
from ..pixels.imageref import ImageRef
from ..reading.documents import Document, peek, read_json

TABLE = "dataset.json"
_SPLITS = {"Tr": "train", "Ts": "test"}
_CHANNEL = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})")
_IGNORE = "ignore"


class _Pair(Document):
    image: str


_Value = Annotated[int, Field(ge=0, lt=1 << 16)]


class _Table(Document):
    labels: dict[str, _Value | str | tuple[_Value, ...]] = Field(min_length=1)
    training: tuple[_Pair | str, ...] = ()


def recognises(root: Path) -> bool:
    """Whether `root` has imagesTr, labelsTr and a dataset.json with labels."""
    return (
        (root / "imagesTr").is_dir()
        and (root / "labelsTr").is_dir()
        and '"labels"' in peek(root / TABLE)
    )


def scan(root: Path, document: DatasetFile) -> Scan:
    """Pair the files of channel 0 with labels by the name of the case.

    Raises:
        DataError: There are no such folders, or a case has several channels.
    """
    entries, lone = list[Entry](), list[ImageRef]()
    for ending, split in _SPLITS.items():
        if not (root / f"images{ending}").is_dir():
            continue
        images = _name_cases(root / f"images{ending}")
        folder = root / f"labels{ending}"
        labels = _name_files(folder) if folder.is_dir() else {}
        for case, image in images.items():
            entries.append(_make_entry(case, image, split, labels.pop(case, None)))
        lone += labels.values()
    if not any(entry.labels for entry in entries):
        raise DataError(
            f"{root}: no case in imagesTr has labels of its name in labelsTr; expected "
            f"imagesTr/a_0000.png and labelsTr/a.png; add the labels"
        )
    classes, codec = _list_classes(root / TABLE)
    return Scan(
        entries=make_keys_unique(entries),
        lone_masks=tuple(lone),
        left_out=_list_missing(root, entries),
        classes=classes if document.classes is None else document.classes,
        codec=codec,
        origin=TABLE,
    )


def _list_missing(root: Path, entries: list[Entry]) -> tuple[LeftOut, ...]:
    """Cases that dataset.json lists under `training` and that are not there."""
    cases = {entry.key for entry in entries} | {entry.group for entry in entries}
    missing = tuple(
        item.image
        for item in read_json(root / TABLE, _Table).training
        if isinstance(item, _Pair)
        and _case_of(Path(item.image).name.partition(".")[0])[0] not in cases
    )
    return (LeftOut(f"images that {TABLE} lists and that are not there", missing),)


def _name_files(folder: Path) -> dict[str, ImageRef]:
    """Files by case; the slices of a volume by case and slice, `case/0012`."""
    return {
        re.sub(r"\.nii(\.gz)?/", "/", f"{name}/").rstrip("/"): image
        for name, image in images_by_name(folder).items()
    }


def _name_cases(folder: Path) -> dict[str, ImageRef]:
    """Images of channel 0 by case.

    Raises:
        DataError: A case has several channels.
    """
    cases: dict[str, ImageRef] = {}
    for name, image in _name_files(folder).items():
        stem, slash, page = name.partition("/")
        case, channel = _case_of(stem)
        if channel:
            raise DataError(
                f"{image}: channel {channel} of {case!r}; a network here takes one file per "
                f"image: save the channels of each case as one image"
            )
        cases[f"{case}{slash}{page}"] = image
    return cases


def _case_of(stem: str) -> tuple[str, int]:
    """Case and channel of a name."""
    match = _CHANNEL.fullmatch(stem)
    return (match["case"], int(match["channel"])) if match else (stem, 0)


def _make_entry(case: str, image: ImageRef, split: str, labels: ImageRef | None) -> Entry:
    return Entry(
        key=case.replace("/", "__"),
        split=split,
        image=image,
        labels=labels,
        group=case.partition("/")[0],
    )


def _list_classes(path: Path) -> tuple[tuple[ClassEntry, ...], CodecEntry]:
    """The classes in the order of their values, and the value that is ignored."""
    regions = dict(_read_regions(path))
    ignored = tuple(regions.pop(_IGNORE, ()))
    smallest: dict[int, str] = {}
    for name, values in sorted(regions.items(), key=lambda item: len(item[1])):
        for value in values:
            smallest.setdefault(value, name)
    raws: dict[str, list[int]] = {}
    for value, name in sorted(smallest.items()):
        raws.setdefault(name, []).append(value)
    classes = tuple(ClassEntry(name=name, raw=tuple(raw)) for name, raw in raws.items())
    return classes, CodecEntry(pixels="index", ignored=ignored)


def _read_regions(path: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and values of each label."""
    for key, value in read_json(path, _Table).labels.items():
        if isinstance(value, str):
            if not key.isdecimal():
                raise DataError(
                    f"{path}: labels has {key!r}: {value!r}, expected a name and its value, as "
                    f'"road": 1; correct it'
                )
            yield value, (int(key),)
        else:
            yield key, value if isinstance(value, tuple) else (value,)
