"""Shades: a colour over the image that shows where something is, as a PNG with alpha."""

import cv2
import numpy as np
from numpy.typing import NDArray

from ..store.items import Item
from .consensus import read_uncertainty
from .errors import StudioError
from .history import read_map_at
from .judging import find_errors
from .project import Project

KINDS = ("uncertainty", "errors")
_ORANGE_BGR = (0, 71, 179)
_MOST_PX = 64_000_000


def draw_shade(project: Project, item: Item, kind: str) -> bytes:
    """Where the copies of an image differ, or where a practice copy is wrong.

    Raises:
        StudioError: 404, there is no such shade of this image; 422, it is too large.
    """
    height, width = item.size_HW or (0, 0)
    if height * width > _MOST_PX:
        raise StudioError(
            422, f"{item.key}: {height:,} x {width:,} pixels are too many to shade"
        )
    if kind == "uncertainty":
        return encode_shade(read_uncertainty(project, item))
    if kind == "errors":
        return encode_shade(_find_practice_errors(project, item).astype(np.float64))
    raise StudioError(404, f"no shade {kind!r}; there are {' and '.join(KINDS)}")


def encode_shade(shares_HW: NDArray[np.float64]) -> bytes:
    """A PNG of one colour whose alpha is the share, in [0, 1]."""
    shade_HW4 = np.empty((*shares_HW.shape, 4), np.uint8)
    shade_HW4[..., :3] = _ORANGE_BGR
    shade_HW4[..., 3] = np.rint(shares_HW * 255)
    _, content = cv2.imencode(".png", shade_HW4, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return content.tobytes()


def _find_practice_errors(project: Project, copy: Item) -> NDArray[np.bool_]:
    if copy.kind != "practice" or copy.state == "new" or copy.source_id is None:
        raise StudioError(404, f"{copy.key}: is not a practice image that was submitted")
    if copy.state not in ("submitted", "accepted"):
        raise StudioError(404, f"{copy.key}: is {copy.state}; errors are shown once submitted")
    with project.store.read() as connection:
        source = project.find_item(connection, copy.source_id)
        truth_HW = read_map_at(connection, source, copy.source_rev or 0)
        return find_errors(truth_HW, project.read_map(connection, copy))
