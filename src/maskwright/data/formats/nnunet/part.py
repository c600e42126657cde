"""nnU-Net raw data: one file of labels per case, and the classes in dataset.json.

    imagesTr/<case>_0000.nii.gz   labelsTr/<case>.nii.gz   dataset.json
    imagesTr/<case>_0001.nii.gz   splits_final.json, where folds are kept
    imagesTs/<case>_0000.nii.gz   labelsTs/<case>.nii.gz, where test cases have labels

`Tr` is train, `Ts` is test; where splits_final.json divides the cases of `Tr` into folds, they
are the splits `fold0`, `fold1` and so on, and where it has one pair, train and val. `_0000` is
the first channel of `channel_names` (`modality` in version 1); a colour image is one file of
channel 0. The Medical Segmentation Decathlon, from which the layout comes, has files without a
number, with the channels on a fourth axis. As version 1 of nnU-Net does, it lists labels as
{"0": "background"}, and image and labels of each case under `training`. The label
`ignore` is IGNORE. Where labels are regions (lists of values), a value belongs to the smallest
region that has it. The slices of a volume are one group.

Written are volumes as `.nii.gz`, of NIfTI volumes with their affine, and other images as PNG,
or as TIFF where values are wider than 16 bits. Background is 0, classes follow in order, and
IGNORE, where it occurs, is the last value.
Source: github.com/MIC-DKFZ/nnUNet, documentation/dataset_format.md, region_based_training.md,
manual_data_splits.md, nnunetv2/experiment_planning/verify_dataset_integrity.py.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from ....core.errors import DataError
from ....core.labels import LabelSpec
from ....pages.text import format_count, list_names
from ...classes.dataset_yaml import DatasetFile
from ...entries.scan import Entry, LeftOut, Scan, make_keys_unique
from ...entries.walk import files_below, images_in
from ...pixels.bands import join_scene, split_name, split_number
from ...pixels.imageref import ImageRef
from ...pixels.images import image_suffixes
from ...reading.documents import peek, read_json
from .table import SPLITS_TABLE, TABLE, Folds, Table, list_classes

HOLDS: frozenset[str] = frozenset({"ignored", "folds", "volumes"})
_FOLDERS = {"Tr": "train", "Ts": "test"}
_VOLUMES = (".nii", ".nii.gz")


def recognises(root: Path) -> bool:
    """Whether `root` has imagesTr, labelsTr and a dataset.json with labels."""
    return (
        (root / "imagesTr").is_dir()
        and (root / "labelsTr").is_dir()
        and '"labels"' in peek(root / TABLE)
    )


def scan(root: Path, document: DatasetFile) -> Scan:
    """Pair the files of each case with its labels, by the name of the case.

    Raises:
        DataError: There are no such folders, or a case lacks a channel.
    """
    table = read_json(root / TABLE, Table)
    _require_read_ending(root / TABLE, table)
    entries, lone = list[Entry](), list[ImageRef]()
    for ending, split in _FOLDERS.items():
        if not (root / f"images{ending}").is_dir():
            continue
        images = _find_images(root / f"images{ending}", table)
        folder = root / f"labels{ending}"
        labels = _find_labels(folder, table) if folder.is_dir() else {}
        for case, image in images.items():
            entries.append(_make_entry(case, image, split, labels.pop(case, None)))
        lone += labels.values()
    if not any(entry.labels for entry in entries):
        raise DataError(
            f"{root}: no case in imagesTr has labels of its name in labelsTr; expected "
            f"imagesTr/a_0000.png and labelsTr/a.png; add the labels"
        )
    entries, notes = _assign_folds(root / SPLITS_TABLE, entries)
    classes, codec = list_classes(root / TABLE, table)
    return Scan(
        entries=make_keys_unique(entries),
        lone_masks=tuple(lone),
        left_out=_list_missing(table, entries),
        classes=classes if document.classes is None else document.classes,
        codec=codec,
        origin=TABLE,
        notes=(*_list_notes(table, entries), *notes),
    )


def _require_read_ending(path: Path, table: Table) -> None:
    ending = table.file_ending.lower()
    if ending and not ending.endswith(image_suffixes()):
        raise DataError(
            f"{path}: file_ending is {table.file_ending!r}, and such files are not read; save "
            f"images and labels as .nii.gz and correct it"
        )


def _list_missing(table: Table, entries: list[Entry]) -> tuple[LeftOut, ...]:
    """Cases that dataset.json lists and that are not there."""
    cases = {entry.key for entry in entries} | {entry.group for entry in entries}
    missing = tuple(
        image for image in table.list_images() if split_number(Path(image))[0] not in cases
    )
    return (LeftOut(f"images that {TABLE} lists and that are not there", missing),)


def _list_notes(table: Table, entries: list[Entry]) -> Iterator[str]:
    """What the table says that is not as it says, or that is read by a rule."""
    regions = {n: v for n, v in table.labels.items() if isinstance(v, tuple) and len(v) > 1}
    if regions:
        shown = list_names([f"{name} {list(values)}" for name, values in regions.items()])
        yield (
            f"{TABLE} lists regions, {shown}: a pixel has one class here, so each value is of "
            f"the smallest region that has it"
        )
    bands = next((entry.image.bands for entry in entries if entry.image.bands), ())
    if bands:
        yield f"channels are {', '.join(bands)}, as {TABLE} names them"
    cases = {entry.group for entry in entries if entry.labels and entry.split != "test"}
    if table.numTraining not in {None, len(cases)}:
        yield (
            f"{TABLE} says numTraining {table.numTraining}, and "
            f"{format_count(len(cases), 'labelled case')} is in imagesTr"
        )


def _list_files(folder: Path, table: Table) -> Iterator[Path]:
    """The image files of a folder, of the ending that dataset.json names."""
    ending = table.file_ending.lower()
    for file in files_below(folder, image_suffixes()):
        if not ending or file.name.lower().endswith(ending):
            yield file


def _find_images(folder: Path, table: Table) -> dict[str, ImageRef]:
    """Images by case; the slices of a volume by case and slice, `case/0012`.

    Raises:
        DataError: A case lacks a channel, or has one that is not named.
    """
    files: dict[str, dict[int, Path]] = defaultdict(dict)
    for file in _list_files(folder, table):
        case, number = split_number(file)
        files[(file.parent / case).relative_to(folder).as_posix()][number or 0] = file
    images: dict[str, ImageRef] = {}
    for case, by_number in files.items():
        image = _join_case(folder / case, by_number, table)
        images |= {_name_page(case, page): page for page in images_in(image)}
    return images


def _join_case(place: Path, by_number: dict[int, Path], table: Table) -> ImageRef:
    """The files of one case as one image."""
    names, numbers = table.channels, sorted(by_number)
    first = by_number[numbers[0]]
    if len(numbers) == 1 and (len(names) < 2 or split_name(first)[1] not in _VOLUMES):
        return ImageRef(first)  # one channel, or a colour image
    names = names or tuple(f"{number:04}" for number in numbers)
    if len(numbers) == 1 and split_number(first)[1] is None:  # the fourth axis are channels
        return ImageRef(first, bands=names, sources=names)
    if numbers != [*range(len(names))]:
        missing = [f"{n:04} ({name})" for n, name in enumerate(names) if n not in by_number]
        more = [f"{n:04}" for n in numbers if n >= len(names)]
        what = f"has no file of {list_names(missing)}" if missing else ""
        what += f"{' and ' * bool(missing)}has {list_names(more)}, which" * bool(more)
        what += f" {TABLE} does not name" * bool(more)
        raise DataError(
            f"{first}: the case {place.name!r} {what}; a case has one file for each channel of "
            f"{TABLE}: add or remove files"
        )
    return join_scene(place, [by_number[number] for number in numbers], names, names)


def _find_labels(folder: Path, table: Table) -> dict[str, ImageRef]:
    """Masks by case, or by case and slice.

    Raises:
        DataError: Two files are labels of one case.
    """
    labels: dict[str, ImageRef] = {}
    files: dict[str, Path] = {}
    cases = table.list_labels()
    for file in _list_files(folder, table):
        name = (file.parent / split_name(file)[0]).relative_to(folder).as_posix()
        case = cases.get(name, name)
        if case in files:
            raise DataError(
                f"{folder}: {files[case].name} and {file.name} are both labels of the case "
                f"{case!r}; keep one of them"
            )
        files[case] = file
        labels |= {_name_page(case, page): page for page in images_in(file)}
    return labels


def _name_page(case: str, image: ImageRef) -> str:
    return case if image.page is None else f"{case}/{image.page:04}"


def _make_entry(case: str, image: ImageRef, split: str, labels: ImageRef | None) -> Entry:
    return Entry(
        key=case.replace("/", "__"),
        split=split,
        image=image,
        labels=labels,
        group=case.rpartition("/")[0] if image.page is not None else case,
    )


def _assign_folds(path: Path, entries: list[Entry]) -> tuple[list[Entry], tuple[str, ...]]:
    """The entries with the splits of splits_final.json, and a note on it.

    Only folds that divide the cases are splits: of which each case is in one val, and in every
    other train.
    """
    if not path.is_file():
        return entries, ()
    folds = read_json(path, Folds)
    problem = folds.find_problem({entry.group for entry in entries if entry.split == "train"})
    if problem:
        return entries, (f"{path.name} is not read: {problem}",)
    splits = folds.name_splits()
    made = [
        replace(entry, split=splits.get(entry.group, entry.split))
        if entry.split == "train"
        else entry
        for entry in entries
    ]
    names = sorted({*splits.values()})
    return made, (f"the splits {', '.join(names)} are those of {path.name}",)


def list_notes(_spec: LabelSpec, _splits: Collection[str]) -> tuple[str, ...]:
    """List what a user of the written files should know."""
    return (
        "nnU-Net finds the folder as nnUNet_raw/Dataset001_Name, with your number and name",
    )
