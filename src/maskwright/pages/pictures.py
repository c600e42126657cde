"""Pictures for people: images as 8-bit RGB, class maps in the colours of their LabelSpec."""

import io
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from ..core.labels import LabelMap

RgbImage = NDArray[np.uint8]
"""H x W x 3, RGB."""

_VIRIDIS = cv2.COLORMAP_VIRIDIS
"""Even steps of lightness: readable for the colour-blind, and in grey print."""


def mix_class_colors(rgb_HW3: RgbImage, labels_HW: LabelMap, palette: RgbImage) -> RgbImage:
    """Mix image and class colours half and half.

    Where the colour is black, as that of a background usually is, the image stays as it is.
    """
    color_HW3 = palette[labels_HW]
    mixed_HW3 = np.asarray(cv2.addWeighted(rgb_HW3, 0.5, color_HW3, 0.5, 0), np.uint8)
    black_HW = ~color_HW3.any(axis=2)
    mixed_HW3[black_HW] = rgb_HW3[black_HW]
    return mixed_HW3


def draw_overlay(rgb_HW3: RgbImage, labels_HW: LabelMap, palette: RgbImage) -> RgbImage:
    """Mix image and class colours; borders between classes are white."""
    mixed_HW3 = mix_class_colors(rgb_HW3, labels_HW, palette)
    border_HW = np.zeros(labels_HW.shape, np.bool_)
    border_HW[:, 1:] = labels_HW[:, 1:] != labels_HW[:, :-1]
    border_HW[1:] |= labels_HW[1:] != labels_HW[:-1]
    mixed_HW3[border_HW] = 255
    return mixed_HW3


def heat_palette() -> RgbImage:
    """256 x 3 colours from low (dark blue) to high (yellow)."""
    ramp_BGR = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], _VIRIDIS)
    return np.ascontiguousarray(np.asarray(ramp_BGR, np.uint8)[:, 0, ::-1])


def encode_png(rgb_HW3: RgbImage) -> bytes:
    """Encode as an RGB PNG file."""
    return _encode(".png", rgb_HW3, [])


def encode_jpeg(rgb_HW3: RgbImage) -> bytes:
    """Encode as a JPEG file of quality 88, for looking at."""
    return _encode(".jpg", rgb_HW3, [cv2.IMWRITE_JPEG_QUALITY, 88])


def encode_indexed_png(index_HW: NDArray[np.uint8], palette: RgbImage) -> bytes:
    """Encode as a palette PNG file: pixels are the indices, colours are for people."""
    image = PillowImage.fromarray(index_HW)
    image.putpalette(palette.tobytes())
    file = io.BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()


def _encode(suffix: str, rgb_HW3: RgbImage, options: list[int]) -> bytes:
    done, content = cv2.imencode(suffix, rgb_HW3[..., ::-1], options)
    if not done:
        raise ValueError(f"OpenCV cannot write {rgb_HW3.shape} as {suffix}")
    data: Any = content
    return bytes(data.tobytes())
