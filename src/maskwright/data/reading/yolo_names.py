"""Names of the classes of a YOLO dataset, as Ultralytics reads them from a YAML file.

The file may have any name; `names` is a list, or names by class index, which may have gaps.
Without `names`, `nc` classes are called class_0, class_1 and so on. Names that are numbers are
read as text. Without a YAML file the lines of `classes.txt` are the names.
Source: ultralytics 8.3, data/utils.py, check_det_dataset; nn/autobackend.py, check_class_names.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from ...core.errors import DataError
from ...core.files import open_file
from ...core.textfile import read_text
from ...core.yamlfile import MAX_BYTES, read_yaml
from ..classes.dataset_yaml import FILE_NAME, is_of_another_tool
from .documents import Document, validate

CLASSES = "classes.txt"
_MOST_CLASSES = 10_000
_FIRST = "data.yaml"
_KEY = re.compile(rb"""^(?:\xef\xbb\xbf)?[\s{"']*(names|nc)["']?\s*:""", re.MULTILINE)


def _read_number_as_text(value: object) -> object:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else value


_Name = Annotated[str, BeforeValidator(_read_number_as_text)]
_Index = Annotated[int, Field(ge=0, lt=_MOST_CLASSES)]


class _Data(Document):
    names: list[_Name] | dict[_Index, _Name] | None = None
    nc: Annotated[int, Field(ge=1, le=_MOST_CLASSES)] | None = None

    @model_validator(mode="after")
    def _require_classes(self) -> Self:
        if not self.names and self.nc is None:
            raise ValueError("there are no names; list them as 'names'")
        return self


def read_names(root: Path) -> dict[int, str]:
    """Read the names of the classes by index, sorted; names may be equal.

    Raises:
        DataError: There is no file of names, or a name is not a text.
        ConfigError: The YAML file is damaged.
    """
    path = find_names_file(root) if root.is_dir() else None
    if path is None:
        raise DataError(
            f"{root}: expected data.yaml with 'names', or {CLASSES}, found neither; add one"
        )
    if path.name == CLASSES:
        lines = enumerate(read_text(path).splitlines())
        names = {index: line.strip() for index, line in lines if line.strip()}
        if not names:
            raise DataError(f"{path}: there are no names; write one line for each class")
        return names
    data = validate(read_yaml(path), _Data, where=str(path))
    if isinstance(data.names, dict):
        return dict(sorted(data.names.items()))
    return dict(enumerate(data.names or (f"class_{index}" for index in range(data.nc or 0))))


def find_names_file(root: Path) -> Path | None:
    """Find data.yaml, another YAML file with names, or classes.txt beside or in `labels`."""
    others = sorted(path for suffix in ("*.yaml", "*.yml") for path in root.glob(suffix))
    for path in (root / _FIRST, *others):
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            continue
        with open_file(path, most_bytes=MAX_BYTES) as file:
            has_key = _KEY.search(file.read())
        if has_key and _is_of_yolo(path):
            return path
    labels = root / "labels"
    lists = (root / CLASSES, labels / CLASSES) if labels.is_dir() else ()
    return next((path for path in lists if path.is_file()), None)


def _is_of_yolo(path: Path) -> bool:
    """Whether a YAML file is not maskwright's own, which may have the same name."""
    return path.name != FILE_NAME or is_of_another_tool(read_yaml(path))


def list_repeated(names: Mapping[int, str]) -> Iterable[str]:
    """Yield a note on each name that several indices have."""
    indices: dict[str, list[int]] = {}
    for index, name in names.items():
        indices.setdefault(name, []).append(index)
    for name, same in indices.items():
        if len(same) > 1:
            listed = ", ".join(map(str, same))
            yield f"the indices {listed} are all called {name!r}: they are one class"
