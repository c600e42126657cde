"""Locate a dataset: its folder, its dataset.yaml, its format, and a scan of its files."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ...core import parts
from ...core.errors import ConfigError, DataError, MissingDependencyError
from ...core.files import is_present, is_writable
from ...core.yamlfile import read_yaml
from ...pages.text import format_count
from ..classes.dataset_yaml import (
    ASIDE,
    FILE_NAME,
    DatasetFile,
    is_of_another_tool,
    read_dataset_file,
)
from ..entries.format import FORMATS, load_format
from ..entries.hiding import hide_names
from ..entries.scan import SPLITS, Entry, LeftOut, Scan, normalise_split
from ..entries.series import describe_series
from ..entries.walk import folders, joining_bands, list_passed_over
from ..pixels.images import open_image
from .inside import require_inside, require_no_link_out
from .renewal import renew

_FALLBACK = "mask_folder"
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFolder:
    """A located dataset: `file` is its dataset.yaml, which need not exist.

    `is_foreign`: the file is of another tool, as YOLO's may be, and is not written.
    """

    root: Path
    file: Path
    document: DatasetFile
    scan: Scan
    is_foreign: bool = False

    def beside(self, name: str) -> Path:
        """A file beside dataset.yaml."""
        return self.file.parent / name


def locate(
    path: Path, *, form: str | None = None, allow_outside: bool = False, save: bool = True
) -> DataFolder:
    """Find and scan the data at `path`, a folder or its dataset.yaml; reads no pixels.

    `form` is the name of the format, None to detect it. With `allow_outside`, paths in
    dataset.yaml may lead out of the folder. Where names of files name a patient, pseudonyms
    stand for them, and `save` writes their key where the folder is writable.

    Raises:
        DataError: Nothing there, or nothing that a format recognises.
        ConfigError: dataset.yaml is wrong or names an unknown format.
    """
    file = _find_file(path)
    if not path.exists() and not file.exists():
        raise DataError(f"{path}: no such file or folder; give a folder or its {FILE_NAME}")
    if file.suffix not in {".yaml", ".yml"}:
        raise DataError(
            f"{path}: neither a folder nor a {FILE_NAME}; unpack it if it is an archive, since "
            f"files are written beside the data here"
        )
    if not allow_outside:
        require_no_link_out(file)
    is_foreign = _is_foreign(file)
    is_own = is_present(file) and not is_foreign
    document = read_dataset_file(file) if is_own else DatasetFile()
    folder = file.parent.parent if file.parent.name == ASIDE else file.parent
    root = folder / document.root if document.root else folder
    if not allow_outside:
        require_inside(folder, root, file, document)
    if not any(root.iterdir() if root.is_dir() else ()):
        raise DataError(f"{root}: the folder is empty or missing; put images and masks into it")
    document, notes = renew(root, file, document) if is_own else (document, ())
    given = form or document.format
    detected = _Detected(given) if given else _detect_format(root)
    if (
        detected.name == _FALLBACK
        and document == DatasetFile()
        and (found := _look_inside(root))
    ):
        detected, inner = found
        document = document.model_copy(update={"root": inner.relative_to(root).as_posix()})
        root = inner
    name = detected.name
    part = load_format(name)
    if part.YAML_ASIDE and not is_own:
        file, is_foreign = file.parent / ASIDE / FILE_NAME, False
    _require_read_keys(file, document, part.READS, name)
    with joining_bands(document.bands or ()):
        scan = part.scan(root, document)
    scan = _assign_groups(_assign_bands(scan, document), document)
    _require_text_names(root, scan)
    scan = _name_passed_over(scan, root)
    scan = replace(scan, notes=(*scan.notes, *_list_assumptions(scan)))
    _require_read_annotators(file, document, scan, name)
    scan = replace(scan, notes=(*notes, *detected.notes, *scan.notes))
    scan = hide_names(scan, root, save=save and is_writable(file.parent))
    document = document.model_copy(update={"format": name})
    return DataFolder(root=root, file=file, document=document, scan=scan, is_foreign=is_foreign)


def _find_file(path: Path) -> Path:
    """Find dataset.yaml: `path` or beside the data, else in the folder for it (`ASIDE`)."""
    file = path / FILE_NAME if path.is_dir() else path
    aside = file.parent / ASIDE / FILE_NAME
    is_own = is_present(file) and not _is_foreign(file)
    return aside if is_present(aside) and not is_own else file


def _is_foreign(file: Path) -> bool:
    """Whether a file is there and is that of another tool."""
    return is_present(file) and is_of_another_tool(read_yaml(file))


def _require_text_names(root: Path, scan: Scan) -> None:
    """Require names that are UTF-8: JSON, XML and YAML hold no others, and tools read them.

    Python keeps a byte of a name that is not UTF-8 as a surrogate, U+DC80 to U+DCFF.
    """
    names = [str(entry.image.path) for entry in scan.entries]
    names += [str(mask) for entry in scan.entries for mask in entry.masks]
    odd = [name for name in (str(root), *names) if _SURROGATE.search(name)]
    if odd:
        shown = odd[0].encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        more = f" ({len(odd)} such names)" if len(odd) > 1 else ""
        raise DataError(
            f"{shown}: its name is not UTF-8 text{more}, and no file that lists it could be "
            f"read; rename it, for example by `convmv -f latin1 -t utf8 -r --notest`"
        )


def _assign_bands(scan: Scan, document: DatasetFile) -> Scan:
    """Give the images the bands that dataset.yaml names, where it does."""
    bands = document.bands or ()
    if not bands:
        return scan
    entries = (
        e if e.image.bands == bands else replace(e, image=e.image.with_bands(bands))
        for e in scan.entries
    )
    num = sum(entry.image.scene is not None for entry in scan.entries)
    note = (
        f"channels are the bands {', '.join(bands)}; bands of {format_count(num, 'image')} are "
        f"joined from files, coarser ones on the finest grid by repeating pixels"
    )
    return replace(scan, entries=tuple(entries), notes=(*scan.notes, note))


def _assign_groups(scan: Scan, document: DatasetFile) -> Scan:
    """Give the entries the groups that dataset.yaml names, where it does."""
    rule = document.group
    if rule is None:
        return scan
    entries = (replace(entry, group=rule.find_group(entry.key)) for entry in scan.entries)
    return replace(scan, entries=tuple(entries))


def _name_passed_over(scan: Scan, root: Path) -> Scan:
    """The scan, with what the walk through `root` left out."""
    over = list_passed_over(root)
    links = LeftOut("links that lead nowhere or to a folder above them", over.links)
    devices = LeftOut("pipes, sockets and devices", over.devices)
    images = LeftOut("images of a kind that is not read; convert them to PNG", over.images)
    localizers = LeftOut("DICOM localizers, which are no slices of a volume", over.localizers)
    used = {file for entry in scan.entries for mask in entry.masks for file in mask.files}
    others = LeftOut(
        "DICOM files that hold no image; segmentations and structures are labels in the "
        "formats dicom_seg and rtstruct",
        tuple(name for name in over.no_images if root / name not in used),
    )
    items = (links, devices, images, localizers, others)
    left_out = tuple(item for item in items if item.names)
    series = describe_series(entry.image for entry in scan.entries)
    notes = tuple(note for note in (over.note, *series) if note)
    return replace(scan, left_out=(*scan.left_out, *left_out), notes=(*scan.notes, *notes))


def _list_assumptions(scan: Scan) -> Iterator[str]:
    """What is assumed of volumes whose headers leave it open, with their number."""
    texts: dict[str, list[str]] = {}
    for entry in scan.entries:
        if entry.image.page == 0:
            with suppress(DataError, MissingDependencyError):  # told when it is read
                for on, text in open_image(entry.image).assumptions:
                    texts.setdefault(on, []).append(f"{entry.image.path.parent.name}: {text}")
    for found in texts.values():
        more = f" (so of {format_count(len(found), 'volume')})" if len(found) > 1 else ""
        yield f"{found[0]}{more}"


def _require_read_keys(
    file: Path, document: DatasetFile, read: frozenset[str], name: str
) -> None:
    """Require that the format reads each key of dataset.yaml that only some formats read."""
    for key in ("label_key", "runs"):
        if getattr(document, key) is not None and key not in read:
            raise ConfigError(f"{file}: the format {name} does not read {key!r}; remove it")


def _require_read_annotators(file: Path, document: DatasetFile, scan: Scan, name: str) -> None:
    """Require that the format reads the annotators of dataset.yaml, where it lists some."""
    num_annotators = len(document.annotators or ())
    if any(len(entry.votes) != num_annotators for entry in scan.entries):
        raise ConfigError(
            f"{file}: the format {name} reads one mask per image and no 'annotators'; write "
            f"'format: {_FALLBACK}' and the folder of 'images'"
        )


@dataclass(frozen=True, slots=True)
class _Detected:
    """The name of a format, and notes on why another one was not taken."""

    name: str
    notes: tuple[str, ...] = ()


def _detect_format(root: Path) -> _Detected:
    """The only format that recognises the folder; of several, the only one that has its files.

    Raises:
        DataError: Several formats have all their files here, or none of several has.
    """
    names = parts.names(FORMATS)
    others = [n for n in names if n != _FALLBACK and load_format(n).recognises(root)]
    if len(others) < 2:
        return _Detected(others[0] if others else _FALLBACK)
    problems = {name: _find_problem(root, name) for name in others}
    complete = [name for name, problem in problems.items() if not problem]
    if len(complete) != 1:
        raise DataError(
            f"{root}: could be {' or '.join(others)}; say which, with 'format: {others[0]}' in "
            f"{FILE_NAME}, or with --from {others[0]} of `check`, which writes it there"
        )
    notes = (f"read as {complete[0]}, not as {n}: {p}" for n, p in problems.items() if p)
    return _Detected(complete[0], tuple(notes))


def _find_problem(root: Path, name: str) -> str:
    """Why the files in `root` cannot be read as a format, "" where they can."""
    try:
        scan = load_format(name).scan(root, DatasetFile())
    except (DataError, ConfigError) as error:
        return str(error)
    return "" if any(entry.labels is not None for entry in scan.entries) else "no labels"


def _look_inside(root: Path) -> tuple[_Detected, Path] | None:
    """The format and the place of data in the only folder of `root`; None without such data."""
    names = folders(root)
    if len(names) != 1 or normalise_split(names[0]) in SPLITS:
        return None
    inner = root / names[0]
    detected = _detect_format(inner)
    return _look_inside(inner) if detected.name == _FALLBACK else (detected, inner)


def require_complete(data: DataFolder) -> None:
    """Require unique keys, and a mask for each image of a split in which one has a mask.

    Raises:
        DataError: Naming the first file, how many there are, and the fix.
    """
    entries = data.scan.entries
    labelled = {entry.split for entry in entries if entry.labels is not None}
    gaps = [e for e in entries if e.labels is None and e.split in labelled]
    if gaps or not labelled:
        gaps = gaps or list(entries)
        more = f" and {len(gaps) - 1} other images have" if len(gaps) > 1 else " has"
        raise DataError(
            f"{gaps[0].image}{more} no mask; add the masks under the same names, "
            f"or move the images out of {data.root}"
        )
    first: dict[str, Entry] = {}
    for entry in entries:
        twin = first.setdefault(entry.key, entry)
        if twin is not entry:
            raise DataError(
                f"{entry.image}: the key {entry.key!r} is also that of {twin.image}; keys are "
                f"unique over all splits: rename one, or remove it if it is the same image"
            )
