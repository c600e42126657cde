"""Label Studio's export "Brush labels to PNG": one mask for each label of each annotation.

    images/<any>.jpg   masks/task-7-annotation-12-by-1-tag-crack-0.png

A mask is the region of one label, 255 where it is set. The names hold the numbers of tasks, not
the names of images: tasks are numbered in the order in which files are imported, which is that
of their names. So the n-th task belongs to the n-th image, and this is refused where there are
more or fewer images, where sizes differ, or where names with numbers have two orders. Of
several annotations of a task the last is read. The JSON export of Label Studio needs no order.
Source: label-studio-sdk, converter/brush.py (convert_task_dir).
"""

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ...core.errors import DataError
from ..classes.dataset_yaml import DatasetFile
from ..entries.annotation import SHAPE_CODEC, Annotation, list_shape_classes
from ..entries.scan import Entry, LeftOut, Scan, make_keys_unique, parse_place
from ..entries.walk import files_below, image_files
from ..pixels.imageref import ImageRef
from ..pixels.images import image_size
from ..pixels.rawmask import read_raw
from ..shapes.drawing import Drawing, Overlap, Shape
from ..shapes.raster import crop_mask

OVERLAP: Overlap = "file"
_NAME = re.compile(
    r"task-(?P<task>\d+)-annotation-(?P<annotation>\d+)-by-.*?-tag-(?P<label>.+)-\d+"
)
_JSON = "export the tasks as JSON with the images, which names them"


@dataclass(frozen=True, slots=True)
class _Mask:
    label: str
    image: ImageRef


def recognises(root: Path) -> bool:
    """Whether an image has a name as Label Studio gives to masks."""
    return root.is_dir() and any(_NAME.fullmatch(p.stem) for p in files_below(root, {".png"}))


def scan(root: Path, document: DatasetFile) -> Scan:
    """Pair the tasks with the images by their order.

    Raises:
        DataError: There are more or fewer images than tasks, an image and a mask of it differ
            in size, or the order of the images is unclear.
    """
    files = list(image_files(root))
    named = [(match, file) for file in files if (match := _NAME.fullmatch(file.path.stem))]
    masks = {file for _, file in named}
    images = [file for file in files if file not in masks]
    tasks: dict[int, dict[int, list[_Mask]]] = defaultdict(lambda: defaultdict(list))
    for match, file in named:
        mask = _Mask(match["label"], file)
        tasks[int(match["task"])][int(match["annotation"])].append(mask)
    _require_order(root, images, len(tasks))
    overlap, entries, older = document.overlap or OVERLAP, list[Entry](), list[str]()
    for image, (_, annotations) in zip(images, sorted(tasks.items()), strict=True):
        *others, last = [annotations[number] for number in sorted(annotations)]
        older += (mask.image.path.name for each in others for mask in each)
        read = partial(_read, image, tuple(last))
        shapes = Annotation(file=last[0].image.file, overlap=overlap, read=read)
        split, key, group = parse_place(image.path.relative_to(root))
        entries.append(Entry(key=key, split=split, image=image, labels=shapes, group=group))
    labels = (match["label"] for match, _ in named)
    return Scan(
        entries=make_keys_unique(entries),
        left_out=(LeftOut("masks of an earlier annotation of their task", tuple(older)),),
        classes=list_shape_classes(labels, document),
        codec=SHAPE_CODEC,
        overlap=overlap,
        notes=(_describe_order(min(tasks), images[0]),),
    )


def _describe_order(task: int, image: ImageRef) -> str:
    return (
        f"masks name tasks, not images: task {task} is taken for {image.path.name}, and so on "
        f"in the order of names; look at an overlay of some"
    )


def _require_order(root: Path, images: list[ImageRef], num_tasks: int) -> None:
    if not num_tasks:
        raise DataError(
            f"{root}: no mask has a name such as task-1-annotation-2-by-1-tag-car-0"
        )
    if len(images) != num_tasks:
        raise DataError(
            f"{root}: masks of {num_tasks} tasks and {len(images)} images; the names hold the "
            f"numbers of tasks, so the images cannot be told: {_JSON}"
        )
    by_number = sorted(images, key=lambda image: _split_numbers(str(image.path)))
    if by_number != sorted(images, key=lambda image: str(image.path)):
        raise DataError(
            f"{root}: the order of {by_number[0].path.name}, {by_number[1].path.name} ... by "
            f"letters is not that by numbers, so the images of the tasks are unclear: {_JSON}"
        )


def _split_numbers(name: str) -> list[tuple[int, str]]:
    """A key that sorts numbers in a name by their value."""
    parts = re.findall(r"\d+|\D+", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _read(image: ImageRef, masks: tuple[_Mask, ...]) -> Drawing:
    """Read one shape per mask."""
    size_HW, shapes = image_size(image), list[Shape]()
    for mask in masks:
        raw_HW = read_raw(mask.image, "index")
        if raw_HW.shape != size_HW:
            raise DataError(
                f"{mask.image}: is {raw_HW.shape} (H, W), and {image}, which has its place in "
                f"the order of names, is {size_HW}; {_JSON}"
            )
        if raw_HW.any():
            shapes.append(Shape(label=mask.label, masks=(crop_mask(np.asarray(raw_HW != 0)),)))
    return Drawing(size_HW=size_HW, shapes=tuple(shapes))
