"""Values become pictures by the window of the data; the legend says which it is."""

import numpy as np
import pytest

from maskwright.core.inputspec import InputSpec
from maskwright.pages.display import Display


def make_spec(channels, **options):
    return InputSpec(
        channels=channels,
        mean=(0.0,) * channels,
        std=(1.0,) * channels,
        max_value=65535,
        **options,
    )


@pytest.mark.parametrize(
    ("channels", "shown"), [(1, [0, 0, 0]), (2, [0, 0, 0]), (5, [0, 1, 2])]
)
def test_the_first_channels_of_8_bits_are_shown_as_they_are(channels, shown):
    image = np.random.default_rng(0).integers(0, 256, (3, 4, channels)).astype(np.uint8)
    np.testing.assert_array_equal(Display().draw(image), image[..., shown])
    assert Display().describe() == ""


def test_a_ct_is_shown_from_the_lowest_to_the_highest_value_of_its_window():
    display = Display.from_input(make_spec(1, kind="ct", window=((-200.0, 300.0),)))
    image = np.array([[[-1000], [-200], [50], [300], [3000]]], np.float32)
    assert display.draw(image)[0, :, 0].tolist() == [0, 0, 128, 255, 255]
    assert display.draw(image.clip(0).astype(np.uint16))[0, 2, 0] == 128
    assert display.describe() == "Images are shown from black to white: -200 to 300 HU."


@pytest.mark.parametrize("darkest", [0, 30_000])
def test_wide_images_without_a_window_are_neither_black_nor_white(darkest):
    image = np.arange(1000, dtype=np.uint16).reshape(20, 50, 1) + np.uint16(darkest)
    image[0, 0] = 60_000  # one bright pixel leaves the others as they are
    levels = Display().draw(image)[..., 0]
    assert 120 < np.median(levels) < 135
    assert (levels[0, 0], levels[0, 1]) == (255, 0)
    assert not Display().draw(np.zeros((2, 2, 1), np.uint16)).any()
    assert "percentiles 1 to 99 of each image" in Display(is_wide=True).describe()


def test_three_bands_are_chosen_by_name_each_with_its_window():
    bands = ("B02", "B03", "B04", "B08")
    window = tuple((0.0, 1000.0 * (i + 1)) for i in range(4))
    display = Display.from_input(make_spec(4, kind="reflectance", window=window, bands=bands))
    assert display.channels == (2, 1, 0)
    image = np.array([[[1000, 1000, 1000, 9]]], np.uint16)
    assert display.draw(image)[0, 0].tolist() == [85, 128, 255]
    assert display.describe() == (
        "Images are shown B04, B03, B02 as red, green, blue; from black to white: "
        "0 to 3,000 / 0 to 2,000 / 0 to 1,000."
    )


def test_pixels_without_data_are_black_and_count_in_no_percentile():
    image = np.linspace(100, 200, 400, dtype=np.float32).reshape(20, 20, 1)
    image[0] = np.nan
    image[1] = 1e6
    valid = np.ones((20, 20), bool)
    valid[1] = False
    shown = Display().draw(image, valid)
    assert not shown[:2].any()
    assert shown[2:].max() == 255
    assert not Display().draw(np.full((2, 2, 1), np.nan, np.float32)).any()


def test_a_grey_photograph_of_a_network_of_colours_is_grey():
    display = Display.from_input(InputSpec(channels=3, mean=(0,) * 3, std=(1,) * 3))
    assert display.draw(np.full((1, 1, 1), 7, np.uint8)).tolist() == [[[7, 7, 7]]]
