import numpy as np
import pytest

from maskwright.core.labels import LabelSpec
from maskwright.measurement.figures.figures import MeasurePlan, measure_map
from maskwright.measurement.ground.pixel_scale import PixelSize
from maskwright.measurement.output.summary import finite, image_summary, series_summary

SPEC = LabelSpec.from_names(("soil", "crop", "weed"))
TASK = MeasurePlan(num_classes=3, regions=(1,), gaps=((1, 2),), thin=(2,))


def _summary(key, crop_px, weed_px):
    labels_HW = np.zeros((60, 80), np.uint8)
    labels_HW[5 : 5 + crop_px, 5 : 5 + crop_px] = 1
    labels_HW[40 : 40 + weed_px, 10:70] = 2
    return image_summary(key, measure_map(labels_HW, TASK, PixelSize.pixels(), rois={}), SPEC)


def test_a_series_weighs_widths_by_length_and_names_the_extremes():
    images = [_summary("a", 10, 4), _summary("b", 20, 8), _summary("c", 0, 0)]
    total = series_summary(images)
    assert total["regions"]["crop"] == {
        "count": 2,
        "area": 500.0,
        "largest": 400.0,
        "largest_in": "b",
    }
    assert total["gaps"] == [
        {
            "between": ["crop", "weed"],
            "num_images": 2,
            "num_touching": 0,
            "smallest": 15.0,
            "smallest_in": "b",
        }
    ]
    weed = total["thin"]["weed"]
    area, length = 60 * 4 + 60 * 8, sum(i["thin"]["weed"]["length"] for i in images)
    assert weed["length"] == pytest.approx(length)
    assert weed["mean_width"] == pytest.approx(area / length)
    assert (weed["max_width_in"], images[2]["thin"]["weed"]["mean_width"]) == ("b", None)


def test_a_series_of_what_is_absent_has_no_extremes():
    total = series_summary([_summary("a", 0, 0)])
    assert total["regions"]["crop"]["largest_in"] is None
    assert (total["gaps"][0]["smallest"], total["gaps"][0]["smallest_in"]) == (None, None)
    assert total["thin"]["weed"]["mean_width"] is None
    assert series_summary([{"key": "a"}]) == {"regions": {}, "gaps": [], "thin": {}}


@pytest.mark.parametrize(("value", "told"), [(1.5, 1.5), (float("nan"), None), (np.inf, None)])
def test_json_has_no_nan(value, told):
    assert finite(value) == told
