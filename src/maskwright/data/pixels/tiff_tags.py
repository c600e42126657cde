"""What the tags of a TIFF page say of its samples: alpha, masks, nodata, and who decodes it."""

from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from ..georef.geotags import Tag
from .orientation import ORIENTATION

ALPHAS = (1, 2)
"""ExtraSamples of associated and of unassociated alpha; TIFF 6.0, section 18. 0 has no meaning:
near infrared, say."""

GDAL_METADATA, GDAL_NODATA = 42112, 42113
MAX_TIFF_BYTES = 1 << 32
"""Decoded bytes of the largest page."""

_ASCII = 2
_ALPHA = (2,)
_WITH_HEADER = frozenset(
    {"JPEG", "WEBP", "LERC", "JPEGXL", "JPEGXL_DNG", "JPEG2000", "APERIO_JP2000_RGB"}
)
"""Compressions whose strips and tiles state a size of their own, which GDAL checks."""


def find_alpha(page: Any) -> int | None:
    """The index of the sample that is alpha; None without one."""
    extra = [int(code) for code in page.extrasamples]
    first = int(page.samplesperpixel) - len(extra)
    return next((first + n for n, code in enumerate(extra) if code in ALPHAS), None)


def is_picture(page: Any) -> bool:
    """Whether a page is an image, neither a mask of another nor a smaller copy of one."""
    return not page.is_mask and not page.is_reduced


def find_nodata(page: Any) -> float | None:
    """The value that the tag GDAL_NODATA states; None without the tag.

    Source: gdal.org, GTiff driver: the tag 42113 holds the value as text.
    """
    tag = page.tags.get(GDAL_NODATA)
    try:
        return None if tag is None else float(str(tag.value).strip("\0 "))
    except ValueError:
        return None


def read_band_names(page: Any) -> dict[int, str]:
    """The description of each band by its index, as GDAL stores them.

    Source: gdal.org, GTiff driver: the tag 42112 holds XML of items by sample and role.
    """
    from defusedxml import ElementTree
    from defusedxml.common import DefusedXmlException

    tag = page.tags.get(GDAL_METADATA)
    try:
        root = ElementTree.fromstring(str(tag.value).strip("\0 ")) if tag is not None else ()
        items = [item for item in root if item.get("role") == "description"]
        return {int(item.get("sample", 0)): (item.text or "").strip() for item in items}
    except (ElementTree.ParseError, DefusedXmlException, ValueError):
        return {}


def bands_tag(names: Sequence[str]) -> Tag:
    """The tag by which `read_band_names` finds these names."""
    items = "".join(
        f'<Item name="DESCRIPTION" sample="{sample}" role="description">{escape(name)}</Item>'
        for sample, name in enumerate(names)
    )
    text = f"<GDALMetadata>{items}</GDALMetadata>"
    return GDAL_METADATA, _ASCII, len(text) + 1, text, True


def has_pillow_pixels(page: Any) -> bool:
    """Whether Pillow reads a page with all channels, bits and values.

    Pillow drops a fourth sample without a meaning and divides colours by associated alpha.
    """
    depths = set(np.atleast_1d(page.bitspersample).tolist())
    extra = tuple(int(code) for code in page.extrasamples)
    rgba = page.photometric.name == "RGB" and page.samplesperpixel == 4 and extra == _ALPHA
    plain = page.samplesperpixel in (1, 3, 4) and not extra
    coded = page.compression.name in _WITH_HEADER - {"JPEG"}
    return depths <= {1, 8} and (plain or rgba) and not coded and not page.is_mask


def needs_gdal(page: Any) -> bool:
    """Whether a page that Pillow does not read is decoded by GDAL, not by tifffile."""
    return page.compression.name in _WITH_HEADER


def is_shown_as_stored(page: Any, *, indices: bool = False) -> bool:
    """Whether samples are shown as stored: no palette, turn or odd depth stands between.

    With `indices`, those of a palette or of a mask are what is wanted. The colours of JPEG are
    decoded to RGB with the samples.
    """
    name = page.photometric.name
    if page.compression.name == "JPEG" and has_pillow_pixels(page):
        shown = name in ("MINISBLACK", "RGB", "YCBCR")
    else:
        kinds = ("MINISBLACK", "RGB", *(("PALETTE", "MASK") if indices else ()))
        shown = name in kinds and not needs_gdal(page)
    has_depth = page.bitspersample in ((1, 8) if name == "MASK" else (8, 16, 32, 64))
    return shown and has_depth and find_orientation(page) == 1


def find_orientation(page: Any) -> int:
    """The EXIF orientation of a page, 1 to 8; 1 where none is stated."""
    tag = page.tags.get(ORIENTATION)
    return int(tag.value) if tag is not None else 1
