"""Cityscapes: label ids, polygons or train ids; 19 classes, all other labels are IGNORE.

    leftImg8bit/<split>/<city>/<city>_<sequence>_<frame>_leftImg8bit.png
    gtFine/<split>/<city>/<city>_<sequence>_<frame>_gtFine_<form>     as the image, in gtFine

The forms are `labelIds.png`, `polygons.json` and `labelTrainIds.png`; the first form that every
labelled image has is read. instanceIds and colours are not read: colours are not unique.
Polygons are painted as json2labelImg does it: in the order of the file, by Pillow; `deleted`
ones and licence plates (id -1) are skipped, `cargroup` is a car. gtCoarse is read where gtFine
is missing, or with `masks: gtCoarse` in dataset.yaml. A city is a group: its images stay in one
split.

`convert` writes images and `labelIds.png`, with the ids of a submission, for classes that are
labels of Cityscapes; IGNORE becomes the lowest id that is not a class (unlabeled). Images with
keys of the pattern above go to the folder of their city, others to the folder of their group,
counted in the account.
Source: cityscapesScripts, README.md, helpers/labels.py, preparation/json2labelImg.py.
"""

import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path, PurePath

import numpy as np

from ...core.codec import UNDRAWN, LabelCodec
from ...core.errors import ConfigError, DataError, nearest
from ...core.labels import IGNORE, LabelSpec
from ..classes.dataset_yaml import ClassEntry, CodecEntry, DatasetFile
from ..entries.annotation import Annotation
from ..entries.picture import Picture, WriteResult, copy_image, write_mask
from ..entries.scan import SPLITS, UNSPLIT, Entry, Scan, normalise_split
from ..entries.walk import files_below, folders, image_files
from ..layouts.cityscapes import ID_CODEC, LABELS, TRAINED, list_id_classes
from ..pixels.imageref import ImageRef
from ..reading.alternatives import Forms, choose_form
from ..reading.documents import Document, Finite, Side, read_json
from ..shapes.drawing import Drawing, Overlap, Shape

HOLDS = frozenset({"groups", "ignored", "splits"})
OVERLAP: Overlap = "file"
IMAGES, FINE, COARSE = "leftImg8bit", "gtFine", "gtCoarse"
IDS, POLYGONS, TRAIN_IDS = "labelIds.png", "polygons.json", "labelTrainIds.png"
_KEY = re.compile(r"(?P<city>[^_]+)_\d{6}_\d{6}")
_FILE = re.compile(rf"(?P<key>.+)_(?:{FINE}|{COARSE})_(?P<form>{IDS}|{POLYGONS}|{TRAIN_IDS})")
_GROUP = "group"
_BY_NAME = {label.name: label for label in LABELS}


class _Object(Document):
    label: str
    polygon: tuple[tuple[Finite, Finite], ...]
    deleted: bool = False


class _File(Document):
    imgHeight: Side
    imgWidth: Side
    objects: tuple[_Object, ...]


def recognises(root: Path) -> bool:
    """Whether `root` has the folders of images and of labels."""
    names = folders(root)
    return IMAGES in names and (FINE in names or COARSE in names)


def scan(root: Path, document: DatasetFile) -> Scan:
    """Pair each image with its labels, all in one form.

    Raises:
        DataError: There are no such folders, or no form that every labelled image has.
    """
    kind = _choose_label_folder(root, document)
    images, labels = list(image_files(root / IMAGES)), _index_labels(root / kind)
    forms_of = {path: labels.pop(_locate(path, root / IMAGES), {}) for path in images}
    labelled = [forms for forms in forms_of.values() if forms]
    if not labelled:
        raise DataError(
            f"{root}: no image in {IMAGES} has its *_{kind}_{IDS}, {POLYGONS} or {TRAIN_IDS}; "
            f"get gtFine_trainvaltest.zip (instanceIds and colours are not read)"
        )
    form = choose_form(labelled, _order_forms(document))
    overlap = document.overlap or OVERLAP
    entries = [
        _make_entry(path, forms.get(form), root, overlap) for path, forms in forms_of.items()
    ]
    classes, codec = _list_classes(form)
    return Scan(
        entries=tuple(entries),
        lone_masks=tuple(path for forms in labels.values() for path in forms.values()),
        classes=classes,
        codec=codec,
        overlap=overlap if form == POLYGONS else None,
        notes=(f"labels are read from *_{kind}_{form}", *_list_notes(root, kind, entries)),
    )


def _choose_label_folder(root: Path, document: DatasetFile) -> str:
    """Choose the folder of labels: gtFine unless dataset.yaml names the other."""
    names = folders(root)
    present = [name for name in (FINE, COARSE) if name in names]
    if IMAGES not in names or not present:
        raise DataError(f"{root}: has no {IMAGES} beside {FINE} or {COARSE}; add them")
    if document.masks is not None and document.masks not in present:
        raise DataError(
            f"{root}: has no labels {document.masks!r}; write 'masks: {present[0]}' in "
            f"dataset.yaml"
        )
    return document.masks or present[0]


def _index_labels(folder: Path) -> dict[tuple[PurePath, str], Forms]:
    """Index the files of labels by folder and key."""
    labels: dict[tuple[PurePath, str], Forms] = {}
    for path in files_below(folder, {".png", ".json"}):
        if match := _FILE.fullmatch(path.name):
            location = path.parent.relative_to(folder), match["key"]
            labels.setdefault(location, {})[match["form"]] = ImageRef(path)
    return labels


def _locate(image: ImageRef, folder: Path) -> tuple[PurePath, str]:
    """Folder and key of an image, by which its labels are indexed."""
    return image.path.parent.relative_to(folder), image.path.stem.removesuffix(f"_{IMAGES}")


def _order_forms(document: DatasetFile) -> tuple[str, ...]:
    """List the forms to look for, in order.

    Classes in dataset.yaml that ignore 255 are those of train ids, else those of label ids.
    """
    pixels, ignored = document.codec.pixels, document.codec.ignored
    if pixels == "name":
        return (POLYGONS,)
    if document.classes is None:
        return (IDS, TRAIN_IDS) if pixels else (IDS, POLYGONS, TRAIN_IDS)
    return (TRAIN_IDS, IDS) if ignored is None or IGNORE in ignored else (IDS,)


def _make_entry(
    image: ImageRef, labels: ImageRef | Annotation | None, root: Path, overlap: Overlap
) -> Entry:
    folder, key = _locate(image, root / IMAGES)
    split, city = _parse_split_and_city(folder)
    if isinstance(labels, ImageRef) and labels.file.suffix == ".json":
        read = partial(_read, labels.file)
        labels = Annotation(file=labels.file, overlap=overlap, read=read)
    return Entry(key=key, split=split, image=image, labels=labels, group=city or key)


def _parse_split_and_city(folder: PurePath) -> tuple[str, str]:
    """`train/ulm` -> train, ulm; a folder alone is a city unless it is named like a split."""
    first, *rest = folder.parts or (UNSPLIT,)
    if not rest and normalise_split(first) not in SPLITS:
        return UNSPLIT, first
    return normalise_split(first), "__".join(rest)


def _list_classes(form: str) -> tuple[tuple[ClassEntry, ...], CodecEntry]:
    if form == IDS:
        return list_id_classes(), ID_CODEC
    if form == TRAIN_IDS:
        raws = [(label.train_id,) for label in TRAINED]
        codec = CodecEntry(pixels="index", ignored=(IGNORE,))
        return _set_raw_values(raws), codec
    rest = tuple(label.name for label in LABELS if label not in TRAINED)
    codec = CodecEntry(pixels="name", ignored=(UNDRAWN, *rest))
    return _set_raw_values([(label.name,) for label in TRAINED]), codec


def _set_raw_values(raws: Iterable[tuple[int | str]]) -> tuple[ClassEntry, ...]:
    return tuple(
        entry.model_copy(update={"raw": raw})
        for entry, raw in zip(list_id_classes(), raws, strict=True)
    )


def _list_notes(root: Path, kind: str, entries: list[Entry]) -> Iterator[str]:
    if kind == FINE and (root / COARSE).is_dir():
        yield f"{COARSE} is not read; 'masks: {COARSE}' in dataset.yaml reads it instead"
    if any(entry.split == "test" and entry.labels for entry in entries):
        yield "labels of test are placeholders in Cityscapes' download: evaluate on val"


def _read(path: Path) -> Drawing:
    content = read_json(path, _File)
    shapes, skipped = [], {"deleted objects": 0, "licence plates": 0}
    for index, entry in enumerate(content.objects):
        if entry.deleted:
            skipped["deleted objects"] += 1
        elif entry.label in _BY_NAME and _BY_NAME[entry.label].id < 0:
            skipped["licence plates"] += 1
        else:
            shapes.append(_make_shape(entry, index, f"{path}: objects.{index}"))
    size_HW = content.imgHeight, content.imgWidth
    return Drawing(size_HW=size_HW, shapes=tuple(shapes), raster="pillow", skipped=skipped)


def _make_shape(entry: _Object, index: int, where: str) -> Shape:
    if len(entry.polygon) < 2:
        raise DataError(
            f"{where}: a polygon of {len(entry.polygon)} points, expected two or more; draw it "
            f"again or remove it"
        )
    label, is_group = entry.label, False
    if label not in _BY_NAME and label.endswith(_GROUP):
        label, is_group = label.removesuffix(_GROUP), True
    is_thing = label in _BY_NAME and _BY_NAME[label].kind == "thing"
    return Shape(
        label=label,
        rings=(np.array(entry.polygon, np.float64),),
        instance=str(index) if is_thing else None,
        attributes={"iscrowd": "1"} if is_group else {},
    )


def write(folder: Path, picture: Picture) -> WriteResult:
    """Copy the image and write its mask of label ids."""
    key, codec = picture.entry.key, codec_for(picture.spec, picture.background)
    if not codec.ignored and (picture.labels_HW == IGNORE).any():
        raise DataError(
            f"{picture.entry.image}: has ignored pixels, and every id of Cityscapes is a "
            f"class; ignore one class, with a mapping of classes"
        )
    match = _KEY.fullmatch(key)
    city = match["city"] if match else picture.entry.group.replace("/", "__")
    relative = PurePath(picture.entry.split) / city
    copy_image(picture, folder / IMAGES / relative / f"{key}_{IMAGES}{picture.suffix}")
    mask = folder / FINE / relative / f"{key}_{FINE}_{IDS}"
    write_mask(mask, codec.encode(picture.labels_HW))
    return WriteResult(
        lost={
            "names that are not city_000000_000000, kept as they are": int(match is None),
            "images that are not PNG, kept as they are": int(picture.suffix.lower() != ".png"),
        }
    )


def codec_for(spec: LabelSpec, _background: int | None) -> LabelCodec:
    """Raw value = the id of the label.

    Raises:
        ConfigError: A class is not a label of Cityscapes.
    """
    ids = {label.name: label.id for label in LABELS if label.id >= 0}
    unknown = [name for name in spec.names if name not in ids]
    if unknown:
        hint = nearest(unknown[0], ids)
        raise ConfigError(
            f"class {unknown[0]!r} is not a label of Cityscapes{hint}; nor are "
            f"{len(unknown) - 1} others of {len(spec)}: rename or ignore them, with a mapping "
            f"of classes"
        )
    raw_to_index = {ids[name]: index for index, name in enumerate(spec.names)}
    return LabelCodec(
        spec=spec,
        raw_to_index=raw_to_index,
        ignored=frozenset(ids.values()) - raw_to_index.keys(),
    )
