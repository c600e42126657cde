"""JSON of annotation tools, read as data alone: checked by type, bounded.

A document is described by a pydantic model; what it does not name is passed over, and what is
missing or of another type is an error that names the file and the place in it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ...core.errors import DataError
from ..entries.walk import files_below
from ..pixels.faults import MAX_PIXELS

MAX_BYTES = 4 << 30
"""Of one file of annotations."""

_OWN = frozenset({"splits.json", "conversion.json"})

Finite = Annotated[float, Field(allow_inf_nan=False)]
Side = Annotated[int, Field(ge=1, le=MAX_PIXELS)]


class Document(BaseModel):
    """What all models of annotation files have in common."""

    model_config = ConfigDict(extra="ignore", frozen=True)


Model = TypeVar("Model", bound=BaseModel)


def read_json(path: Path, model: type[Model], *, encoding: str = "utf-8") -> Model:
    """The file as `model` describes it.

    Raises:
        DataError: Unreadable, no JSON, nested too deeply, or not as described.
    """
    return parse_json(_content(path, encoding), model, where=str(path))


def validate(values: object, model: type[Model], *, where: str) -> Model:
    """What was read already (attributes of XML, say), as `model` describes it."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise DataError(f"{where}: {_problem(error)}") from error


def parse_json(content: bytes, model: type[Model], *, where: str) -> Model:
    """A piece of JSON as `model` describes it; see `read_json`."""
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise DataError(f"{where}: {_problem(error)}") from error


def peek(path: Path, size: int = 4096) -> str:
    """Start and end of a text file, to tell formats apart; "" where it cannot be read."""
    try:
        with path.open("rb") as file:
            start = file.read(size)
            file.seek(max(path.stat().st_size - size, len(start)))
            return (start + file.read(size)).decode("utf-8", errors="replace")
    except OSError:
        return ""


def peek_first(root: Path, suffix: str) -> str:
    """`peek` of the first file of a suffix below `root`; "" where there is none."""
    path = next(find_annotation_files(root, suffix), None) if root.is_dir() else None
    return "" if path is None else peek(path)


def find_annotation_files(root: Path, suffix: str) -> Iterator[Path]:
    """All files of a suffix below `root`, sorted, but those that maskwright itself wrote."""
    return (path for path in files_below(root, {suffix}) if path.name not in _OWN)


def _content(path: Path, encoding: str) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise DataError(f"{path}: {size:,} bytes of JSON; split it: 4 GiB are read at most")
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if encoding == "utf-8":
        return content.removeprefix(b"\xef\xbb\xbf")
    try:
        return content.decode(encoding).encode()
    except UnicodeError as error:
        raise DataError(f"{path}: is not {encoding} text: {error}") from error


def _problem(error: ValidationError) -> str:
    """The first thing wrong, with where it is: `shapes.3.points: ...`."""
    first = error.errors(include_url=False, include_context=False)[0]
    if first["type"] == "json_invalid":
        return f"not valid JSON: {first['msg'].removeprefix('Invalid JSON: ')}"
    place = ".".join(map(str, first["loc"])) or "the document"
    more = f" ({error.error_count() - 1} more like it)" if error.error_count() > 1 else ""
    return f"{place}: {first['msg']}, got {_short(first['input'])}{more}; export it again"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def require_pairs(numbers: tuple[float, ...]) -> tuple[float, ...]:
    """x, y, x, y ...: an even count; for pydantic's AfterValidator."""
    if len(numbers) % 2:
        raise ValueError(f"{len(numbers)} coordinates, expected pairs of x and y")
    return numbers


Coordinates = Annotated[tuple[Finite, ...], AfterValidator(require_pairs)]
"""x0, y0, x1, y1 ..."""
