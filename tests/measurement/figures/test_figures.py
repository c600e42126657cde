import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from maskwright.data.georef.pixel_scale import PixelSize
from maskwright.measurement.figures.coverage import WHOLE
from maskwright.measurement.figures.figures import (
    MeasurePlan,
    find_gap_within,
    keep_large_regions,
    measure_map,
)
from maskwright.measurement.figures.gap import find_gap
from maskwright.measurement.figures.regions import find_regions

MASKS = arrays(np.bool_, st.tuples(st.integers(1, 14), st.integers(1, 14)))
MAP = np.zeros((20, 30), np.uint8)
MAP[2:6, 2:6] = 1
MAP[10:12, 10:30] = 2
MAP[15, 15] = 1


def test_one_map_has_every_figure_of_the_plan():
    plan = MeasurePlan(num_classes=3, regions=(1,), gaps=((1, 2), (2, 0)), thin=(2,))
    scale = PixelSize.square("mm", 0.5)
    figures = measure_map(
        MAP, plan, scale, rois={"top": MAP == 1}, before_HW=np.zeros_like(MAP)
    )
    assert list(figures.coverage) == [WHOLE, "top"]
    assert figures.coverage["top"].percent.tolist() == [0, 100, 0]
    assert [region.num_px for region in figures.regions[1]] == [16, 1]
    assert figures.gaps[1, 2].distance == pytest.approx(0.5 * 3)
    assert figures.gaps[2, 0].touches
    assert figures.thin[2].length == pytest.approx(10, abs=0.6)
    assert figures.change.gained.tolist() == [0, 17 * 0.25, 40 * 0.25]


def test_figures_outside_of_the_plan_are_not_measured():
    figures = measure_map(MAP, MeasurePlan(num_classes=3), PixelSize.pixels(), rois={})
    assert (figures.regions, figures.gaps, figures.thin, figures.change) == ({}, {}, {}, None)


def test_small_regions_are_left_out_of_regions_gaps_and_thin_but_not_of_coverage():
    plan = MeasurePlan(num_classes=3, regions=(1,), gaps=((1, 2),), thin=(1,), min_area=0.5)
    figures = measure_map(MAP, plan, PixelSize.square("mm", 0.5), rois={})
    assert len(figures.regions[1]) == 1
    assert figures.gaps[1, 2].distance == pytest.approx(0.5 * np.hypot(4, 4))
    assert figures.thin[1].num_pieces == 1
    assert figures.coverage[WHOLE].pixels_C[1] == 17


@settings(deadline=None)
@given(MASKS, st.integers(0, 6))
def test_large_regions_are_those_of_find_regions(mask_HW, min_px):
    kept = keep_large_regions(mask_HW, min_px)
    sizes = [r.num_px for r in find_regions(mask_HW, PixelSize.pixels(), min_area_px=min_px)]
    assert kept.sum() == sum(sizes)
    assert not (kept & ~mask_HW).any()


@settings(deadline=None)
@given(MASKS, st.sampled_from([(1.0, 1.0), (0.5, 2.0)]))
def test_the_gap_within_a_class_is_the_least_over_all_pairs_of_regions(mask_HW, pixel_HW):
    scale = PixelSize("m", pixel_HW)
    parts = []
    for region in find_regions(mask_HW, PixelSize.pixels()):
        seed_HW = np.zeros_like(mask_HW)
        x, y = region.outline[0][0][0]
        seed_HW[y, x] = True
        parts.append(_grown(seed_HW, mask_HW))
    pairs = [(a, b) for i, a in enumerate(parts) for b in parts[:i]]
    expected = min((find_gap(a, b, scale).distance for a, b in pairs), default=None)
    figures = find_gap_within(mask_HW, scale)
    assert (figures is None) == (expected is None)
    if figures is not None:
        assert figures.distance == pytest.approx(expected)
        ends = np.subtract(figures.a_px, figures.b_px)
        assert scale.length(ends) == pytest.approx(figures.distance)


def _grown(seed_HW, mask_HW):
    """All of the mask that is connected to the seed, one ring of eight neighbours at a time."""
    while True:
        padded = np.pad(seed_HW, 1)
        rows, columns = seed_HW.shape
        grown = mask_HW & np.logical_or.reduce(
            [padded[y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
        )
        if (grown == seed_HW).all():
            return grown
        seed_HW = grown
