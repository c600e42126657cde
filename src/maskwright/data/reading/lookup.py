"""Find the image that an annotation file names, among the images below a folder."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path, PurePath, PurePosixPath

from ...core.errors import DataError
from ..entries.walk import image_files
from ..pixels.imageref import ImageRef


class ImageLookup:
    """All image files below `root`, by path and by name.

    Folders with a name in `without` are left out.
    """

    def __init__(self, root: Path, *, without: Collection[str] = ()) -> None:
        self.root = root
        self._by_path: dict[str, ImageRef] = {}
        self._by_name: dict[str, list[ImageRef]] = defaultdict(list)
        self._by_stem: dict[str, list[ImageRef]] = defaultdict(list)
        for image in image_files(root):
            path = image.path.relative_to(root)
            if image.path.parent.name in without:
                continue
            self._by_path[path.as_posix()] = image
            self._by_stem[path.with_suffix("").as_posix()].append(image)
            self._by_name[path.name].append(image)

    def __len__(self) -> int:
        return len(self._by_path)

    def __iter__(self) -> Iterator[ImageRef]:
        return iter(self._by_path.values())

    def find_at(self, folder: Path, name: str) -> ImageRef | None:
        """Find the image at the path `name` below a folder; None if it is not below `root`."""
        wanted = PurePosixPath(name.replace("\\", "/"))
        return None if wanted.is_absolute() else self._by_path.get(self._locate(folder, wanted))

    def find_without_suffix(self, folder: Path, name: str) -> ImageRef | None:
        """Find an image like `find_at` by a name without suffix; None if several images fit."""
        images = self._by_stem.get(self._locate(folder, PurePosixPath(name)), [])
        return images[0] if len(images) == 1 else None

    def list_folder(self, folder: Path) -> list[ImageRef]:
        """List the images directly in one folder, sorted."""
        return [image for image in self._by_path.values() if image.path.parent == folder]

    def find(self, name: str, *, near: Path | None = None, where: str) -> ImageRef | None:
        """Find the image that `name` means; None if there is none.

        `name` is first read as a path below `near` and below `root`. Then, of the files of that
        name, the one whose last folders agree with the path the furthest is chosen. Files
        outside `root` are never returned.

        Raises:
            DataError: Several files have that name, and the path does not tell which is meant.
        """
        for folder in (near, self.root):
            if folder is not None and (image := self.find_at(folder, name)):
                return image
        wanted = PurePosixPath(name.replace("\\", "/"))
        namesakes = self._by_name.get(wanted.name, [])
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
    return next((n for n, (one, other) in enumerate(pairs) if one != other), len(wanted.parts))
