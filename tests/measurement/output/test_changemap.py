import numpy as np

from maskwright.core.labels import IGNORE, LabelSpec
from maskwright.data.georef.pixel_scale import PixelSize
from maskwright.measurement.figures.change import ClassChange
from maskwright.measurement.output.changemap import (
    COLORS,
    OTHER,
    UNLABELLED,
    ChangeLegend,
    list_changes,
    paint_change,
)

SPEC = LabelSpec.from_names(tuple("abcd"))


def _maps():
    before_HW = np.zeros((4, 10), np.uint8)
    after_HW = before_HW.copy()
    after_HW[0, :6] = 1
    after_HW[1, :3] = 2
    before_HW[2, 0] = IGNORE
    return before_HW, after_HW


def test_the_largest_change_has_the_first_colour_and_the_rest_is_black():
    before_HW, after_HW = _maps()
    change = ClassChange.from_maps(before_HW, after_HW, 4, PixelSize.square("m", 0.5))
    legend = ChangeLegend.from_change(change)
    assert legend.pairs == ((0, 1), (0, 2))
    painted = paint_change(before_HW, after_HW, ChangeLegend(legend.pairs[:1]), SPEC)
    assert painted[0, 0].tolist() == list(COLORS[0])
    assert painted[1, 0].tolist() == list(OTHER)
    assert painted[2, 0].tolist() == list(UNLABELLED)
    red, green, blue = painted[3, 3].tolist()
    assert red == green == blue > 200


def test_every_colour_of_a_picture_is_explained_with_its_area():
    before_HW, after_HW = _maps()
    change = ClassChange.from_maps(before_HW, after_HW, 4, PixelSize.square("m", 0.5))
    assert list_changes(change, ChangeLegend.from_change(change), SPEC, "m2") == [
        (COLORS[0], "a to b   1.5 m2   15.38 %"),
        (COLORS[1], "a to c   0.75 m2   7.69 %"),
    ]
    assert list_changes(change, ChangeLegend(()), SPEC, "m2") == [
        (OTHER, "other changes   2.25 m2   23.08 %")
    ]
    still = ClassChange.from_maps(before_HW, before_HW, 4, PixelSize.pixels())
    assert list_changes(still, ChangeLegend.from_change(still), SPEC, "px2") == []
