"""ImageRef: one image, which is a file, one page of a file that holds several, or files.

    scan/ct.nii.gz          one file, a volume of 30 slices
    scan/ct.nii.gz/0012     the text form of its slice 12, counted from 0
    scan/thorax/0012        slice 12 of a DICOM series, whose slices are files in scan/thorax

Keys, messages and lists of files hold the text form, as if the file were a folder of its pages.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Self

MAX_PAGES = 9_999


@dataclass(frozen=True, slots=True)
class Series:
    """The slices of a DICOM series: its text form, and the file of each slice in order.

    With `by_file`, the text form of a slice is its file, as tools list it.
    """

    path: Path
    files: tuple[Path, ...] = field(hash=False)
    by_file: bool = False


@dataclass(frozen=True, slots=True)
class ImageRef:
    """A file, and the index of a page in it from 0; `page` is None for a file of one image.

    `others` are further files of the same scene, whose bands are channels too. `bands` names
    the channels to read, in order: bands of the files, or derived from them (NDVI); all where
    it is empty. `scene` is the text form of several files, and `sources` names the channels
    that the files hold, in order, where their layout names them. With `num_slices` above 1, an
    odd number, the channels are those of the page and of its neighbours (`slices`). `alias`
    is the text form of a file whose name is not shown. `series` is the volume of which `file`
    is the slice `page`, one file per slice. `level` is that of a pyramid, 0 the finest,
    `window` the top, bottom, left and right of a part that is read alone. Sorts as its text
    form does: by file, then by page.
    """

    file: Path
    page: int | None = None
    others: tuple[Path, ...] = ()
    bands: tuple[str, ...] = ()
    scene: Path | None = None
    sources: tuple[str, ...] = ()
    num_slices: int = 1
    alias: Path | None = None
    series: Series | None = None
    level: int = 0
    window: tuple[int, int, int, int] | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that the image is read from."""
        return (self.file, *self.others)

    @property
    def parts(self) -> "tuple[ImageRef, ...]":
        """The image in each of the files."""
        return tuple(ImageRef(file, self.page, series=self.series) for file in self.files)

    def with_bands(self, bands: tuple[str, ...]) -> Self:
        """The image with these channels; the names that its files had before are kept."""
        named = self.sources or (self.bands if self.scene is None else ())
        return replace(self, bands=bands, sources=named)

    @property
    def path(self) -> PurePath:
        """The text form as a path, for names and keys. Open `file`, not this path.

        That of several files begins with the name of their scene, which is not a file.
        """
        if self.series is not None and self.series.by_file:
            return self.alias or self.file
        return self.shown_file if self.page is None else self.shown_file / f"{self.page:04}"

    @property
    def shown_file(self) -> Path:
        """The text form of the file, scene or series, without a page."""
        if self.series is not None:
            return self.series.path
        return self.scene or self.alias or self.file

    def rename(self, path: Path) -> Self:
        """The same image with another text form of its file, scene or series."""
        if self.series is not None and not self.series.by_file:
            return replace(self, series=replace(self.series, path=path))
        return replace(self, alias=path) if self.scene is None else replace(self, scene=path)

    def with_page(self, page: int) -> Self:
        """Another page of the same file, or another slice of the same series."""
        if self.series is None:
            return replace(self, page=page)
        return replace(self, file=self.series.files[page], page=page, alias=None)

    def __str__(self) -> str:
        return str(self.path)

    def __lt__(self, other: Self) -> bool:
        return self.path < other.path
