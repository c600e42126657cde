"""Mapillary Vistas 1.2 and 2.0: street scenes of 66 or 124 labels.

    config_v1.2.json  config_v2.0.json
    <split>/images/<name>.jpg    <split>/v1.2/labels/<name>.png    <split>/v2.0/labels/...

A label's number is its place in the config file; those that it does not evaluate (the last,
void--unlabeled, among them) are IGNORE. Where both versions are there, `masks: v2.0` in
dataset.yaml says which, as their numbers differ. Older downloads have `labels` beside `images`
and one config file. Where an image has no `labels`, `instances` of 16 bits are read, class *
256 + number, if all images have them. `panoptic` and `polygons` are not read.
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
from ..reading.documents import Document, read_json
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
    """Whether `root` has a config file, and a folder in it images and labels."""
    return bool(_configs(root)) and any(_versions(root / name) for name in folders(root))


def scan(root: Path, document: DatasetFile) -> Scan:
    """Every image with its labels of one version, all in one form.

    Raises:
        DataError: No such folders, two versions and none is chosen, or no form that every
            labelled image has.
    """
    splits = [name for name in folders(root) if (root / name / IMAGES).is_dir()]
    version = _chosen(root, splits, document)
    config = _config(root, version)
    found = [(s, *item) for s in splits for item in _files(root / s, version).items()]
    lone = [f for _, _, files in found if IMAGES not in files for f in files.values()]
    pairs = [item for item in found if IMAGES in item[2]]
    labelled = [files for _, _, files in pairs if len(files) > 1]
    if not labelled:
        raise DataError(f"{root}: no image has its {LABELS} or {INSTANCES}; add them")
    form = choose_form(labelled, _order(document))
    overlap = document.overlap or OVERLAP
    entries = [_entry(*item, (form, config, overlap)) for item in pairs]
    classes, codec = _classes(config, form)
    return Scan(
        entries=tuple(entries),
        lone_masks=tuple(lone),
        classes=classes,
        codec=codec,
        overlap=overlap if form == INSTANCES else None,
    )


def _configs(root: Path) -> dict[str, Path]:
    """Config files by version, "" where the name says none."""
    found = ((_CONFIG.fullmatch(path.name), path) for path in sorted(root.glob("config*.json")))
    return {match["version"] or "": path for match, path in found if match}


def _versions(folder: Path) -> set[str]:
    """Versions of the labels of a split, "" where they lie beside `images`."""
    if not (folder / IMAGES).is_dir():
        return set()
    names = folders(folder)
    versions = {name for name in names if _VERSION.fullmatch(name)}
    labelled = {name for name in versions if not set(folders(folder / name)).isdisjoint(_FORMS)}
    return labelled | ({""} if not set(names).isdisjoint(_FORMS) else set())


def _chosen(root: Path, splits: list[str], document: DatasetFile) -> str:
    versions = sorted({version for name in splits for version in _versions(root / name)})
    if not versions:
        raise DataError(
            f"{root}: has no folder like training with {IMAGES} beside v2.0/{LABELS}; unpack "
            f"Mapillary Vistas here"
        )
    wanted = document.masks or (versions[0] if len(versions) == 1 else None)
    if wanted is None or wanted not in versions:
        said = "" if wanted is None else f", and none {wanted!r}"
        raise DataError(
            f"{root}: has labels of {' and '.join(map(repr, versions))}{said}, whose numbers "
            f"differ; write 'masks: {versions[-1]}' in dataset.yaml, or another of them"
        )
    return wanted


def _config(root: Path, version: str) -> Path:
    """The config file of a version; one that names none, or is alone, is of any."""
    configs = _configs(root)
    alone = next(iter(configs.values())) if len(configs) == 1 and not version else None
    path = configs.get(version, configs.get("", alone))
    if path is None:
        listed = ", ".join(found.name for found in configs.values()) or "none"
        name = f"config_{version}.json" if version else "config.json"
        raise DataError(f"{root}: has no {name}, which lists the labels, but {listed}; add it")
    return path


def _files(folder: Path, version: str) -> dict[str, Forms]:
    """Image and labels by their name, which is the path below their folders."""
    found: dict[str, Forms] = defaultdict(dict)
    places = {IMAGES: folder / IMAGES} | {form: folder / version / form for form in _FORMS}
    for form, place in places.items():
        for name, path in images_by_name(place).items() if place.is_dir() else ():
            found[name][form] = path
    return found


def _order(document: DatasetFile) -> tuple[str, ...]:
    """The forms that dataset.yaml can be of."""
    pixels = document.codec.pixels
    return _FORMS if pixels is None else (INSTANCES if pixels == "name" else LABELS,)


def _entry(split: str, name: str, files: Forms, how: tuple[str, Path, Overlap]) -> Entry:
    form, config, overlap = how
    image, path = files[IMAGES], files.get(form)
    labels: ImageRef | Annotation | None = path
    if path is not None and form == INSTANCES:
        labels = Annotation(file=path.file, overlap=overlap, read=partial(_read, path, config))
    key = name.replace("/", "__")
    return Entry(key=key, split=normalise_split(split), image=image, labels=labels, group=key)


def _classes(config: Path, form: str) -> tuple[tuple[ClassEntry, ...], CodecEntry]:
    """The labels that are evaluated; by number, or by name where shapes are made of them."""
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
        raise ConfigError(f'{config}: no label says "evaluate": true; get the file again')
    ignored = [raw for raw, label in zip(raws, labels, strict=True) if not label.evaluate]
    if form == LABELS:
        return classes, CodecEntry(pixels="index", ignored=tuple(ignored))
    return classes, CodecEntry(pixels="name", ignored=(UNDRAWN, *ignored))


def _kind(label: _Label) -> Literal["stuff", "thing"]:
    return "thing" if label.instances else "stuff"


def _read(png: ImageRef, config: Path) -> Drawing:
    """One shape for each value of a picture of instances."""
    labels = read_json(config, _Config).labels
    values_HW = read_raw(png, "index")
    height, width = values_HW.shape
    shapes = []
    for value, crop in crop_each_id(values_HW).items():
        if not 0 <= value < 256 * len(labels):
            raise DataError(
                f"{png}: value {value} ({crop.area_px} px) is class {value // 256}, and "
                f"{config.name} lists {len(labels)} labels; it may be of another version"
            )
        label = labels[value // 256]
        instance = str(value) if label.instances else None
        shapes.append(Shape(label=label.name, masks=(crop,), instance=instance))
    return Drawing(size_HW=(height, width), shapes=tuple(shapes))
