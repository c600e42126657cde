import io

import numpy as np
from PIL import Image

from maskwright.core.labels import LabelSpec
from maskwright.data.georef.pixel_scale import PixelSize
from maskwright.measurement.figures.figures import MeasurePlan, measure_map
from maskwright.measurement.output.pictures import (
    PictureSelection,
    blend_class_colors,
    draw_figures,
    draw_rois,
    small_jpeg,
)

SPEC = LabelSpec.from_names(("soil", "crop", "weed"))


def _map():
    labels_HW = np.zeros((60, 80), np.uint8)
    labels_HW[5:25, 5:25] = 1
    labels_HW[40:44, 10:70] = 2
    return labels_HW


def test_class_colours_are_whole_alone_and_half_over_a_photograph():
    labels_HW = _map()
    assert (blend_class_colors(labels_HW, SPEC, None)[10, 10] == SPEC.palette[1]).all()
    photograph = np.full((60, 80, 3), 200, np.uint8)
    assert blend_class_colors(labels_HW, SPEC, photograph)[10, 10].tolist() == [164, 100, 100]
    assert SPEC.palette[0].tolist() == [0, 0, 0]
    assert blend_class_colors(labels_HW, SPEC, photograph)[0, 0].tolist() == [200, 200, 200]


def test_every_kind_of_figure_leaves_its_mark_and_the_picture_given_stays():
    labels_HW = _map()
    plain = blend_class_colors(labels_HW, SPEC, None)
    kept = plain.copy()
    for plan in (
        MeasurePlan(num_classes=3, regions=(1,)),
        MeasurePlan(num_classes=3, gaps=((1, 2),)),
        MeasurePlan(num_classes=3, thin=(2,)),
    ):
        figures = measure_map(labels_HW, plan, PixelSize.pixels(), rois={})
        drawn = draw_figures(plain, figures, {}, PixelSize.pixels())
        assert drawn.shape == plain.shape
        assert (drawn != plain).any()
    assert (plain == kept).all()
    nothing = measure_map(labels_HW, MeasurePlan(num_classes=3), PixelSize.pixels(), rois={})
    assert (draw_figures(plain, nothing, {}, PixelSize.pixels()) == plain).all()


def test_a_region_of_interest_is_bordered_white_in_black():
    mask_HW = np.zeros((20, 20), np.bool_)
    mask_HW[5:15, 5:15] = True
    drawn = draw_rois(np.full((20, 20, 3), 90, np.uint8), {"bed": mask_HW})
    assert drawn[5, 10].tolist() == [255, 255, 255]
    assert drawn[4, 10].tolist() == [0, 0, 0]
    assert drawn[10, 10].tolist() == drawn[0, 0].tolist() == [90, 90, 90]


def test_a_selection_keeps_failures_first_and_at_most_its_size():
    selection = PictureSelection(3)
    picture = np.zeros((4, 4, 3), np.uint8)
    for number in range(10):
        selection.add(str(number), picture, passed=number not in (7, 8))
    assert list(selection.pictures) == ["7", "8", "0"]


def test_a_picture_of_the_report_is_made_small_or_enlarged():
    picture = np.random.default_rng(0).integers(0, 256, (30, 2000, 3), np.uint8)
    assert Image.open(io.BytesIO(small_jpeg(picture))).size == (900, 14)
    assert Image.open(io.BytesIO(small_jpeg(picture[:10, :50]))).size == (450, 90)
