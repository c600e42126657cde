"""KITTI's semantic segmentation: the label ids of Cityscapes, 19 classes of them.

    training/image_2/<name>.png    training/semantic/<name>.png    testing/image_2/<name>.png

`semantic_rgb` and `instance` are not read: the colours are not unique, and `instance` holds
256 * id + index of the instance. `training` and `testing` have images of the same names, so
keys begin with the split. A label_colors.txt beside the folders, as datumaro and CVAT write it,
replaces the table of Cityscapes: the raw value of a label is its line index, from 0.
Source: the KITTI devkit for semantics (data_semantics.zip), readme.txt; cityscapesScripts.
"""

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ...core.errors import DataError
from ..classes.dataset_yaml import ClassEntry, CodecEntry, DatasetFile
from ..entries.scan import Entry, Scan, make_keys_unique, normalise_split
from ..entries.walk import folders, image_files, images_by_name
from ..layouts.cityscapes import ID_CODEC, list_id_classes
from ..pixels.imageref import ImageRef
from ..reading.label_colors import FILE, read_label_colors

IMAGES, MASKS, INSTANCES = "image_2", "semantic", "instance"
_NAME = re.compile(r"\d{6}_\d{2}")


def recognises(root: Path) -> bool:
    """Whether a folder in `root` has KITTI's folders of images and masks.

    Own data in such folders would be read as ids of Cityscapes: names as KITTI's, its folder of
    instances or the table of another tool are needed too.
    """
    tops = [root / name for name in folders(root) if (root / name / IMAGES).is_dir()]
    return any((top / INSTANCES).is_dir() for top in tops) or any(
        (root / FILE).is_file() or _NAME.fullmatch(first.path.stem)
        for top in tops
        if (top / MASKS).is_dir()
        for first in islice(image_files(top / MASKS), 1)
    )


def scan(root: Path, document: DatasetFile) -> Scan:
    """Pair images and masks by name.

    Raises:
        DataError: There are no such folders, or only maps of instances.
        ConfigError: label_colors.txt has a line that cannot be read.
    """
    splits = [name for name in folders(root) if (root / name / IMAGES).is_dir()]
    masks = {
        name: images_by_name(root / name / MASKS)
        for name in splits
        if (root / name / MASKS).is_dir()
    }
    if not any(masks.values()):
        raise DataError(
            f"{root}: has no masks training/{MASKS}/*.png beside training/{IMAGES}; get "
            f"data_semantics.zip of KITTI (maps of instances alone are not read)"
        )
    entries, lone = list[Entry](), list[ImageRef]()
    for name in splits:
        images, by_name = images_by_name(root / name / IMAGES), masks.get(name, {})
        entries += _pair_masks(images, by_name, normalise_split(name))
        lone += [path for key, path in by_name.items() if key not in images]
    classes, codec = list_id_classes(), ID_CODEC
    if (root / FILE).is_file():
        classes, codec = _read_own_classes(root / FILE)
    return Scan(
        entries=make_keys_unique(entries), lone_masks=tuple(lone), classes=classes, codec=codec
    )


def _pair_masks(
    images: dict[str, ImageRef], masks: dict[str, ImageRef], split: str
) -> Iterator[Entry]:
    for name, image in images.items():
        key = name.replace("/", "__")
        yield Entry(key=key, split=split, image=image, labels=masks.get(name), group=key)


def _read_own_classes(path: Path) -> tuple[tuple[ClassEntry, ...], CodecEntry]:
    colors = read_label_colors(path)
    classes = tuple(
        ClassEntry(name=name, color=color, raw=(line,))
        for line, (name, color) in enumerate(colors.items())
    )
    return classes, CodecEntry(pixels="index", ignored=())
