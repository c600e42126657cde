"""Finding the image that an annotation file names, among those that are there."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path, PurePath, PurePosixPath

from ...core.errors import DataError
from ..entries.walk import image_files
from ..pixels.imageref import ImageRef


class ImageLookup:
    """All image files below a folder, by their path in it and by their name alone.

    Those in folders called as one of `without` are no images.
    """

    def __init__(self, root: Path, *, without: Collection[str] = ()) -> None:
        self.root = root
        self._by_path: dict[str, ImageRef] = {}
        self._by_name: dict[str, list[ImageRef]] = defaultdict(list)
        self._by_stem: dict[str, list[ImageRef]] = defaultdict(list)
        for image in image_files(root):
            place = image.path.relative_to(root)
            if image.path.parent.name in without:
                continue
            self._by_path[place.as_posix()] = image
            self._by_stem[place.with_suffix("").as_posix()].append(image)
            self._by_name[place.name].append(image)

    def __len__(self) -> int:
        return len(self._by_path)

    def __iter__(self) -> Iterator[ImageRef]:
        return iter(self._by_path.values())

    def find_at(self, folder: Path, named: str) -> ImageRef | None:
        """The image at the path `named` below a folder; None where none is, or outside."""
        wanted = PurePosixPath(named.replace("\\", "/"))
        if wanted.is_absolute():
            return None
        place = _joined(folder, wanted).removeprefix(f"{self.root.as_posix()}/")
        return self._by_path.get(place)

    def find_without_suffix(self, folder: Path, named: str) -> ImageRef | None:
        """As `at`, of a name that leaves the suffix out; None where several images fit."""
        place = _joined(folder, PurePosixPath(named)).removeprefix(f"{self.root.as_posix()}/")
        found = self._by_stem.get(place, [])
        return found[0] if len(found) == 1 else None

    def list_folder(self, folder: Path) -> list[ImageRef]:
        """The images in one folder, sorted; not those in its folders."""
        return [image for image in self._by_path.values() if image.path.parent == folder]

    def find(self, named: str, *, near: Path | None = None, where: str) -> ImageRef | None:
        """The image that `named` means, None where it is not there.

        That is the path below `near` or the folder, else the file of that name whose folders
        agree the furthest. What lies outside the folder is never found.

        Raises:
            DataError: Several files have that name, and no path says which.
        """
        for folder in (near, self.root):
            if folder is not None and (there := self.find_at(folder, named)):
                return there
        wanted = PurePosixPath(named.replace("\\", "/"))
        named_so = self._by_name.get(wanted.name, [])
        most = max((_num_shared(image.path, wanted) for image in named_so), default=0)
        found = [image for image in named_so if _num_shared(image.path, wanted) == most]
        if len(found) > 1:
            raise DataError(
                f"{where}: names the image {named!r}, and {len(found)} files have that name, "
                f"{found[0]} and {found[1]} among them; keep one or put the path into the file"
            )
        return found[0] if found else None


def _joined(folder: Path, wanted: PurePosixPath) -> str:
    """`folder / wanted` with `..` resolved by name alone: no link is followed."""
    parts = list(folder.as_posix().split("/"))
    for part in wanted.parts:
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _num_shared(path: PurePath, wanted: PurePosixPath) -> int:
    """How many names, from the last on, the two paths share."""
    pairs = zip(reversed(path.parts), reversed(wanted.parts), strict=False)
    return next((n for n, (one, other) in enumerate(pairs) if one != other), len(wanted.parts))
