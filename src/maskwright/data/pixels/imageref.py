"""ImageRef: one image, which is a file, one page of a file that holds several, or files.

    scan/ct.nii.gz          one file, a volume of 30 slices
    scan/ct.nii.gz/0012     the text form of its slice 12, counted from 0

Keys, messages and lists of files hold the text form, as if the file were a folder of its pages.
"""

from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Self

MAX_PAGES = 9_999


@dataclass(frozen=True, slots=True)
class ImageRef:
    """A file, and the index of a page in it from 0; `page` is None for a file of one image.

    `others` are further files of the same scene, whose bands are channels too. `bands` names
    the channels to read, in order: bands of the files, or derived from them (NDVI); all where
    it is empty. `scene` is the text form of several files. Sorts as its text form does: by
    file, then by page.
    """

    file: Path
    page: int | None = None
    others: tuple[Path, ...] = ()
    bands: tuple[str, ...] = ()
    scene: Path | None = None

    @property
    def path(self) -> PurePath:
        """The text form as a path, for names and keys. Open `file`, not this path.

        That of several files is the name of their scene, which is not a file.
        """
        if self.scene is not None:
            return self.scene
        return self.file if self.page is None else self.file / f"{self.page:04}"

    def __str__(self) -> str:
        return str(self.path)

    def __lt__(self, other: Self) -> bool:
        return self.path < other.path
