"""The files of class maps at a path by key, and those of two paths as pairs."""

from collections.abc import Mapping
from pathlib import Path

from ..core.errors import DataError
from ..core.results import require_no_results
from ..pages.text import list_names
from .entries.hiding import hide_images
from .entries.scan import SPLITS, normalise_split
from .entries.walk import files_below, image_files, images_in, key_of
from .pixels.dicom_head import SUFFIXES, read_head
from .pixels.imageref import ImageRef
from .pixels.images import image_suffixes


def find_folder(path: Path) -> Path:
    """The folder itself, or the folder of a file."""
    return path if path.is_dir() else path.parent


def find_maps(path: Path) -> dict[str, ImageRef]:
    """Find image files by key, sorted; reads none of them.

    Raises:
        DataError: Nothing there, two files of one key, or a folder of results.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; give class maps or a folder of them")
    if path.is_file():
        named = [(key_of(image, path), image) for image in images_in(path)]
        return dict(hide_images(named, path.parent)[0])
    require_no_results(path)
    files: dict[str, ImageRef] = {}
    for image in image_files(path):
        key = image.path.relative_to(path).with_suffix("").as_posix()
        if key in files:
            raise DataError(
                f"{image}: {files[key].path.name} has the same name; remove one of them"
            )
        files[key] = image
    if not files and _holds_segmentations(path):
        raise DataError(
            f"{path}: holds DICOM-SEG or RTSTRUCT, which are labels of their images alone; "
            f"give class maps, as `maskwright measure out/classes --images SCANS`, or compare "
            f"them with labels by `maskwright score {path} DATA`"
        )
    if not files:
        kinds = ", ".join(image_suffixes())
        raise DataError(f"{path}: holds no class maps ({kinds}); give another folder")
    return dict(hide_images(files.items(), path)[0])


def _holds_segmentations(folder: Path) -> bool:
    heads = map(read_head, files_below(folder, SUFFIXES))
    return any(
        head is not None and head.kind in {"segmentation", "structures"} for head in heads
    )


def pair_maps(
    reference: Path, files: dict[str, ImageRef], other: Path, others: dict[str, ImageRef]
) -> tuple[dict[str, ImageRef], dict[str, ImageRef]]:
    """The maps of two paths by the same keys; two files are a pair whatever their names are.

    Raises:
        DataError: A map without a partner.
    """
    if reference.is_file() and other.is_file() and len(files) == len(others):
        others = dict(zip(files, others.values(), strict=True))
    if files.keys() != others.keys():
        files, others = _drop_splits(files, others)
    _require_partners(reference, files, other, others)
    return files, others


def _drop_splits(
    files: dict[str, ImageRef], others: dict[str, ImageRef]
) -> tuple[dict[str, ImageRef], dict[str, ImageRef]]:
    """Both without the folders of splits before their names, where the names fit only so.

    `predict --out-of-fold` writes by key, and the masks may lie in `train` and `val`.
    """
    bare, bare_others = (
        {_drop_split(key): image for key, image in one.items()} for one in (files, others)
    )
    is_unique = len(bare) == len(files) and len(bare_others) == len(others)
    if is_unique and bare.keys() == bare_others.keys():
        return bare, bare_others
    return files, others


def _drop_split(key: str) -> str:
    split, _, rest = key.partition("/")
    return rest if rest and normalise_split(split) in SPLITS else key


def _require_partners(
    reference: Path, files: Mapping[str, ImageRef], other: Path, others: Mapping[str, ImageRef]
) -> None:
    masks = reference / "masks"
    hint = ""
    if masks.is_dir():
        hint = f". {reference} is a dataset: give {masks} or a folder in it"
    for here, there, mine, theirs in (
        (reference, other, files, others),
        (other, reference, others, files),
    ):
        alone = sorted(mine.keys() - theirs.keys())
        if alone:
            raise DataError(
                f"{here}: {len(alone)} of {len(mine)} maps have no partner in {there}: "
                f"{list_names(alone)}; names below the two folders must be the same, suffixes "
                f"aside{hint}"
            )
