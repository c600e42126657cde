import numpy as np
import pytest

from maskwright.core.labels import LabelSpec
from maskwright.data.georef.pixel_scale import PixelSize
from maskwright.measurement.figures.change import ClassChange
from maskwright.measurement.figures.coverage import Coverage
from maskwright.measurement.figures.figures import Figures, MeasurePlan, measure_map
from maskwright.measurement.output.image_summary import ImageSummary
from maskwright.measurement.output.totals import GapTotals, RegionTotals, SeriesTotals

SPEC = LabelSpec.from_names(("soil", "crop", "weed"))
PLAN = MeasurePlan(num_classes=3, regions=(1,), gaps=((1, 2),), thin=(2,))


def _labels(crop_px, weed_px):
    labels_HW = np.zeros((60, 80), np.uint8)
    labels_HW[5 : 5 + crop_px, 5 : 5 + crop_px] = 1
    labels_HW[40 : 40 + weed_px, 10:70] = 2
    return labels_HW


def _summary(key, crop_px, weed_px):
    figures = measure_map(_labels(crop_px, weed_px), PLAN, PixelSize.pixels(), rois={})
    return ImageSummary.from_figures(key, figures, SPEC)


def _coverage_alone(labels_HW, change=None):
    coverage = Coverage.from_labels(labels_HW, 3, PixelSize.pixels())
    return Figures(coverage={"": coverage}, regions={}, gaps={}, thin={}, change=change)


def test_a_series_weighs_widths_by_length_and_names_the_extremes():
    images = [_summary("a", 10, 4), _summary("b", 20, 8), _summary("c", 0, 0)]
    totals = SeriesTotals.from_images(images)
    assert totals.regions == {
        "crop": RegionTotals(count=2, area=500.0, largest=400.0, largest_in="b")
    }
    assert totals.gaps == (
        GapTotals(
            between=("crop", "weed"),
            num_images=2,
            num_touching=0,
            smallest=15.0,
            smallest_in="b",
        ),
    )
    weed = totals.thin["weed"]
    area, length = 60 * 4 + 60 * 8, sum(image.thin["weed"].length for image in images)
    assert weed.length == pytest.approx(length)
    assert weed.mean_width == pytest.approx(area / length)
    assert (weed.max_width_in, images[2].thin["weed"].mean_width) == ("b", None)


def test_the_totals_of_absent_classes_have_no_extremes():
    totals = SeriesTotals.from_images([_summary("a", 0, 0)])
    assert totals.to_json() == {
        "regions": {"crop": {"count": 0, "area": 0, "largest": 0.0, "largest_in": None}},
        "gaps": [
            {
                "between": ["crop", "weed"],
                "num_images": 0,
                "num_touching": 0,
                "smallest": None,
                "smallest_in": None,
            }
        ],
        "thin": {
            "weed": {
                "length": 0.0,
                "mean_width": None,
                "max_width": None,
                "max_width_in": None,
                "num_branch_points": 0,
            }
        },
    }


def test_coverage_alone_has_no_totals():
    image = ImageSummary.from_figures("a", _coverage_alone(_labels(4, 0)), SPEC)
    totals = SeriesTotals.from_images([image])
    assert totals.to_json() == {"regions": {}, "gaps": [], "thin": {}}


def test_the_json_of_an_image_leaves_out_what_was_not_measured():
    labels_HW = np.array([[0, 0, 1, 255]], np.uint8)
    image = ImageSummary.from_figures("a", _coverage_alone(labels_HW), SPEC)
    assert image.to_json() == {
        "key": "a",
        "percent": {"soil": 200 / 3, "crop": 100 / 3, "weed": 0.0},
        "ignored_percent": 25.0,
    }


def test_the_json_of_an_image_has_gaps_and_change():
    before_HW = np.array([[0, 0, 2, 0]], np.uint8)
    after_HW = np.array([[1, 0, 2, 0]], np.uint8)
    plan = MeasurePlan(num_classes=3, gaps=((1, 2), (2, 2)))
    figures = measure_map(after_HW, plan, PixelSize.pixels(), rois={}, before_HW=before_HW)
    document = ImageSummary.from_figures("a", figures, SPEC).to_json()
    assert document["gaps"][1] == {"between": ["weed", "weed"], "distance": None}
    assert document["gaps"][0]["distance"] == 1.0
    assert document["change"] == {
        "changed_percent": 25.0,
        "classes": {
            "soil": {"gained": 0.0, "lost": 1.0},
            "crop": {"gained": 1.0, "lost": 0.0},
            "weed": {"gained": 0.0, "lost": 0.0},
        },
    }


def test_an_image_that_no_date_labels_has_no_percent_of_change():
    ignored_HW = np.full((2, 2), 255, np.uint8)
    change = ClassChange.from_maps(ignored_HW, ignored_HW, 3, PixelSize.pixels())
    image = ImageSummary.from_figures("a", _coverage_alone(ignored_HW, change), SPEC)
    assert image.change is not None
    assert image.change.changed_percent is None
    assert image.percent == {"soil": None, "crop": None, "weed": None}
