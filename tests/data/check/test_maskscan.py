"""Masks with smoothed borders are told from masks with hard ones, in any strips."""

import numpy as np
from PIL import Image, ImageFilter

from maskwright.data.check.maskscan import BlurTally


def draw_disc(value, size=60):
    y, x = np.ogrid[:size, :size]
    return np.where((x - 30) ** 2 + (y - 30) ** 2 < 400, value, 0).astype(np.uint8)


def measure_blur(raw_HW):
    blur = BlurTally()
    for strip_HW in np.array_split(raw_HW, 3):
        blur.add(strip_HW)
    return blur.ratio


def test_blur_is_distinguished_from_hard_edges():
    smooth = Image.fromarray(draw_disc(9)).filter(ImageFilter.BoxBlur(1))
    assert measure_blur(np.array(smooth)) > 0.5
    assert measure_blur(draw_disc(9)) == 0
    assert measure_blur(np.kron(draw_disc(3), np.ones((3, 3), np.uint8))) == 0
    assert measure_blur(np.zeros((1, 1), np.uint8)) == 0


def test_a_class_with_thin_parts_between_two_others_is_not_blurred():
    classes_HW = draw_disc(1, size=90)
    classes_HW[8:18, 18:42], classes_HW[9:17, 19:41] = 1, 2  # a rim of one pixel is left
    assert 0 < measure_blur(classes_HW) < 0.25
