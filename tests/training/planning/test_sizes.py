import pytest

from maskwright.training.planning.plan import Plan
from maskwright.training.planning.sizes import decide_crops, decide_fewer_pixels, decide_scale

from ..situations import situation


def decided(**changes):
    """Scale ratio and crop of a plan in which nothing else is decided."""
    plan = Plan({})
    for decide in (decide_scale, decide_crops):
        decide(plan, situation(**changes))
    return plan.get("input.scale_ratio"), plan.get("data.crop_px")


def test_large_images_shrink_but_small_objects_stay_visible():
    big = {"median_size_HW": (3000, 4000)}
    assert decided(object_area_px_C=(1e6, 1e6, None), **big)[0] == pytest.approx(
        0.23, abs=0.005
    )
    # 60 px across must not fall under 28 px, and 7 px grow no more than twofold
    kept = decided(object_area_px_C=(1e6, 3600.0, None), **big)[0]
    assert kept == pytest.approx(0.47)
    tiny = decided(object_area_px_C=(1e6, 49.0, None))[0]
    assert tiny == 2.0


def test_crops_are_those_of_the_scaled_median_image_in_multiples_of_32():
    areas = (1e4, 1e4, None)
    assert decided(median_size_HW=(200, 300), object_area_px_C=areas) == (1.0, [224, 320])
    assert decided(median_size_HW=(40, 3000), object_area_px_C=areas) == (1.0, [64, 352])


def save_pixels(settings, times=2, passes=1.0, **changes):
    """Scale ratio and crop each time that a plan saves pixels."""
    plan = Plan(settings)
    decide_scale(plan, situation(**changes))
    decide_crops(plan, situation(**changes))
    pixels = []
    for _ in range(times):
        decide_fewer_pixels(plan, situation(**changes), passes)
        pixels.append((plan.get("input.scale_ratio"), plan.get("data.crop_px")))
    return plan, pixels


def test_a_tight_budget_stops_enlarging_and_only_then_halves_the_scale():
    plan, pixels = save_pixels({})
    assert pixels == [(1.0, [352, 352]), (0.5, [192, 192])]
    assert plan.reasons["input.scale_ratio"] == (
        "half the scale: more is learnt in a tight budget than with smaller crops "
        "(benchmarks/recipes.md)"
    )


def test_a_tight_budget_takes_smaller_crops_where_images_are_seen_often():
    areas = {"object_area_px_C": (1e4, 1e4, None)}
    assert save_pixels({}, times=1, passes=9.0, **areas)[1] == [(1.0, [256, 256])]
    assert save_pixels({}, times=1, passes=2.0, **areas)[1] == [(0.5, [192, 192])]


def test_a_tight_budget_takes_smaller_crops_where_the_scale_was_given_or_images_are_small():
    plan, pixels = save_pixels({"input.scale_ratio": 1.5}, times=1)
    assert pixels == [(1.5, [256, 256])]
    assert plan.reasons["data.crop_px"] == "the budget is tight: more crops, but smaller ones"
    areas = {"object_area_px_C": (1e4, 1e4, None)}
    _, pixels = save_pixels({}, times=1, median_size_HW=(250, 300), **areas)
    assert pixels == [(1.0, [256, 256])]
