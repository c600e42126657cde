"""Read JSON of annotation tools into typed documents, with bounds on size and depth.

A pydantic model describes a document. Keys that the model does not name are skipped; a missing
key or a value of another type is an error that names the file and the path of the key.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ...core.errors import DataError
from ..entries.walk import files_below
from ..pixels.faults import MAX_PIXELS

MAX_BYTES = 4 << 30
"""Largest size of one annotation file."""

_OWN_FILES = frozenset({"splits.json", "conversion.json"})
"""Files that maskwright writes beside a dataset."""

Finite = Annotated[float, Field(allow_inf_nan=False)]
Side = Annotated[int, Field(ge=1, le=MAX_PIXELS)]


class Document(BaseModel):
    """Base of the models of annotation files: frozen, other keys ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


Model = TypeVar("Model", bound=BaseModel)


def read_json(path: Path, model: type[Model], *, encoding: str = "utf-8") -> Model:
    """Read a file into `model`.

    Raises:
        DataError: The file cannot be read, is not JSON, is nested too deeply or does not fit
            the model.
    """
    return parse_json(_read_utf8(path, encoding), model, where=str(path))


def validate(values: object, model: type[Model], *, where: str) -> Model:
    """Turn values that are parsed already, such as attributes of XML, into `model`.

    Raises:
        DataError: The values do not fit the model; `where` names their file.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise DataError(f"{where}: {_describe(error)}") from error


def parse_json(content: bytes, model: type[Model], *, where: str) -> Model:
    """Parse a piece of JSON into `model`; raises as `read_json` does."""
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise DataError(f"{where}: {_describe(error)}") from error


def peek(path: Path, size: int = 4096) -> str:
    """Read the first and the last `size` bytes, to detect formats; "" if that fails."""
    try:
        with path.open("rb") as file:
            start = file.read(size)
            file.seek(max(path.stat().st_size - size, len(start)))
            return (start + file.read(size)).decode("utf-8", errors="replace")
    except OSError:
        return ""


def peek_first(root: Path, suffix: str) -> str:
    """Call `peek` on the first file with a suffix below `root`; "" if there is none."""
    path = next(find_annotation_files(root, suffix), None) if root.is_dir() else None
    return "" if path is None else peek(path)


def find_annotation_files(root: Path, suffix: str) -> Iterator[Path]:
    """Find the files with a suffix below `root`, sorted; not those that maskwright writes."""
    return (path for path in files_below(root, {suffix}) if path.name not in _OWN_FILES)


def _read_utf8(path: Path, encoding: str) -> bytes:
    """Read a file, without its byte order mark, and recode it as UTF-8."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise DataError(f"{path}: {size:,} bytes of JSON, expected at most 4 GiB; split it")
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if encoding == "utf-8":
        return content.removeprefix(b"\xef\xbb\xbf")
    try:
        return content.decode(encoding).encode()
    except UnicodeError as error:
        raise DataError(f"{path}: is not {encoding} text: {error}; export it again") from error


def _describe(error: ValidationError) -> str:
    """Describe the first mistake and its path: `shapes.3.points: ...`."""
    first = error.errors(include_url=False, include_context=False)[0]
    if first["type"] == "json_invalid":
        return f"not valid JSON: {first['msg'].removeprefix('Invalid JSON: ')}; export it again"
    key_path = ".".join(map(str, first["loc"])) or "the document"
    more = f" ({error.error_count() - 1} more like it)" if error.error_count() > 1 else ""
    return f"{key_path}: {first['msg']}, got {_shorten(first['input'])}{more}; export it again"


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def require_pairs(numbers: tuple[float, ...]) -> tuple[float, ...]:
    """Require an even count of coordinates; pydantic calls this as an AfterValidator."""
    if len(numbers) % 2:
        raise ValueError(f"{len(numbers)} coordinates, expected pairs of x and y")
    return numbers


Coordinates = Annotated[tuple[Finite, ...], AfterValidator(require_pairs)]
"""x0, y0, x1, y1 ..."""
