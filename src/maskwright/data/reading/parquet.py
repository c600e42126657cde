"""Parquet files of images and masks, as Hugging Face's datasets have them, by pyarrow.

    data/train-00000-of-00002.parquet   columns such as image and label

A cell is an encoded image, or a struct with its `bytes` and `path`. The images are written into
a folder in the native layout: a file whose name begins with that of a split gives the split,
the name in `path` gives the key, else the number of the row. `id2label.json` beside the files
becomes classes.txt.
Source: huggingface.co/docs/datasets, features Image and folders of Parquet files.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import RootModel

from ...core.errors import DataError, MissingDependencyError, first_line
from ..entries.scan import SPLITS, UNSPLIT, normalise_split
from ..entries.walk import files_below, image_files
from .documents import read_json

SUFFIX = ".parquet"
_NAMES_FILE = "id2label.json"
_IMAGE_WORDS = ("image", "img", "pixel_values", "photo", "picture")
_MASK_WORDS = ("label", "mask", "annotation", "segment", "seg", "target", "gt", "truth")
_STARTS = {
    b"\x89PNG": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
    b"BM": ".bmp",
    b"GIF8": ".gif",
    b"RIFF": ".webp",
}
_LONGEST_NAME = 100
_ROWS = 8
"""Rows that are in memory at once."""

_MAX_RATIO, _HARMLESS_BYTES = 100, 1 << 30
"""Largest ratio of unpacked to packed size, where the columns unpack to more than 1 GiB."""


class _Names(RootModel[dict[str, str]]):
    """The names of mask values, as id2label.json lists them."""


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    image: bytes
    mask: bytes | None


def is_parquet(path: Path) -> bool:
    """Whether `path` is a Parquet file, or a folder of such files without images."""
    if path.is_dir():
        first = next(files_below(path, {SUFFIX}), None)
        return first is not None and next(image_files(path), None) is None
    return path.is_file() and path.name.lower().endswith(SUFFIX)


def unpack_parquet(path: Path, folder: Path) -> None:
    """Write the images and masks of a file, or of all files in a folder, into `folder`.

    Raises:
        DataError: A file is damaged, or has no column of images and one of masks.
        MissingDependencyError: pyarrow is not installed.
    """
    files = [path] if path.is_file() else list(files_below(path, {SUFFIX}))
    used: Counter[tuple[str, str]] = Counter()
    for file in files:
        split = _parse_split(file.stem)
        for number, row in enumerate(_iterate_rows(file)):
            used[split, row.name] += 1
            name = row.name or f"{number:06d}"
            if not row.name or used[split, row.name] > 1:
                name = f"{file.stem}-{number:06d}"
            _write(folder / "images" / split, name, row.image, where=f"{file}: row {number}")
            if row.mask is not None:
                _write(folder / "masks" / split, name, row.mask, where=f"{file}: row {number}")
    names = (path if path.is_dir() else path.parent) / _NAMES_FILE
    if names.is_file():
        listed = read_json(names, _Names).root
        text = "".join(f"{value} {name}\n" for value, name in listed.items())
        (folder / "classes.txt").write_text(text, encoding="utf-8")


def _parse_split(stem: str) -> str:
    """`train-00000-of-00001` is train."""
    split = normalise_split(stem.replace("_", "-").partition("-")[0])
    return split if split in SPLITS else UNSPLIT


def _write(folder: Path, name: str, content: bytes, *, where: str) -> None:
    suffix = next((s for start, s in _STARTS.items() if content.startswith(start)), None)
    if suffix is None:
        raise DataError(f"{where}: a cell is not an image in a format that is read here")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}{suffix}").write_bytes(content)


def _iterate_rows(path: Path) -> Iterator[_Row]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise MissingDependencyError("pyarrow", "parquet") from error
    try:
        with parquet.ParquetFile(path) as file:
            _require_bounded(path, file)
            image, mask = _choose_columns(path, file.schema_arrow)
            for batch in file.iter_batches(batch_size=_ROWS, columns=[image, mask]):
                yield from (_make_row(path, row[image], row[mask]) for row in batch.to_pylist())
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(
            f"{path}: the file is damaged: {first_line(error)}; download it again"
        ) from error


def _require_bounded(path: Path, file: Any) -> None:
    groups = (file.metadata.row_group(i) for i in range(file.metadata.num_row_groups))
    total, packed = sum(group.total_byte_size for group in groups), path.stat().st_size
    if total > max(_HARMLESS_BYTES, _MAX_RATIO * packed):
        raise DataError(
            f"{path}: {packed:,} bytes unpack to {total:,}; if that is right, write the images "
            f"into files yourself"
        )


def _choose_columns(path: Path, schema: Any) -> tuple[str, str]:
    """The column of images and that of masks, by their names."""
    binary = [field.name for field in schema if _holds_bytes(field.type)]
    masks = [name for name in binary if any(word in name.lower() for word in _MASK_WORDS)]
    images = [n for n in binary if n not in masks]
    named = [name for name in images if any(word in name.lower() for word in _IMAGE_WORDS)]
    images = named or images
    if len(images) != 1 or len(masks) != 1:
        listed = ", ".join(f"{field.name} ({field.type})" for field in schema) or "none"
        raise DataError(
            f"{path}: expected one column of images, such as 'image', and one of masks, such "
            f"as 'label'; found {listed}; rename the columns"
        )
    return images[0], masks[0]


def _holds_bytes(kind: Any) -> bool:
    from pyarrow import types

    if types.is_struct(kind):
        return bool(kind.get_field_index("bytes") >= 0)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _make_row(path: Path, image: Any, mask: Any) -> _Row:
    """One row; the path in a cell gives its name."""
    name = PurePosixPath((image or {}).get("path") or "").stem if _is_struct(image) else ""
    contents = [cell["bytes"] if _is_struct(cell) else cell for cell in (image, mask)]
    if contents[0] is None:
        raise DataError(
            f"{path}: the image {name!r} is not in the file, only its path; save the dataset "
            f"with its images"
        )
    name = re.sub(r"[^\w\-. ]", "_", name)[:_LONGEST_NAME].lstrip(".")
    return _Row(name, contents[0], contents[1])


def _is_struct(cell: Any) -> bool:
    return isinstance(cell, dict)
