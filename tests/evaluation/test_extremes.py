"""The best and worst images are found in one pass, with a bounded memory."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from maskwright.core import IGNORE, LabelSpec
from maskwright.core.sample import Sample
from maskwright.evaluation.extremes import (
    IGNORED_RGB,
    OUTLINE_RGB,
    PANELS,
    WRONG_RGB,
    Extremes,
    ShownImage,
    draw_marks,
)

PALETTE = LabelSpec.from_names(("a", "b")).palette


def sample(key, height=2, width=3):
    return Sample(
        key=key,
        group=key,
        image_HWC=np.full((height, width, 3), 90, np.uint8),
        labels_HW=np.zeros((height, width), np.uint8),
    )


def ranked(mious, num_kept=3):
    extremes = Extremes(PALETTE, num_kept=num_kept)
    for number, miou in enumerate(mious):
        one = sample(str(number))
        extremes.add(one, one.labels_HW, miou)
        assert len(extremes._best) + len(extremes._worst) <= 2 * num_kept
    return [(image.rank, int(image.key)) for image in extremes.rank()]


@given(st.lists(st.floats(0, 1), max_size=12))
def test_ranks_are_those_of_sorting(mious):
    worst = sorted(range(len(mious)), key=lambda i: (mious[i], i))[:3]
    best = sorted(range(len(mious)), key=lambda i: (-mious[i], i))[:3]
    expected = [("worst", i) for i in worst] + [("best", i) for i in best if i not in worst]
    assert ranked(mious) == expected


def test_an_image_without_a_score_is_not_a_candidate():
    assert ranked([float("nan"), 0.5, float("nan")]) == [("worst", 1)]


def opened(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


def test_the_panels_show_truth_prediction_and_error():
    truth = np.array([[0, 0, 1, IGNORE]], np.uint8).repeat(8, 0).repeat(8, 1)
    predicted = np.array([[0, 1, 1, 1]], np.uint8).repeat(8, 0).repeat(8, 1)
    photograph = np.full((8, 32, 3), 90, np.uint8)
    panels = ShownImage.from_maps(truth, predicted, photograph).panels(PALETTE)
    assert tuple(panels) == PANELS
    centres = slice(4, None, 8)
    truth_shown = opened(panels["truth"])[4, centres].tolist()
    assert truth_shown == [[0, 0, 0], [0, 0, 0], [128, 0, 0], list(IGNORED_RGB)]
    errors = opened(panels["error"])[4, centres]
    expected = [[188] * 3, WRONG_RGB, [188] * 3, IGNORED_RGB]
    np.testing.assert_allclose(errors, expected, atol=14)  # JPEG


def test_without_a_photograph_the_errors_lie_on_the_shapes_of_truth():
    truth = np.array([[0, 1, 1]], np.uint8).repeat(8, 0).repeat(8, 1)
    predicted = np.array([[0, 1, 0]], np.uint8).repeat(8, 0).repeat(8, 1)
    extremes = Extremes(PALETTE)
    extremes.add_maps("k", truth, predicted, 0.5)
    (panels,) = extremes.rank().values()
    assert tuple(panels) == PANELS[1:]
    shown = opened(panels["error"])[4, 4::8]
    assert shown[0].max() < shown[1].max()  # black and dark red, in pale grey
    np.testing.assert_allclose(shown[2], WRONG_RGB, atol=14)


def test_wrong_pixels_are_outlined_so_that_a_grey_print_shows_them():
    wrong = np.zeros((20, 20), bool)
    wrong[5:15, 5:15] = True
    shown = draw_marks(np.full((20, 20, 3), 255, np.uint8), {WRONG_RGB: wrong})
    assert shown[10, 5].tolist() == list(OUTLINE_RGB)
    assert shown[10, 10].tolist() == list(WRONG_RGB)
    assert shown[0, 0].tolist() == [241] * 3
    line = np.zeros((20, 20), bool)
    line[5] = True
    thin = draw_marks(np.full((20, 20, 3), 255, np.uint8), {WRONG_RGB: line})
    assert thin[5, 3].tolist() == list(WRONG_RGB)  # too thin for a rim


def test_a_sample_without_labels_is_not_a_candidate():
    bare = Sample(key="k", group="k", image_HWC=np.zeros((2, 3, 3), np.uint8))
    with pytest.raises(ValueError, match="k has no labels"):
        Extremes(PALETTE).add(bare, np.zeros((2, 3), np.uint8), 1.0)


@pytest.mark.parametrize("size_HW", [(1000, 10), (10, 2000), (1, 1)])
def test_large_images_are_shown_small(size_HW):
    one = sample("k", *size_HW)
    panels = ShownImage.from_maps(one.labels_HW, one.labels_HW, one.image_HWC).panels(PALETTE)
    shapes = {opened(content).shape for content in panels.values()}
    assert len(shapes) == 1
    assert max(shapes.pop()) <= 960
