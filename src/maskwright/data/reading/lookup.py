"""Find the file that a name in an annotation file or a list means, despite its spelling.

Tools write names in another case (`A.JPG`) or another Unicode form (macOS decomposes accents)
than the disk has them. Such a difference is forgiven where exactly one file fits.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Collection, Container, Iterator, Mapping
from pathlib import Path, PurePath, PurePosixPath
from typing import Generic, TypeVar

from ...core.errors import DataError
from ..entries.scan import LeftOut
from ..entries.series import name_by_file
from ..entries.walk import image_files
from ..pixels.imageref import ImageRef

_Value = TypeVar("_Value")


def fold_name(name: str) -> str:
    """The form of a name that is equal for every case and Unicode form of it."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


class NameTable(Generic[_Value]):
    """Values by the names of their files.

    `find` takes the exact name first. Else it takes the one name that differs in case or
    Unicode form alone, and nothing where several do.
    """

    def __init__(self, values: Mapping[str, _Value]) -> None:
        self._values = values
        self._names: dict[str, list[str]] = defaultdict(list)
        for name in values:
            self._names[fold_name(name)].append(name)

    def find_name(self, name: str) -> str | None:
        """The name of the table that `name` means; None if no name or several fit."""
        if name in self._values:
            return name
        names = self._names.get(fold_name(name), ())
        return names[0] if len(names) == 1 else None

    def find(self, name: str) -> _Value | None:
        """The value whose name `name` means; None if no name or several fit."""
        found = self.find_name(name)
        return None if found is None else self._values[found]


class ImageLookup:
    """All image files below `root`, by path and by name.

    Names are found as in a `NameTable`. Folders with a name in `without` are left out.
    """

    def __init__(self, root: Path, *, without: Collection[str] = ()) -> None:
        self.root = root
        self._by_path: dict[str, ImageRef] = {}
        self._by_name: dict[str, list[ImageRef]] = defaultdict(list)
        self._by_stem: dict[str, list[ImageRef]] = defaultdict(list)
        for image in map(name_by_file, image_files(root)):
            path = image.path.relative_to(root)
            if image.path.parent.name in without:
                continue
            self._by_path[path.as_posix()] = image
            self._by_stem[path.with_suffix("").as_posix()].append(image)
            self._by_name[fold_name(path.name)].append(image)
        self._paths, self._stems = NameTable(self._by_path), NameTable(self._by_stem)

    def __len__(self) -> int:
        return len(self._by_path)

    def __iter__(self) -> Iterator[ImageRef]:
        return iter(self._by_path.values())

    def find_at(self, folder: Path, name: str) -> ImageRef | None:
        """Find the image at the path `name` below a folder; None if it is not below `root`."""
        wanted = PurePosixPath(name.replace("\\", "/"))
        return None if wanted.is_absolute() else self._paths.find(self._locate(folder, wanted))

    def find_without_suffix(self, folder: Path, name: str) -> ImageRef | None:
        """Find an image like `find_at` by a name without suffix; None if several images fit."""
        images = self._stems.find(self._locate(folder, PurePosixPath(name)))
        return images[0] if images is not None and len(images) == 1 else None

    def list_others(self, used: Container[ImageRef]) -> tuple[str, ...]:
        """List the images that are not in `used`, by their paths below `root`."""
        return tuple(path for path, image in self._by_path.items() if image not in used)

    def leave_out_others(self, reason: str, used: Container[ImageRef]) -> tuple[LeftOut, ...]:
        """List the images that are not in `used` as left out; nothing where there are none."""
        names = self.list_others(used)
        return (LeftOut(reason, names),) if names else ()

    def list_folder(self, folder: Path) -> list[ImageRef]:
        """List the images directly in one folder, sorted."""
        return [image for image in self._by_path.values() if image.path.parent == folder]

    def find(self, name: str, *, near: Path | None = None, where: str) -> ImageRef | None:
        """Find the image that `name` means; None if there is none.

        `name` is first read as a path below `near` and below `root`. Then, of the files of that
        name, the one whose last folders agree with the path the furthest is chosen; a file with
        exactly that name comes before one that differs in case or Unicode form. Files outside
        `root` are never returned.

        Raises:
            DataError: Several files have that name, and the path does not tell which is meant.
        """
        for folder in (near, self.root):
            if folder is not None and (image := self.find_at(folder, name)):
                return image
        wanted = PurePosixPath(name.replace("\\", "/"))
        alike = self._by_name.get(fold_name(wanted.name), [])
        namesakes = [image for image in alike if image.path.name == wanted.name] or alike
        most = max((_count_shared(image.path, wanted) for image in namesakes), default=0)
        best = [image for image in namesakes if _count_shared(image.path, wanted) == most]
        if len(best) > 1:
            raise DataError(
                f"{where}: names the image {name!r}, and {len(best)} files have that name, "
                f"{best[0]} and {best[1]} among them; keep one or put the path into the file"
            )
        return best[0] if best else None

    def _locate(self, folder: Path, wanted: PurePosixPath) -> str:
        """Return `folder / wanted` relative to `root`, or absolute if it is outside."""
        return _join(folder, wanted).removeprefix(f"{self.root.as_posix()}/")


def _join(folder: Path, wanted: PurePosixPath) -> str:
    """Join the paths and resolve `..` by name alone, so that no link is followed."""
    parts = list(folder.as_posix().split("/"))
    for part in wanted.parts:
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _count_shared(path: PurePath, wanted: PurePosixPath) -> int:
    """Count the names that both paths share, from the last name backwards."""
    pairs = zip(reversed(path.parts), reversed(wanted.parts), strict=False)
    different = (n for n, (a, b) in enumerate(pairs) if fold_name(a) != fold_name(b))
    return next(different, len(wanted.parts))
