"""Write COCO's JSON files image by image: one file per split, ids counted from 1."""

import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, NotRequired, TypedDict

from ...core.labels import LabelSpec
from ..entries.annotation import IGNORED
from ..entries.picture import Picture, Record

ANNOTATIONS = "annotations"


class CocoImage(TypedDict):
    """One image as it is recorded; its `id` is added when the file is written."""

    file_name: str
    height: int
    width: int


class CocoRecord(TypedDict):
    """What `write_coco_files` needs of one image; `drawn` are the class indices in it."""

    split: str
    image: CocoImage
    annotations: list[Mapping[str, object]]
    drawn: list[int]
    background: int | None


class _Category(TypedDict):
    id: int
    name: str
    supercategory: str
    isthing: NotRequired[int]
    color: NotRequired[list[int]]


def to_category_id(index: int) -> int:
    """The category id of a class: its index plus 1, since some tools take 0 as background."""
    return index + 1


def make_record(
    picture: Picture, drawn: Iterable[int], annotations: Iterable[Mapping[str, object]]
) -> CocoRecord:
    """Record an image for `write_coco_files`; `drawn` are the class indices in it."""
    height, width = picture.size_HW
    return {
        "split": picture.entry.split,
        "image": {"file_name": picture.name, "height": height, "width": width},
        "annotations": list(annotations),
        "drawn": sorted(set(drawn)),
        "background": picture.background,
    }


def locate_image(folder: Path, picture: Picture) -> Path:
    """The path that the image is copied to."""
    return folder / "images" / picture.entry.split / picture.name


def write_coco_files(
    folder: Path, kind: str, spec: LabelSpec, records: Iterable[Record], *, panoptic: bool
) -> None:
    """Write `annotations/<kind>_<split>.json` from the CocoRecord of each image.

    Ids of images and of annotations are unique over all splits. A background that is not drawn
    in any image is not listed as a category.
    """
    drawn: set[int] = set()
    num_annotations = 0
    background = None
    with ExitStack() as stack:
        files: dict[str, _SplitFile] = {}
        for image_id, record in enumerate(records, start=1):
            split = record["split"]
            if split not in files:
                name = f"{kind}_{split}.json" if split else f"{kind}.json"
                files[split] = stack.enter_context(_SplitFile(folder / ANNOTATIONS / name))
            annotations = []
            for annotation in record["annotations"]:
                num_annotations += 1
                annotation_id = {} if panoptic else {"id": num_annotations}
                annotations.append({**annotation_id, "image_id": image_id, **annotation})
            files[split].add({"id": image_id, **record["image"]}, annotations)
            drawn.update(record["drawn"])
            background = record["background"]
        categories = [
            _make_category(spec, index, panoptic=panoptic)
            for index in range(len(spec) + (len(spec) in drawn))
            if index in drawn or index != background
        ]
        for file in files.values():
            file.end(categories)


def _make_category(spec: LabelSpec, index: int, *, panoptic: bool) -> _Category:
    """The category of a class; the index behind the last class is that of IGNORE."""
    if index == len(spec):
        return {"id": to_category_id(index), "name": IGNORED, "supercategory": "ignored"}
    entry = spec.classes[index]
    category: _Category = {
        "id": to_category_id(index),
        "name": entry.name,
        "supercategory": entry.kind,
    }
    if panoptic:
        category["isthing"] = int(entry.kind == "thing")
    category["color"] = list(entry.color)
    return category


class _SplitFile:
    """One JSON file; annotations are kept in a temporary file until all images are written."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="utf-8")
        self._waiting: IO[str] = tempfile.TemporaryFile(  # noqa: SIM115 - __exit__
            "w+", encoding="utf-8"
        )
        self._file.write('{"info": {"description": "written by maskwright"},\n"images": [')
        self._commas = {"images": "\n", "annotations": "\n"}

    def __enter__(self) -> "_SplitFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._waiting.close()
        self._file.close()

    def add(
        self, image: Mapping[str, object], annotations: Iterable[Mapping[str, object]]
    ) -> None:
        """Write one image, and keep its annotations."""
        self._write_line(self._file, "images", image)
        for annotation in annotations:
            self._write_line(self._waiting, "annotations", annotation)

    def end(self, categories: Iterable[_Category]) -> None:
        """Write the annotations behind the images, and the categories at the end."""
        self._file.write('\n],\n"annotations": [')
        self._waiting.seek(0)
        shutil.copyfileobj(self._waiting, self._file)
        listed = ",\n".join(json.dumps(category) for category in categories)
        self._file.write(f'\n],\n"categories": [\n{listed}\n]}}\n')

    def _write_line(self, file: IO[str], key: str, value: Mapping[str, object]) -> None:
        file.write(self._commas[key] + json.dumps(value, allow_nan=False))
        self._commas[key] = ",\n"
