"""Mapillary Vistas 1.2 and 2.0: street scenes of 66 or 124 labels.

    config_v1.2.json  config_v2.0.json
    <split>/images/<name>.jpg    <split>/v1.2/labels/<name>.png    <split>/v2.0/labels/...

Masks store the index of a label in the config file. Labels that the file does not evaluate (the
last, void--unlabeled, is one) are IGNORE. The indices of the two versions differ: if both are
there, `masks: v2.0` in dataset.yaml chooses one. Older downloads have `labels` beside `images`
and one config file. If an image has no `labels`, `instances` of 16 bits are read (label index *
256 + instance number), which all images must have. `panoptic` and `polygons` are not read.
Source: the README of the download; config_v1.2.json and config_v2.0.json.
"""

import re
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from ...core.codec import UNDRAWN
from ...core.errors import ConfigError, DataError
from ..classes.dataset_yaml import Channel, ClassEntry, CodecEntry, DatasetFile
from ..entries.annotation import Annotation
from ..entries.scan import Entry, Scan, normalise_split
from ..entries.walk import folders, images_by_name
from ..pixels.imageref import ImageRef
from ..pixels.rawmask import read_raw
from ..reading.alternatives import Forms, choose_form
from ..reading.documents import Document, peek, read_json
from ..shapes.drawing import Drawing, Overlap, Shape
from ..shapes.segments import crop_each_id

OVERLAP: Overlap = "file"
IMAGES, LABELS, INSTANCES = "images", "labels", "instances"
_FORMS = (LABELS, INSTANCES)
_CONFIG = re.compile(r"config(?:_(?P<version>v\d[\d.]*))?\.json")
_VERSION = re.compile(r"v\d[\d.]*")


class _Label(Document):
    name: Annotated[str, Field(min_length=1)]
    color: tuple[Channel, Channel, Channel] | None = None
    instances: bool = False
    evaluate: bool = True


class _Config(Document):
    labels: Annotated[tuple[_Label, ...], Field(min_length=1, max_length=256)]


def recognises(root: Path) -> bool:
    """Whether `root` has a config file, and a folder with images and labels.

    Many tools call a file config.json: only Mapillary's says which labels are evaluated.
    """
    return any('"evaluate"' in peek(path) for path in _find_configs(root).values()) and any(
        _find_versions(root / name) for name in folders(root)
    )


def scan(root: Path, document: DatasetFile) -> Scan:
    """List every image with its labels of one version, all in one form.

    Raises:
        DataError: There are no such folders, two versions of which none is chosen, or no form
            that every labelled image has.
    """
    splits = [name for name in folders(root) if (root / name / IMAGES).is_dir()]
    version = _choose_version(root, splits, document)
    config = _find_config(root, version)
    files_of = [(s, *item) for s in splits for item in _find_files(root / s, version).items()]
    lone = [f for _, _, files in files_of if IMAGES not in files for f in files.values()]
    pairs = [item for item in files_of if IMAGES in item[2]]
    labelled = [files for _, _, files in pairs if len(files) > 1]
    if not labelled:
        raise DataError(
            f"{root}: no image has a mask in {LABELS} or {INSTANCES}; add the masks"
        )
    form = choose_form(labelled, _choose_forms(document))
    overlap = document.overlap or OVERLAP
    entries = [_make_entry(*item, (form, config, overlap)) for item in pairs]
    classes, codec = _list_classes(config, form)
    return Scan(
        entries=tuple(entries),
        lone_masks=tuple(lone),
        classes=classes,
        codec=codec,
        overlap=overlap if form == INSTANCES else None,
    )


def _find_configs(root: Path) -> dict[str, Path]:
    """Find the config files by version, "" if their name has none."""
    matches = (
        (_CONFIG.fullmatch(path.name), path) for path in sorted(root.glob("config*.json"))
    )
    return {match["version"] or "": path for match, path in matches if match}


def _find_versions(folder: Path) -> set[str]:
    """Find the versions of the labels of a split, "" if they lie beside `images`."""
    if not (folder / IMAGES).is_dir():
        return set()
    names = folders(folder)
    versions = {name for name in names if _VERSION.fullmatch(name)}
    labelled = {name for name in versions if not set(folders(folder / name)).isdisjoint(_FORMS)}
    return labelled | ({""} if not set(names).isdisjoint(_FORMS) else set())


def _choose_version(root: Path, splits: list[str], document: DatasetFile) -> str:
    """Choose the version that dataset.yaml names, or the only one."""
    versions = sorted({version for name in splits for version in _find_versions(root / name)})
    if not versions:
        raise DataError(
            f"{root}: has no folder such as training with {IMAGES} beside v2.0/{LABELS}; "
            f"unpack Mapillary Vistas here"
        )
    version = document.masks or (versions[0] if len(versions) == 1 else None)
    if version is None or version not in versions:
        missing = "" if version is None else f", but not of {version!r}"
        raise DataError(
            f"{root}: has labels of {' and '.join(map(repr, versions))}{missing}; their label "
            f"indices differ: choose one, as 'masks: {versions[-1]}' in dataset.yaml"
        )
    return version


def _find_config(root: Path, version: str) -> Path:
    """Find the config file of a version.

    A file whose name has no version holds for any; so does the only file, for labels without
    version.
    """
    configs = _find_configs(root)
    only = next(iter(configs.values())) if len(configs) == 1 and not version else None
    path = configs.get(version, configs.get("", only))
    if path is None:
        listed = ", ".join(config.name for config in configs.values()) or "none"
        name = f"config_{version}.json" if version else "config.json"
        raise DataError(
            f"{root}: expected {name}, which lists the labels, found {listed}; add the file"
        )
    return path


def _find_files(folder: Path, version: str) -> dict[str, Forms]:
    """Find images and labels by name, which is the path below their folders."""
    files: dict[str, Forms] = defaultdict(dict)
    form_folders = {IMAGES: folder / IMAGES}
    form_folders |= {form: folder / version / form for form in _FORMS}
    for form, form_folder in form_folders.items():
        for name, path in images_by_name(form_folder).items() if form_folder.is_dir() else ():
            files[name][form] = path
    return files


def _choose_forms(document: DatasetFile) -> tuple[str, ...]:
    """Choose the forms that agree with the codec of dataset.yaml."""
    pixels = document.codec.pixels
    return _FORMS if pixels is None else (INSTANCES if pixels == "name" else LABELS,)


def _make_entry(
    split: str, name: str, files: Forms, choice: tuple[str, Path, Overlap]
) -> Entry:
    form, config, overlap = choice
    image, path = files[IMAGES], files.get(form)
    labels: ImageRef | Annotation | None = path
    if path is not None and form == INSTANCES:
        labels = Annotation(file=path.file, overlap=overlap, read=partial(_read, path, config))
    key = name.replace("/", "__")
    return Entry(key=key, split=normalise_split(split), image=image, labels=labels, group=key)


def _list_classes(config: Path, form: str) -> tuple[tuple[ClassEntry, ...], CodecEntry]:
    """List the labels that are evaluated: raw values are indices, or names for instances."""
    labels = read_json(config, _Config).labels
    raws: list[int | str] = list(range(len(labels)))
    if form == INSTANCES:
        raws = [label.name for label in labels]
    classes = tuple(
        ClassEntry(name=label.name, color=label.color, kind=_kind(label), raw=(raw,))
        for raw, label in zip(raws, labels, strict=True)
        if label.evaluate
    )
    if not classes:
        raise ConfigError(f'{config}: no label has "evaluate": true; download the file again')
    ignored = [raw for raw, label in zip(raws, labels, strict=True) if not label.evaluate]
    if form == LABELS:
        return classes, CodecEntry(pixels="index", ignored=tuple(ignored))
    return classes, CodecEntry(pixels="name", ignored=(UNDRAWN, *ignored))


def _kind(label: _Label) -> Literal["stuff", "thing"]:
    return "thing" if label.instances else "stuff"


def _read(png: ImageRef, config: Path) -> Drawing:
    """Read one shape per value of a mask of instances."""
    labels = read_json(config, _Config).labels
    values_HW = read_raw(png, "index")
    height, width = values_HW.shape
    shapes = []
    for value, crop in crop_each_id(values_HW).items():
        if not 0 <= value < 256 * len(labels):
            raise DataError(
                f"{png}: value {value} ({crop.area_px} px) is label {value // 256}, but "
                f"{config.name} lists {len(labels)} labels; use the file of the same version"
            )
        label = labels[value // 256]
        instance = str(value) if label.instances else None
        shapes.append(Shape(label=label.name, masks=(crop,), instance=instance))
    return Drawing(size_HW=(height, width), shapes=tuple(shapes))
