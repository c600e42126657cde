"""Overlays: figures drawn on the photograph, or on the colours of the classes."""

from collections.abc import Mapping

import cv2
import numpy as np

from ...core.labels import LabelMap, LabelSpec
from ...data.georef.pixel_scale import PixelScale
from ...pages.pictures import RgbImage, encode_jpeg, mix_class_colors
from ..figures.figures import Figures
from ..ground.roi import Mask
from .draw import draw_boxes, draw_gap, draw_length, draw_skeleton

_LEAST_SIDE_PX, _LONGEST_SIDE_PX = 480, 900
_ROI_INK, _ROI_RIM = (255, 255, 255), (0, 0, 0)


def blend_class_colors(
    labels_HW: LabelMap, spec: LabelSpec, photograph: RgbImage | None
) -> RgbImage:
    """Paint the classes, H x W x 3, or mix their colours with a photograph."""
    if photograph is None:
        return spec.palette[labels_HW]
    return mix_class_colors(photograph, labels_HW, spec.palette)


def draw_figures(
    picture_HW3: RgbImage, figures: Figures, rois: Mapping[str, Mask], scale: PixelScale
) -> RgbImage:
    """Draw the scale, boxes, skeletons, gaps, and the borders of regions of interest."""
    used_HW = np.zeros(picture_HW3.shape[:2], np.bool_)  # no label over another
    picture_HW3 = draw_length(picture_HW3, scale, used_HW)
    for regions in figures.regions.values():
        picture_HW3 = draw_boxes(picture_HW3, regions, scale, used_HW)
    for thin in figures.thin.values():
        picture_HW3 = draw_skeleton(picture_HW3, thin, scale, used_HW)
    for gap in figures.gaps.values():
        if gap is not None:
            picture_HW3 = draw_gap(picture_HW3, gap, scale, used_HW)
    return draw_rois(picture_HW3, rois) if rois else picture_HW3


def draw_rois(picture_HW3: RgbImage, rois: Mapping[str, Mask]) -> RgbImage:
    """Draw the borders of regions of interest, white with a black rim."""
    drawn_HW3 = np.ascontiguousarray(picture_HW3).copy()
    for mask_HW in rois.values():
        outlines, _ = cv2.findContours(
            mask_HW.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE
        )
        for ink, width in ((_ROI_RIM, 3), (_ROI_INK, 1)):
            cv2.drawContours(drawn_HW3, outlines, -1, ink, width)
    return drawn_HW3


def small_jpeg(picture: RgbImage) -> bytes:
    """Encode a picture for the report as JPEG, about 400 to 900 px at its longer side."""
    enlarged = _LEAST_SIDE_PX // max(picture.shape[:2])
    if enlarged > 1:
        picture = picture.repeat(enlarged, axis=0).repeat(enlarged, axis=1)
    factor = _LONGEST_SIDE_PX / max(picture.shape[:2])
    if factor < 1:
        picture = np.asarray(
            cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA),
            np.uint8,
        )
    return encode_jpeg(picture)


class PictureSelection:
    """Keeps at most `most` pictures for the report: failing images first, then the others."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._failed: dict[str, bytes] = {}
        self._passed: dict[str, bytes] = {}

    def add(self, key: str, picture: RgbImage, *, passed: bool) -> None:
        """Keep the picture while there are less than `most` of its kind."""
        kind = self._passed if passed else self._failed
        if len(kind) < self._most:
            kind[key] = small_jpeg(picture)

    @property
    def pictures(self) -> dict[str, bytes]:
        """The selected JPEG files by key."""
        return dict(list((self._failed | self._passed).items())[: self._most])
