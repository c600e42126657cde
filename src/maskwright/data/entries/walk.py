"""Walk through a folder: image files, the images in a file, their keys.

Left out are hidden files and folders, those that operating systems and network disks make,
links that lead nowhere or to a folder above them, and folders of results. A pipe, a socket or a
device that is called like an image is refused. `list_passed_over` lists what a person may miss.
"""

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple

from ...core.errors import DataError
from ...core.files import describe_read_error, explain_read_errors, require_file
from ...core.results import is_results
from ..pixels.bands import join_files
from ..pixels.dicom_head import has_dicom_start, may_be_dicom
from ..pixels.imageref import ImageRef
from ..pixels.images import count_pages, image_suffixes
from .series import sort_dicom

_SYSTEM_NAMES = frozenset(
    {"__macosx", ".ds_store", ".spotlight-v100", ".trashes", ".fseventsd", "icon\r"}  # macOS
    | {"thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin"}  # Windows
    | {"system volume information"}
    | {"@eadir", "#recycle", "#snapshot", "@recycle", ".@__thumb", "lost+found"}  # disks
)
UNREAD_SUFFIXES = frozenset(
    {".avif", ".jxl", ".psd", ".svg", ".exr", ".hdr"}
    | {".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".raw"}
)
"""Endings of image files that no reader opens."""

_RESOURCE_FORK = "._"
"""The start of the names in which macOS keeps what other file systems cannot."""

_joined_bands: ContextVar[tuple[str, ...]] = ContextVar("joined_bands", default=())


def is_system_name(name: str) -> bool:
    """Whether operating systems or network disks make files or folders of this name."""
    return name.startswith(_RESOURCE_FORK) or name.lower() in _SYSTEM_NAMES


def image_files(folder: Path) -> Iterator[ImageRef]:
    """All images under `folder`, sorted.

    A file that holds several images gives one ImageRef per page, and inside of `joining_bands`
    the files of one scene give one. The files of a DICOM series are the slices of a volume.

    Raises:
        DataError: Files of a DICOM series are not one volume.
    """
    yield from list_images(list_image_files(folder), folder)


def list_images(files: Sequence[Path], folder: Path) -> Iterator[ImageRef]:
    """The images of some image files below `folder`, sorted.

    Raises:
        DataError: Files of a DICOM series are not one volume.
    """
    rest, dicom = sort_dicom(files, folder)
    bands = _joined_bands.get()
    others: Iterable[Path | ImageRef] = join_files(rest, bands) if bands else rest
    images = (i for o in others for i in images_in(o, bands))
    yield from sorted([*images, *dicom.images]) if dicom.images else images


def list_image_files(folder: Path) -> list[Path]:
    """All image files under `folder`, sorted: by suffix, and DICOM that has none."""
    endings = image_suffixes()

    def is_image(path: str) -> bool:
        name = Path(path).name.lower()
        return name.endswith(endings) or (may_be_dicom(name) and has_dicom_start(Path(path)))

    return list(_files_where(folder, is_image))


@contextmanager
def joining_bands(bands: tuple[str, ...]) -> Iterator[None]:
    """In the block, `image_files` gives one image per scene of files named as these bands.

    Formats walk through folders in many ways, and none has to know of bands.
    """
    token = _joined_bands.set(bands)
    try:
        yield
    finally:
        _joined_bands.reset(token)


def images_in(file: Path | ImageRef, bands: tuple[str, ...] = ()) -> Iterator[ImageRef]:
    """The images in a file, or in files whose bands are joined: itself, or its pages.

    `bands` are those that channels of a single file may be.
    """
    image = ImageRef(file) if isinstance(file, Path) else file
    number = count_pages(image if image.bands else replace(image, bands=bands))
    if number is None:
        yield image
    else:
        yield from (replace(image, page=page) for page in range(number))


def key_of(image: ImageRef, file: Path) -> str:
    """The key of an image in a file that the user named: its stem, or `volume.nii/0012`."""
    return file.stem if image.page is None else image.path.relative_to(file.parent).as_posix()


def name_images(images: Collection[ImageRef], folder: Path) -> dict[str, ImageRef]:
    """Images by their path below the folder, without the suffix.

    Of images that differ in the suffix alone, each keeps it in the name: `a.jpg` and `a.png`.
    """
    paths = {image: image.path.relative_to(folder) for image in images}
    stems = Counter(path.with_suffix("").as_posix() for path in paths.values())
    return {
        (path if stems[stem] > 1 else path.with_suffix("")).as_posix(): image
        for image, path in paths.items()
        if (stem := path.with_suffix("").as_posix())
    }


def images_by_name(folder: Path) -> dict[str, ImageRef]:
    """Images by their path below the folder, without the suffix; sorted.

    Raises:
        DataError: Two files differ in the suffix alone.
    """
    images: dict[str, ImageRef] = {}
    for image in image_files(folder):
        name = image.path.relative_to(folder).with_suffix("").as_posix()
        if name in images:
            raise DataError(
                f"{image}: {images[name].path.name} beside it has the same name with another "
                f"suffix; keep one"
            )
        images[name] = image
    return images


def files_below(folder: Path, suffixes: Collection[str]) -> Iterator[Path]:
    """All files of these suffixes (lower case) under `folder`, sorted within each folder.

    Raises:
        DataError: A folder cannot be listed, or a pipe, a socket or a device has the suffix.
    """
    endings = tuple(suffixes)
    yield from _files_where(folder, lambda path: path.lower().endswith(endings))


def _files_where(folder: Path, is_wanted: Callable[[str], bool]) -> Iterator[Path]:
    for item in _walk(folder, (_resolve(folder),)):
        if item.kind in ("file", "device") and is_wanted(item.path):
            if item.kind == "device":
                require_file(Path(item.path), most_bytes=0)  # names what it is
            yield Path(item.path)


def results_below(folder: Path) -> Iterator[Path]:
    """The folders of results under `folder`, which `files_below` passes over; sorted."""
    items = _walk(folder, (_resolve(folder),))
    return (Path(item.path) for item in items if item.kind == "results")


def folders(root: Path) -> tuple[str, ...]:
    """Names of the folders in `root`, sorted.

    Raises:
        DataError: `root` is not a folder or cannot be listed.
    """
    items = _list_items(root, (_resolve(root),))
    return tuple(item.name for item in items if item.kind == "folder")


@dataclass(frozen=True, slots=True)
class PassedOver:
    """What a walk leaves out: files of the system by name, and others by path.

    `images` are images of a kind that is not read, `localizers` and `no_images` DICOM files.
    """

    system: Counter[str] = field(default_factory=Counter)
    links: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    localizers: tuple[str, ...] = ()
    no_images: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """One sentence with the number of each name; "" where nothing was left out."""
        listed = ", ".join(f"{name} ({count})" for name, count in sorted(self.system.items()))
        number = self.system.total()
        files = "1 file" if number == 1 else f"{number:,} files"
        return f"{files} of operating systems or disks left out: {listed}" if number else ""


def list_passed_over(root: Path) -> PassedOver:
    """List what `image_files` leaves out below `root`, except other hidden files."""
    system: Counter[str] = Counter()
    unread: dict[str, list[str]] = {"link": [], "device": [], "image": []}
    for item in _walk(root, (_resolve(root),)):
        if item.kind == "system":
            name = f"{_RESOURCE_FORK}*" if item.name.startswith(_RESOURCE_FORK) else item.name
            system[name] += _count_files(Path(item.path))
            continue
        kind = "image" if Path(item.name).suffix.lower() in UNREAD_SUFFIXES else item.kind
        if kind in unread:
            unread[kind].append(Path(item.path).relative_to(root).as_posix())
    _, dicom = sort_dicom(list_image_files(root), root)
    localizers, no_images = (
        tuple(file.relative_to(root).as_posix() for file in files)
        for files in (dicom.localizers, (*dicom.labels, *dicom.others))
    )
    return PassedOver(
        Counter({name: count for name, count in system.items() if count}),
        tuple(unread["link"]),
        tuple(unread["device"]),
        tuple(unread["image"]),
        localizers,
        no_images,
    )


_Kind = Literal["file", "folder", "results", "system", "link", "device", "hidden"]


class _Item(NamedTuple):
    """`above` are the resolved folders that the walk came through, its own if it is one."""

    name: str
    path: str
    kind: _Kind
    above: tuple[Path, ...]


def _walk(folder: Path, above: tuple[Path, ...]) -> Iterator[_Item]:
    for item in _list_items(folder, above):
        yield item
        if item.kind == "folder":
            yield from _walk(Path(item.path), item.above)


def _list_items(folder: Path, above: tuple[Path, ...]) -> list[_Item]:
    try:
        with os.scandir(folder) as listing:
            items = sorted(listing, key=lambda item: item.name)
    except OSError as error:
        reason = describe_read_error(error)
        raise DataError(f"{folder}: cannot be listed: {reason}") from error
    return [_classify(item, above) for item in items]


def _classify(item: "os.DirEntry[str]", above: tuple[Path, ...]) -> _Item:
    if is_system_name(item.name):
        return _Item(item.name, item.path, "system", above)
    if item.name.startswith("."):
        return _Item(item.name, item.path, "hidden", above)
    try:
        if item.is_dir():
            if is_results(Path(item.path)):
                return _Item(item.name, item.path, "results", above)
            if not item.is_symlink():
                inside = above[-1] / item.name
                return _Item(item.name, item.path, "folder", (*above, inside))
            inside = _resolve(Path(item.path))
            loops = any(folder.is_relative_to(inside) for folder in above)
            return _Item(item.name, item.path, "link" if loops else "folder", (*above, inside))
        if item.is_file():
            return _Item(item.name, item.path, "file", above)
        kind: _Kind = "device" if Path(item.path).exists() else "link"  # that leads nowhere
    except OSError:  # a link that leads to itself
        kind = "link"
    return _Item(item.name, item.path, kind, above)


def _resolve(folder: Path) -> Path:
    with explain_read_errors(folder):
        return Path(os.path.realpath(folder))


def _count_files(path: Path) -> int:
    """The files in a folder of the system, or 1."""
    if not path.is_dir():
        return 1
    return sum(len(names) for _, _, names in os.walk(path))
