"""Read JSON of annotation tools into typed documents, with bounds on size and depth.

A pydantic model describes a document. Keys that the model does not name are skipped; a missing
key or a value of another type is an error that names the file and the path of the key.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from ...core.errors import DataError
from ...core.files import open_file, require_file
from ...core.textfile import decode_text
from ..entries.walk import files_below
from ..pixels.faults import MAX_PIXELS

MAX_BYTES = 4 << 30
"""Largest annotation file that is read as a whole."""

MAX_INDEXED_BYTES = 1 << 40
"""Largest annotation file of which single elements are read."""

_MOST_DIGITS = 19
"""Digits of a text above which it is not read as a number."""

_OWN_FILES = frozenset({"splits.json", "conversion.json"})
"""Files that maskwright writes beside a dataset."""

Finite = Annotated[float, Field(allow_inf_nan=False, ge=-1e18, le=1e18)]
"""A number of a size with which coordinates can be computed."""
Side = Annotated[int, Field(ge=1, le=MAX_PIXELS)]


def _read_digits(value: object) -> object:
    """Turn a text of digits into the number that it is."""
    digits = isinstance(value, str) and value.isascii() and value.isdecimal()
    return int(str(value)) if digits and len(str(value)) < _MOST_DIGITS else value


Id = Annotated[int | str, BeforeValidator(_read_digits)]
"""An id; a number and its text ("7" and 7) are one id."""


class Document(BaseModel):
    """Base of the models of annotation files: frozen, other keys ignored.

    A number where a text is expected, as scripts write labels and ids, is its text.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True)


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
    with suppress(DataError), open_file(path, most_bytes=MAX_INDEXED_BYTES) as file:
        start = file.read(size)
        file.seek(max(path.stat().st_size - size, len(start)))
        return (start + file.read(size)).decode("utf-8", errors="replace")
    return ""


def peek_first(root: Path, suffix: str) -> str:
    """Call `peek` on the first file with a suffix below `root`; "" if there is none."""
    path = next(find_annotation_files(root, suffix), None) if root.is_dir() else None
    return "" if path is None else peek(path)


def find_annotation_files(root: Path, suffix: str) -> Iterator[Path]:
    """Find the files with a suffix below `root`, sorted; not those that maskwright writes."""
    return (path for path in files_below(root, {suffix}) if path.name not in _OWN_FILES)


def find_copies(paths: Iterable[Path]) -> dict[Path, Path]:
    """Find files that are copies of others, byte for byte, and the original of each.

    The original is the file of the shortest name.
    """
    by_size: dict[int, list[Path]] = defaultdict(list)
    for path in sorted(paths, key=lambda path: (len(path.name), path)):
        by_size[require_file(path, most_bytes=MAX_INDEXED_BYTES)].append(path)
    copies: dict[Path, Path] = {}
    for group in by_size.values():
        originals: dict[bytes, Path] = {}
        for path in group if len(group) > 1 else ():
            original = originals.setdefault(_hash_file(path), path)
            if original is not path:
                copies[path] = original
    return copies


def _hash_file(path: Path) -> bytes:
    with open_file(path, most_bytes=MAX_INDEXED_BYTES) as file:
        return hashlib.file_digest(file, "blake2b").digest()


def _read_utf8(path: Path, encoding: str) -> bytes:
    """Read a file, without its byte order mark, and recode it as UTF-8."""
    with open_file(path, most_bytes=MAX_BYTES) as file:
        content = file.read()
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        decode_text(content, where=str(path))  # names UTF-16 and the fix
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
