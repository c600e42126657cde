"""Edit: one action of a person as data, and what it does to a class map.

An edit is a region and a table: each pixel of the region that has the value `v` gets the value
`table[v]`. Coordinates are whole eighths of a pixel from the top left corner of the image, x to
the right, y down, so that the browser and NumPy compute the same region.
"""

from typing import Annotated, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..core.errors import DataError
from ..core.labels import IGNORE
from ..store.items import TileKey
from .models import Body, parse_model

EIGHTHS = 8
MOST_TILES = 400
"""Tiles that one edit may carry; larger ones are drawn by the server."""

MOST_POINTS = 100_000
_FAR = 1 << 24
"""Largest coordinate in eighths: two million pixels."""

_Eighths = Annotated[int, Field(ge=-_FAR, le=_FAR)]
_Points = Annotated[list[_Eighths], Field(min_length=2, max_length=2 * MOST_POINTS)]
_Pixel = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]
_Value = Annotated[int, Field(ge=0, le=IGNORE)]
_Sha = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Stroke(Body):
    """A round brush of `radius` that is drawn through points x, y, x, y..."""

    kind: Literal["stroke"]
    radius: Annotated[int, Field(ge=1, le=4096)]
    points: _Points


class Polygon(Body):
    """Rings of points x, y, x, y...; a ring inside another one is a hole (even-odd rule)."""

    kind: Literal["polygon"]
    rings: Annotated[list[_Points], Field(min_length=1, max_length=1000)]


class Flood(Body):
    """All pixels of one value that are connected with the pixel `at` (x, y) by their sides."""

    kind: Literal["flood"]
    at: _Pixel


class Everything(Body):
    """All pixels of the image."""

    kind: Literal["all"]


class Wand(Body):
    """All pixels whose colour is near that of the pixel `at`, by their distance in CIELAB."""

    kind: Literal["wand"]
    at: _Pixel
    tolerance: Annotated[int, Field(ge=0, le=200)]
    connected: bool = True


class Cells(Body):
    """The superpixels at points x, y, x, y...; `level` 0 has the smallest ones."""

    kind: Literal["cells"]
    level: Annotated[int, Field(ge=0, le=2)]
    points: _Points


class Holes(Body):
    """Regions of at most `most_px` pixels that the class of the edit encloses."""

    kind: Literal["holes"]
    most_px: Annotated[int, Field(ge=1)]


class Specks(Body):
    """Regions of the value of the edit of at most `most_px` pixels: they become as around."""

    kind: Literal["specks"]
    most_px: Annotated[int, Field(ge=1)]


class Grow(Body):
    """Pixels up to `px` beyond the border of the class of the edit."""

    kind: Literal["grow"]
    px: Annotated[int, Field(ge=1, le=100)]


class Shrink(Body):
    """Pixels of the value of the edit up to `px` from others: they become as the nearest."""

    kind: Literal["shrink"]
    px: Annotated[int, Field(ge=1, le=100)]


ProposalSource = Literal["model", "flow", "interpolation"]
PROPOSAL_SOURCES: tuple[ProposalSource, ...] = get_args(ProposalSource)


class Proposal(Body):
    """What is proposed, each class as itself.

    By the `model` of the studio, by the optical `flow` from the frame before, or by
    `interpolation` between the nearest frames with labels on both sides.

    Only pixels with `least_confidence`, of `classes` where these are given, and of the region
    of one class at the pixel `at` where that is given.
    """

    kind: Literal["proposal"]
    source: ProposalSource = "model"
    least_confidence: Annotated[float, Field(ge=0, le=1)] = 0.0
    classes: list[_Value] | None = None
    at: _Pixel | None = None


class Prompt(Body):
    """A click at a pixel (x, y), inside of an object or outside, or a box from `at` to `to`."""

    at: _Pixel
    to: _Pixel | None = None
    is_inside: bool = True


class Part(Body):
    """A rectangle of an image, in pixels."""

    left: Annotated[int, Field(ge=0)]
    top: Annotated[int, Field(ge=0)]
    width: Annotated[int, Field(ge=1)]
    height: Annotated[int, Field(ge=1)]


class Prompted(Body):
    """The object that clicks and boxes mean, by the graphs of `--sam`; the last box counts.

    The graphs see the whole image, or the `part` of it that is given.
    """

    kind: Literal["prompted"]
    prompts: Annotated[tuple[Prompt, ...], Field(min_length=1, max_length=100)]
    part: Part | None = None


class TileChange(Body):
    """One tile that an edit changes.

    `at` is its column and row, `before` and `after` are hashes of its pixels, and `size` is
    that of its patch in bytes: the XOR of the pixels before and after, compressed by zlib.
    """

    at: TileKey
    before: _Sha
    after: _Sha
    size: Annotated[int, Field(ge=1, le=1 << 17)]


Drawn = Stroke | Polygon | Flood | Everything
"""Geometries that need nothing but the class map; `raster.py` draws them."""

Repair = Holes | Specks | Grow | Shrink
"""Geometries that follow from the class map; `repairs.py` draws them."""

Assisted = Wand | Cells | Proposal | Prompted
"""Geometries that need the picture or a model; `assist.py` draws them."""

Geometry = Annotated[Drawn | Repair | Assisted, Field(discriminator="kind")]


class Edit(Body):
    """What a client sends.

    `value` is a class index or IGNORE. Mode `overwrite` changes all pixels, `keep` those that
    are IGNORE, `erase` makes pixels IGNORE; of these only the pixels with values in `only`,
    where it is given. Without `tiles` the server draws the geometry. An edit that `undoes`
    another one gives its tiles back as they were, and has no geometry.
    """

    tool: Annotated[str, Field(max_length=32)]
    value: _Value = IGNORE
    mode: Literal["overwrite", "keep", "erase"] = "overwrite"
    only: list[_Value] | None = None
    geometry: Geometry | None = None
    undoes: Annotated[int, Field(ge=1)] | None = None
    tiles: Annotated[list[TileChange], Field(max_length=MOST_TILES)] | None = None
    ms: Annotated[int, Field(ge=0)] = 0

    @property
    def table(self) -> NDArray[np.uint8]:
        """The value that each of 256 values becomes."""
        table = np.arange(256, dtype=np.uint8)
        changed = np.ones(256, np.bool_)
        if self.mode == "keep":
            changed = table == IGNORE
        if self.only is not None:
            changed &= np.isin(table, self.only)
        table[changed] = IGNORE if self.mode == "erase" else self.value
        return table


def parse_edit(content: bytes) -> Edit:
    """Read the JSON of an edit.

    Raises:
        DataError: It is not an edit; the message names the first value that is wrong.
    """
    edit = parse_model(Edit, content)
    if (edit.geometry is None) == (edit.undoes is None):
        raise DataError("an edit has a geometry, or undoes another edit; give one of the two")
    return edit
