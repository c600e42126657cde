"""COCO's JSON files written image by image: one file a split, ids counted from 1."""

import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from ...core.labels import LabelSpec
from ..entries.annotation import IGNORED
from ..entries.picture import Picture, Record

ANNOTATIONS = "annotations"


def category_id(index: int) -> int:
    """The id of a class: its index plus 1, since 0 is the background to some tools."""
    return index + 1


def record_of(picture: Picture, drawn: Iterable[int], annotations: Iterable[Any]) -> Record:
    """What `write_files` must know of an image; `drawn` are the class indices in it."""
    height, width = picture.size_HW
    return {
        "split": picture.entry.split,
        "image": {"file_name": picture.name, "height": height, "width": width},
        "annotations": list(annotations),
        "drawn": sorted(set(drawn)),
        "background": picture.background,
    }


def image_path(folder: Path, picture: Picture) -> Path:
    """Where the image is copied to."""
    return folder / "images" / picture.entry.split / picture.name


def write_files(
    folder: Path, kind: str, spec: LabelSpec, records: Iterable[Record], *, panoptic: bool
) -> None:
    """`annotations/<kind>_<split>.json` from what `record_of` gave of each image.

    Ids of images and of annotations are unique over all splits. A background that is drawn
    nowhere is no category.
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
                own = {} if panoptic else {"id": num_annotations}
                annotations.append({**own, "image_id": image_id, **annotation})
            files[split].add({"id": image_id, **record["image"]}, annotations)
            drawn.update(record["drawn"])
            background = record["background"]
        categories = [
            _category(spec, index, panoptic=panoptic)
            for index in range(len(spec) + (len(spec) in drawn))
            if index in drawn or index != background
        ]
        for file in files.values():
            file.end(categories)


def _category(spec: LabelSpec, index: int, *, panoptic: bool) -> dict[str, Any]:
    if index == len(spec):
        return {"id": category_id(index), "name": IGNORED, "supercategory": "ignored"}
    entry = spec.classes[index]
    stated: dict[str, Any] = {"isthing": int(entry.kind == "thing")} if panoptic else {}
    return {
        "id": category_id(index),
        "name": entry.name,
        "supercategory": entry.kind,
        **stated,
        "color": list(entry.color),
    }


class _SplitFile:
    """One JSON file; annotations wait in a temporary file until all images are written."""

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

    def add(self, image: Mapping[str, Any], annotations: Iterable[Mapping[str, Any]]) -> None:
        """One image, and what is drawn on it."""
        self._line(self._file, "images", image)
        for annotation in annotations:
            self._line(self._waiting, "annotations", annotation)

    def end(self, categories: list[dict[str, Any]]) -> None:
        """Annotations behind the images, and the categories at the end."""
        self._file.write('\n],\n"annotations": [')
        self._waiting.seek(0)
        shutil.copyfileobj(self._waiting, self._file)
        listed = ",\n".join(json.dumps(category) for category in categories)
        self._file.write(f'\n],\n"categories": [\n{listed}\n]}}\n')

    def _line(self, file: IO[str], key: str, value: Mapping[str, Any]) -> None:
        file.write(self._commas[key] + json.dumps(value, allow_nan=False))
        self._commas[key] = ",\n"
