"""Maps of the frame: which share of its pixels is wrong in each cell, over all images."""

from html import escape

import cv2
import numpy as np
from numpy.typing import NDArray

from ...core.frame import FrameErrors
from ...core.labels import LabelSpec
from ...pages.browse import render_ramp
from ...pages.markup import data_uri
from ...pages.pictures import encode_png, heat_palette
from ...pages.text import format_share

_MOST_MAPS = 12
_WIDTH_PX = 384


def render_frame(frame: FrameErrors, labels: LabelSpec) -> str:
    """A map of all errors, then one for each class, that of most errors first; one scale."""
    total_C = frame.errors_Chw.sum(axis=(1, 2))
    if not total_C.sum():
        return ""
    pixels_hw = np.maximum(1, frame.pixels_hw)
    maps = [("all classes", frame.errors_Chw.sum(axis=0) / pixels_hw)]
    order = [i for i in np.argsort(-total_C, kind="stable").tolist() if total_C[i]]
    maps += [(labels.names[i], frame.errors_Chw[i] / pixels_hw) for i in order[:_MOST_MAPS]]
    most = max(float(share_hw.max()) for _, share_hw in maps)
    figures = "".join(_figure(name, share_hw, most, frame.size_HW) for name, share_hw in maps)
    return f'{render_ramp("0 %", format_share(most))}<div class="pictures maps">{figures}</div>'


def _figure(
    name: str, share_hw: NDArray[np.float64], most: float, size_HW: tuple[int, int]
) -> str:
    levels_hw = np.rint(255 * share_hw / most).astype(np.uint8)
    height_px = max(1, round(_WIDTH_PX * size_HW[0] / size_HW[1]))
    shown_hw = cv2.resize(levels_hw, (_WIDTH_PX, height_px), interpolation=cv2.INTER_NEAREST)
    picture = data_uri(encode_png(heat_palette()[np.asarray(shown_hw)]))
    title = f"{escape(name)}: at most {format_share(float(share_hw.max()))} of a cell"
    return (
        f'<figure><figcaption>{title}</figcaption><img src="{picture}" alt="{title}"></figure>'
    )
