"""Folders that `labelme_json_to_dataset` makes, where the JSON files are gone.

    <folders>/<name>_json/img.png    label.png    label_names.txt

Line n of `label_names.txt` is the name of value n - 1 in `label.png`; the numbers differ
between the folders. Value 255 stands for `__ignore__` where the list is shorter. Folders above
may be splits or groups. Where JSON files of Labelme are there, those are read (`labelme`).
Source: labelme 3 to 5, cli/json_to_dataset.py and utils/_io.py (lblsave).
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ...core.errors import DataError
from ...core.labels import IGNORE
from ..classes.dataset_yaml import DatasetFile
from ..entries.annotation import IGNORED, SHAPE_CODEC, Annotation, list_shape_classes
from ..entries.scan import Entry, LeftOut, Scan, parse_place
from ..entries.walk import files_below
from ..pixels.imageref import ImageRef
from ..pixels.rawmask import read_raw
from ..reading.documents import peek_first
from ..reading.text import read_lines
from ..shapes.drawing import Drawing, Shape
from ..shapes.segments import crop_each_id

_ENDING, _NAMES, _IMAGE, _MASK = "_json", "label_names.txt", "img.png", "label.png"


def recognises(root: Path) -> bool:
    """Whether there is such a folder, and no JSON file of Labelme."""
    if not root.is_dir() or '"imagePath"' in peek_first(root, ".json"):
        return False
    return any((folder / _MASK).is_file() for folder in _list_folders(root))


def scan(root: Path, document: DatasetFile) -> Scan:
    """List every folder with its image and its mask.

    Raises:
        DataError: There is no such folder, or a list of names cannot be read.
    """
    entries, labels, bare = list[Entry](), dict[str, None](), list[str]()
    for folder in _list_folders(root):
        image, mask = folder / _IMAGE, folder / _MASK
        relative = folder.relative_to(root)
        if not (image.is_file() and mask.is_file()):
            bare.append(relative.as_posix())
            continue
        names = read_lines(folder / _NAMES, error=DataError)
        labels.update(dict.fromkeys(name for name in names if name))
        split, key, group = parse_place(
            relative.with_name(f"{folder.name.removesuffix(_ENDING)}.png")
        )
        read = partial(_read, ImageRef(mask), tuple(names))
        shapes = Annotation(file=mask, overlap="file", read=read)
        entries.append(
            Entry(key=key, split=split, image=ImageRef(image), labels=shapes, group=group)
        )
    if not entries:
        raise DataError(
            f"{root}: no folder <name>{_ENDING} here has {_IMAGE}, {_MASK} and {_NAMES}, as "
            f"labelme_json_to_dataset makes them"
        )
    reason = f"folders without {_IMAGE} or {_MASK}"
    return Scan(
        entries=tuple(entries),
        left_out=(LeftOut(reason, tuple(bare)),) if bare else (),
        classes=list_shape_classes(labels, document),
        codec=SHAPE_CODEC,
        overlap="file",
    )


def _list_folders(root: Path) -> Iterator[Path]:
    """List the folders with a list of names."""
    for path in files_below(root, {".txt"}):
        if path.name == _NAMES and path.parent.name.endswith(_ENDING):
            yield path.parent


def _read(mask: ImageRef, names: tuple[str, ...]) -> Drawing:
    values_HW = read_raw(mask, "index")
    crops = crop_each_id(values_HW)
    label_of = {IGNORE: IGNORED} | {n: name for n, name in enumerate(names) if name}
    unknown = [value for value in crops if value not in label_of]
    if unknown:
        raise DataError(
            f"{mask}: has the value {unknown[0]} ({crops[unknown[0]].area_px} px), and "
            f"{_NAMES} beside it names {len(names)} values; add its name"
        )
    height, width = values_HW.shape
    shapes = (Shape(label=label_of[value], masks=(crop,)) for value, crop in crops.items())
    return Drawing(size_HW=(height, width), shapes=tuple(shapes))
