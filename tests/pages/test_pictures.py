"""Pictures keep what they show."""

import io

import numpy as np
from PIL import Image

from maskwright.core import LabelSpec
from maskwright.pages.pictures import (
    draw_overlay,
    encode_indexed_png,
    encode_png,
    heat_palette,
)


def opened(content):
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        return image


def test_an_overlay_mixes_in_the_class_colour_and_draws_borders():
    labels = np.array([[0, 0, 1, 1]], np.uint8)
    palette = np.array([[0, 100, 0], [128, 0, 0]], np.uint8)
    mixed = draw_overlay(np.full((1, 4, 3), 100, np.uint8), labels, palette)
    assert mixed[0].tolist() == [[50, 100, 50]] * 2 + [[255, 255, 255]] + [[114, 50, 50]]


def test_an_overlay_leaves_the_image_as_it_is_where_the_class_is_black():
    labels = np.array([[0, 0, 1, 1]], np.uint8)
    palette = LabelSpec.from_names(("background", "b")).palette
    mixed = draw_overlay(np.full((1, 4, 3), 100, np.uint8), labels, palette)
    assert mixed[0].tolist() == [[100, 100, 100]] * 2 + [[255, 255, 255]] + [[114, 50, 50]]


def test_an_indexed_file_holds_the_indices_and_shows_the_colours():
    index = np.arange(12, dtype=np.uint8).reshape(3, 4)
    palette = LabelSpec.from_names(tuple("abcdefghijkl")).palette
    image = opened(encode_indexed_png(index, palette))
    assert image.mode == "P"
    np.testing.assert_array_equal(np.asarray(image), index)
    np.testing.assert_array_equal(np.asarray(image.convert("RGB")), palette[index])


def test_an_rgb_file_is_lossless_and_in_that_order():
    rgb = np.random.default_rng(0).integers(0, 256, (5, 6, 3)).astype(np.uint8)
    np.testing.assert_array_equal(np.asarray(opened(encode_png(rgb))), rgb)


def test_heat_grows_lighter_all_the_way():
    luminance = heat_palette() @ [0.299, 0.587, 0.114]
    assert (np.diff(luminance) > -0.5).all()
    assert luminance[-1] - luminance[0] > 150
