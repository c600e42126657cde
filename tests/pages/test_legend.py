"""Legends: a colour beside each name, columns that fit, scripts of all kinds, the scale."""

import numpy as np
import pytest

from maskwright.core.labels import LabelSpec
from maskwright.pages import lettering
from maskwright.pages.legend import add_legend, draw_legend, draw_note, draw_scale, list_classes
from maskwright.pages.pictures import heat_palette

RED, BLUE = (200, 10, 10), (10, 10, 200)


def is_inked(picture_HW3):
    return (picture_HW3 < 128).all(axis=-1)


def test_every_class_has_its_color_beside_its_name():
    labels = LabelSpec.from_names(("soil", "crop", "weed"))
    entries = list_classes(labels)
    assert [text for _, text in entries] == ["0 soil", "1 crop", "2 weed"]
    strip_HW3 = draw_legend(entries, 300, most_columns=1)
    assert strip_HW3.shape == (12 + 3 * 26, 300, 3)
    for row, (color, _) in enumerate(entries):
        line_HW3 = strip_HW3[8 + 26 * row : 8 + 26 * (row + 1)]
        assert tuple(line_HW3[11, 20]) == color
        assert is_inked(line_HW3[:, 40:]).sum() > 20


def test_a_note_is_wrapped_between_words_within_its_strip():
    strip_HW3 = draw_note("Images are shown from black to white: -160 to 240 HU.", 300)
    assert strip_HW3.shape == (12 + 2 * 26, 300, 3)
    inked = is_inked(strip_HW3)
    assert inked[8:34].any()
    assert inked[34:].any()
    assert not inked[:, -8:].any()


def test_entries_are_read_down_the_columns():
    strip_HW3 = draw_legend([(RED, "a"), (RED, "b"), (BLUE, "c"), (BLUE, "d")], most_columns=2)
    found = [(strip_HW3[8 + 11 :: 26] == color).all(axis=-1) for color in (RED, BLUE)]
    red, blue = (np.nonzero(where.any(axis=0))[0] for where in found)
    assert red.max() < blue.min()
    assert all(where.any(axis=1)[:2].all() for where in found)


@pytest.mark.parametrize("num_classes", [1, 30, 150])
def test_long_names_do_not_leave_the_strip(num_classes):
    entries = [(RED, f"{i} {'a long name ' * 9}") for i in range(num_classes)]
    strip_HW3 = draw_legend(entries)
    assert strip_HW3.shape[1] == 640
    assert (strip_HW3[:, -8:] == 255).all()


@pytest.mark.parametrize("name", ["裂缝", "Riß", "трещина"])
def test_names_in_every_script_differ(name):
    if not lettering._HAS_FONTS:
        pytest.skip("fonts for all scripts come with OpenCV 5")
    one, other = (draw_legend([(RED, text)]) for text in (name, name[::-1]))
    assert (one != other).any()


def test_without_fonts_of_opencv_pillow_writes(monkeypatch):
    monkeypatch.setattr(lettering, "_HAS_FONTS", False)
    strip_HW3 = draw_legend([(RED, "crack")])
    assert is_inked(strip_HW3[:, 40:]).sum() > 20
    assert 30 < lettering.measure_text("crack") < 60


def test_the_scale_runs_from_the_lowest_to_the_highest_color():
    strip_HW3 = draw_scale("confidence")
    assert (strip_HW3[30, 10:266] == heat_palette()).all()
    assert [x - 10 for x in np.nonzero(is_inked(strip_HW3)[45])[0]] == [0, 64, 128, 191, 255]


def test_a_small_picture_is_enlarged_over_its_legend_and_keeps_its_pixels():
    picture_HW3 = np.zeros((4, 10, 3), np.uint8)
    picture_HW3[0, 0] = RED
    page_HW3 = add_legend(picture_HW3, [(RED, "a to b   6 px2"), (BLUE, "other changes")])
    assert page_HW3.shape == (4 * 48 + 12 + 2 * 26, 480, 3)
    assert (page_HW3[:48, :48] == RED).all()
    assert 0.005 < is_inked(page_HW3[4 * 48 :, 40:]).mean() < 0.2
