"""Find palette masks whose palettes give one index different colours.

An editor that saves an indexed PNG again may order its palette anew, and then one index is
another class in each file. Where all palettes hold the same colours, the masks are read by
colour; elsewhere the files are refused.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...core.codec import pack_rgb
from ...core.errors import DataError
from ..pixels.imageref import ImageRef
from ..pixels.images import open_image
from ..pixels.rawmask import read_mask_strips
from .dataset_yaml import FILE_NAME
from .hints import Hints

_PROBES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PaletteConflict:
    """The first index to which two files give different colours.

    `colors` are the colours of the first palette, packed, in its order, where all masks have
    palettes of the same colours; empty where they do not.
    """

    index: int
    files: tuple[ImageRef, ImageRef]
    shown: tuple[int, int]
    colors: tuple[int, ...]

    def __str__(self) -> str:
        (one, other), (color, another) = self.files, self.shown
        return (
            f"index {self.index} is #{color:06x} in the palette of {one} and #{another:06x} in "
            f"that of {other}"
        )


def require_one_palette(masks: Iterable[ImageRef], *, where: str) -> None:
    """Require that masks which are read by index agree on the colour of each index.

    Raises:
        DataError: Naming two files and the fix.
    """
    conflict = find_palette_conflict(tuple(masks))
    if conflict is not None:
        raise _refuse(conflict, where)


def read_by_color(hints: Hints, masks: Sequence[ImageRef]) -> Hints:
    """The hints, with `pixels: rgb` where the palettes hold the same colours in other orders.

    Raises:
        DataError: The palettes differ in another way, or the classes are listed by index only.
    """
    if hints.codec.pixels is not None:
        return hints
    conflict = find_palette_conflict(masks)
    if conflict is None:
        return hints
    if not conflict.colors or not hints.have_colors:
        raise _refuse(conflict, str(hints.root))
    codec = hints.codec.model_copy(update={"pixels": "rgb"})
    return replace(hints, codec=codec, colors=conflict.colors)


def find_palette_conflict(masks: Sequence[ImageRef]) -> PaletteConflict | None:
    """Compare the palettes of all masks, where one of a few has a palette; reads headers.

    The pixels are read only where palettes differ: an entry that no pixel uses may differ.
    """
    probes = masks[:: max(1, len(masks) // _PROBES)]
    if not any(len(_read_palette(mask)) for mask in probes):
        return None
    palettes = {mask: _read_palette(mask) for mask in masks}
    if len({palette.tobytes() for palette in palettes.values()}) == 1:
        return None
    return _compare_used_entries(palettes)


def _compare_used_entries(
    palettes: dict[ImageRef, NDArray[np.uint32]],
) -> PaletteConflict | None:
    first: dict[int, tuple[int, ImageRef]] = {}
    found: PaletteConflict | None = None
    ambiguous = any(not len(palette) for palette in palettes.values())
    for mask, palette in palettes.items():
        with suppress(DataError):  # reported when the mask is read for its values
            strips = [np.unique(stored.raw_HW) for stored in read_mask_strips(mask)]
            used = np.unique(np.concatenate(strips))
            shown = palette[used[used < len(palette)]].tolist()
            ambiguous |= len(set(shown)) < len(used)
            for index, color in zip(used.tolist(), shown, strict=False):
                known, file = first.setdefault(index, (color, mask))
                if color != known and found is None:
                    found = PaletteConflict(
                        index=index, files=(file, mask), shown=(known, color), colors=()
                    )
    same = len({frozenset(palette.tolist()) for palette in palettes.values()}) == 1
    if found is None or ambiguous or not same:
        return found
    order = dict.fromkeys(next(iter(palettes.values())).tolist())
    return replace(found, colors=tuple(order))


def _read_palette(mask: ImageRef) -> NDArray[np.uint32]:
    """The packed colours of a palette; empty without one, and where the file is unreadable."""
    with suppress(DataError):
        palette_N3 = open_image(mask).palette_N3
        if palette_N3 is not None and len(palette_N3):
            return pack_rgb(palette_N3)
    return np.zeros(0, np.uint32)


def _refuse(conflict: PaletteConflict, where: str) -> DataError:
    return DataError(
        f"{where}: {conflict}, so an index has no fixed meaning; save all masks with one "
        f"palette, or write one line in {FILE_NAME}: 'codec: {{pixels: rgb}}' to read them by "
        f"colour, 'codec: {{pixels: index}}' to read them by index"
    )
