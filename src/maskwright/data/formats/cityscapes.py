"""Cityscapes: label ids, polygons or train ids; 19 classes, all other labels are IGNORE.

    leftImg8bit/<split>/<city>/<city>_<sequence>_<frame>_leftImg8bit.png
    gtFine/<split>/<city>/<city>_<sequence>_<frame>_gtFine_<form>     as the image, in gtFine

The forms are `labelIds.png`, `polygons.json` and `labelTrainIds.png`; the first that every
labelled image has is read. instanceIds and colours are not: colours are not unique. Polygons
are painted as by json2labelImg: in the order of the file, by Pillow; `deleted` ones and licence
plates (id -1) are passed over, `cargroup` is a car. gtCoarse is read where it lies alone, or
with `masks: gtCoarse` in dataset.yaml. A city is a group, never split apart.

Written are images and `labelIds.png`, ids as a submission needs them, for classes that are
labels of Cityscapes; IGNORE is the lowest id that is no class (unlabeled). Keys of the pattern
above lie in their city's folder, others in that of their group, counted in the account.
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
from ..layouts.cityscapes import ID_CODEC, LABELS, TRAINED, id_classes
from ..pixels.imageref import ImageRef
from ..reading.alternatives import Forms, choose_form
from ..reading.documents import Document, Finite, Side, read_json
from ..shapes.drawing import Drawing, Overlap, Shape

HOLDS = frozenset({"ignored", "splits"})
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
    """Every image with its labels, all in one form.

    Raises:
        DataError: No such folders, or no form that every labelled image has.
    """
    kind = _folder(root, document)
    images, labels = list(image_files(root / IMAGES)), _labels(root / kind)
    found = {path: labels.pop(_place(path, root / IMAGES), {}) for path in images}
    labelled = [forms for forms in found.values() if forms]
    if not labelled:
        raise DataError(
            f"{root}: no image in {IMAGES} has its *_{kind}_{IDS}, {POLYGONS} or {TRAIN_IDS}; "
            f"get gtFine_trainvaltest.zip (instanceIds and colours are not read)"
        )
    form = choose_form(labelled, _order(document))
    overlap = document.overlap or OVERLAP
    entries = [_entry(path, forms, (root, form, overlap)) for path, forms in found.items()]
    classes, codec = _classes(form)
    return Scan(
        entries=tuple(entries),
        lone_masks=tuple(path for forms in labels.values() for path in forms.values()),
        classes=classes,
        codec=codec,
        overlap=overlap if form == POLYGONS else None,
        notes=(f"labels are read from *_{kind}_{form}", *_notes(root, kind, entries)),
    )


def _folder(root: Path, document: DatasetFile) -> str:
    """The folder of labels: gtFine where nothing else is said."""
    names = folders(root)
    there = [name for name in (FINE, COARSE) if name in names]
    if IMAGES not in names or not there:
        raise DataError(f"{root}: has no {IMAGES} beside {FINE} or {COARSE}; add them")
    if document.masks is not None and document.masks not in there:
        raise DataError(
            f"{root}: has no labels {document.masks!r}; write 'masks: {there[0]}' in "
            f"dataset.yaml"
        )
    return document.masks or there[0]


def _labels(folder: Path) -> dict[tuple[PurePath, str], Forms]:
    """The files of labels by folder and key."""
    found: dict[tuple[PurePath, str], Forms] = {}
    for path in files_below(folder, {".png", ".json"}):
        if match := _FILE.fullmatch(path.name):
            place = path.parent.relative_to(folder), match["key"]
            found.setdefault(place, {})[match["form"]] = ImageRef(path)
    return found


def _place(image: ImageRef, folder: Path) -> tuple[PurePath, str]:
    return image.path.parent.relative_to(folder), image.path.stem.removesuffix(f"_{IMAGES}")


def _order(document: DatasetFile) -> tuple[str, ...]:
    """The forms that dataset.yaml can be of: where it ignores 255, not ids but train ids."""
    pixels, ignored = document.codec.pixels, document.codec.ignored
    if pixels == "name":
        return (POLYGONS,)
    if document.classes is None:
        return (IDS, TRAIN_IDS) if pixels else (IDS, POLYGONS, TRAIN_IDS)
    return (TRAIN_IDS, IDS) if ignored is None or IGNORE in ignored else (IDS,)


def _entry(image: ImageRef, forms: Forms, how: tuple[Path, str, Overlap]) -> Entry:
    root, form, overlap = how
    folder, key = _place(image, root / IMAGES)
    split, city = _split_and_city(folder)
    file = forms.get(form)
    labels: ImageRef | Annotation | None = file
    if file is not None and form == POLYGONS:
        labels = Annotation(file=file.file, overlap=overlap, read=partial(_read, file.file))
    return Entry(key=key, split=split, image=image, labels=labels, group=city or key)


def _split_and_city(folder: PurePath) -> tuple[str, str]:
    """`train/ulm` -> train, ulm; a folder alone is a split only where it is named like one."""
    first, *rest = folder.parts or (UNSPLIT,)
    if not rest and normalise_split(first) not in SPLITS:
        return UNSPLIT, first
    return normalise_split(first), "__".join(rest)


def _classes(form: str) -> tuple[tuple[ClassEntry, ...], CodecEntry]:
    if form == IDS:
        return id_classes(), ID_CODEC
    if form == TRAIN_IDS:
        raws = [(label.train_id,) for label in TRAINED]
        codec = CodecEntry(pixels="index", ignored=(IGNORE,))
        return _with_raw(raws), codec
    rest = tuple(label.name for label in LABELS if label not in TRAINED)
    codec = CodecEntry(pixels="name", ignored=(UNDRAWN, *rest))
    return _with_raw([(label.name,) for label in TRAINED]), codec


def _with_raw(raws: Iterable[tuple[int | str]]) -> tuple[ClassEntry, ...]:
    return tuple(
        entry.model_copy(update={"raw": raw})
        for entry, raw in zip(id_classes(), raws, strict=True)
    )


def _notes(root: Path, kind: str, entries: list[Entry]) -> Iterator[str]:
    if kind == FINE and (root / COARSE).is_dir():
        yield f"{COARSE} is passed over; 'masks: {COARSE}' in dataset.yaml reads it instead"
    if any(entry.split == "test" and entry.labels for entry in entries):
        yield "labels of test are placeholders in Cityscapes' download: evaluate on val there"


def _read(path: Path) -> Drawing:
    found = read_json(path, _File)
    shapes, skipped = [], {"deleted objects": 0, "licence plates": 0}
    for number, drawn in enumerate(found.objects):
        if drawn.deleted:
            skipped["deleted objects"] += 1
        elif drawn.label in _BY_NAME and _BY_NAME[drawn.label].id < 0:
            skipped["licence plates"] += 1
        else:
            shapes.append(_shape(drawn, number, f"{path}: objects.{number}"))
    size_HW = found.imgHeight, found.imgWidth
    return Drawing(size_HW=size_HW, shapes=tuple(shapes), raster="pillow", skipped=skipped)


def _shape(drawn: _Object, number: int, where: str) -> Shape:
    if len(drawn.polygon) < 2:
        raise DataError(
            f"{where}: a polygon of {len(drawn.polygon)} points; draw it again or remove it"
        )
    label, together = drawn.label, False
    if label not in _BY_NAME and label.endswith(_GROUP):
        label, together = label.removesuffix(_GROUP), True
    thing = label in _BY_NAME and _BY_NAME[label].kind == "thing"
    return Shape(
        label=label,
        rings=(np.array(drawn.polygon, np.float64),),
        instance=str(number) if thing else None,
        attributes={"iscrowd": "1"} if together else {},
    )


def write(folder: Path, picture: Picture) -> WriteResult:
    """Image and label ids."""
    key, codec = picture.entry.key, codec_for(picture.spec, picture.background)
    if not codec.ignored and (picture.labels_HW == IGNORE).any():
        raise DataError(
            f"{picture.entry.image}: has ignored pixels, and all ids of Cityscapes are "
            f"classes; ignore one, with a mapping of classes"
        )
    match = _KEY.fullmatch(key)
    city = match["city"] if match else picture.entry.group.replace("/", "__")
    place = PurePath(picture.entry.split) / city
    suffix = picture.entry.image.path.suffix.lower()
    copy_image(picture, folder / IMAGES / place / f"{key}_{IMAGES}{suffix}")
    write_mask(folder / FINE / place / f"{key}_{FINE}_{IDS}", codec.encode(picture.labels_HW))
    return WriteResult(
        lost={
            "names that are not city_000000_000000, kept as they are": int(match is None),
            "images that are no PNG, kept as they are": int(suffix != ".png"),
        }
    )


def codec_for(spec: LabelSpec, _background: int | None) -> LabelCodec:
    """Raw value = the id of the label.

    Raises:
        ConfigError: A class is none of Cityscapes' labels.
    """
    ids = {label.name: label.id for label in LABELS if label.id >= 0}
    strange = [name for name in spec.names if name not in ids]
    if strange:
        hint = nearest(strange[0], ids)
        raise ConfigError(
            f"class {strange[0]!r} is none of Cityscapes' labels{hint}; nor are "
            f"{len(strange) - 1} others of {len(spec)}: rename or ignore them, with a mapping "
            f"of classes"
        )
    raw_to_index = {ids[name]: index for index, name in enumerate(spec.names)}
    return LabelCodec(
        spec=spec,
        raw_to_index=raw_to_index,
        ignored=frozenset(ids.values()) - raw_to_index.keys(),
    )
