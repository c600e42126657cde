"""Masks of Labelbox: find the file of a mask, and read the pixels of an object in it."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError
from ....core.files import open_file
from ...pixels.imageref import ImageRef
from ...reading.documents import MAX_BYTES
from ...reading.pngmask import decode_mask_text, open_png
from ...shapes.raster import Crop, crop_mask
from ...shapes.segments import crop_each_id
from .rows import Mask, ObjectAnnotation, is_file_name

MASKS = "masks"
_OTHER_COLORS = "pixels of masks in a colour that no object has"
MaskFiles = Mapping[str, Path]
"""Mask files, by name without suffix."""


def find_mask_files(path: Path) -> MaskFiles:
    """Find the mask files of a file of rows."""
    folder = path.parent / MASKS
    return {file.stem: file for file in sorted(folder.glob("*.png"))} if folder.is_dir() else {}


def find_mask(
    item: ObjectAnnotation, image: ImageRef, files: MaskFiles, where: str
) -> tuple[Mask, Path | None] | None:
    """Find a mask of an object and its file, which is None if the row holds the pixels.

    The name of a file is the id in its address or, if it has colours, that of the image. The
    result is None if no file is here.
    """
    for mask in item.masks:
        if mask.png is not None:
            return mask, None
        if not mask.url:
            raise DataError(f"{where}: a mask without address or pixels; export it again")
        names = [name.removesuffix(".png") for name in mask.names() if is_file_name(name)]
        if mask.color is not None:
            names.append(image.path.stem)
        if path := next((files[name] for name in names if name in files), None):
            return mask, path
    return None


def missing_mask_error(where: str, url: str, others: int) -> DataError:
    """Make the error about a mask that is not here: how and as what to download it."""
    names = list(Mask(url=url).names())
    name = names[0].removesuffix(".png") if names and is_file_name(names[0]) else "<id>"
    more = f", nor are {others} others" if others else ""
    return DataError(
        f"{where}: its mask {url[:200]} is not here{more}; masks are not fetched: download "
        f"them with your API key within 30 days of the export, this one as {MASKS}/{name}.png "
        f"beside the file; a mask of all objects may have the name of its image"
    )


def pack_color(color: tuple[int, int, int]) -> int:
    """Pack a colour as `_read_colors` sees it: red in the lowest byte."""
    return color[0] | color[1] << 8 | color[2] << 16


def read_mask(
    mask: Mask,
    path: Path | None,
    size_HW: tuple[int, int],
    crops: Mapping[Path, Mapping[int, Crop]],
    where: str,
) -> Crop:
    """Read the pixels of a mask from its row, its own file, or one colour of a shared file."""
    if path is None:
        return _decode_mask(mask.png or "", size_HW, where)
    if mask.color is None:
        return crop_mask(_read_colors(path, size_HW) != 0)
    if (crop := crops[path].get(pack_color(mask.color))) is not None:
        return crop
    raise DataError(
        f"{where}: no pixel of {path} has the colour {list(mask.color)}; download the mask of "
        f"this label again, and do not convert it"
    )


def _decode_mask(text: str, size_HW: tuple[int, int], where: str) -> Crop:
    """Decode a PNG of 0 and 1."""
    with open_png(decode_mask_text(text, where=where), size_HW, where=where) as image:
        inside_HW = np.array(image).astype(np.int64)
    if inside_HW.shape != size_HW or inside_HW.max(initial=0) > 1:
        raise DataError(
            f"{where}: its mask is {inside_HW.shape} with values up to {inside_HW.max()}, "
            f"expected {size_HW} and 0 or 1; write such a mask"
        )
    return crop_mask(inside_HW == 1)


def split_colors(
    path: Path, used: set[int], size_HW: tuple[int, int], skipped: Counter[str]
) -> dict[int, Crop]:
    """Split a mask into crops of the colours that objects use, and count other pixels.

    Black pixels are not counted.
    """
    color_HW = _read_colors(path, size_HW)
    colors = np.array(sorted(used))
    index_HW = np.searchsorted(colors, color_HW).clip(max=len(colors) - 1)
    is_used_HW = colors[index_HW] == color_HW
    skipped[_OTHER_COLORS] += int(np.count_nonzero(~is_used_HW & (color_HW != 0)))
    crops = crop_each_id(np.where(is_used_HW, index_HW + 1, 0))  # 0: all other pixels
    return {int(colors[index - 1]): crop for index, crop in crops.items() if index}


def _read_colors(path: Path, size_HW: tuple[int, int]) -> NDArray[np.int32]:
    """Read the packed colours of a mask, H x W; 0 where it is transparent.

    Raises:
        DataError: The file cannot be read, is not a PNG, or has another size than its image.
    """
    with open_file(path, most_bytes=MAX_BYTES) as file:
        content = file.read()
    with open_png(content, size_HW, where=str(path)) as image:
        # (H, W, 4) -> (H, W): one integer per pixel, red in the lowest byte
        rgba_HW = np.array(image.convert("RGBA")).view("<u4")[..., 0]
    if rgba_HW.shape != size_HW:
        raise DataError(
            f"{path}: is {rgba_HW.shape} (H, W), its image is {size_HW}; download it again"
        )
    return np.where(rgba_HW >> 24, rgba_HW & 0xFFFFFF, 0).astype(np.int32)
