"""Wanted: which files `predict` writes, of which images, and of which part of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from .area import AreaOfInterest
from .outputs import ALL, require_outputs
from .vectors import require_vectors
from .volumes import CLASSES


class PredictOptions(TypedDict, total=False):
    """The keywords of `Wanted`, as functions take them."""

    write: Sequence[str]
    glob: str | None
    aoi: Path | None
    vectorise: str | None
    level: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a user of `predict` asks for.

    Args:
        write: The kinds of files and the formats that are written; see `outputs`.
        glob: Pattern of the images that are taken from folders: of names, or with `/` of paths.
        aoi: A file of polygons; pixels outside of them are IGNORE. See `area`.
        vectorise: A format of polygons, `geojson` or `gpkg`; see `vectors`.
        level: The level of pyramids, by number or pixel size; see `data.pixels.pyramid`.

    Raises:
        ConfigError: `write` is empty or names what is unknown, or the format of polygons is.
        MissingDependencyError: A package of the extra `geo` is not installed.
    """

    write: Sequence[str] = ALL
    glob: str | None = None
    aoi: Path | None = None
    vectorise: str | None = None
    level: str | None = None

    def __post_init__(self) -> None:
        require_outputs(self.write)
        if self.vectorise is not None:
            require_vectors(self.vectorise)

    @property
    def formats(self) -> tuple[str, ...]:
        """Formats of labelling tools in `write`."""
        return require_outputs(self.write)

    @property
    def from_maps(self) -> tuple[str, ...]:
        """The formats that are made of class maps when these are written."""
        return self.formats if self.vectorise is None else (*self.formats, self.vectorise)

    @property
    def kinds(self) -> tuple[str, ...]:
        """What is written per image: with `from_maps`, class maps too."""
        return (*self.write, CLASSES) if self.from_maps else tuple(self.write)

    def open_area(self) -> AreaOfInterest | None:
        """The polygons of `aoi`, if it is given."""
        return None if self.aoi is None else AreaOfInterest.open(self.aoi)
