"""Adopt a mapping file: copy it beside dataset.yaml and name it there."""

import filecmp
import shutil
from pathlib import Path

from ..core.atomic import explain_write_errors, write_text
from ..core.errors import ConfigError, DataError, OutputError
from ..core.files import is_writable
from ..core.progress import Progress
from ..core.yamlfile import dump_yaml, find_line
from .classes.dataset_yaml import DatasetFile, read_dataset_file
from .classes.mapping import read_mapping
from .opening.locate import DataFolder, locate
from .opening.resolve import resolve_codec
from .reading.archive import is_packed


def adopt_mapping(
    path: Path | str, mapping: Path, *, allow_outside: bool = False, progress: Progress
) -> str:
    """Let the dataset at `path` have the classes that `mapping` makes of those it has now.

    Classes that are inferred are written to dataset.yaml first. `mapping` may be the name alone
    of a mapping that comes with maskwright. Returns a note on what was written; a mapping that
    was adopted before changes nothing.

    Raises:
        ConfigError: The mapping does not fit the classes, or dataset.yaml has to be edited by
            hand.
        DataError: Not a dataset in a folder, or another file of this name lies there.
        OutputError: The folder is read-only.
    """
    data = _locate_writable(Path(path), allow_outside=allow_outside)
    codec, _ = resolve_codec(data, progress)
    document = read_dataset_file(data.file)
    target = data.beside(mapping.name)
    is_shipped = not mapping.suffix and not mapping.exists()
    if mapping.name in document.mappings and (is_shipped or _is_same(mapping, target)):
        return f"{data.file} has the mapping {mapping.name} already"
    made = read_mapping(mapping, codec.spec)
    if not is_shipped and target.exists() and not _is_same(mapping, target):
        raise DataError(
            f"{target}: another file of this name lies beside {data.file.name}; rename "
            f"{mapping}"
        )
    text = _add_mapping(data.file, document, mapping.name)
    if not is_shipped and not target.exists():
        with explain_write_errors(target):
            shutil.copyfile(mapping, target)
    write_text(data.file, text)
    return (
        f"{data.file}: {len(made.before)} classes become {len(made.after)} by {mapping.name}; "
        f"remove its 'mapping' line to have all classes again"
    )


def _locate_writable(path: Path, *, allow_outside: bool) -> DataFolder:
    if is_packed(path):
        raise DataError(f"{path}: a mapping is kept beside the data; unpack the archive first")
    data = locate(path, allow_outside=allow_outside)
    if data.is_foreign:
        raise DataError(f"{data.file}: is of another tool; use `maskwright convert --classes`")
    if not is_writable(data.file.parent):
        raise OutputError(f"{data.file}: the folder is read-only; use a copy of the data")
    return data


def _add_mapping(file: Path, document: DatasetFile, name: str) -> str:
    """The text of dataset.yaml with one more mapping; its other lines stay as they are.

    Raises:
        ConfigError: A mapping that it names takes several lines.
    """
    names = [*document.mappings, name]
    line = f"mapping: {dump_yaml(names if len(names) > 1 else name, flow=True)}"
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    if document.mapping is None:
        return "\n".join([*lines, line]) + "\n"
    row = find_line(file, ("mapping",)) - 1
    is_split = row + 1 < len(lines) and lines[row + 1][:1] in {" ", "-"}
    if is_split:
        raise ConfigError(f"{file}: line {row + 1}: write there: {line}")
    lines[row] = line
    return "\n".join(lines) + "\n"


def _is_same(one: Path, other: Path) -> bool:
    return other.is_file() and filecmp.cmp(one, other, shallow=False)
